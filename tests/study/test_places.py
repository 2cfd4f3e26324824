"""Where candidates are trained: how many workers are found, and that none is started for nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import nasearch.study.places as places
from nasearch.errors import DeviceError
from nasearch.study import Study
from nasearch.study.places import places_of

Make = Callable[..., Study]


@pytest.mark.parametrize(("budget", "workers"), [(3, 1), (8, 2), (10, 2), (12, 3), (16, 4), (50, 4)])
def test_workers_come_with_the_candidates(
    make_study: Make, monkeypatch: pytest.MonkeyPatch, budget: int, workers: int
) -> None:
    """Four candidates for each worker, on a machine of four cores with much memory."""
    monkeypatch.setattr(places, "physical_cores", lambda: 4)
    monkeypatch.setattr(places, "free_memory_bytes", lambda: 2**40)
    found = places_of(make_study(workers=None), budget)
    assert len(found) == workers
    assert {place.threads for place in found} == {4 // workers}


def test_no_more_workers_than_candidates_are_left(make_study: Make) -> None:
    study = make_study(workers=6)
    assert [len(places_of(study, budget)) for budget in (0, 2, 9)] == [1, 2, 6]


def test_gpus_that_are_not_here_are_refused_before_anything_is_written(
    make_study: Make, tmp_path: Path
) -> None:
    with pytest.raises(DeviceError, match="device 'cuda:99' is not here; expected one of auto, cpu"):
        make_study(gpus="99")
    assert not (tmp_path / "n.db").exists()


def test_no_empty_sibling_is_made_for_gpus_that_are_not_here(make_study: Make, scored: list[str]) -> None:
    trained = make_study("trained")
    scored_only = make_study("scored", proxy="zero-cost", confirm=0)
    for study in (trained, scored_only):
        study.run(budget=2)
        study.settings = study.settings.merge(gpus="99")
    for work in (trained.audit, trained.run_baseline, lambda: scored_only.confirm(1)):
        with pytest.raises(DeviceError, match="device 'cuda:99' is not here; expected one of auto, cpu"):
            work()
    assert {record.name for record in Study.records(trained.settings.storage)} == {"trained", "scored"}
