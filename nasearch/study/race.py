"""Racing: which candidates are worth training further, in a study with several objectives.

A candidate climbs rungs (1, 3, 9 ... epochs). At each it goes on if it is among the best third seen there, or if
its final accuracy, foretold from what it has reached, could still enter the front at its exactly known costs.
Stopping is for ever. Optuna's pruners cannot do this: they raise when a study has several objectives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nasearch.pareto import Objective, losses, ranks

RATIO = 3
"""Each rung has this many times the epochs of the one below it (Li et al. 2018, successive halving)."""


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate goes on; if not, why, in words."""

    goes_on: bool
    reason: str = ""


GO_ON = Verdict(True)


def rungs_of(epochs: int, ratio: int = RATIO) -> tuple[int, ...]:
    """The rungs of a training of so many epochs, the top included: 9 gives 1, 3, 9; 10 gives 1, 2, 4, 10."""
    rungs = [epochs]
    while rungs[-1] > 1:
        rungs.append(math.ceil(rungs[-1] / ratio))
    return tuple(reversed(rungs))


class Race:
    """What is known of the candidates seen so far, and who goes on.

    Args:
        rungs: epochs at which candidates are judged, the top last; empty for no race.
        objectives: of the study; those that are costs are known exactly before training.
    """

    def __init__(self, rungs: Sequence[int], objectives: Sequence[Objective]) -> None:
        self._rungs = tuple(rungs)
        self._accuracy = next(objective for objective in objectives if not objective.is_cost)
        self._costs = tuple(objective for objective in objectives if objective.is_cost)
        self._seen: dict[int, list[tuple[float, ...]]] = {rung: [] for rung in self._rungs}
        self._finished: list[tuple[dict[int, float], tuple[float, ...]]] = []

    def note(self, values: Mapping[str, float], curve: Mapping[int, float]) -> None:
        """Remember a candidate that is done, whether it reached the top or was stopped.

        Args:
            values: its costs by name.
            curve: accuracy by epoch.
        """
        costs = self._costs_of(values)
        for rung in self._rungs:
            if rung in curve:
                self._seen[rung].append((curve[rung], *costs))
        if self._rungs and self._rungs[-1] in curve:
            self._finished.append((dict(curve), costs))

    def judge(self, values: Mapping[str, float], curve: Mapping[int, float]) -> Verdict:
        """Whether a candidate that has come so far goes on.

        Args:
            values: its costs by name.
            curve: accuracy by epoch, up to now.
        """
        epoch = max(curve)
        if epoch not in self._rungs[:-1]:
            return GO_ON
        accuracy, costs = curve[epoch], self._costs_of(values)
        rivals = [done for done, theirs in self._finished if _no_dearer(theirs, costs)]
        if not rivals or self._is_among_best(epoch, (accuracy, *costs)):
            return GO_ON
        top = self._rungs[-1]
        best = max(done[top] for done in rivals)
        forecast = foretell(
            accuracy, [(done[epoch], done[top]) for done, _ in self._finished if epoch in done]
        )
        if forecast.most > best:
            return GO_ON
        return Verdict(
            False,
            f"stopped after {epoch} of {top} epochs at {accuracy:.1%}: foretold {forecast.mean:.1%}, "
            f"at most {forecast.most:.1%}, and a network no dearer has {best:.1%}",
        )

    def _costs_of(self, values: Mapping[str, float]) -> tuple[float, ...]:
        return tuple(float(values[objective.name]) for objective in self._costs)

    def _is_among_best(self, rung: int, row: tuple[float, ...]) -> bool:
        """Whether less than a third of those seen at a rung are on fronts before the candidate's own."""
        table = np.array([*self._seen[rung], row])
        standing = ranks(losses(table, (self._accuracy, *self._costs)))
        return bool((standing < standing[-1]).mean() < 1 / RATIO)


def _no_dearer(costs: tuple[float, ...], than: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(costs, than, strict=True))


@dataclass(frozen=True)
class Forecast:
    """A final accuracy as it is expected, and the most that is still likely."""

    mean: float
    most: float


PRIOR_SLOPE, PRIOR_SLOPE_SD = 0.5, 0.5
PRIOR_NOISE, PRIOR_NOISE_WEIGHT = 0.02, 2.0
OPTIMISM = 1.0
"""Standard deviations above its mean at which a forecast is taken for the most that is likely."""


def foretell(accuracy: float, pairs: Sequence[tuple[float, float]]) -> Forecast:
    """Foretell a final accuracy from the one at a rung, by what became of others.

    Bayesian linear regression of final on present accuracy with a prior for its slope: between candidates that
    differ by d now, d/2 is expected to be left, give or take as much; the deviation of single candidates
    from the line begins at 2 points and is learnt.

    Args:
        accuracy: at the rung.
        pairs: (at the rung, final) of those that reached the top, at least one.
    """
    x, y = np.array(pairs).T
    x_mean, y_mean, n = x.mean(), y.mean(), len(x)
    precision = 1 / (PRIOR_SLOPE_SD / PRIOR_NOISE) ** 2  # in units of the noise
    spread = float(((x - x_mean) ** 2).sum()) + precision
    slope = (float(((x - x_mean) * (y - y_mean)).sum()) + precision * PRIOR_SLOPE) / spread
    residuals = y - y_mean - slope * (x - x_mean)
    variance = (PRIOR_NOISE_WEIGHT * PRIOR_NOISE**2 + float((residuals**2).sum())) / (PRIOR_NOISE_WEIGHT + n)
    mean = y_mean + slope * (accuracy - x_mean)
    deviation = math.sqrt(variance * (1 + 1 / n + (accuracy - x_mean) ** 2 / spread))
    return Forecast(float(mean), float(min(1.0, mean + OPTIMISM * deviation)))
