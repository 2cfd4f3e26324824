"""Racing: which candidates are worth training further, in a study with several objectives.

A candidate climbs rungs (1, 3, 9 ... epochs). At each its final accuracy is foretold from what it has
reached, with its uncertainty; at its exactly known costs that gives how much it can be expected to add to the
front. It goes on if that is worth it, or if it is expected to be the most accurate of all. Stopping is for
ever. Optuna's pruners cannot do this: they raise when a study has several objectives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nasearch.pareto import Limit, Objective, front, hypervolume, losses, reference_corner
from nasearch.samplers.forecast import Forecast, foretell

RATIO = 3
"""Each rung has this many times the epochs of the one below it (Li et al. 2018)."""


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
        limits: of the study; one on a cost ends the box that hypervolumes are taken in, and who breaks one on
            accuracy adds nothing to them.
        num_classes: of the data, which give the accuracy of guessing.
    """

    def __init__(
        self,
        rungs: Sequence[int],
        objectives: Sequence[Objective],
        limits: Sequence[Limit] = (),
        num_classes: int = 10,
    ) -> None:
        self._rungs = tuple(rungs)
        self._objectives = tuple(objectives)
        self._costs = tuple(objective for objective in objectives if objective.is_cost)
        self._bounds = {limit.metric: limit.bound for limit in limits if limit.relation == "<="}
        self._least = max(
            (limit.bound for limit in limits if (limit.metric, limit.relation) == ("accuracy", ">=")),
            default=0.0,
        )
        self._num_classes = num_classes
        self._finished: list[tuple[dict[int, float], dict[str, float]]] = []

    def note(self, values: Mapping[str, float], curve: Mapping[int, float]) -> None:
        """Remember a candidate that is done; a stopped one says nothing of what it would have reached.

        Args:
            values: its costs by name, and its accuracy if it is complete, also by a recipe that ends early.
            curve: accuracy by epoch.
        """
        if self._rungs and "accuracy" in values:
            done = {**curve, self._rungs[-1]: values["accuracy"]}
            self._finished.append((done, self._costs_of(values)))

    def judge(self, values: Mapping[str, float], curve: Mapping[int, float]) -> Verdict:
        """Whether a candidate that has come so far goes on.

        Args:
            values: its costs by name.
            curve: accuracy by epoch, up to now.
        """
        epoch = max(curve)
        pairs = [(done[epoch], done[self._rungs[-1]]) for done, _ in self._finished if epoch in done]
        if epoch not in self._rungs[:-1] or not pairs:
            return GO_ON
        forecast, costs = foretell(curve[epoch], pairs), self._costs_of(values)
        gain = self._expected_gain(forecast, costs)
        if gain >= LEAST_GAIN or forecast.mean > max(final for _, final in pairs):
            return GO_ON
        return Verdict(
            False,
            f"stopped after {epoch} of {self._rungs[-1]} epochs at {curve[epoch]:.1%}: foretold "
            f"{forecast.mean:.1%} ± {forecast.deviation:.1%}, expected to add {gain:.2%} to the front's "
            f"hypervolume; {LEAST_GAIN:.1%} would go on",
        )

    def _costs_of(self, values: Mapping[str, float]) -> dict[str, float]:
        return {objective.name: float(values[objective.name]) for objective in self._costs}

    def _expected_gain(self, forecast: Forecast, costs: dict[str, float]) -> float:
        """By how much of itself a candidate is expected to enlarge the front's hypervolume."""
        top = self._rungs[-1]
        rows = [self._row(done[top], theirs) for done, theirs in self._finished if done[top] >= self._least]
        if not rows:
            return math.inf
        table = losses(rows, self._objectives)
        corner = self._corner([theirs for _, theirs in self._finished] + [costs])
        table = table[front(table)]
        now = hypervolume(table, corner)
        if now == 0.0:
            return math.inf
        accuracies = np.clip(forecast.mean + forecast.deviation * _QUANTILES, 0.0, 1.0)
        then = [
            hypervolume(np.vstack([table, losses([self._row(float(each), costs)], self._objectives)]), corner)
            if each >= self._least
            else now
            for each in accuracies
        ]
        return float(np.mean(then)) / now - 1

    def _row(self, accuracy: float, costs: Mapping[str, float]) -> list[float]:
        return [costs.get(objective.name, accuracy) for objective in self._objectives]

    def _corner(self, seen: Sequence[Mapping[str, float]]) -> tuple[float, ...]:
        """The reference point; where a limit bounds a cost, that is the dearest that may come."""
        dearest = {
            cost.name: self._bounds.get(cost.name, max(costs[cost.name] for costs in seen))
            for cost in self._costs
        }
        return reference_corner(self._objectives, dearest, self._num_classes)


LEAST_GAIN = 0.002
"""Share of the front's hypervolume that a candidate must be expected to add, to be worth the next rung."""

_QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / 16) for i in range(16)])
"""Of the normal distribution, in the middle of 16 equal shares."""
