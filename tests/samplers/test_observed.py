"""What samplers learn from a study: losses in one direction, forecasts of stopped trials, limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from nasearch.samplers.forecast import foretell
from nasearch.samplers.observed import RUNGS, observe, signs_of
from nasearch.study import ledger

SPEC = CategoricalDistribution(tuple(range(100)))


def study_of(directions: list[str]) -> optuna.Study:
    return optuna.create_study(directions=directions)  # type: ignore[arg-type]  # words


def add(study: optuna.Study, x: int, state: TrialState = TrialState.COMPLETE, **given: Any) -> None:
    study.add_trial(create_trial(state=state, params={"x": x}, distributions={"x": SPEC}, **given))


def test_losses_are_lower_the_better() -> None:
    study = study_of(["maximize", "minimize"])
    add(study, 1, values=[0.9, 5.0])
    add(study, 2, values=[0.5, 3.0])
    add(study, 3, TrialState.FAIL)
    add(study, 4, TrialState.PRUNED)
    study.add_trial(create_trial(values=[0.0, 0.0]))  # without parameters there is nothing to learn
    observed = observe(study, number=99, unknown=0)
    assert signs_of(study).tolist() == [-1.0, 1.0]
    assert observed.losses.tolist() == [[-0.9, 5.0], [-0.5, 3.0]]
    assert [params["x"] for params in observed.params] == [1, 2]
    assert [params["x"] for params in observed.finished] == [1, 2, 3, 4]
    assert observed.measured.all()
    assert observed.feasible.all()
    assert (observed.variances == 0).all()


def test_the_trial_that_is_proposed_is_left_out_and_others_are_pending() -> None:
    study = study_of(["minimize"])
    add(study, 1, value=1.0)
    mine, other, fresh = study.ask(), study.ask(), study.ask()
    mine.suggest_categorical("x", SPEC.choices)
    x = other.suggest_categorical("x", SPEC.choices)
    observed = observe(study, mine.number)
    assert list(observed.pending) == [{"x": x}]
    assert fresh.number == 3
    assert observed.losses.shape == (1, 1)


def test_nothing_yet() -> None:
    observed = observe(study_of(["minimize", "maximize"]), 0, unknown=0)
    assert (observed.losses.shape, observed.params, observed.pending) == ((0, 2), (), ())
    assert observed.constraints == {}


def test_infinite_values_are_the_worst_and_still_numbers() -> None:
    study = study_of(["maximize", "minimize"])
    add(study, 1, values=[float("-inf"), float("inf")])
    add(study, 2, values=[0.5, 1e300])
    losses = observe(study, 9).losses
    assert np.isfinite(losses**2).all()
    assert losses[0, 0] > losses[1, 0]
    assert losses[0, 1] >= losses[1, 1]


def test_constraints_by_name() -> None:
    study = study_of(["minimize"])
    add(study, 1, value=1.0, system_attrs={})
    for margins in ({"size": -0.5, "time": 0.1}, {"size": 0.2}):
        trial = study.ask({"x": SPEC})
        for name, margin in margins.items():
            trial.set_constraint(name, margin)
        study.tell(trial, 1.0)
    observed = observe(study, 9)
    assert {name: margins.tolist() for name, margins in observed.constraints.items()} == {
        "size": [0.0, -0.5, 0.2],
        "time": [0.0, 0.1, 0.0],
    }
    assert observed.feasible.tolist() == [True, False, False]


def raced(study: optuna.Study, rungs: list[list[float]], values: list[float] | None, x: int = 0) -> None:
    state = TrialState.PRUNED if values is None else TrialState.COMPLETE
    add(study, x, state, values=values, user_attrs={RUNGS: rungs})


def test_stopped_trials_count_with_their_forecast_and_exact_costs() -> None:
    assert RUNGS == ledger.RUNGS
    study = study_of(["minimize", "maximize"])
    pairs = [(0.5, 0.8), (0.4, 0.72), (0.3, 0.6)]
    for k, (early, final) in enumerate(pairs):
        raced(study, [[1, early], [3, final - 0.01], [9, final]], [10.0 * k, final], x=k)
    raced(study, [[1, 0.2]], None, x=7)
    known = {0: lambda params: 100.0 + params["x"]}
    observed = observe(study, 99, unknown=1, known=known)
    told = foretell(0.2, pairs)
    assert observed.measured.tolist() == [True, True, True, False]
    assert observed.losses[3].tolist() == [107.0, -told.mean]
    assert observed.variances.tolist() == [0, 0, 0, told.deviation**2]
    assert observed.losses[:3].tolist() == [[100.0 + k, -final] for k, (_, final) in enumerate(pairs)]
    # without the cost's function, or with another objective unknown besides, such a trial has no losses
    assert len(observe(study, 99, unknown=1).params) == 3
    assert len(observe(study, 99, unknown=None, known=known).params) == 3


def test_stopped_trials_whose_rung_nobody_completed_say_nothing() -> None:
    study = study_of(["maximize"])
    raced(study, [[1, 0.5], [3, 0.6]], [0.6])
    raced(study, [[1, 0.2]], None)
    assert len(observe(study, 9, unknown=0).params) == 1  # one pair tells of no line
    raced(study, [[3, 0.5]], [0.5])
    raced(study, [[2, 0.2]], None)
    raced(study, [], None)
    assert len(observe(study, 9, unknown=0).params) == 2
    raced(study, [[1, 0.4]], [0.5])
    assert observe(study, 9, unknown=0).measured.tolist() == [True, True, True, False]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_of_one_objective(direction: str) -> None:
    study = study_of([direction])
    add(study, 1, value=2.0)
    assert observe(study, 5, unknown=0).losses.tolist() == [[-2.0 if direction == "maximize" else 2.0]]
