"""The check of zero-cost scores: its statistics by scipy, its record after a kill, and its verdict."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from scripts.verify_zero_cost import PUBLISHED, SLACK, recorded, report, spearman


def test_spearman_is_scipys_with_ties_and_no_signal_lowest() -> None:
    random = np.random.default_rng(0)
    values, accuracies = random.integers(0, 5, 40).astype(float), random.normal(size=40)
    values[:3] = -math.inf
    found = spearman(values, accuracies)
    finite = np.where(np.isneginf(values), -1.0, values)
    assert found.value == pytest.approx(stats.spearmanr(finite, accuracies).statistic)
    assert found.low < found.value < found.high


def test_interval_of_a_correlation_is_as_wide_as_theory_has_it() -> None:
    """The standard error of n normal pairs is about sqrt((1 + rho^2 / 2) / (n - 3)) on Fisher's scale."""
    random = np.random.default_rng(1)
    one = random.normal(size=400)
    other = one + random.normal(size=400)
    found = spearman(one, other)
    z = math.atanh(found.value)
    half = 1.96 * math.sqrt((1 + found.value**2 / 2) / 397)
    assert found.low == pytest.approx(math.tanh(z - half), abs=0.02)
    assert found.high == pytest.approx(math.tanh(z + half), abs=0.02)


def test_a_score_that_is_the_same_everywhere_ranks_nothing() -> None:
    assert spearman(np.ones(10), np.arange(10.0)).value == 0.0


def test_a_record_keeps_what_was_written_before_a_kill(tmp_path: Path) -> None:
    given = {"batch": 64, "seed": 0}
    lines = [
        {"row": 1, "given": given, "scores": {"snip": 1.0}},
        {"row": 2, "given": {"batch": 64, "seed": 1}, "scores": {"snip": 2.0}},
        {"row": 1, "given": given, "scores": {"synflow": -math.inf}},
    ]
    file = tmp_path / "record.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)) + '\n{"row": 3, "given": {"ba')
    assert recorded(file, given) == {1: {"snip": 1.0, "synflow": -math.inf}}
    assert recorded(tmp_path / "none.jsonl", given) == {}


def test_a_score_below_what_is_required_is_named() -> None:
    accuracies = np.arange(50.0)
    columns = {"snip": accuracies.copy(), "fisher": -accuracies, "zen": -accuracies}
    columns["snip"][:10] = math.nan  # not scored
    lines, missed = report(columns, accuracies, {"snip": 12.3})
    assert missed == ["fisher"]  # nothing is required of zen
    assert lines[1].split()[:3] == ["snip", "40", "+1.00"]
    assert f"{PUBLISHED['snip'] - SLACK:.2f}" in lines[1]
    assert lines[1].endswith(" 12")
