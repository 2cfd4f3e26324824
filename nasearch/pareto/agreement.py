"""How far two orders of the same networks agree: rank correlations with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nasearch.errors import SelectionError
from nasearch.pareto.objectives import Floats

LEAST_NETWORKS = 8
"""Networks below which no interval is given: of fewer it would hold the true tau too seldom."""

DRAWS = 2000
"""Of the bootstrap: the ends of an interval are then known to about a twentieth of its width."""


@dataclass(frozen=True)
class Agreement:
    """A rank correlation with its 95 % bootstrap interval over networks.

    Attributes:
        value: in [-1, 1]; 0 where one of the orders is constant and says nothing.
        low: end of the interval; None, as `high`, where there are fewer than `LEAST_NETWORKS` networks, or
            where every resampling gives the same and says nothing of the doubt.
        high: the other end.
        n: networks.
    """

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def text(self) -> str:
        """For people: "+0.71 (+0.40 to +0.90)", or the value alone."""
        if self.low is None or self.high is None:
            return f"{self.value:+.2f}"
        return f"{self.value:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def kendall(one: ArrayLike, other: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Agreement:
    """Kendall's tau-b: agreeing pairs of networks less disagreeing ones, as a share; tied pairs are left out.

    O((draws + n) n^2) time and O(n (draws + n)) memory.

    Args:
        one: (n,) values of the networks, infinite ones too; only their order counts.
        other: (n,) likewise.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        SelectionError: if a value is NaN, the lengths differ, or there are fewer than two networks.

    Source: Kendall 1970, Rank Correlation Methods, chapters 1 and 3; percentile interval of Efron &
    Tibshirani 1993, section 13.3.
    """
    a, b = map(_order, _columns(one, other))
    return _with_interval(lambda counts: _tau(counts, a, b), len(a), draws, seed)


def spearman(one: ArrayLike, other: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Agreement:
    """Spearman's rho: Pearson's correlation of the ranks, where equals share their mean rank.

    Arguments, costs and errors as in `kendall`. Source: Kendall 1970, chapters 1 and 3.
    """
    # The mean rank of a network among resampled ones: those below it, and half of its equals.
    below = [(1.0 + _order(column)) / 2 for column in _columns(one, other)]

    def rho(counts: Floats) -> Floats:
        a, b = (counts @ each for each in below)
        a, b = (ranks - (counts * ranks).mean(axis=1, keepdims=True) for ranks in (a, b))
        return _ratio(
            (counts * a * b).sum(axis=1),
            np.sqrt((counts * a**2).sum(axis=1) * (counts * b**2).sum(axis=1)),
        )

    return _with_interval(rho, len(below[0]), draws, seed)


def partial_kendall(
    one: ArrayLike, other: ArrayLike, given: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Agreement:
    """Kendall's tau of two orders where a third is held fixed: what they share beyond it.

    (t_xy - t_xz t_yz) / sqrt((1 - t_xz^2) (1 - t_yz^2)) of the three tau-b; 0 where the third is one of the
    two. Arguments, costs and errors as in `kendall`. Source: Kendall 1970, chapter 8.
    """
    x, y, z = map(_order, _columns(one, other, given))

    def partial(counts: Floats) -> Floats:
        xy, xz, yz = _tau(counts, x, y), _tau(counts, x, z), _tau(counts, y, z)
        left = np.sqrt(np.clip(1 - xz**2, 0, None) * np.clip(1 - yz**2, 0, None))
        return np.clip(_ratio(xy - xz * yz, left), -1, 1)

    return _with_interval(partial, len(x), draws, seed)


def _columns(*given: ArrayLike) -> list[Floats]:
    columns = [np.asarray(each, dtype=float).ravel() for each in given]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1 or lengths[0] < 2:
        raise SelectionError(f"columns of {lengths} values; expected the same networks in each, at least 2")
    if any(np.isnan(column).any() for column in columns):
        raise SelectionError("a value to be ranked is NaN; expected numbers, or -inf for the worst")
    return columns


def _order(column: Floats) -> Floats:
    """(n, n) of 1 where the network of the row is below that of the column, -1 above, 0 equal."""
    rows = column[:, None]
    order: Floats = (rows < column).astype(float) - (rows > column).astype(float)  # of infinite values too
    return order


def _tau(counts: Floats, a: Floats, b: Floats) -> Floats:
    """(draws,) tau-b of networks that count (draws, n) times each."""

    def pairs(weights: Floats) -> Floats:
        total: Floats = ((counts @ weights) * counts).sum(axis=1)
        return total

    return _ratio(pairs(a * b), np.sqrt(pairs(np.abs(a)) * pairs(np.abs(b))))


def _ratio(above: Floats, below: Floats) -> Floats:
    """The quotient; 0 where the divisor is 0 but for rounding."""
    is_some = below > 1e-9
    return np.where(is_some, above / np.where(is_some, below, 1.0), 0.0)


def _with_interval(statistic: Callable[[Floats], Floats], n: int, draws: int, seed: int) -> Agreement:
    """A statistic of counts (draws, n) for every network once, and its percentiles over resampled ones."""
    value = float(statistic(np.ones((1, n)))[0])
    if n < LEAST_NETWORKS:
        return Agreement(value, None, None, n)
    chance = np.random.default_rng(seed)
    resampled = statistic(chance.multinomial(n, np.full(n, 1 / n), size=draws).astype(float))
    low, high = np.quantile(resampled, (0.025, 0.975))
    if high - low < 1e-9:
        return Agreement(value, None, None, n)
    return Agreement(value, float(low), float(high), n)
