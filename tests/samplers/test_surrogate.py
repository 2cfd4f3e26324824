"""The surrogate sampler: exact objectives, features, limits, references, and its first design."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from nasearch.errors import SettingsError
from nasearch.pareto import hypervolume
from nasearch.samplers import SurrogateSampler
from nasearch.samplers.gaussian_process import Component
from nasearch.samplers.observed import RUNGS
from nasearch.samplers.proposal import Axis, Margin
from nasearch.samplers.surrogate import FINALISTS, FIRST
from tests.samplers.problems import (
    EDGES,
    OPS,
    accuracy,
    ask_cell,
    cell_study,
    cost,
    distinct,
    knowing,
    measure_cell,
    proposals_of,
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less to compare than people get, and no lines of Optuna's."""
    for name, number in (("DRAWN", 150), ("POOL", 210), ("NEAR", 60)):
        monkeypatch.setattr(f"nasearch.samplers.surrogate.{name}", number)
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_a_known_objective_is_used_exactly() -> None:
    """What a study observes of the cost is its opposite, which only who knows better sees through."""

    def misleading(trial: optuna.Trial) -> tuple[float, float]:
        params = ask_cell(trial)
        return accuracy(params), 54 - cost(params)

    reached = []
    for known in ({1: cost}, None):
        study = cell_study(SurrogateSampler(seed=0, known=known))
        study.optimize(misleading, n_trials=40)
        true = np.array([[-accuracy(params), cost(params)] for params in proposals_of(study)])
        reached.append(hypervolume(true, [0.0, 55.0]))
    every = np.array([[-accuracy(p), cost(p)] for p in all_cells()])
    best = hypervolume(every, [0.0, 55.0])
    assert reached[0] > 0.98 * best
    assert reached[1] < reached[0]


def all_cells() -> list[Mapping[str, Any]]:
    grids = np.meshgrid(*[np.arange(len(OPS))] * 6)
    return [
        {f"edge{i}": OPS[k] for i, k in enumerate(row)}
        for row in np.stack([g.ravel() for g in grids], axis=1)
    ]


def test_knowing_beats_learning() -> None:
    reached = []
    for known in ({1: cost}, None):
        volumes = []
        for seed in range(3):
            study = cell_study(SurrogateSampler(seed=seed, known=known))
            study.optimize(measure_cell, n_trials=22)
            volumes.append(hypervolume([[-t.values[0], t.values[1]] for t in study.trials], [0.0, 55.0]))
        reached.append(np.mean(volumes))
    assert reached[0] > reached[1]


@pytest.mark.parametrize("known", [{0: accuracy}, {0: accuracy, 1: cost}])
def test_any_objectives_can_be_known(known: dict[int, Any]) -> None:
    """Also all of them: then the best of what is compared is simply the best."""
    study = cell_study(SurrogateSampler(seed=0, known=known))
    study.optimize(measure_cell, n_trials=30)
    every = np.array([[-accuracy(p), cost(p)] for p in all_cells()])
    found = np.array([[-t.values[0], t.values[1]] for t in study.trials])
    assert hypervolume(found, [0.0, 55.0]) > 0.95 * hypervolume(every, [0.0, 55.0])


def test_the_first_design_covers_the_costs() -> None:
    """One in each tenth of random networks' costs, the ends before all else."""
    sampler = knowing(SurrogateSampler(seed=1), known={1: cost})
    study = cell_study(sampler)
    study.optimize(measure_cell, n_trials=FIRST)
    generator = np.random.default_rng(0)
    drawn = [sum((0.0, 0.0, 2.0, 9.0)[k] for k in generator.integers(0, 4, 6)) for _ in range(4_000)]
    costs = [trial.values[1] for trial in study.trials]
    tenths = np.quantile(drawn, np.linspace(0, 1, FIRST + 1))
    assert {costs[0] <= tenths[1], costs[1] <= tenths[1]} == {True, False}
    assert max(costs[:2]) >= tenths[-2]
    # equal costs lie on edges: a little slack on either side
    for low, high in itertools.pairwise(tenths):
        assert any(low - 2 <= each <= high + 2 for each in costs)


def test_features_are_asked_for_the_finalists_alone_and_kept() -> None:
    asked: list[Mapping[str, Any]] = []

    def features(params: Mapping[str, Any]) -> tuple[float, int]:
        asked.append(params)
        return accuracy(params) ** 2, 3

    study = cell_study(SurrogateSampler(seed=0, known={1: cost}, features=features))
    for number in range(FIRST + 5):
        asked.clear()
        study.optimize(measure_cell, n_trials=1)
        trial = study.trials[-1]
        if number == 0:  # nothing is known of the choices yet, so Optuna draws them one by one
            assert not asked
            continue
        assert len(asked) == 1 if number < FIRST else 1 < len(asked) <= FINALISTS == 16
        assert trial.params in asked
        assert trial.system_attrs["nasearch:features"] == [accuracy(trial.params) ** 2, 3.0]


@pytest.mark.parametrize("given", ["features", "traits"])
def test_what_tells_is_listened_to(given: str) -> None:
    """Accuracies that are noise but for what the function tells."""
    true = {
        str(params): float(v)
        for params, v in zip(all_cells(), np.random.default_rng(0).random(4096), strict=True)
    }

    def measure(trial: optuna.Trial) -> float:
        return true[str(ask_cell(trial))]

    reached = []
    for tells in (None, lambda params: [true[str({name: params[name] for name in sorted(params)})]]):
        told: dict[str, Any] = {given: tells}
        sampler = SurrogateSampler(seed=0, **told)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(measure, n_trials=40)
        reached.append(np.mean([trial.values[0] for trial in study.trials[20:]]))
    assert float(reached[1]) > float(reached[0]) + 0.2


def test_costs_of_networks_that_cannot_be_built_are_not_asked_for() -> None:
    """Other samplers may have proposed them, and been refused."""

    def buildable(params: Mapping[str, Any]) -> bool:
        return params["edge0"] != OPS[0]

    def exact(params: Mapping[str, Any]) -> float:
        if not buildable(params):
            raise ValueError(f"{params} cannot be built")
        return cost(params)

    study = cell_study(RandomSampler(seed=0))
    for _ in range(4):
        refused = study.ask({f"edge{i}": CategoricalDistribution(OPS) for i in range(EDGES)})
        study.tell(refused, state=TrialState.PRUNED)
    assert any(not buildable(trial.params) for trial in study.trials)
    study.sampler = knowing(SurrogateSampler(seed=0), known={1: exact}, allows=buildable)
    study.optimize(measure_cell, n_trials=3)
    assert all(buildable(trial.params) for trial in study.trials[4:])


def test_networks_in_flight_are_taken_to_turn_out_as_expected() -> None:
    """A second worker does not look where the first one is."""
    study = cell_study(SurrogateSampler(seed=0, known={1: cost}))
    study.optimize(measure_cell, n_trials=14)
    batch = [ask_cell(study.ask()) for _ in range(6)]
    assert distinct(study) == 20
    assert len({cost(params) for params in batch}) > 2


@pytest.mark.parametrize(("promise", "taken"), [(1.0, True), (0.1, False)])
def test_stopped_trials_teach(promise: float, taken: bool) -> None:
    """Candidates with a conv1 at edge0 were all stopped at a third of the way: they alone tell of it."""
    study = cell_study(SurrogateSampler(seed=0), ["maximize"])

    def add(params: Mapping[str, Any], early: float, final: float | None) -> None:
        study.add_trial(
            optuna.create_trial(
                state=TrialState.PRUNED if final is None else TrialState.COMPLETE,
                params=dict(params),
                distributions={name: optuna.distributions.CategoricalDistribution(OPS) for name in params},
                value=final,
                user_attrs={RUNGS: [[1, early]] if final is None else [[1, early], [3, final]]},
            )
        )

    cells = [cell for cell in all_cells() if cell["edge0"] in ("none", "skip")]
    picked = np.random.default_rng(0).permutation(len(cells))
    for i in picked[:15]:
        add(cells[i], 0.5 * accuracy(cells[i]), accuracy(cells[i]))
    for i in picked[15:45]:
        stopped = {**cells[i], "edge0": "conv1"}
        add(stopped, 0.5 * accuracy(stopped) * promise, None)
    asked = [ask_cell(study.ask())["edge0"] for _ in range(8)]
    assert asked.count("conv1") >= 3 if taken else "conv1" not in asked, asked


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"known": {2: cost}},
            "known has objective 2; expected indexes from 0 to 1, those of the study's objectives",
        ),
        ({"known": {-1: cost}}, "known has objective -1; expected indexes from 0 to 1"),
        ({"reference": [0.0]}, "reference has 1 values; expected 2, one for each objective"),
    ],
)
def test_mistakes(given: dict[str, Any], text: str) -> None:
    study = cell_study(SurrogateSampler(seed=0, **given))
    with pytest.raises(SettingsError, match=text):
        study.optimize(measure_cell, n_trials=2)


def test_beyond_the_reference_nothing_counts() -> None:
    """Costs above 12 and accuracies below 1 are worth nothing: a model does not look there."""
    study = cell_study(SurrogateSampler(seed=0, known={1: cost}, reference=[1.0, 12.0]))
    study.optimize(measure_cell, n_trials=30)
    late = study.trials[FIRST + 2 :]
    assert all(trial.values[1] < 12 for trial in late)
    assert np.mean([trial.values[0] > 0.9 for trial in late]) > 0.8


def test_a_margin_knows_what_was_kept() -> None:
    points = np.linspace(0, 1, 20)[:, None]
    parts = [Component(points, np.zeros(1, dtype=int))]
    limit = Margin(parts, points[:, 0] - 0.5, np.arange(20))
    kept = limit.kept([np.array([[0.1], [0.5], [0.9]])])
    assert kept[0] > 0.95
    assert 0.2 < kept[1] < 0.8
    assert kept[2] < 0.05
    assert (
        Margin(parts, -points[:, 0], np.arange(20)).kept([points]).tolist() == [1.0] * 20
    )  # never broken yet


def test_axes_are_standard_and_forgive_what_is_missing() -> None:
    seen = np.array([[1.0, -1.0, 5.0], [np.e**2, 3.0, 5.0]])
    axis = Axis(seen)
    np.testing.assert_allclose(axis(seen), [[-1, -1, 0], [1, 1, 0]])  # a logarithm where all are positive
    np.testing.assert_allclose(axis(np.array([[np.e, 1.0, 6.0]])), [[0, 0, np.log(6 / 5)]])
    told = Axis(np.array([[0.0], [np.nan], [2.0]]), logarithms=False)
    assert told(np.array([[2.0], [np.nan], [1.0]])).tolist() == [[1.0], [0.0], [0.0]]
    assert Axis(np.full((2, 1), np.nan), logarithms=False)(np.array([[np.nan]])).tolist() == [[0.0]]


def test_trials_of_others_count_as_well() -> None:
    """Enqueued networks and those another sampler proposed are learnt from and not proposed again."""
    study = cell_study(optuna.samplers.RandomSampler(seed=0))
    study.optimize(measure_cell, n_trials=12)
    study.sampler = SurrogateSampler(seed=0)
    best = {f"edge{i}": "conv1" for i in range(6)}
    study.enqueue_trial(best)
    study.optimize(measure_cell, n_trials=12)
    assert study.trials[12].params == best
    new = [frozenset(trial.params.items()) for trial in study.trials[12:]]
    assert len(set(new)) == 12
    assert not {frozenset(trial.params.items()) for trial in study.trials[:12]} & set(new)


def test_what_optuna_asks_of_a_sampler_reads_no_state() -> None:
    """`sample_relative` twice for a trial gives the same: a proposal depends on the trials and the number."""
    study = cell_study(SurrogateSampler(seed=0))
    study.optimize(measure_cell, n_trials=12)
    number = study.ask().number
    trial: FrozenTrial = study.get_trials()[number]
    space = study.sampler.infer_relative_search_space(study, trial)
    once, twice = (study.sampler.sample_relative(study, trial, space) for _ in range(2))
    assert once == twice


def test_branches_that_no_trial_has_taken_are_taken_once_though_their_cost_is_not_foreseen() -> None:
    def cost(params: Mapping[str, Any]) -> float:
        return float(params["width"] if params["kind"] == "wide" else params["depth"])

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        if trial.suggest_categorical("kind", ["wide", "deep"]) == "wide":
            return 1 / trial.suggest_int("width", 1, 30), cost(trial.params)
        return 1 / trial.suggest_int("depth", 1, 30), cost(trial.params)

    for seed in range(3):
        study = optuna.create_study(
            directions=["minimize"] * 2, sampler=SurrogateSampler(seed, known={1: cost})
        )
        study.optimize(objective, n_trials=14)
        assert {trial.params["kind"] for trial in study.trials} == {"wide", "deep"}
        assert all(trial.values[1] == cost(trial.params) for trial in study.trials)
