"""Processes killed by SIGKILL in the middle of their writes leave a store that can be put right."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from nasearch.store import Store
from tests.support.store_process import EPOCHS, accuracy, network, point

PROGRAM = Path(__file__).parents[1] / "support" / "store_process.py"


def run_and_kill(task: str, url: str, seconds: float) -> list[str]:
    """Start a task, kill it some time after it owns its study, and give the lines it has said."""
    process = subprocess.Popen([sys.executable, str(PROGRAM), task, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "owns\n"  # each time the killed owner before it is taken over
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    return said.splitlines()


def test_a_search_killed_anywhere_can_be_put_right(url: str) -> None:
    delays = random.Random(0)
    said: list[str] = []
    for _ in range(3):
        said += run_and_kill("search", url, delays.uniform(0.05, 0.6))
    with Store.open(url) as store:
        study = store.find_study("digits")
        assert study is not None
        trials = optuna.load_study(study_name="digits", storage=store.optuna).trials
        measured = {row.number: row for row in store.measurements(study.id)}
        curves = store.curves(study.id)
    assert sum("told" in line for line in said) > 0
    # What a process was told is written stays written.
    for line in said:
        word, told = line.split()
        assert measured[int(told)].state == "complete"
        assert word == "stored" or trials[int(told)].state == TrialState.COMPLETE
    # Ours first, then Optuna: Optuna knows no result that we do not, and each is the same.
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            assert measured[trial.number].values == {"accuracy": accuracy(trial.number, EPOCHS)}
            assert trial.value == accuracy(trial.number, EPOCHS)
        else:
            assert trial.state == TrialState.RUNNING
    assert sum(trial.state == TrialState.RUNNING for trial in trials) <= 3  # at most one for each kill
    for number, row in measured.items():
        assert row.key == network(number).key
        curve = curves.get(row.key, ())
        assert curve == tuple(point(number, epoch) for epoch in range(1, len(curve) + 1))
        assert row.values == ({"accuracy": accuracy(number, EPOCHS)} if row.state == "complete" else {})
        assert row.state == "running" or len(curve) == EPOCHS


def test_kills_in_the_middle_of_writes_leave_whole_rows(sqlite_url: str) -> None:
    delays = random.Random(1)
    for _ in range(4):
        run_and_kill("write", sqlite_url, delays.uniform(0.02, 0.3))
    file = sqlite_url.removeprefix("sqlite:///")
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with Store.open(sqlite_url) as store:
        study = store.find_study("fast")
        assert study is not None
        rows = store.measurements(study.id)
        assert [row.number for row in rows] == list(range(len(rows)))
        assert store.budget_used(study.id) == len(rows) > 5
        unfinished = [row for row in rows if row.state == "running"]
        assert len(unfinished) <= 4
        for row in rows:
            expected = {} if row.state == "running" else {"accuracy": accuracy(row.number, 1)}
            assert row.values == expected
        # They are taken up again under their numbers and count once.
        for row in unfinished:
            again = store.start_measurement(study.id, row.number, network(row.number), 0, {}, {})
            store.complete_measurement(again, {"accuracy": accuracy(row.number, 1)}, 1.0)
        assert store.budget_used(study.id) == len(rows)
        assert {row.state for row in store.measurements(study.id)} == {"complete"}


def test_a_killed_start_can_be_repeated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A death inside the transaction that starts a measurement leaves neither half of it."""
    with Store.open(url) as store:
        study = store.create_study("digits", {})

        class Death(BaseException):
            pass

        def die(*_: object) -> None:
            raise Death

        with monkeypatch.context() as patch:
            patch.setattr("nasearch.store.measurements._check_number_free", die)
            with pytest.raises(Death):
                store.start_measurement(study.id, 0, network(0), 0, {}, {"kind": "cpu"})
        assert store.devices() == []  # written before the death, in the same transaction
        assert store.budget_used(study.id) == 0
        store.start_measurement(study.id, 0, network(0), 0, {}, {"kind": "cpu"})
        assert store.budget_used(study.id) == 1
