"""The region that a front leaves free, as boxes: what a new point could gain is a sum over them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from nasearch.pareto.dominance import front
from nasearch.pareto.objectives import Floats, finite_values


def free_boxes(losses: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    """Disjoint boxes that together are all points before the reference that no row dominates.

    A point y adds to the hypervolume the sum over boxes of prod_j max(0, upper_j - max(lower_j, y_j)), so
    where the coordinates of y are independent random numbers the expected gain factorises box by box.

    O(n) boxes for one and two objectives, O(n^(m-1)) for m of them.

    Args:
        losses: (trials, objectives), finite, lower is better.
        reference: (objectives,), finite, the worst that still counts.

    Returns:
        lower and upper corners, each (boxes, objectives) float64; lower ones can be -inf.

    Raises:
        SelectionError: if a loss or the reference is not finite.

    Source: the slices of Emmerich, Yang and Deutz 2016 (exact expected hypervolume improvement), taken along
        the last objective, objective after objective.
    """
    corner = finite_values(np.atleast_1d(np.asarray(reference))[None], what="reference")[0]
    table = finite_values(losses, [str(j) for j in range(len(corner))])
    table = table[(table < corner).all(axis=1)]
    boxes = _slices(np.unique(table[front(table)], axis=0), corner)
    return boxes[:, 0], boxes[:, 1]


def _slices(table: Floats, corner: Floats) -> Floats:
    """(boxes, 2, objectives)."""
    if len(corner) == 1:
        return np.array([[[-np.inf], [min([corner[0], *table[:, 0]])]]])
    order = np.argsort(table[:, -1], kind="stable")
    table = table[order]
    edges = np.concatenate([[-np.inf], table[:, -1], [corner[-1]]])
    found = []
    below = table[:0, :-1]
    for k, (start, end) in enumerate(pairwise(edges)):
        if k:
            below = np.vstack([below, table[k - 1, :-1]])
            below = below[front(below)]
        if end > start:
            inner = _slices(below, corner[:-1])
            side = np.broadcast_to(np.array([start, end]), (len(inner), 2))[:, :, None]
            found.append(np.concatenate([inner, side], axis=2))
    return np.concatenate(found)
