"""The score board: front, best accuracy and hypervolume of what a study has measured so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nasearch.pareto import Limit, Objective, hypervolume, losses
from nasearch.pareto import front as front_of
from nasearch.study.progress import Standing


class Board:
    """Values of distinct networks by key; an entry replaces an earlier one of the same network.

    The front and the dearest values are kept as networks come in: O(front) for each, not O(networks).
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        limits: Sequence[Limit],
        num_classes: int,
        accuracy: str = "accuracy",
    ) -> None:
        self._accuracy = accuracy
        self._objectives, self._limits, self._num_classes = tuple(objectives), tuple(limits), num_classes
        self._values: dict[str, tuple[float, ...]] = {}
        self._best: float | None = None
        self._keys: list[str] = []  # of the front
        self._losses = np.empty((0, len(self._objectives)))  # of the front, in the order of its keys
        self._dearest = np.full(len(self._objectives), -np.inf)  # losses, over all networks
        self._hypervolume: float | None = 0.0  # None where it has to be computed anew

    def add(self, key: str, values: Mapping[str, float]) -> None:
        """Count a network that has every objective and keeps every limit; others are passed over.

        Raises:
            SelectionError: if a value is not finite, a fraction is outside [0, 1], or a cost is negative.
        """
        names = [objective.name for objective in self._objectives]
        if any(name not in values for name in names) or any(
            limit.metric in values and not limit.allows(values[limit.metric]) for limit in self._limits
        ):
            return
        row = tuple(float(values[name]) for name in names)
        loss = losses([row], self._objectives)
        if "accuracy" in values:
            self._best = max(self._best or 0.0, values["accuracy"])
        if self._values.get(key) == row:
            return
        is_new = key not in self._values
        self._values[key] = row
        if is_new:
            self._take_in(key, loss)
        else:  # what the old values dominated may be on the front now
            self._rebuild()

    def front(self) -> set[str]:
        """The keys of the networks that no other dominates."""
        return set(self._keys)

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
                corner.append((float(self._dearest[j]) if self._values else 1.0) or 1.0)
        return tuple(corner)

    def hypervolume(self) -> float:
        """The share of the box between the origin and the reference that the front dominates."""
        if self._hypervolume is None:
            reference = self.reference()
            self._hypervolume = hypervolume(self._losses, reference) / float(np.prod(reference))
        return self._hypervolume

    def standing(self, spent: int, budget: int, in_flight: int = 0) -> Standing:
        """How far the study is."""
        volume = self.hypervolume()
        return Standing(spent, budget, len(self._keys), self._best, volume, self._accuracy, in_flight)

    def _take_in(self, key: str, loss: np.ndarray) -> None:
        """Put a new network, a row of losses, where it belongs."""
        if (loss[0] > self._dearest).any():
            self._dearest = np.maximum(self._dearest, loss[0])
            self._hypervolume = None
        front = self._losses
        if ((front <= loss).all(axis=1) & (front < loss).any(axis=1)).any():
            return
        stays = np.logical_not((front >= loss).all(axis=1) & (front > loss).any(axis=1))
        self._keys = [kept for kept, stay in zip(self._keys, stays, strict=True) if stay] + [key]
        self._losses = np.concatenate([front[stays], loss])
        self._hypervolume = None

    def _rebuild(self) -> None:
        table = losses(list(self._values.values()), self._objectives)
        kept = front_of(table)
        self._keys = [key for key, keep in zip(self._values, kept, strict=True) if keep]
        self._losses, self._dearest, self._hypervolume = table[kept], table.max(axis=0), None
