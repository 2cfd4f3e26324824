"""A process killed at any moment: the next one takes up what was in flight, and the budget is exact."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nasearch.executors import Done, InProcess, Job
from nasearch.executors.job import OnPoint
from nasearch.store import Store
from nasearch.store.records import TrialRecord
from nasearch.study import Progress, RunSummary, Standing, Study
from nasearch.study.search import Search

RUN = """
import sys, nasearch as nas

class Words(nas.Progress):
    def candidate(self, number, label):
        print("candidate", flush=True)
    def epoch(self, number, point, epochs):
        print("epoch", flush=True)

study = nas.Study.create("s", space="tiny", data="npz:" + sys.argv[1], sampler="tpe", epochs=3,
                         storage="sqlite:///" + sys.argv[2], device="cpu", workers=1, racing=False)
study.run(budget=int(sys.argv[3]), progress=Words())
"""


def start(images: Path, database: Path, budget: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(images), str(database), str(budget)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_again_and_again_the_study_ends_with_exactly_its_budget(images: Path, tmp_path: Path) -> None:
    """Each time it is killed at another point: as a candidate starts, between epochs, after the last one."""
    database, budget = tmp_path / "n.db", 10
    for words in (1, 2, 5, 6):
        process = start(images, database, budget)
        assert process.stdout is not None
        for _ in range(words):
            assert process.stdout.readline() in ("candidate\n", "epoch\n")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    process = start(images, database, budget)
    process.communicate(timeout=300)
    assert process.returncode == 0

    with Store.open(f"sqlite:///{database}") as store:
        record = store.find_study("s")
        assert record is not None
        measurements = store.measurements(record.id)
        frozen = optuna.load_study(study_name="s", storage=store.optuna).get_trials(deepcopy=False)
        runs = store.runs(record.id)
    assert len({entry.key for entry in measurements}) == len(measurements) == budget
    assert {entry.state for entry in measurements} == {"complete"}
    assert all(trial.state.is_finished() for trial in frozen)
    completed = Counter(
        trial.user_attrs["nasearch:key"]
        for trial in frozen
        if trial.user_attrs["nasearch:outcome"] == "complete"
    )
    assert set(completed.values()) == {1}
    assert set(completed) == {entry.key for entry in measurements}
    assert sum(entry.attempts for entry in measurements) > budget  # kills fell into trainings
    assert len(runs) == 5
    assert [run.ending for run in runs] == ["taken over"] * 4 + ["released"]


def small_study(images: Path, folder: Path, epochs: int = 1) -> Study:
    return Study.create(
        "s",
        space="tiny",
        data=f"npz:{images}",
        epochs=epochs,
        storage=f"sqlite:///{folder}/n.db",
        device="cpu",
    )


class Impatient(Progress):
    """Presses Ctrl-C after the first epoch."""

    def epoch(self, number: int, point: object, epochs: int) -> None:
        raise KeyboardInterrupt


class Died(BaseException):
    """Stands for a kill at one exact place; nothing in the code under test catches it."""


def test_killed_between_our_measurement_and_optunas_the_result_is_told(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> Study:
        return Study.create(
            "s",
            space="tiny",
            data=f"npz:{images}",
            epochs=1,
            storage=f"sqlite:///{tmp_path}/n.db",
            device="cpu",
        )

    def die(self: Search, candidate: object, facts: object) -> None:
        raise Died

    first = small_study(images, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Search, "_tell", die)
        with pytest.raises(Died):
            first.run(budget=3)
    measured = first._store.measurements(first._record.id)
    assert [entry.state for entry in measured] == ["complete"]
    assert first.outcomes() == {"running": 1}
    first.close()

    second = small_study(images, tmp_path)
    second.run(budget=3)
    told = second.trial(measured[0].number)
    assert told.outcome == "complete"
    assert told.values["accuracy"] == measured[0].values["accuracy"]
    assert second._store.measurement(second._record.id, told.key).attempts == 1  # type: ignore[union-attr]
    assert second.spent == 3
    second.close()


class Standings(Progress):
    """Keeps (started, done) as the run begins, after each candidate and as it ends."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def started(self, study: str, standing: Standing) -> None:
        self.seen.append((standing.spent, standing.done))

    def told(self, trial: TrialRecord, standing: Standing) -> None:
        if trial.outcome != "repeated":
            self.seen.append((standing.spent, standing.done))

    def finished(self, summary: RunSummary) -> None:
        self.seen.append((summary.standing.spent, summary.standing.done))


def test_what_is_in_flight_is_not_done(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three at a time: of six three start at once, then one for each that lands; a kill leaves three."""
    first, standings, measure = small_study(images, tmp_path), Standings(), InProcess.measure

    def die_at_the_third(self: InProcess, job: Job, on_point: OnPoint) -> Done:
        if len(standings.seen) == 3:  # the beginning and two candidates
            raise Died
        return measure(self, job, on_point)

    with monkeypatch.context() as patch:
        patch.setattr(InProcess, "room", property(lambda self: 3 - len(self._waiting)))
        patch.setattr(InProcess, "measure", die_at_the_third)
        with pytest.raises(Died):
            first.run(budget=6, progress=standings)
    assert standings.seen == [(0, 0), (3, 1), (4, 2)]
    assert first.spent == 5
    first.close()

    second, standings = small_study(images, tmp_path), Standings()
    second.run(budget=6, progress=standings)
    assert standings.seen == [(5, 2), (5, 3), (5, 4), (5, 5), (6, 6), (6, 6)]
    second.close()


def test_a_candidate_at_three_deaths_is_recorded_as_their_cause(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: InProcess, job: object, on_epoch: object) -> None:
        raise Died

    def make() -> Study:
        return Study.create(
            "s",
            space="tiny",
            data=f"npz:{images}",
            epochs=1,
            storage=f"sqlite:///{tmp_path}/n.db",
            device="cpu",
        )

    with monkeypatch.context() as patch:
        patch.setattr(InProcess, "measure", die)
        for _ in range(3):
            study = small_study(images, tmp_path)
            with pytest.raises(Died):
                study.run(budget=2)
            assert (study.spent, study.outcomes()) == (1, {"running": 1})
            study.close()
    study = small_study(images, tmp_path)
    study.run(budget=2)
    first = study.trial(0)
    assert first.outcome == "failed"
    assert first.reason == "the process died 3 times while this network was measured"
    assert study.outcomes()["complete"] == 1
    assert optuna.load_study(study_name="s", storage=study._store.optuna).trials[0].state == TrialState.FAIL
    study.close()


def test_interrupts_are_no_deaths(images: Path, tmp_path: Path) -> None:
    for _ in range(4):
        study = small_study(images, tmp_path)
        with pytest.raises(KeyboardInterrupt):
            study.run(budget=1, progress=Impatient())
        study.close()
    study = small_study(images, tmp_path)
    study.run(budget=1)
    assert study.trial(0).outcome == "complete"
    study.close()


@pytest.mark.parametrize("sampler", ["random", "tpe", "surrogate", "evolution"])
def test_killed_between_two_choices_the_same_network_is_proposed(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    """With a dozen trials behind it, so that a sampler that models has begun to."""

    def make(name: str) -> Study:
        storage = f"sqlite:///{tmp_path}/n.db"
        data = f"npz:{images}"
        return Study.create(
            name,
            space="tiny",
            data=data,
            epochs=1,
            sampler=sampler,
            storage=storage,
            device="cpu",
            workers=1,
        )

    whole = make("whole")
    whole.run(budget=13)
    killed = make("killed")
    killed.run(budget=12)
    asked: list[str] = []

    def die(self: optuna.Trial, name: str, choices: Any) -> object:
        if len(asked) == 2:
            raise Died
        asked.append(name)
        return suggest(self, name, choices)

    suggest = optuna.Trial.suggest_categorical
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Trial, "suggest_categorical", die)
        with pytest.raises(Died):
            killed.run(budget=13)
    killed.run(budget=13)
    assert [trial.key for trial in killed.trials()] == [trial.key for trial in whole.trials()]
    whole.close()
    killed.close()


def test_an_interrupt_leaves_the_candidate_to_the_next_run(images: Path, tmp_path: Path) -> None:
    def make() -> Study:
        return Study.create(
            "s",
            space="tiny",
            data=f"npz:{images}",
            epochs=2,
            storage=f"sqlite:///{tmp_path}/n.db",
            device="cpu",
        )

    study = small_study(images, tmp_path, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        study.run(budget=2, progress=Impatient())
    number = study.trials()[-1].number
    study.close()
    again = small_study(images, tmp_path, epochs=2)
    again.run(budget=2)
    assert again.trial(number).outcome == "complete"
    assert again.spent == 2
    assert [run.ending for run in again._store.runs(again._record.id)] == ["released", "released"]
    again.close()
