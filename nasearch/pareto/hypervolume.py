"""How much of the space a front dominates: the one number that says how good a front is."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import ArrayLike

from nasearch.errors import SelectionError
from nasearch.pareto.objectives import finite_values


def hypervolume(losses: ArrayLike, reference: ArrayLike) -> float:
    """Volume dominated by the rows and bounded by the reference point; more is better.

    O(n log n) for up to three objectives, O(n^2) for four, O(n^(m-2)) for m of them.

    Args:
        losses: (trials, objectives), finite, lower is better; dominated rows change nothing.
        reference: (objectives,), finite, the worst that still counts.

    Returns:
        The volume in the product of the units, 0.0 without rows. Rows beyond the reference in any
        objective count nothing.

    Raises:
        SelectionError: if a loss or the reference is not finite, or their widths differ.

    Source: Zitzler and Thiele 1998; Fonseca, Paquete and Lopez-Ibanez 2006, as implemented by moocore.
    """
    corner = finite_values(np.atleast_1d(np.asarray(reference))[None], what="reference")[0]
    if np.shape(losses) == (0,):
        return 0.0
    table = finite_values(losses)
    if table.shape[1] != len(corner):
        raise SelectionError(
            f"reference has {len(corner)} numbers; expected {table.shape[1]}, one for each column of losses"
        )
    # Filtering first keeps moocore's recursion for five and more objectives from rows that add nothing.
    inside = table[(table < corner).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=corner)) if len(inside) else 0.0
