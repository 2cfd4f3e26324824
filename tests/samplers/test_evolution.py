"""The evolution sampler: whom it takes for parents, and what it makes of them."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution

from nasearch.errors import SettingsError
from nasearch.samplers import ParetoEvolutionSampler
from nasearch.samplers.observed import observe
from tests.samplers.problems import OPS, accuracy, cell_study, cost, knowing, measure_cell

X = CategoricalDistribution(tuple(range(200)))


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.mark.parametrize("name", ["population", "first", "age", "most_changes"])
def test_mistakes(name: str) -> None:
    given: dict[str, Any] = {name: 0}
    with pytest.raises(SettingsError, match=f"{name} is 0; expected a whole number of at least 1"):
        ParetoEvolutionSampler(**given)


def parents(values: list[tuple[float, float]], margins: list[float] | None = None, **given: Any) -> list[int]:
    """Indexes of the trials that become parents, the best first."""
    study = optuna.create_study(directions=["minimize", "minimize"])
    for number, pair in enumerate(values):
        trial = study.ask({"x": X})
        if margins is not None:
            trial.set_constraint("limit", margins[number])
        study.tell(trial, pair)
    observed = observe(study, 999)
    chosen = ParetoEvolutionSampler(seed=0, **given)._parents(observed)
    return [next(i for i, params in enumerate(observed.params) if params is each) for each in chosen]


# three ranks by hand: 0, 1, 2 and 3 are the front; 4 and 5 stand behind it; 6 behind those
VALUES = [(0.0, 9.0), (1.0, 5.0), (1.5, 4.5), (9.0, 0.0), (2.0, 6.0), (3.0, 5.5), (8.0, 8.0)]


def test_parents_come_by_rank_and_within_it_by_crowding() -> None:
    order = parents(VALUES, population=7)
    assert set(order[:2]) == {0, 3}  # the ends stand freest
    assert order[2] == 2  # (1.5 - 0) less than (9 - 1) to its neighbours
    assert order[3] == 1
    assert set(order[4:6]) == {4, 5}
    assert order[6] == 6


def test_the_whole_front_are_parents_whatever_their_number() -> None:
    assert set(parents(VALUES, population=1)) == {0, 1, 2, 3}
    assert len(parents(VALUES, population=5)) == 5


def test_the_old_retire_unless_they_are_on_the_front() -> None:
    front, old, young = (0.0, 0.0), (1.0, 1.0), (5.0, 5.0)
    assert set(parents([front, old, young, young], age=2, population=9)) == {0, 2, 3}
    assert set(parents([front, old, young, young], age=3, population=9)) == {0, 1, 2, 3}


def test_who_breaks_a_limit_is_no_parent_if_anybody_keeps_it() -> None:
    assert parents([(0.0, 0.0), (2.0, 2.0)], [0.1, -0.1]) == [1]
    assert parents([(0.0, 0.0), (2.0, 2.0)], [0.1, 0.2])[0] == 0


def test_children_are_one_or_two_decisions_from_a_parent() -> None:
    sampler = knowing(ParetoEvolutionSampler(seed=0, crossed=0.0, moved=0.0, first=10, age=1_000))
    study = cell_study(sampler)
    study.optimize(measure_cell, n_trials=60)
    for trial in study.trials[10:]:
        before = study.trials[: trial.number]
        steps = [sum(trial.params[name] != other.params[name] for name in trial.params) for other in before]
        assert min(steps) in (1, 2)


def test_local_search_climbs_by_single_decisions() -> None:
    """Where every edge decides for itself, one change after another leads to the top."""
    sampler = knowing(
        ParetoEvolutionSampler(seed=0, population=1, most_changes=1, crossed=0.0, moved=0.0, first=1)
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: measure_cell(trial)[0], n_trials=60)
    best = accuracy({f"edge{i}": OPS[3] for i in range(6)})
    assert study.best_value == pytest.approx(best)
    assert cost(study.best_params) == 54


def test_a_thousand_trials_are_no_burden() -> None:
    """Many points of equal rank and value, in a study that has long ended."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=ParetoEvolutionSampler(seed=0))
    distributions: dict[str, BaseDistribution] = {"x": X, "y": X}
    study.add_trials(
        [
            optuna.create_trial(
                params={"x": i % 200, "y": i // 200}, distributions=distributions, values=[i % 7, i % 5]
            )
            for i in range(1_000)
        ]
    )
    trial = study.ask()
    trial.suggest_categorical("x", X.choices)
    assert trial.suggest_categorical("y", X.choices) not in range(5)  # the others were all taken
