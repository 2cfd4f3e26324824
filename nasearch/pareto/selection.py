"""Choosing one network: the knee of a front, or the best under limits."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike

from nasearch.errors import SelectionError
from nasearch.pareto.limits import Limit, format_bound
from nasearch.pareto.objectives import Floats, Objective, find_objective, finite_values
from nasearch.pareto.objectives import losses as to_losses

_TIE = 1e-12  # scores are sums of a few shares of 1; differences below this are rounding


def knee(losses: ArrayLike, objectives: Sequence[Objective] | None = None) -> int:
    """The row chosen by default: where a front bends most towards the ideal.

    Each loss is scaled linearly to [0, 1] over the front, costs share one weight between them (parameters
    and MACs rise together; counted apart they would outvote accuracy), and the row with the smallest sum
    wins. For two objectives that is the row farthest below the straight line between the two extremes: going
    on to a dearer network buys less accuracy for its share of the cost than the front does as a whole.

    Costs are scaled linearly although they span decades. On a logarithmic axis the cheap end, where every
    search finds a few tiny networks of poor accuracy, is as long as the end that people use, so one more
    tiny network there moves the knee towards it. On the linear axis it takes next to no room.

    Ties go to the smaller costs, then the smaller losses from the first column on, then the first row. Where
    no row lies below the line (two rows, or a straight or bulging front) there is no bend, and the extremes
    tie: then the smallest product of error and cost wins, so the dearer extreme is taken exactly when it
    divides the error by more than it multiplies the cost.

    Args:
        losses: (trials, objectives), finite, rows of one front; one row or one objective will do.
        objectives: what the columns are; without it the first column counts as the error and the others as
            costs.

    Returns:
        Index of the row. O(n m) and a sort of the tied rows.

    Raises:
        SelectionError: if there is no row or a loss is not finite.

    Source: the distance to the extremes' line of Das 1999 and of Branke et al. 2004, for more objectives with
        the plane through the unit points; the shared weight and the tie rule are ours.
    """
    names = None if objectives is None else [objective.name for objective in objectives]
    table = finite_values(losses, names)
    if not len(table):
        raise SelectionError("the front is empty; expected at least one complete trial to choose from")
    costs = (
        np.arange(table.shape[1]) > 0
        if objectives is None
        else np.array([objective.is_cost for objective in objectives])
    )
    scaled = _unit_range(table)
    weights = _weights(costs)
    scores = scaled @ weights
    tied = np.flatnonzero(scores <= scores.min() + _TIE)
    price = scaled[tied][:, costs].sum(axis=1)
    keys = [*table[tied].T[::-1], price]
    if scores.min() >= weights[~costs].sum() - _TIE and not costs.all():
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(table[tied], 0.0))  # a loss of zero is beaten by nothing
        keys.append(np.round(logs @ weights, 9))  # equal products differ in their last bits
    return int(tied[np.lexsort(keys)[0]])


def best_under(
    values: ArrayLike, metrics: Sequence[Objective], limits: Sequence[Limit], what: str = "trials"
) -> int:
    """The row with the highest accuracy among those that keep every limit.

    Where accuracy is no column the first one decides. Ties go to the better value of the other columns, from
    left to right, then to the first row. O(n log n).

    Args:
        values: (trials, metrics), finite, in the units of `Objective` (not losses).
        metrics: what the columns are; limited metrics must be among them, objectives or not.
        limits: all are to be kept; none means no limit.
        what: the rows are, for the error's text.

    Returns:
        Index of the row.

    Raises:
        SelectionError: if there is no row, a limited metric is no column, a value is not finite, or no row
            keeps the limits; the text then names the value that comes nearest.
    """
    names = [metric.name for metric in metrics]
    table = finite_values(values, names, "values")
    if not len(table):
        raise SelectionError("there is no complete trial to choose from")
    kept = np.ones(len(table), dtype=np.bool_)
    for limit in limits:
        if limit.metric not in names:
            raise SelectionError(
                f"limit {limit.text!r}: {limit.metric} was not measured; expected one of {', '.join(names)}"
            )
        column = table[:, names.index(limit.metric)]
        kept &= np.array([limit.allows(float(value)) for value in column])
    rows = np.flatnonzero(kept)
    if not rows.size:
        raise SelectionError(_nobody(table, names, limits, what))
    order = sorted(range(len(names)), key=lambda j: (names[j] != "accuracy", j))
    chosen = to_losses(table[rows], metrics)
    return int(rows[np.lexsort([chosen[:, j] for j in reversed(order)])[0]])


def _unit_range(table: Floats) -> Floats:
    low, high = table.min(axis=0), table.max(axis=0)
    span = np.where(high > low, high - low, 1.0)  # a column of equal values becomes all zero
    return np.asarray((table - low) / span, dtype=np.float64)


def _weights(costs: np.ndarray) -> Floats:
    """One weight for the qualities and one for the costs, each shared evenly among its columns."""
    return np.where(costs, 1.0 / max(int(costs.sum()), 1), 1.0 / max(int((~costs).sum()), 1))


def _nobody(table: Floats, names: Sequence[str], limits: Sequence[Limit], what: str) -> str:
    nearest = []
    for limit in limits:
        column = table[:, names.index(limit.metric)]
        value = column.min() if limit.relation == "<=" else column.max()
        text = format_bound(Decimal(str(value)), find_objective(limit.metric).unit)
        nearest.append(f"{'smallest' if limit.relation == '<=' else 'largest'} {limit.metric} is {text}")
    wanted = " and ".join(limit.text for limit in limits)
    return f"none of {len(table)} {what} keeps {wanted}; the {', the '.join(nearest)}"
