"""The overhead's benchmark: that its proxy still stands where studies look for one."""

from __future__ import annotations

from pathlib import Path

from scripts.bench_overhead import run


def test_every_candidate_is_timed(tmp_path: Path) -> None:
    told: list[int] = []
    clock = run(tmp_path, "random", 4, told.append)
    assert told == [1, 2, 3, 4]
    assert len(clock.moments) == 4 <= clock.proposals
    assert clock.moments == sorted(clock.moments)
