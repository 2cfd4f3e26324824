"""Samplers side by side on the same seeds: means, ranks and paired tests; and their table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from rich.table import Table
from rich.text import Text
from scipy import stats

from nasearch.pareto.objectives import Floats
from nasearch.report.formatting import MISSING, percent
from nasearch.report.style import plain_table


@dataclass(frozen=True)
class Standing:
    """How a sampler stands after so many networks.

    Attributes:
        mean: of the score over its seeds.
        standard_error: of the mean; None with one seed.
        rank: mean over the seeds that all samplers have; 1 is the best, ties share.
        seeds: searches that the mean is of.
    """

    sampler: str
    networks: int
    mean: float
    standard_error: float | None
    rank: float
    seeds: int


@dataclass(frozen=True)
class Paired:
    """Two samplers on the seeds that both have, after so many networks.

    Attributes:
        difference: mean of first minus second.
        low: end of its 95 % interval by Student's t; None with one seed, like those below.
        high: the other end.
        t_p: two-sided p of the paired t-test.
        wilcoxon_p: two-sided p of Wilcoxon's signed-rank test.
    """

    first: str
    second: str
    networks: int
    seeds: int
    difference: float
    low: float | None
    high: float | None
    t_p: float | None
    wilcoxon_p: float | None


@dataclass(frozen=True)
class SamplerComparison:
    """Every sampler at every checkpoint, and every two of them.

    Attributes:
        checkpoints: numbers of networks.
        higher_is_better: of the score.
        standings: a sampler after the other, in the order given.
        pairs: each two samplers once, at each checkpoint.
    """

    checkpoints: tuple[int, ...]
    higher_is_better: bool
    standings: tuple[Standing, ...]
    pairs: tuple[Paired, ...]

    def standing(self, sampler: str, networks: int) -> Standing:
        """The standing of a sampler at a checkpoint."""
        return next(e for e in self.standings if (e.sampler, e.networks) == (sampler, networks))

    def best(self) -> str:
        """The sampler with the best mean at the last checkpoint."""
        last = [entry for entry in self.standings if entry.networks == self.checkpoints[-1]]
        pick = max if self.higher_is_better else min
        return pick(last, key=lambda entry: entry.mean).sampler

    def against(self, sampler: str) -> tuple[Paired, ...]:
        """That sampler, as first, against each other."""
        turned = [pair if pair.first == sampler else _turned(pair) for pair in self.pairs]
        return tuple(pair for pair in turned if pair.first == sampler)

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "checkpoints": list(self.checkpoints),
            "higher_is_better": self.higher_is_better,
            "standings": [asdict(entry) for entry in self.standings],
            "pairs": [asdict(pair) for pair in self.pairs],
        }


def compare_samplers(
    curves: Mapping[str, Mapping[int, Floats]], checkpoints: Sequence[int], *, higher_is_better: bool = True
) -> SamplerComparison:
    """Compare samplers at equal numbers of networks.

    Args:
        curves: by sampler and seed, (networks,) the score after each network, at least one; one that ends
            before a checkpoint stands there as at its end.
        checkpoints: numbers of networks, ascending.
        higher_is_better: of the score.
    """
    standings: list[Standing] = []
    pairs: list[Paired] = []
    shared = sorted(set.intersection(*(set(theirs) for theirs in curves.values())))
    for networks in checkpoints:
        at = {
            name: {seed: float(curve[min(networks, len(curve)) - 1]) for seed, curve in theirs.items()}
            for name, theirs in curves.items()
        }
        table = np.array([[at[name][seed] for seed in shared] for name in curves])
        ranks = stats.rankdata(-table if higher_is_better else table, axis=0).mean(axis=1)
        for name, rank in zip(curves, ranks, strict=True):
            values = np.array(list(at[name].values()))
            error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
            standings.append(Standing(name, networks, float(values.mean()), error, float(rank), len(values)))
        pairs.extend(_paired(first, second, networks, at) for first, second in combinations(curves, 2))
    order = {name: i for i, name in enumerate(curves)}
    standings.sort(key=lambda entry: order[entry.sampler])
    return SamplerComparison(tuple(checkpoints), higher_is_better, tuple(standings), tuple(pairs))


def _paired(first: str, second: str, networks: int, at: Mapping[str, Mapping[int, float]]) -> Paired:
    seeds = sorted(set(at[first]) & set(at[second]))
    differences = np.array([at[first][seed] - at[second][seed] for seed in seeds])
    mean = float(differences.mean())
    if len(seeds) < 2:
        return Paired(first, second, networks, len(seeds), mean, None, None, None, None)
    if not differences.any():  # the tests divide by their spread
        return Paired(first, second, networks, len(seeds), 0.0, 0.0, 0.0, 1.0, 1.0)
    error = float(differences.std(ddof=1)) / math.sqrt(len(seeds))
    half = float(stats.t.ppf(0.975, len(seeds) - 1)) * error
    t_p = float(2 * stats.t.sf(abs(mean) / error, len(seeds) - 1)) if error > 0 else 0.0
    wilcoxon_p = float(stats.wilcoxon(differences).pvalue)
    return Paired(first, second, networks, len(seeds), mean, mean - half, mean + half, t_p, wilcoxon_p)


def _turned(pair: Paired) -> Paired:
    low = None if pair.high is None else -pair.high
    high = None if pair.low is None else -pair.low
    return Paired(
        pair.second,
        pair.first,
        pair.networks,
        pair.seeds,
        -pair.difference,
        low,
        high,
        pair.t_p,
        pair.wilcoxon_p,
    )


@dataclass(frozen=True)
class SamplerFacts:
    """What searching took, and where it ended; means over a sampler's seeds.

    Attributes:
        seconds_per_network: of proposing and telling.
        repeats: proposals of networks seen before, a search.
        test_accuracy: of what looked most accurate at the end, a fraction; None where it is not asked.
    """

    seconds_per_network: float
    repeats: float
    test_accuracy: float | None = None


def standings_table(comparison: SamplerComparison, facts: Mapping[str, SamplerFacts]) -> Table:
    """A sampler a row: at each checkpoint mean, standard error and mean rank; then what searching took.

    Args:
        comparison: whose standings are shown.
        facts: by sampler, in the order of the rows.
    """
    table = plain_table()
    table.add_column("sampler", no_wrap=True)
    for networks in comparison.checkpoints:
        table.add_column(f"@{networks}", justify="right", no_wrap=True)
        table.add_column("rank", justify="right", no_wrap=True)
    has_test = any(each.test_accuracy is not None for each in facts.values())
    for name in (*(["test accuracy"] if has_test else []), "seeds", "repeats", "s/network"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, each in facts.items():
        entries = [comparison.standing(name, networks) for networks in comparison.checkpoints]
        cells = [cell for entry in entries for cell in (_mean(comparison, entry), f"{entry.rank:.2f}")]
        if has_test:
            cells.append(MISSING if each.test_accuracy is None else percent(each.test_accuracy))
        cells += [str(entries[0].seeds), f"{each.repeats:.1f}", f"{each.seconds_per_network:.3f}"]
        table.add_row(Text(name), *cells)
    return table


def _mean(comparison: SamplerComparison, entry: Standing) -> str:
    digits = 4 if comparison.higher_is_better else 3
    error = MISSING if entry.standard_error is None else f"{entry.standard_error:.{digits}f}"
    return f"{entry.mean:.{digits}f} ± {error}"


def pairs_table(comparison: SamplerComparison) -> Table:
    """The best sampler against each other: difference with its 95 % interval, and both tests."""
    best = comparison.best()
    table = plain_table(f"{best} against the others, paired by seed")
    for name in ("against", "networks", "difference", "95 % interval", "p (t)", "p (Wilcoxon)", "seeds"):
        table.add_column(name, justify="left" if name == "against" else "right", no_wrap=True)
    for pair in comparison.against(best):
        interval = MISSING
        if pair.low is not None and pair.high is not None:
            interval = f"{pair.low:+.4f} to {pair.high:+.4f}"
        table.add_row(
            Text(pair.second),
            str(pair.networks),
            f"{pair.difference:+.4f}",
            interval,
            _p(pair.t_p),
            _p(pair.wilcoxon_p),
            str(pair.seeds),
        )
    return table


def _p(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:.2g}" if value >= 0.0001 else f"{value:.0e}"
