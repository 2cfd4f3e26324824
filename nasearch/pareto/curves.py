"""How a front grew: its hypervolume after each trial."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

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
