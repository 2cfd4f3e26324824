"""The score board: front, best accuracy and hypervolume of what a study has measured so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nasearch.pareto import Limit, Objective, hypervolume, losses
from nasearch.pareto import front as front_of
from nasearch.study.progress import Standing


class Board:
    """Values of distinct networks by key; an entry replaces an earlier one of the same network."""

    def __init__(self, objectives: Sequence[Objective], limits: Sequence[Limit], num_classes: int) -> None:
        self._objectives, self._limits, self._num_classes = tuple(objectives), tuple(limits), num_classes
        self._values: dict[str, tuple[float, ...]] = {}
        self._best: float | None = None

    def add(self, key: str, values: Mapping[str, float]) -> None:
        """Count a network that has every objective and keeps every limit; others are passed over."""
        names = [objective.name for objective in self._objectives]
        if any(name not in values for name in names) or any(
            limit.metric in values and not limit.allows(values[limit.metric]) for limit in self._limits
        ):
            return
        self._values[key] = tuple(float(values[name]) for name in names)
        if "accuracy" in values:
            self._best = max(self._best or 0.0, values["accuracy"])

    def front(self) -> set[str]:
        """The keys of the networks that no other dominates."""
        keys = list(self._values)
        if not keys:
            return set()
        return {key for key, kept in zip(keys, front_of(self._losses()), strict=True) if kept}

    def reference(self) -> tuple[float, ...]:
        """The corner of the reference box, a loss an objective.

        For accuracy it is the error of guessing; for a cost its upper limit, or without one the
        dearest network measured so far (then shares of different times do not compare).
        """
        corner = []
        for j, objective in enumerate(self._objectives):
            bounds = [limit.bound for limit in self._limits if limit.metric == objective.name]
            if not objective.is_cost:
                corner.append(1.0 - 1.0 / self._num_classes)
            elif bounds:
                corner.append(min(bounds))
            else:
                corner.append(max((values[j] for values in self._values.values()), default=1.0) or 1.0)
        return tuple(corner)

    def hypervolume(self) -> float:
        """The share of the box between the origin and the reference that the front dominates."""
        if not self._values:
            return 0.0
        reference = self.reference()
        return hypervolume(self._losses(), reference) / float(np.prod(reference))

    def standing(self, spent: int, budget: int) -> Standing:
        """How far the study is."""
        return Standing(spent, budget, len(self.front()), self._best, self.hypervolume())

    def _losses(self) -> np.ndarray:
        return losses(np.array(list(self._values.values())), self._objectives)
