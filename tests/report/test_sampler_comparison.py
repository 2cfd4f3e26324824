"""Means, ranks and paired tests of samplers against hand-reckoned values and scipy."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from nasearch.report.bench_plot import curves_png
from nasearch.report.sampler_comparison import (
    SamplerFacts,
    compare_samplers,
    pairs_table,
    standings_table,
)

CURVES = {
    "a": {0: np.array([0.1, 0.5]), 1: np.array([0.2, 0.6]), 2: np.array([0.3, 0.9])},
    "b": {0: np.array([0.1, 0.4]), 1: np.array([0.1, 0.7]), 2: np.array([0.1, 0.6])},
    "c": {0: np.array([0.0, 0.3]), 1: np.array([0.3, 0.1])},  # with one seed less
}


def test_standings() -> None:
    found = compare_samplers(CURVES, [1, 2])
    a = found.standing("a", 1)
    assert a.mean == pytest.approx(0.2)
    assert a.seeds == 3
    assert a.standard_error == pytest.approx(0.1 / 3**0.5)  # 0.1, 0.2, 0.3 deviate by 0.1
    # ranks over the seeds 0 and 1: 0.1 = 0.1 > 0.0 and 0.3 > 0.2 > 0.1
    assert [found.standing(name, 1).rank for name in "abc"] == [(1.5 + 2) / 2, (1.5 + 3) / 2, (3 + 1) / 2]
    assert [found.standing(name, 2).rank for name in "abc"] == [1.5, 1.5, 3.0]
    assert found.best() == "a"
    turned = compare_samplers(CURVES, [1, 2], higher_is_better=False)
    assert [turned.standing(name, 2).rank for name in "abc"] == [2.5, 2.5, 1.0]
    assert turned.best() == "c"


def test_pairs_are_scipys_tests() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(0.5, 0.1, (2, 12))
    found = compare_samplers(
        {name: {seed: np.array([value]) for seed, value in enumerate(values)} for name, values in
         (("first", first), ("second", second))},
        [1],
    )  # fmt: skip
    (pair,) = found.pairs
    paired = stats.ttest_rel(first, second)
    assert pair.difference == pytest.approx((first - second).mean())
    assert pair.t_p == pytest.approx(paired.pvalue)
    interval = paired.confidence_interval(0.95)
    assert pair.low == pytest.approx(interval.low)
    assert pair.high == pytest.approx(interval.high)
    assert pair.wilcoxon_p == pytest.approx(stats.wilcoxon(first, second).pvalue)
    (turned,) = found.against("second")
    assert (turned.difference, turned.low, turned.high) == (
        -pair.difference,
        -pair.high,  # type: ignore[operator]
        -pair.low,  # type: ignore[operator]
    )


def test_edges() -> None:
    """One seed, equal curves, a curve that ends before the checkpoint."""
    one = compare_samplers({"a": {0: np.array([0.5])}, "b": {0: np.array([0.25])}}, [1, 9])
    assert one.standing("a", 9).mean == 0.5
    assert one.standing("a", 1).standard_error is None
    assert (one.pairs[0].difference, one.pairs[0].t_p, one.pairs[0].low) == (0.25, None, None)
    curves = {0: np.array([0.5]), 1: np.array([0.7])}
    same = compare_samplers({"a": curves, "b": curves}, [1]).pairs[0]
    assert (same.difference, same.t_p, same.wilcoxon_p) == (0.0, 1.0, 1.0)


def text_of(table: object) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines() if line.strip(" ─")]


def test_tables() -> None:
    found = compare_samplers(CURVES, [1, 2])
    facts = {name: SamplerFacts(0.01, 2.5) for name in CURVES}
    lines = text_of(standings_table(found, facts))
    assert lines[0] == ["sampler", "@1", "rank", "@2", "rank", "seeds", "repeats", "s/network"]
    assert lines[1][:5] == ["a", "0.2000", "±", "0.0577", "1.75"]
    assert lines[1][-3:] == ["3", "2.5", "0.010"]
    assert lines[3][-3] == "2"
    with_test = text_of(standings_table(found, {name: SamplerFacts(0.01, 0.0, 0.931) for name in CURVES}))
    assert with_test[1][-5:-3] == ["93.10", "%"]
    pairs = text_of(pairs_table(found))
    assert pairs[0][:2] == ["a", "against"]
    assert [line[0] for line in pairs[2:]] == ["b", "c", "b", "c"]


def test_picture_is_a_png_for_either_score() -> None:
    curves = {"a": np.array([[0.1, 0.5], [0.2, 0.6]]), "b$": np.array([[0.1, 0.4]])}
    for higher in (True, False):
        assert curves_png(curves, "t", higher_is_better=higher).startswith(b"\x89PNG")
    assert curves_png({"a": np.array([[0.5]])}, "t").startswith(b"\x89PNG")
