"""Foretelling a final accuracy from an early one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nasearch.pareto.objectives import Floats


@dataclass(frozen=True)
class Forecast:
    """A final accuracy as it is expected, and its standard deviation."""

    mean: float
    deviation: float


PRIOR_SLOPE, PRIOR_SLOPE_SD = 0.5, 0.5
PRIOR_NOISE, PRIOR_NOISE_WEIGHT = 0.02, 2.0


def foretell(accuracy: float, pairs: Sequence[tuple[float, float]] | Floats) -> Forecast:
    """Foretell a final accuracy from the one at a rung, by what became of others.

    Bayesian linear regression of final on present accuracy with a prior for its slope: of a difference
    between two candidates half is expected to be left, give or take as much; how far single candidates stray
    from the line is learnt, from 2 points on.

    Args:
        accuracy: at the rung.
        pairs: (at the rung, final) of those that reached the top, at least one.
    """
    x, y = np.array(pairs).T
    x_mean, y_mean, n = x.mean(), y.mean(), len(x)
    precision = 1 / (PRIOR_SLOPE_SD / PRIOR_NOISE) ** 2  # in units of the noise
    spread = float(((x - x_mean) ** 2).sum()) + precision
    slope = (float(((x - x_mean) * (y - y_mean)).sum()) + precision * PRIOR_SLOPE) / spread
    residuals = float(((y - y_mean - slope * (x - x_mean)) ** 2).sum())
    surprise = precision * (slope - PRIOR_SLOPE) ** 2
    weight = PRIOR_NOISE_WEIGHT + n
    variance = (PRIOR_NOISE_WEIGHT * PRIOR_NOISE**2 + residuals + surprise) / weight
    mean = y_mean + slope * (accuracy - x_mean)
    deviation = math.sqrt(variance * (1 + 1 / n + (accuracy - x_mean) ** 2 / spread))
    return Forecast(float(mean), deviation)
