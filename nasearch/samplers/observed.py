"""What an Optuna study has seen, as arrays: losses, how sure they are, limits, and what is in flight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nasearch.pareto.objectives import Floats
from nasearch.samplers.forecast import foretell

RUNGS = "nasearch:rungs"
"""User attribute of a trial: [epoch, value] pairs of the first objective that is not known beforehand."""

_MOST = 1e150
"""Stands for an infinite loss: it is worse than all others, and its square is still a number."""


@dataclass(frozen=True)
class Observed:
    """The trials of a study that a sampler can learn from.

    Attributes:
        params: of each such trial.
        attributes: system attributes of each such trial.
        losses: (trials, objectives), lower is better.
        variances: (trials,), of the first unknown loss: zero where it was measured, else of its forecast.
        measured: (trials,) bool, whether the trial is complete.
        constraints: by name, (trials,) how far each limit is broken; <= 0 is kept.
        pending: params of the trials that are running.
        finished: params of every finished trial, of failed and refused ones too.
    """

    params: tuple[Mapping[str, Any], ...]
    attributes: tuple[Mapping[str, Any], ...]
    losses: Floats
    variances: Floats
    measured: np.ndarray
    constraints: Mapping[str, Floats]
    pending: tuple[Mapping[str, Any], ...]
    finished: tuple[Mapping[str, Any], ...]

    @property
    def feasible(self) -> np.ndarray:
        """(trials,) bool, whether a trial keeps every limit."""
        kept = np.ones(len(self.params), dtype=np.bool_)
        for margins in self.constraints.values():
            kept &= margins <= 0
        return kept


_NONE: Mapping[int, Any] = {}


def as_it_is(trial: FrozenTrial) -> Mapping[str, Any]:
    """A trial's parameters."""
    return trial.params


def signs_of(study: optuna.Study) -> Floats:
    """(objectives,): what turns a value into a loss."""
    return np.array([-1.0 if way == StudyDirection.MAXIMIZE else 1.0 for way in study.directions])


def observe(
    study: optuna.Study,
    number: int,
    complete: Callable[[FrozenTrial], Mapping[str, Any]] = as_it_is,
    unknown: int | None = None,
    known: Mapping[int, Any] = _NONE,
) -> Observed:
    """Read a study.

    Trials that a race has stopped count too, with what their last rung foretells of the end, as far as
    complete trials have that rung.

    Args:
        study: any study of Optuna's.
        number: of the trial that is about to be proposed, which is left out.
        complete: all parameters of a trial that may lack some; nothing where they cannot be told.
        unknown: the objective that `RUNGS` speak of; None leaves stopped trials out.
        known: functions of params by objective, which count instead of the values that trials have.
    """
    signs = signs_of(study)
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.number != number]
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.params]
    rows = [
        [signs[j] * (known[j](trial.params) if j in known else value) for j, value in enumerate(trial.values)]
        for trial in done
    ]
    variances = [0.0] * len(done)
    stopped = []
    ends: dict[int, Floats] | None = None  # where none was stopped nobody asks
    for trial in trials if unknown is not None else ():
        assert unknown is not None
        ends = _ends(done, unknown) if ends is None else ends
        forecast = _foretold(trial, ends)
        if forecast is not None:
            value, variance = forecast
            values = [
                value if j == unknown else known[j](trial.params) if j in known else None
                for j in range(len(signs))
            ]
            if None not in values:
                stopped.append(trial)
                rows.append(list(signs * np.asarray(values, dtype=np.float64)))
                variances.append(variance)
    seen = [*done, *stopped]
    losses = np.array(rows, dtype=np.float64).reshape(len(seen), len(signs))
    return Observed(
        params=tuple(trial.params for trial in seen),
        attributes=tuple(trial.system_attrs for trial in seen),
        losses=np.clip(losses, -_MOST, _MOST),
        variances=np.array(variances),
        measured=np.arange(len(seen)) < len(done),
        constraints=_constraints(seen),
        pending=tuple(
            params for trial in trials if trial.state == TrialState.RUNNING and (params := complete(trial))
        ),
        finished=tuple(
            params for trial in trials if trial.state.is_finished() and (params := complete(trial))
        ),
    )


def _ends(complete: Sequence[FrozenTrial], unknown: int) -> dict[int, Floats]:
    """By epoch: (trials, 2), what complete trials had reached there, and where each ended."""
    ends: dict[int, list[tuple[float, float]]] = {}
    for trial in complete:
        for epoch, then in dict(map(tuple, trial.user_attrs.get(RUNGS, ()))).items():
            ends.setdefault(epoch, []).append((then, float(trial.values[unknown])))
    return {epoch: np.array(pairs) for epoch, pairs in ends.items()}


def _foretold(trial: FrozenTrial, ends: Mapping[int, Floats]) -> tuple[float, float] | None:
    """Value and variance of a stopped trial's end, from its last rung."""
    rungs = trial.user_attrs.get(RUNGS)
    if trial.state != TrialState.PRUNED or not rungs or not trial.params:
        return None
    epoch, reached = rungs[-1]
    pairs = ends.get(epoch)
    if pairs is None or len(pairs) < 2:
        return None
    forecast = foretell(float(reached), pairs)
    return forecast.mean, forecast.deviation**2


def _constraints(trials: Sequence[FrozenTrial]) -> dict[str, Floats]:
    """Every limit that some trial sets; a trial that does not set it keeps it as far as anybody knows."""
    names = dict.fromkeys(name for trial in trials for name in trial.constraints)
    return {name: np.array([float(trial.constraints.get(name, 0.0)) for trial in trials]) for name in names}
