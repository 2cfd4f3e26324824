"""What the check after kills finds, on rows that are damaged on purpose; and which processes are workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nasearch.store import MeasurementRecord
from scripts.bench_workers import workers_of, wrong_with


def row(number: int) -> MeasurementRecord:
    return MeasurementRecord(
        id=number,
        study_id=1,
        number=number,
        key=f"1:{number}",
        architecture_json="{}",
        state="complete",
        values={"accuracy": 0.5},
        fidelity={},
        seed=0,
        device={},
        seconds=1.0,
        reason=None,
        attempts=1,
        started_at=datetime.now(UTC),
        ended_at=datetime.now(UTC),
    )


ROWS = [row(0), row(1), row(2)]
TOLD = Counter({"1:0": 1, "1:1": 1, "1:2": 1})


def test_a_whole_study_has_no_damage() -> None:
    assert wrong_with(ROWS, TOLD, [], 3) == []


def test_each_damage_is_named() -> None:
    failed = replace(ROWS[2], state="failed", values={}, reason="its worker died")
    running = replace(ROWS[2], state="running", values={})
    two = Counter({"1:0": 1, "1:1": 1})
    assert wrong_with([*ROWS[:2], failed], two, [], 3) == ["trial 2 failed: its worker died"]
    assert wrong_with([*ROWS[:2], running], two, [], 3) == ["trial 2 is still running"]
    assert wrong_with(ROWS[:2], two, [], 3) == ["2 measurements of 2 keys; expected 3"]
    assert wrong_with(ROWS, TOLD, [7], 3) == ["Optuna's trial 7 has no end"]
    assert wrong_with(ROWS, TOLD + Counter(["1:0"]), [], 3) == ["1:0 was told complete 2 times"]
    assert wrong_with(ROWS, two, [], 3) == ["1:2 is complete here and not there"]


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="reads /proc")
def test_workers_are_the_children_that_live() -> None:
    sleeps = "import subprocess, sys, time; p = [subprocess.Popen(['sleep', '60']) for _ in '12']; "
    program = sleeps + "print(*[q.pid for q in p], flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        children = [int(word) for word in parent.stdout.readline().split()]
        assert sorted(workers_of(parent.pid)) == sorted(children)
        os.kill(children[0], signal.SIGKILL)
        while children[0] in workers_of(parent.pid):
            pass
        assert workers_of(parent.pid) == [children[1]]
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()
    assert workers_of(parent.pid) == []
