"""What is believed of one loss at networks that nobody has trained, and what it could gain.

A loss is modelled on a logarithmic axis that begins a little below the best one seen: near the front, where a
search lives, small differences count, and a network that learnt nothing is bad but not a thousand times as
informative as a good one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from nasearch.pareto.objectives import Floats
from nasearch.samplers.gaussian_process import Component, GaussianProcess

HEADROOM = 0.5
"""Where the axis begins: below the best loss by this share of the way from it to the median."""


class Belief(ABC):
    """One loss of several networks, known or not."""

    @abstractmethod
    def gains(self, levels: Floats) -> Floats:
        """(networks, levels): the expected max(0, level - loss); 0 at a level of -inf."""


class Certain(Belief):
    """A loss that is known exactly.

    Args:
        losses: (networks,).
    """

    def __init__(self, losses: Floats) -> None:
        self._losses = losses

    def gains(self, levels: Floats) -> Floats:
        """As `Belief` says."""
        return np.asarray(np.maximum(levels - self._losses[:, None], 0.0), dtype=np.float64)


class Normal(Belief):
    """A loss whose logarithm above a shift is normally distributed.

    Args:
        mean, deviation: (networks,), of log(loss - shift).
        shift: below every loss.
    """

    def __init__(self, mean: Floats, deviation: Floats, shift: float) -> None:
        self.mean, self.deviation, self._shift = mean, deviation, shift

    def gains(self, levels: Floats) -> Floats:
        """As `Belief` says: a put option's value (Black and Scholes 1973, without interest)."""
        above = np.maximum(levels - self._shift, 0.0)
        with np.errstate(divide="ignore"):
            strike = np.log(above)
        mean, deviation = self.mean[:, None], self.deviation[:, None]
        score = (strike - mean) / deviation
        # exp(mean + deviation^2 / 2) overflows where it is multiplied by nothing
        price = np.exp(np.minimum(mean + deviation**2 / 2, 700.0))
        value = above * ndtr(score) - price * ndtr(score - deviation)
        return np.asarray(np.maximum(value, 0.0), dtype=np.float64)


class Warp:
    """The logarithmic axis of one loss.

    Args:
        losses: (trials,), those measured.
    """

    def __init__(self, losses: Floats) -> None:
        best, middle = float(losses.min()), float(np.median(losses))
        scale = middle - best or float(losses.max()) - best or 1.0
        self.shift = best - HEADROOM * scale
        self._floor = 0.1 * HEADROOM * scale

    def __call__(self, losses: Floats) -> Floats:
        """Losses on the axis; forecasts below its beginning are taken just above it."""
        return np.asarray(np.log(np.maximum(losses - self.shift, self._floor)), dtype=np.float64)

    def variances(self, losses: Floats, variances: Floats) -> Floats:
        """Variances on the axis, to first order."""
        return np.asarray(variances / np.maximum(losses - self.shift, self._floor) ** 2, dtype=np.float64)


class LossModel:
    """A Gaussian process of one loss on its logarithmic axis.

    Args:
        components: of the kernel, at the networks seen.
        losses: (trials,).
        variances: (trials,), zero where a loss was measured.
        fitted: as `GaussianProcess` says.
    """

    def __init__(
        self, components: Sequence[Component], losses: Floats, variances: Floats, fitted: np.ndarray
    ) -> None:
        measured = losses[variances == 0] if (variances == 0).any() else losses
        self._warp = Warp(measured)
        self._process = GaussianProcess(
            components, self._warp(losses), self._warp.variances(losses, variances), fitted
        )

    def predict(self, points: Sequence[Floats]) -> Normal:
        """What is believed of networks at these points, as `GaussianProcess.predict` takes them."""
        return Normal(*self._process.predict(points), self._warp.shift)

    def median(self, points: Sequence[Floats]) -> Floats:
        """(points,): the loss that is as likely surpassed as not."""
        return self._warp.shift + np.exp(self._process.predict(points)[0])


def expected_gain(beliefs: Sequence[Belief], lower: Floats, upper: Floats) -> Floats:
    """The hypervolume that each network is expected to add, its losses taken as independent.

    Args:
        beliefs: one for each objective.
        lower: (boxes, objectives), of `nasearch.pareto.boxes.free_boxes`.
        upper: the same.

    Returns:
        (networks,).

    Source: Emmerich, Yang and Deutz 2016, in the form of Daulton, Balandat and Bakshy 2020, equation 2; where
        a loss is known the integral over it is dropped.
    """
    product: Floats | None = None
    for j, belief in enumerate(beliefs):
        levels, places = np.unique(np.concatenate([lower[:, j], upper[:, j]]), return_inverse=True)
        gains = belief.gains(levels)
        low, high = places[: len(lower)], places[len(lower) :]
        factor = gains[:, high] - gains[:, low]
        product = factor if product is None else product * factor
    assert product is not None
    return np.asarray(product.sum(axis=1), dtype=np.float64)
