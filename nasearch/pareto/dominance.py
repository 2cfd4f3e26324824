"""Who dominates whom: the front, the ranks behind it, and how crowded a front is.

A row dominates another when it is nowhere worse and somewhere better. Equal rows do not dominate one another.
"""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasearch.pareto.objectives import Floats, finite_values


def front(losses: ArrayLike) -> NDArray[np.bool_]:
    """Mark the non-dominated rows.

    O(n log n) for up to three objectives, O(n log^(m-2) n) for m of them.

    Args:
        losses: (trials, objectives), finite, lower is better.

    Returns:
        (trials,) bool. Equal rows are all kept.

    Raises:
        SelectionError: if a loss is not finite or the table is not two-dimensional.

    Source: Kung, Luccio and Preparata 1975, as implemented by moocore.
    """
    table = finite_values(losses)
    return np.asarray(moocore.is_nondominated(table, keep_weakly=True), dtype=np.bool_)


def ranks(losses: ArrayLike) -> NDArray[np.int64]:
    """Number the fronts: 0 is the front, 1 the front of what is left without it, and so on.

    O(n log n) for one and two objectives. For three, O(n log n) a front, which is O(n^2 log n) only when
    every row is a front of its own.

    Args:
        losses: (trials, objectives), finite, lower is better.

    Returns:
        (trials,) int64. Equal rows have equal ranks.

    Raises:
        SelectionError: if a loss is not finite or the table is not two-dimensional.

    Source: non-dominated sorting, Deb et al. 2002; for two objectives Jensen 2003, as implemented by moocore.
    """
    table = finite_values(losses)
    if not len(table):
        return np.zeros(0, dtype=np.int64)
    return np.asarray(moocore.pareto_rank(table), dtype=np.int64)


def crowding(losses: ArrayLike) -> Floats:
    """How much room each row of one front has; more is lonelier, infinite at the extremes.

    The distance between the neighbours' values in each objective, as a share of the objective's range, summed
    over objectives. Neighbours are taken among distinct values, so the result does not depend on the order
    of the rows and equal rows have equal room. O(m n log n).

    Args:
        losses: (trials, objectives), finite; rows of one front, or any set that is to be spread.

    Returns:
        (trials,) float64, in [0, objectives] or inf. An objective in which all rows are equal says and counts
        nothing; where that is every objective, all are inf.

    Raises:
        SelectionError: if a loss is not finite or the table is not two-dimensional.

    Source: crowding distance, Deb et al. 2002, section III-B.
    """
    table = finite_values(losses)
    room = np.zeros(len(table))
    informative = False
    for column in table.T:
        distinct, place = np.unique(column, return_inverse=True)
        if len(distinct) < 2:
            continue
        informative = True
        gap = np.full(len(distinct), np.inf)
        # Halves keep the range of values near the largest float from overflowing.
        half = distinct / 2
        gap[1:-1] = (half[2:] - half[:-2]) / (half[-1] - half[0])
        room += gap[place]
    return room if informative else np.full(len(table), np.inf)
