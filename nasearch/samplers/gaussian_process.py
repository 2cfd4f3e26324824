"""A Gaussian process over networks, small and quick: a few hundred trials, a few dozen length scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from nasearch.pareto.objectives import Floats

ITERATIONS = 25
MOST_FITTED = 200
"""Hyperparameters are fitted to so many trials at most; predictions use all."""

AMPLITUDE_SPREAD, SCALE_SPREAD, NOISE_SPREAD = 1.5, 1.0, 1.5
LIKELY_NOISE = np.log(0.05)
"""Priors, of logarithms and for standardised values: what one needs is within a factor of e or so."""

_JITTER = 1e-6
_HIGHEST = 12.0


@dataclass(frozen=True)
class Component:
    """One summand of the kernel: exp(-sum_b w_b d_b), d_b the squared distance within a block of coordinates.

    Attributes:
        points: (points, coordinates).
        blocks: (coordinates,) int, the length scale of each coordinate, from 0 on.
    """

    points: Floats
    blocks: np.ndarray

    @property
    def scales(self) -> int:
        """Number of length scales."""
        return int(self.blocks.max()) + 1 if self.blocks.size else 0


class GaussianProcess:
    """A posterior over one number, with a kernel that is a sum of `Component`s.

    Hyperparameters are those of highest posterior density (L-BFGS from the priors' modes), so a fit depends
    on its data alone.

    Args:
        components: of the kernel, at the points seen.
        values: (points,), finite.
        variances: (points,), of the values' own noise, added to what is fitted; in the values' unit squared.
        fitted: indexes of the points that the hyperparameters are fitted to; all, if there are few.

    Source: Rasmussen and Williams 2006, algorithm 2.1 and equation 5.9.
    """

    def __init__(
        self,
        components: Sequence[Component],
        values: Floats,
        variances: Floats | None = None,
        fitted: np.ndarray | None = None,
    ) -> None:
        self._told = tuple(part.scales > 0 for part in components)  # one without coordinates says nothing
        self._parts = tuple(compress(components, self._told))
        self._mean, self._deviation = float(values.mean()), float(values.std()) or 1.0
        self._targets = (values - self._mean) / self._deviation
        self._own_noise = (
            np.zeros(len(values)) if variances is None else np.minimum(variances / self._deviation**2, 1e6)
        )
        chosen = np.arange(len(values)) if fitted is None else fitted
        self._theta = self._fit(chosen)
        kernel = self._between(self._theta, [part.points for part in self._parts])
        kernel[np.diag_indices(len(values))] += self._noise(self._theta) + self._own_noise
        self._factor = cholesky(kernel, lower=True)
        self._weights = cho_solve((self._factor, True), self._targets)

    def predict(self, points: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the number without its noise.

        Args:
            points: (points, coordinates) for each component that was given.

        Returns:
            (points,) each.
        """
        new = list(compress(points, self._told))
        across = self._between(self._theta, [part.points for part in self._parts], new)
        mean = across.T @ self._weights
        shrunk = solve_triangular(self._factor, across, lower=True)
        amplitude = float(np.exp(self._theta[: len(self._parts)]).sum())
        variance = np.maximum(amplitude - (shrunk**2).sum(axis=0), 1e-10)
        return self._mean + self._deviation * mean, self._deviation * np.sqrt(variance)

    # theta: a log amplitude for each part, then the log weights of each part's blocks, then the log noise

    def _unpack(self, theta: Floats) -> list[tuple[float, Floats]]:
        place, found = len(self._parts), []
        for number, part in enumerate(self._parts):
            found.append((theta[number], theta[place : place + part.scales]))
            place += part.scales
        return found

    @staticmethod
    def _noise(theta: Floats) -> float:
        return float(np.exp(theta[-1])) + _JITTER

    def _between(
        self, theta: Floats, points: Sequence[Floats], others: Sequence[Floats] | None = None
    ) -> Floats:
        kernel: Floats | None = None
        for (amplitude, weights), part, rows, columns in zip(
            self._unpack(theta), self._parts, points, points if others is None else others, strict=True
        ):
            root = np.exp(0.5 * weights)[part.blocks]
            summand = np.exp(amplitude - _squared_distances(rows * root, columns * root))
            kernel = summand if kernel is None else kernel + summand
        assert kernel is not None
        return kernel

    def _fit(self, chosen: np.ndarray) -> Floats:
        targets, own = self._targets[chosen], self._own_noise[chosen]
        points = [part.points[chosen] for part in self._parts]
        modes = self._modes()
        spreads = np.full(len(modes), SCALE_SPREAD)
        spreads[: len(self._parts)], spreads[-1] = AMPLITUDE_SPREAD, NOISE_SPREAD
        start = modes.copy()
        start[: len(self._parts)] -= np.log(len(self._parts))
        diagonal = np.diag_indices(len(chosen))

        def objective(theta: Floats) -> tuple[float, Floats]:
            """Negative log posterior density, and its gradient."""
            summands, kernel = [], np.zeros((len(chosen), len(chosen)))
            for (amplitude, weights), part, rows in zip(
                self._unpack(theta), self._parts, points, strict=True
            ):
                root = np.exp(0.5 * weights)[part.blocks]
                summands.append(np.exp(amplitude - _squared_distances(rows * root, rows * root)))
                kernel += summands[-1]
            kernel[diagonal] += self._noise(theta) + own
            away = (theta - modes) / spreads
            try:
                factor = cholesky(kernel, lower=True)
            except LinAlgError:  # a step too far; the line search comes back
                return 1e10, np.zeros_like(theta)
            solved = cho_solve((factor, True), targets)
            inverse = cho_solve((factor, True), np.eye(len(chosen)))
            slope = 0.5 * (inverse - np.outer(solved, solved))
            gradient = np.empty_like(theta)
            place = len(self._parts)
            for number, (part, rows, summand) in enumerate(zip(self._parts, points, summands, strict=True)):
                pulled = slope * summand
                gradient[number] = pulled.sum()
                # sum_ij M_ij (x_i - x_j)^2 for each coordinate, M symmetric
                spread = 2 * ((rows**2 * pulled.sum(axis=1)[:, None]) - rows * (pulled @ rows)).sum(axis=0)
                weights = theta[place : place + part.scales]
                gradient[place : place + part.scales] = -np.exp(weights) * np.bincount(
                    part.blocks, spread, part.scales
                )
                place += part.scales
            gradient[-1] = np.exp(theta[-1]) * np.trace(slope)
            value = 0.5 * targets @ solved + np.log(np.diag(factor)).sum() + 0.5 * (away**2).sum()
            return float(value), gradient + away / spreads

        bounds = [(mode - _HIGHEST, mode + _HIGHEST) for mode in modes]
        found = minimize(
            objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS}
        )
        return np.asarray(found.x, dtype=np.float64)

    def _modes(self) -> Floats:
        """Of the priors: amplitude 1, one unit of distance over all blocks of a part, a little noise."""
        scales = [np.full(part.scales, -np.log(part.scales)) for part in self._parts]
        return np.concatenate([np.zeros(len(self._parts)), *scales, [LIKELY_NOISE]])


def _squared_distances(rows: Floats, columns: Floats) -> Floats:
    """(rows, columns)."""
    table = (rows**2).sum(axis=1)[:, None] + (columns**2).sum(axis=1)[None] - 2 * rows @ columns.T
    return np.asarray(np.maximum(table, 0.0), dtype=np.float64)
