"""Which of many candidates are worth a training, by their scores and what they cost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from nasearch.measure.zero_cost.aggregate import Columns, rank_aggregate
from nasearch.pareto import crowding, ranks

SCREEN_SCORES = ("synflow", "jacov")
"""What candidates are screened by: cheap, of two kinds, and together as good a rank as any aggregate here."""


def by_promise(columns: Columns, costs: ArrayLike) -> NDArray[np.int64]:
    """Candidates in the order in which to train them: those that no other beats first, spread over the costs.

    A score stands in for accuracy, so a candidate is beaten by one that the scores together rank higher at no
    more of any cost. Fronts follow one another, as in non-dominated sorting; within a front come first those
    that have most room around them. What lets no signal through comes last, however cheap it is.

    Args:
        columns: scores by name, (m,) each, more is better, -inf for no signal.
        costs: (m, costs), finite, lower is better; no column will do.

    Returns:
        (m,) rows.

    Raises:
        MeasurementError: as `rank_aggregate`.
    """
    promise = rank_aggregate(columns)
    # Ranks, not sums of logarithms: room between neighbours then means the same everywhere.
    losses = np.column_stack([-stats.rankdata(promise), np.asarray(costs, dtype=np.float64)])
    silent = np.any([[value == -math.inf for value in column] for column in columns.values()], axis=0)
    order: list[int] = []
    for rows in (np.flatnonzero(~silent), np.flatnonzero(silent)):
        fronts = ranks(losses[rows])
        for number in range(int(fronts.max(initial=-1)) + 1):
            front = rows[fronts == number]
            order += front[np.argsort(-crowding(losses[front]), kind="stable")].tolist()
    return np.array(order, dtype=np.int64)
