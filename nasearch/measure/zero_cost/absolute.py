"""One number for a network by itself, from scores whose scale was learnt once on random networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from nasearch.errors import MeasurementError
from nasearch.measure.zero_cost.aggregate import Columns

NORMAL_QUARTILES = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Scale:
    """Where a score has its middle among random networks, and how wide they lie around it."""

    middle: float
    width: float


def scales_of(columns: Columns) -> dict[str, Scale]:
    """The scale of each score among random networks: median, and the deviation that its quartiles tell.

    Args:
        columns: scores by name, (m,) each; -inf is left out.

    Raises:
        MeasurementError: if a score has no finite value.
    """
    found = {}
    for name, column in columns.items():
        values = np.asarray(column, dtype=np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            raise MeasurementError(f"{name} has no signal in any of {len(column)} networks; expected some")
        low, middle, high = np.percentile(values, (25, 50, 75))
        found[name] = Scale(float(middle), float((high - low) / NORMAL_QUARTILES) or 1.0)
    return found


def absolute_score(scores: Mapping[str, float], scales: Mapping[str, Scale]) -> float:
    """The mean over the scores of 1 / (1 + exp(-z)), z a score on its scale.

    Unlike `rank_aggregate` it does not change as other networks come, and it does not end at the best of
    those that the scales were learnt on.

    Args:
        scores: of one network, more is better; -inf for no signal, which counts 0.
        scales: for each of them.

    Returns:
        0 to 1; 0.5 is an ordinary network.
    """
    parts = [
        0.0 if scores[name] == -math.inf else float(expit((scores[name] - scale.middle) / scale.width))
        for name, scale in scales.items()
    ]
    return sum(parts) / len(parts)
