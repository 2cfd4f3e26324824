"""Networks as points: the geometry that the Gaussian process sees.

Every choice becomes a block of coordinates in which two networks lie at most a distance of 1 apart:

- a nominal choice (`conv`, `skip`, ...): one corner of a simplex for each value, any two 1 apart;
- an ordinal one (3, 5, 7): the squared distance of two values is their distance in the order, ends 1 apart;
- a numeric range: the place in it, on its logarithm where it has one;
- inactive: a point at distance 1 from each value of an ordinal choice or nominal choice.

Choices that offer the same values (the edges of a cell, the kinds of all blocks) give counts besides: how
many of them take each value. A count says at once what many single choices say slowly, that networks with
more 3x3 convolutions are more accurate. Objectives that are known before training are coordinates too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from nasearch.pareto.objectives import Floats
from nasearch.samplers.domain import is_ordinal, share_of

SINGLE = 32
"""Up to so many choices each has its own length scale; beyond, those that offer the same values share one."""

MOST_COUNTS = 24
"""Counts are kept for so many values at most, those of the largest groups first."""


class Embedding:
    """Turns decisions into coordinates.

    Attributes:
        blocks: (coordinates,) int, the length scale that each coordinate of `choices` belongs to.

    Args:
        distributions: of every choice.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._specs = dict(distributions)
        self._places = [_corners(spec) for spec in self._specs.values()]
        groups: dict[str, list[str]] = {}
        for name, spec in self._specs.items():
            groups.setdefault(repr(spec), []).append(name)
        scales = list(range(len(self._specs)))
        if len(self._specs) > SINGLE:
            numbers = {text: number for number, text in enumerate(groups)}
            scales = [numbers[repr(spec)] for spec in self._specs.values()]
        self.blocks = np.repeat(
            np.asarray(scales, dtype=np.int64), [corners.shape[1] for corners in self._places]
        )
        shared = sorted((names for names in groups.values() if len(names) > 1), key=lambda names: -len(names))
        self._counted: list[tuple[list[str], Any]] = [
            (names, value)
            for names in shared
            if isinstance(spec := self._specs[names[0]], CategoricalDistribution)
            for value in spec.choices
        ][:MOST_COUNTS]

    def choices(self, points: Sequence[Mapping[str, Any]]) -> Floats:
        """(points, coordinates) of the single choices."""
        columns = []
        for (name, spec), corners in zip(self._specs.items(), self._places, strict=True):
            if isinstance(spec, CategoricalDistribution):
                rows = [
                    spec.choices.index(point[name]) if name in point else len(spec.choices)
                    for point in points
                ]
                columns.append(corners[rows])
            else:
                columns.append(
                    np.array(
                        [
                            [share_of(spec, point[name]), 0.0] if name in point else _OUTSIDE
                            for point in points
                        ]
                    )
                )
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(points), 0))

    def counts(self, points: Sequence[Mapping[str, Any]]) -> Floats:
        """(points, counts): how often a value is taken in its group, over the root of the group's size."""
        table = np.zeros((len(points), len(self._counted)))
        for j, (names, value) in enumerate(self._counted):
            table[:, j] = [sum(point.get(name, _NOTHING) == value for name in names) for point in points]
            table[:, j] /= np.sqrt(len(names))
        return table


_NOTHING = object()
_OUTSIDE = [0.5, np.sqrt(0.75)]


def _corners(spec: BaseDistribution) -> Floats:
    """(values + 1, coordinates) of a categorical choice's values, inactive last; shape alone for a range."""
    if not isinstance(spec, CategoricalDistribution):
        return np.zeros((1, 2))
    number = len(spec.choices)
    if not is_ordinal(spec):
        return np.asarray(np.eye(number + 1) / np.sqrt(2), dtype=np.float64)
    ranks = np.argsort(np.argsort([float(value) for value in spec.choices]))  # type: ignore[arg-type]
    corners = np.zeros((number + 1, number))
    # A thermometer: squared distances between values are differences of ranks.
    corners[:number, : number - 1] = (ranks[:, None] > np.arange(number - 1)) / np.sqrt(max(number - 1, 1))
    corners[number, : number - 1] = 0.5 / np.sqrt(max(number - 1, 1))
    corners[number, number - 1] = np.sqrt(0.75)
    return np.asarray(corners, dtype=np.float64)
