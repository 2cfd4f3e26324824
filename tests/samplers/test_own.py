"""What both of our samplers promise in anyone's Optuna study."""

from __future__ import annotations

import copy
import itertools
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from nasearch.pareto import hypervolume
from nasearch.samplers import ParetoEvolutionSampler, SurrogateSampler
from nasearch.samplers.seeded import SeededSampler
from nasearch.store import Store
from tests.samplers.problems import (
    EDGES,
    OPS,
    OWN,
    accuracy,
    ask_cell,
    ask_nested,
    cell_study,
    copy_of,
    cost,
    distinct,
    knowing,
    measure_cell,
    proposals_of,
)

Make = Callable[..., SeededSampler]

EFFORT: dict[Make, tuple[int, int]] = {SurrogateSampler: (40, 2), ParetoEvolutionSampler: (100, 4)}
"""Trials and seeds that show what a sampler is better than chance at; evolution costs next to nothing."""


@pytest.fixture(params=OWN)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The sampler's class, with less work for a proposal than people get."""
    for name, number in (("DRAWN", 150), ("POOL", 210), ("NEAR", 60)):
        monkeypatch.setattr(f"nasearch.samplers.surrogate.{name}", number)
    return OWN[request.param]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_a_seed_decides_all(make: Make) -> None:
    studies = [cell_study(make(seed=seed)) for seed in (3, 3, 4)]
    for study in studies:
        study.optimize(measure_cell, n_trials=16)
    one, same, other = map(proposals_of, studies)
    assert one == same
    assert one != other


def test_without_a_seed_each_sampler_has_its_own(make: Make) -> None:
    drawn = set()
    for _ in range(4):
        study = cell_study(make())
        study.optimize(measure_cell, n_trials=1)
        drawn.add(frozenset(study.trials[0].params.items()))
    assert len(drawn) > 1


def test_a_study_cut_in_two_goes_on_as_if_it_were_whole(make: Make) -> None:
    whole = cell_study(make(seed=1))
    whole.optimize(measure_cell, n_trials=17)
    for cut in (2, 13):
        first = cell_study(make(seed=1))
        first.optimize(measure_cell, n_trials=cut)
        second = copy_of(first, make(seed=1))
        second.optimize(measure_cell, n_trials=17 - cut)
        assert proposals_of(second) == proposals_of(whole)
        assert proposals_of(first) == proposals_of(whole)[:cut]  # and the one it was copied from is as it was


def test_a_copied_and_a_pickled_sampler_are_the_same(make: Make) -> None:
    study = cell_study(make(seed=1))
    study.optimize(measure_cell, n_trials=11)
    for sampler in (copy.deepcopy(study.sampler), pickle.loads(pickle.dumps(study.sampler))):
        other = copy_of(study, sampler)
        other.optimize(measure_cell, n_trials=1)
        study.sampler = make(seed=1)
        trial = study.ask()
        assert ask_cell(trial) == other.trials[-1].params
        study.tell(trial, state=TrialState.FAIL)
        study = copy_of(other, make(seed=1))


def test_workers_side_by_side_get_different_networks(make: Make) -> None:
    study = cell_study(knowing(make(seed=0)))
    study.optimize(measure_cell, n_trials=30, n_jobs=2)
    assert distinct(study) == len(study.trials) == 30


def test_a_worker_that_has_not_written_its_network_down_yet_is_seen(make: Make) -> None:
    """Two threads between the sampler's answer and the first parameter, in a space of three networks."""
    study = optuna.create_study(sampler=make(seed=0))
    study.enqueue_trial({"x": 0})
    barrier = threading.Barrier(2)

    def objective(trial: optuna.Trial) -> float:
        if trial.number:
            trial.relative_params  # noqa: B018  # asks the sampler
            barrier.wait(timeout=60)
        return float(trial.suggest_categorical("x", [0, 1, 2]))

    study.optimize(objective, n_trials=1)
    study.optimize(objective, n_trials=2, n_jobs=2)
    assert sorted(trial.params["x"] for trial in study.trials) == [0, 1, 2]


def test_a_batch_asked_for_in_a_row_has_different_networks(make: Make) -> None:
    study = cell_study(make(seed=0))
    study.optimize(measure_cell, n_trials=12)
    batch = [study.ask() for _ in range(8)]
    for trial in batch:
        ask_cell(trial)
    assert distinct(study) == 20
    for trial in batch:
        study.tell(trial, (accuracy(trial.params), cost(trial.params)))
    fresh = cell_study(knowing(make(seed=0)))
    first = [frozenset(ask_cell(fresh.ask()).items()) for _ in range(15)]
    assert len(set(first)) == 15


def test_trials_that_lack_parameters_disturb_nobody(make: Make) -> None:
    """Some fail before they have all, others run and have one; functions of the parameters see whole ones."""
    seen: list[int] = []

    def whole(params: Any) -> float:
        seen.append(len(params))
        return cost(params)

    given: dict[str, Any] = {"identity": lambda params: tuple(params[f"edge{i}"] for i in range(EDGES))}
    if make is SurrogateSampler:
        given |= {"known": {1: whole}}
    for sampler in (make(seed=0, **given), knowing(make(seed=0), **given)):
        study = cell_study(sampler)
        for number in range(16):
            trial = study.ask()
            trial.suggest_categorical("edge0", OPS)
            if number % 4 == 1:
                study.tell(trial, state=TrialState.FAIL)
            elif number % 4 == 2:
                study.ask().suggest_categorical("edge0", OPS)  # runs on
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, (accuracy(ask_cell(trial)), cost(trial.params)))
    assert set(seen) <= {EDGES}


def test_a_space_is_exhausted_before_anything_repeats(make: Make) -> None:
    def objective(trial: optuna.Trial) -> float:
        a = trial.suggest_categorical("a", ["x", "y", "z"])
        return trial.suggest_int("b", 1, 4) + len(a)

    study = optuna.create_study(sampler=make(seed=0))
    study.optimize(objective, n_trials=12)
    assert distinct(study) == 12
    study.optimize(objective, n_trials=3)
    assert (distinct(study), len(study.trials)) == (12, 15)


def test_networks_that_are_one_are_proposed_once(make: Make) -> None:
    def identity(params: Any) -> Any:
        return tuple(sorted(params.values()))

    study = cell_study(knowing(make(seed=0), identity=identity))
    study.optimize(measure_cell, n_trials=25)
    assert len({identity(params) for params in proposals_of(study)}) == 25


def test_conditional_spaces(make: Make) -> None:
    """Once a depth and its blocks were seen, only what is active is proposed, and nothing twice."""
    study = optuna.create_study(sampler=make(seed=1))

    def objective(trial: optuna.Trial) -> float:
        params = ask_nested(trial)
        return sum(params.get(f"block{i}.size", 0) for i in (1, 2, 3)) - params["depth"]

    study.optimize(objective, n_trials=40)
    assert distinct(study) >= 38  # the first few know nothing of one another's blocks
    assert study.best_value <= -3 + 1


def test_limits_known_beforehand_are_never_broken(make: Make) -> None:
    def allows(params: Any) -> bool:
        return cost(params) <= 6

    study = cell_study(knowing(make(seed=0), allows=allows))
    study.optimize(measure_cell, n_trials=30)
    assert max(trial.values[1] for trial in study.trials) <= 6
    assert distinct(study) == 30


def test_limits_told_afterwards_are_learnt(make: Make) -> None:
    """A limit that four in five random networks break, and that works against the objective."""

    def objective(trial: optuna.Trial) -> float:
        params = ask_cell(trial)
        trial.set_constraint("cost", cost(params) - 9.5)
        return accuracy(params)

    broken = []
    for sampler in (RandomSampler(seed=0), make(seed=0)):
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=45)
        broken.append(sum(trial.constraints["cost"] > 0 for trial in study.trials[15:]))
    assert broken[0] > 20
    assert broken[1] < 0.75 * broken[0]
    every = ({f"edge{i}": op for i, op in enumerate(ops)} for ops in itertools.product(OPS, repeat=EDGES))
    best = max(accuracy(params) for params in every if cost(params) <= 9.5)
    assert study.best_value > 0.9 * best


def test_numbers_are_searched_too(make: Make) -> None:
    def objective(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", -5, 5), trial.suggest_int("y", -10, 10)
        z = trial.suggest_float("z", 1e-4, 1.0, log=True)
        return float((x - 1.3) ** 2 + (y - 4) ** 2 / 4 + (np.log10(z) + 2) ** 2)

    best, (budget, seeds) = [], EFFORT[make]
    for sampler in (RandomSampler, make):
        values = []
        for seed in range(seeds):
            study = optuna.create_study(sampler=sampler(seed=seed))
            study.optimize(objective, n_trials=budget)
            values.append(study.best_value)
        best.append(np.mean(values))
    assert best[1] < 0.5 * best[0]


@pytest.mark.parametrize(
    "directions", [["maximize"], ["maximize", "minimize"], ["maximize", "minimize", "minimize"]]
)
def test_any_number_of_objectives(make: Make, directions: list[str]) -> None:
    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        params = ask_cell(trial)
        last = sum(params[f"edge{i}"] == "conv1" for i in range(EDGES))
        return (accuracy(params), cost(params), float(last))[: len(directions)]

    reference = np.array([0.0, 55.0, 7.0][: len(directions)])
    found, (budget, seeds) = [], EFFORT[make]
    for sampler in (RandomSampler, make):
        volumes = []
        for seed in range(seeds):
            study = optuna.create_study(directions=directions, sampler=sampler(seed=seed))  # type: ignore[arg-type]  # words
            study.optimize(objective, n_trials=budget)
            values = np.array([trial.values for trial in study.trials])
            values[:, 0] *= -1
            volumes.append(hypervolume(values, reference))
        found.append(np.mean(volumes))
    assert found[1] > found[0]


def test_infinities_and_failures_are_survived(make: Make) -> None:
    study = cell_study(make(seed=0))
    for number in range(24):
        trial = study.ask()
        params = ask_cell(trial)
        values = {
            2: (float("-inf"), 1.0),
            5: (0.5, float("inf")),
            7: (float("nan"), 1.0),
            11: (float("inf"), 3.0),
        }
        study.tell(trial, values.get(number, (accuracy(params), cost(params))), skip_if_finished=False)
    assert distinct(study) == 24
    assert study.trials[7].state == TrialState.FAIL


@pytest.mark.parametrize("kind", [SurrogateSampler, ParetoEvolutionSampler])
def test_in_our_store_as_in_memory(kind: Make, tmp_path: Path) -> None:
    def features(params: Any) -> list[float]:
        return [cost(params) ** 0.5, 1.0]

    given: dict[str, Any] = {"features": features} if kind is SurrogateSampler else {}
    memory = cell_study(kind(seed=0, **given))
    memory.optimize(measure_cell, n_trials=13)
    with Store.open(f"sqlite:///{tmp_path}/n.db") as store:
        ours = optuna.create_study(
            study_name="s",
            storage=store.optuna,
            directions=["maximize", "minimize"],
            sampler=kind(seed=0, **given),
        )
        ours.optimize(measure_cell, n_trials=7)
    with Store.open(f"sqlite:///{tmp_path}/n.db") as store:
        ours = optuna.load_study(study_name="s", storage=store.optuna, sampler=kind(seed=0, **given))
        ours.optimize(measure_cell, n_trials=6)
        assert proposals_of(ours) == proposals_of(memory)
        if given:
            noted = [trial.system_attrs["nasearch:features"] for trial in ours.get_trials()[1:]]
            assert noted == [features(trial.params) for trial in ours.get_trials()[1:]]
