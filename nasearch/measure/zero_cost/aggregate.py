"""From scores of many candidates to one number each: aggregates of ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from scipy import stats

from nasearch.errors import MeasurementError

AZ_NAS = ("az_expressivity", "az_progressivity", "az_trainability", "macs")
"""What the aggregate `az_nas` is made of."""

AGREEMENT = 0.5
"""Mean Spearman correlation with the others that a score of the ensemble must have."""

Columns: TypeAlias = Mapping[str, Sequence[float] | np.ndarray]


def rank_aggregate(columns: Columns) -> np.ndarray:
    """Sum over the scores of log(rank / m), m candidates, the best ranked m.

    A candidate that one score finds bad is bad, however good the others find it.

    Args:
        columns: of each score (m,) values, more is better, -inf lowest; ties share their mean rank.

    Returns:
        (m,) values up to 0, more is better. They mean something among these candidates alone.

    Raises:
        MeasurementError: if there is no column, one has another length, or a value is NaN.

    Source: Lee & Ham 2024, "AZ-NAS", equation 12.
    """
    ranks = _ranks(columns)
    total: np.ndarray = np.log(ranks / ranks.shape[1]).sum(axis=0)
    return total


def agreeing(columns: Columns, at_least: float = AGREEMENT) -> tuple[str, ...]:
    """The scores that agree: no accuracy is asked.

    The score whose ranks correlate least with those of the others (mean Spearman's rho) is dropped, again and
    again, until the mean of each is at least the bound or two are left. A score that is the same for all
    candidates says nothing, and is dropped first.

    Args:
        columns: as `rank_aggregate` takes them.
        at_least: the bound, -1 to 1.

    Returns:
        Names in the order of the columns; at least one, if there was any.
    """
    ranks = dict(zip(columns, _ranks(columns), strict=True))
    kept = [name for name, row in ranks.items() if np.ptp(row) > 0] or list(ranks)[:1]
    while len(kept) > 2:
        rho = np.corrcoef([ranks[name] for name in kept])
        means = (rho.sum(axis=0) - 1) / (len(kept) - 1)
        if means.min() >= at_least:
            break
        kept.pop(int(means.argmin()))
    return tuple(kept)


def aggregates(columns: Columns) -> dict[str, np.ndarray]:
    """`az_nas` where its four components are there, and `ensemble`: the `rank_aggregate` of those that agree.

    Args:
        columns: as `rank_aggregate` takes them, by the names of `SCORES`.

    Raises:
        MeasurementError: as `rank_aggregate`.
    """
    found = {"ensemble": rank_aggregate({name: columns[name] for name in agreeing(columns)})}
    if set(AZ_NAS) <= set(columns):
        found["az_nas"] = rank_aggregate({name: columns[name] for name in AZ_NAS})
    return found


def _ranks(columns: Columns) -> np.ndarray:
    """(scores, candidates) ranks from 1."""
    if not columns:
        raise MeasurementError("no scores to aggregate; expected at least one column")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise MeasurementError(f"columns of lengths {lengths}; expected the same candidates in each")
    for name, column in columns.items():
        if any(math.isnan(value) for value in column):
            raise MeasurementError(f"{name} is NaN for a candidate; expected numbers, or -inf for no signal")
    return np.array([stats.rankdata(column) for column in columns.values()], dtype=float)
