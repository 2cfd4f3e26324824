"""Rank correlations: by hand, by scipy, and whether their intervals hold what they should."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nasearch.errors import SelectionError
from nasearch.pareto import Agreement, kendall, partial_kendall, spearman

TIED = [1.0, 1.0, 2.0, 3.0]
OTHER = [1.0, 2.0, 2.0, 0.0]


def test_by_hand_with_ties() -> None:
    """Of six pairs one is tied in each order; of the others one agrees, three do not: -2 / sqrt(5 x 5).

    Ranks are 1.5 1.5 3 4 and 2 3.5 3.5 1: the products of their deviations sum to -2.25, the squares to 4.5.
    """
    assert kendall(TIED, OTHER) == Agreement(-2 / 5, None, None, 4)
    assert spearman(TIED, OTHER).value == pytest.approx(-2.25 / 4.5)


def test_one_disagreeing_pair_of_six() -> None:
    found = kendall([1, 2, 3, 4], [1, 2, 4, 3])
    assert found.value == pytest.approx((5 - 1) / 6)
    assert spearman([1, 2, 3, 4], [1, 2, 4, 3]).value == pytest.approx(1 - 6 * 2 / (4 * 15))


@pytest.mark.parametrize("levels", [4, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_scipys_with_and_without_ties(levels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    one = random.integers(0, levels, 30).astype(float)
    other = one + random.integers(0, levels, 30)
    assert kendall(one, other).value == pytest.approx(stats.kendalltau(one, other).statistic)
    assert spearman(one, other).value == pytest.approx(stats.spearmanr(one, other).statistic)


def test_intervals_are_percentiles_over_resampled_networks() -> None:
    """The same draws, taken one by one by scipy."""
    random = np.random.default_rng(1)
    one = random.normal(size=12)
    other = one + random.normal(size=12)
    counts = np.random.default_rng(7).multinomial(12, [1 / 12] * 12, size=200)
    rows = [np.repeat(np.arange(12), each) for each in counts]
    for ours, theirs in ((kendall, stats.kendalltau), (spearman, stats.spearmanr)):
        found = ours(one, other, draws=200, seed=7)
        drawn = [theirs(one[row], other[row]).statistic for row in rows]
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))
        assert found.n == 12


@pytest.mark.parametrize(("n", "tau"), [(8, 0.4), (12, 0.0), (12, 0.7), (30, 0.7)])
def test_an_interval_holds_the_true_tau_about_as_often_as_it_says(n: int, tau: float) -> None:
    """Of normal pairs tau is 2 / pi arcsin(r)."""
    random = np.random.default_rng(n)
    r = math.sin(math.pi * tau / 2)
    held, rounds = 0, 300
    for _ in range(rounds):
        one = random.normal(size=n)
        other = r * one + math.sqrt(1 - r * r) * random.normal(size=n)
        found = kendall(one, other, draws=300)
        # one without an interval claims nothing
        held += found.low is None or found.high is None or found.low <= tau <= found.high
    assert held / rounds > 0.91  # 300 rounds of 95 % are below that in 3 of 1,000 cases


def test_interval_of_rho_is_as_wide_as_theory_has_it() -> None:
    """The standard error of n normal pairs is about sqrt((1 + rho^2 / 2) / (n - 3)) on Fisher's scale."""
    random = np.random.default_rng(1)
    one = random.normal(size=400)
    found = spearman(one, one + random.normal(size=400))
    z = math.atanh(found.value)
    half = 1.96 * math.sqrt((1 + found.value**2 / 2) / 397)
    assert found.low == pytest.approx(math.tanh(z - half), abs=0.02)
    assert found.high == pytest.approx(math.tanh(z + half), abs=0.02)


def test_partial_tau_by_its_formula() -> None:
    """Kendall 1970: what is left of two orders that both follow a third."""
    random = np.random.default_rng(2)
    given = random.normal(size=40)
    one, other = given + random.normal(size=40), given + random.normal(size=40)
    xy, xz, yz = (
        float(stats.kendalltau(a, b).statistic) for a, b in ((one, other), (one, given), (other, given))
    )
    expected = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    found = partial_kendall(one, other, given)
    assert found.value == pytest.approx(expected)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high  # nothing but the third is shared
    assert kendall(one, other).low > 0  # type: ignore[operator]  # though they look alike


def test_partial_tau_finds_what_the_third_does_not_explain() -> None:
    random = np.random.default_rng(3)
    given, own = random.normal(size=60), random.normal(size=60)
    found = partial_kendall(given + own, own + 0.3 * random.normal(size=60), given)
    assert found.low is not None
    assert found.low > 0.3


def test_an_order_that_says_nothing_is_zero() -> None:
    rising, flat = np.arange(10.0), np.ones(10)
    assert kendall(flat, rising) == Agreement(0.0, None, None, 10)
    assert spearman(flat, rising) == Agreement(0.0, None, None, 10)
    assert partial_kendall(rising, rising[::-1], rising).value == 0.0


def test_no_interval_where_resampling_shows_no_doubt() -> None:
    """Eight networks in the same order would give 1 to 1, which is too good to be said."""
    assert kendall(range(9), range(9)) == Agreement(1.0, None, None, 9)
    assert kendall(range(7), [0, 2, 1, 3, 4, 5, 6]).low is None  # too few
    assert kendall(range(8), [0, 2, 1, 3, 4, 5, 6, 7]).low is not None


def test_a_network_without_a_signal_is_the_lowest() -> None:
    random = np.random.default_rng(0)
    values, accuracies = random.integers(0, 5, 40).astype(float), random.normal(size=40)
    values[:3] = -math.inf
    finite = np.where(np.isneginf(values), -1.0, values)
    assert spearman(values, accuracies).value == pytest.approx(stats.spearmanr(finite, accuracies).statistic)
    assert kendall(values, accuracies).value == pytest.approx(stats.kendalltau(finite, accuracies).statistic)


def test_words() -> None:
    assert Agreement(0.714, 0.4, 0.9, 12).text == "+0.71 (+0.40 to +0.90)"
    assert Agreement(-0.5, None, None, 4).text == "-0.50"


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(SelectionError, match=r"columns of \[2, 3\] values; expected the same networks"):
        kendall([1, 2], [1, 2, 3])
    with pytest.raises(SelectionError, match=r"columns of \[1, 1\] values"):
        spearman([1], [1])
    with pytest.raises(SelectionError, match="a value to be ranked is NaN"):
        partial_kendall([1, 2], [1, float("nan")], [1, 2])
