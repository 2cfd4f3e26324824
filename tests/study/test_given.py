"""Given architectures: trained by another recipe in a study beside the one they were chosen from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nasearch.errors import StoreError, StudyError
from nasearch.executors import InProcess
from nasearch.space import Architecture
from nasearch.study import Progress, Study
from nasearch.study.given import Start, find_given, long_recipe, measure_given, open_given
from nasearch.study.identity import Kinship
from nasearch.study.search import training_seed
from nasearch.training import RECIPES, Recipe

Make = Callable[..., Study]
RECIPE = Recipe("short", epochs=2, batch_size=16)


def networks(study: Study, count: int) -> list[Architecture]:
    found = {a.key: a for a in (study.space.sample(seed) for seed in range(40))}
    return list(found.values())[:count]


def given_of(study: Study, role: str) -> Study:
    return Study.load(f"{study.name}.{role}", storage=study.settings.storage)


class Impatient(Progress):
    """Presses Ctrl-C after so many epochs."""

    def __init__(self, after: int) -> None:
        self._left = after

    def epoch(self, number: int, point: object, epochs: int) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("role", ["audit", "confirmed"])
def test_exactly_these_are_trained_by_the_recipe_in_a_study_of_their_own(make_study: Make, role: str) -> None:
    study = make_study(sampler="tpe", racing=True, epochs=3)
    wanted = networks(study, 3)
    summary = measure_given(study, role, wanted, RECIPE, Progress())  # type: ignore[arg-type]
    assert (summary.standing.spent, summary.stopped, summary.outcomes) == (3, "budget", {"complete": 3})
    assert study.spent == 0
    with given_of(study, role) as sibling:
        assert sibling.identity.kinship == Kinship("s", role)  # type: ignore[arg-type]
        assert sibling.recipe == RECIPE
        assert sibling.recipe.images is None  # every image of the training split
        trials = sibling.trials(curves=True)
        assert [trial.architecture for trial in trials] == wanted
        assert [point.epoch for point in trials[0].curve][-1] == 2
        seeds = [record.seed for record in sibling._store.measurements(sibling._record.id)]
        as_in_the_study = [training_seed(study.seed, a.key) for a in wanted]
        assert (seeds == as_in_the_study) == (role == "confirmed")  # an audit does not share its luck
        assert sibling.finishes == []
    assert not (study.directory / f"s.{role}").exists()


def test_what_was_measured_is_not_measured_again_and_more_goes_on(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    wanted = networks(study, 4)
    measure_given(study, "audit", wanted[:2], RECIPE, Progress())
    with monkeypatch.context() as patch:
        patch.setattr(InProcess, "measure", lambda *_: pytest.fail("trained again"))
        assert measure_given(study, "audit", wanted[:2], RECIPE, Progress()).standing.spent == 2
    measure_given(study, "audit", wanted, RECIPE, Progress())
    found = find_given(study, "audit")
    assert found is not None
    with found:
        assert [trial.key for trial in found.trials()] == [a.key for a in wanted]
        assert found.outcomes() == {"complete": 4}
    assert find_given(study, "confirmed") is None


def test_interrupted_it_goes_on_from_the_epoch_with_the_same_accuracies(
    make_study: Make, tmp_path: Path
) -> None:
    whole, cut = make_study(storage=f"sqlite:///{tmp_path}/whole.db"), make_study()
    wanted = networks(whole, 3)
    measure_given(whole, "audit", wanted, RECIPE, Progress())
    with pytest.raises(KeyboardInterrupt):
        measure_given(cut, "audit", wanted, RECIPE, Impatient(after=3))
    with given_of(cut, "audit") as sibling:
        assert sibling.outcomes() == {"complete": 1, "running": 1}
    measure_given(cut, "audit", wanted, RECIPE, Progress())
    with given_of(cut, "audit") as one, given_of(whole, "audit") as other:
        assert [t.values for t in one.trials()] == [t.values for t in other.trials()]
        assert [t.outcome for t in one.trials()] == ["complete"] * 3


def test_one_that_a_dead_process_only_handed_over_is_measured_once(make_study: Make) -> None:
    study = make_study()
    wanted = networks(study, 2)
    with open_given(study, "audit", RECIPE) as sibling:
        sibling._optuna.enqueue_trial(dict(wanted[1].decisions))
    measure_given(study, "audit", wanted, RECIPE, Progress())
    with given_of(study, "audit") as sibling:
        assert [trial.key for trial in sibling.trials()] == [wanted[1].key, wanted[0].key]


def test_a_network_given_twice_is_measured_once(make_study: Make) -> None:
    study = make_study()
    (one,) = networks(study, 1)
    assert measure_given(study, "audit", [one, one], RECIPE, Progress()).outcomes == {"complete": 1}


def test_another_recipe_is_another_study(make_study: Make) -> None:
    study = make_study()
    wanted = networks(study, 1)
    measure_given(study, "audit", wanted, RECIPE, Progress())
    with pytest.raises(StudyError, match=r"study 's\.audit' exists with another recipe"):
        measure_given(study, "audit", wanted, Recipe("short", epochs=3, batch_size=16), Progress())
    with (
        given_of(study, "audit") as sibling,
        pytest.raises(StudyError, match=r"'s\.audit' is the audit of s; expected a study that"),
    ):
        measure_given(sibling, "audit", wanted, RECIPE, Progress())
    with (
        given_of(study, "audit") as sibling,
        pytest.raises(
            StudyError, match=r"'s\.audit' is the audit of s: it is given its networks and searches"
        ),
    ):
        sibling.run(budget=5)


def test_a_latency_that_the_study_has_is_not_taken_again(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(limits=["latency_ms <= 10000"])
    study.run(budget=2)
    wanted = [trial.architecture for trial in study.trials() if trial.outcome == "complete"]
    monkeypatch.setattr("nasearch.study.timing.measure_latency", lambda *_: pytest.fail("timed again"))
    measure_given(study, "audit", wanted, RECIPE, Progress())
    with given_of(study, "audit") as sibling:
        mine = {trial.key: trial.values["latency_ms"] for trial in study.trials()}
        assert {trial.key: trial.values["latency_ms"] for trial in sibling.trials()} == mine


def test_nothing_is_written_beside_another_process_that_owns_it(make_study: Make) -> None:
    study = make_study(limits=["latency_ms <= 10000"])
    study.run(budget=1)
    wanted = [study.trials()[0].architecture]
    start = Start("some weights", lambda _: pytest.fail("laid out"))
    with open_given(study, "audit", RECIPE, start.text) as sibling, sibling._owned("run"):
        with pytest.raises(StoreError, match=r"'s\.audit' is being run by process"):
            measure_given(study, "audit", wanted, RECIPE, Progress(), note={"n": 1}, start=start)
        with given_of(study, "audit") as seen:
            assert "n" not in seen._optuna.user_attrs
        assert sibling._store.latencies(sibling._record.id) == {}


def test_the_long_recipe_is_longer_on_few_images_or_as_long_as_said(make_study: Make) -> None:
    dataset = make_study().dataset
    assert len(dataset.train) == 48  # 60 less a fifth
    assert long_recipe("full", dataset).epochs == 20 * RECIPES["full"].epochs  # the most that it stretches
    assert long_recipe("full", dataset, 3).epochs == 3


@pytest.mark.slow
def test_in_worker_processes(make_study: Make) -> None:
    study = make_study(workers=2)
    wanted = networks(study, 3)
    measure_given(study, "audit", wanted, RECIPE, Progress())
    with given_of(study, "audit") as sibling:
        assert {t.key for t in sibling.trials() if t.outcome == "complete"} == {a.key for a in wanted}


RUN = """
import sys, nasearch as nas
from nasearch.study.given import measure_given
from nasearch.training import Recipe

class Words(nas.Progress):
    def epoch(self, number, point, epochs):
        print("epoch", flush=True)

study = nas.Study.load("s", storage=sys.argv[1], device="cpu")
wanted = list({a.key: a for a in (study.space.sample(seed) for seed in range(40))}.values())[:3]
measure_given(study, "audit", wanted, Recipe("short", epochs=2, batch_size=16), Words())
"""


@pytest.mark.slow
def test_killed_it_goes_on(make_study: Make, tmp_path: Path) -> None:
    study = make_study()
    storage = study.settings.storage
    command = [sys.executable, "-c", RUN, storage]
    for words in (1, 2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        assert process.stdout is not None
        for _ in range(words):
            assert process.stdout.readline() == "epoch\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    subprocess.run(command, check=True, cwd=tmp_path, timeout=300, stdout=subprocess.DEVNULL)
    with given_of(study, "audit") as sibling:
        assert [trial.key for trial in sibling.trials()] == [a.key for a in networks(study, 3)]
        assert sibling.outcomes() == {"complete": 3}
