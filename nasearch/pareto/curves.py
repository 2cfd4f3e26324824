"""How a front grew: its hypervolume after each trial."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nasearch.errors import SelectionError
from nasearch.pareto.dominance import front
from nasearch.pareto.hypervolume import hypervolume
from nasearch.pareto.objectives import Floats, finite_values


def hypervolume_curve(losses: ArrayLike, reference: ArrayLike) -> Floats:
    """The hypervolume of the first row, of the first two, and so on.

    Only rows that enter the front are reckoned with: O(n k) for n rows and fronts of k.

    Args:
        losses: (trials, objectives), finite, lower is better, in the order in which they were measured.
        reference: (objectives,), finite, the worst that still counts.

    Returns:
        (trials,) float64, never falling.

    Raises:
        SelectionError: if a loss or the reference is not finite, or their widths differ.
    """
    table = finite_values(losses)
    curve = np.zeros(len(table))
    kept = table[:0]
    reached = hypervolume(kept, reference)  # also checks the reference
    for i, row in enumerate(table):
        if not (kept <= row).all(axis=1).any():
            kept = np.vstack([kept, row])
            kept = kept[front(kept)]
            reached = max(reached, hypervolume(kept, reference))  # a sum of boxes can lose its last bits
        curve[i] = reached
    return curve


def judged_hypervolume_curve(observed: ArrayLike, judged: ArrayLike, reference: ArrayLike) -> Floats:
    """The hypervolume of the front that was seen after each row, by the values of a better judge.

    A search that observes with noise keeps what looks best to it; what that is worth may fall as it goes on.
    O(n k) for n rows and fronts of k.

    Args:
        observed: (trials, objectives), finite losses that decide which rows are the front, in their order.
        judged: (trials, objectives), finite losses of the same rows, which the hypervolume is taken of.
        reference: (objectives,), finite, the worst judged loss that still counts.

    Returns:
        (trials,) float64.

    Raises:
        SelectionError: if a loss or the reference is not finite, or their shapes differ.
    """
    seen, worth = finite_values(observed), finite_values(judged, what="judged losses")
    if seen.shape != worth.shape:
        raise SelectionError(f"judged losses have shape {worth.shape}; expected {seen.shape} as the observed")
    curve = np.zeros(len(seen))
    kept = np.zeros(0, dtype=np.int64)
    reached = hypervolume(worth[:0], reference)
    for i, row in enumerate(seen):
        better = (seen[kept] <= row).all(axis=1) & (seen[kept] < row).any(axis=1)
        if not better.any():  # equal rows are all of the front
            kept = np.append(kept, i)
            kept = kept[front(seen[kept])]
            reached = hypervolume(worth[kept], reference)
        curve[i] = reached
    return curve
