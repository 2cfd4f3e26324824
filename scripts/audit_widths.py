"""How much an audit of so many networks can tell: width and coverage of the interval of Kendall's tau.

    python scripts/audit_widths.py

Draws audits from normal pairs, whose tau is known (2 / pi arcsin r), and gives for each number of networks
and each true tau: the share of audits whose interval holds it, the median width of the interval, the share
whose interval lies above 0, and the share that have none because every pair agrees. Beside it what was tried
and lost: the bootstrap's BCa interval, and Fieller's on the scale of Fisher (Fieller et al. 1957).
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy.stats import norm

from nasearch.pareto import kendall
from nasearch.pareto.agreement import LEAST_NETWORKS

Z = float(norm.ppf(0.975))
Interval = tuple[float, float]


def pairs(n: int, tau: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(n,) proxy and (n,) truth of normal pairs with that tau."""
    r = math.sin(math.pi * tau / 2)
    one = random.normal(size=n)
    return one, r * one + math.sqrt(1 - r * r) * random.normal(size=n)


def fieller(value: float, n: int) -> Interval:
    """The interval of a tau by its approximate standard error sqrt(0.437 / (n - 4)) on Fisher's scale."""
    edge = 1 - 2 / (n * (n - 1))  # one pair short of all, where the scale ends
    z, half = math.atanh(min(max(value, -edge), edge)), Z * math.sqrt(0.437 / (n - 4))
    return math.tanh(z - half), math.tanh(z + half)


def bca(one: np.ndarray, other: np.ndarray, draws: int) -> Interval:
    """Efron's bias-corrected and accelerated interval (Efron & Tibshirani 1993, section 14.3)."""
    n = len(one)
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=draws)
    drawn = np.array([kendall(np.repeat(one, row), np.repeat(other, row), draws=1).value for row in counts])
    value = kendall(one, other, draws=1).value
    left_out = np.array([kendall(np.delete(one, i), np.delete(other, i), draws=1).value for i in range(n)])
    spread = left_out.mean() - left_out
    size = (spread**2).sum() ** 1.5
    a = float((spread**3).sum() / (6 * size)) if size > 0 else 0.0
    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    z0 = float(norm.ppf(min(max(below, 0.5 / draws), 1 - 0.5 / draws)))
    ends = [float(norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))) for z in (-Z, Z)]
    low, high = np.quantile(drawn, ends)
    return float(low), float(high)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audits", type=int, default=1000, help="drawn for each row")
    parser.add_argument("--draws", type=int, default=500, help="of the bootstrap")
    parser.add_argument("--others", type=int, default=100, help="audits with BCa and Fieller's interval")
    given = parser.parse_args()
    print(
        f"{given.audits} audits a row, {given.draws} draws; BCa and Fieller of {given.others}, normal pairs"
    )
    head = f"{'networks':>8} {'true tau':>8} {'holds it':>8} {'width':>5} {'above 0':>7} {'none':>5}"
    print(f"{head}   BCa: holds, width   Fieller: holds, width")
    for n in (LEAST_NETWORKS, 12, 16, 24, 36, 48):
        for tau in (0.0, 0.4, 0.6, 0.8):
            print(row(n, tau, given.audits, given.draws, given.others), flush=True)


def row(n: int, tau: float, audits: int, draws: int, others: int) -> str:
    """A line of the table."""
    random = np.random.default_rng([n, int(100 * tau)])
    ends: list[Interval] = []
    rest: dict[str, list[Interval]] = {"bca": [], "fieller": []}
    for i in range(audits):
        one, other = pairs(n, tau, random)
        found = kendall(one, other, draws=draws)
        if found.low is not None and found.high is not None:
            ends.append((found.low, found.high))
        if i < others:
            rest["bca"].append(bca(one, other, draws))
            rest["fieller"].append(fieller(found.value, n))
    above = sum(low > 0 for low, _ in ends) / audits
    text = f"{n:8} {tau:8.1f} {words(ends, tau)} {above:7.2f} {1 - len(ends) / audits:5.2f}"
    return f"{text}   {words(rest['bca'], tau)}       {words(rest['fieller'], tau)}"


def words(ends: list[Interval], tau: float) -> str:
    """The share of intervals that hold tau, and their median width."""
    held = np.mean([low <= tau <= high for low, high in ends])
    return f"{held:8.2f} {np.median([high - low for low, high in ends]):5.2f}"


if __name__ == "__main__":
    main()
