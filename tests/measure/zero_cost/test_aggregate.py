"""Aggregates of ranks, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nasearch.errors import MeasurementError
from nasearch.measure.zero_cost import SCORES, aggregates, agreeing, rank_aggregate


def test_aggregate_is_the_sum_of_logs_of_rank_shares() -> None:
    found = rank_aggregate({"one": [10.0, 30.0, 20.0], "other": [-math.inf, 5.0, 5.0]})
    expected = [math.log(1 / 3) + math.log(1 / 3), 0 + math.log(2.5 / 3), math.log(2 / 3) + math.log(2.5 / 3)]
    assert found == pytest.approx(expected)


def test_only_ranks_matter() -> None:
    values = np.random.default_rng(0).normal(size=(2, 20))
    plain = rank_aggregate({"a": values[0].tolist(), "b": values[1].tolist()})
    bent = rank_aggregate({"a": np.exp(values[0]).tolist(), "b": (values[1] ** 3).tolist()})
    assert np.array_equal(plain, bent)


def test_a_score_that_contradicts_the_others_is_dropped() -> None:
    random = np.random.default_rng(0)
    truth = np.arange(30.0)
    columns = {
        "a": truth + random.normal(size=30),
        "noise": random.normal(size=30),
        "b": truth + random.normal(size=30),
        "against": -truth,
        "c": truth + random.normal(size=30),
        "constant": np.ones(30),
    }
    assert agreeing({name: list(column) for name, column in columns.items()}) == ("a", "b", "c")
    found = aggregates({name: list(column) for name, column in columns.items()})
    assert list(found) == ["ensemble"]
    assert found["ensemble"] == pytest.approx(rank_aggregate({k: list(columns[k]) for k in "abc"}))


def test_two_scores_are_always_left_and_one_where_none_says_anything() -> None:
    assert agreeing({"up": [1, 2, 3], "down": [3, 2, 1]}) == ("up", "down")
    assert agreeing({"flat": [1, 1], "level": [2, 2]}) == ("flat",)
    assert rank_aggregate({"only": [7.0]}) == pytest.approx([0.0])


def test_az_nas_is_made_of_its_four_components() -> None:
    columns = {name: [float(i) for i in range(5)] for name in SCORES}
    columns["az_trainability"] = [4.0, 3.0, 2.0, 1.0, 0.0]
    found = aggregates(columns)["az_nas"]
    up, down = np.log(np.arange(1, 6) / 5), np.log(np.arange(5, 0, -1) / 5)
    assert found == pytest.approx(3 * up + down)


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(MeasurementError, match=r"no scores to aggregate; expected at least one column"):
        rank_aggregate({})
    with pytest.raises(MeasurementError, match=r"columns of lengths \{'a': 1, 'b': 2\}; expected the same"):
        rank_aggregate({"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(MeasurementError, match=r"b is NaN for a candidate; expected numbers, or -inf"):
        rank_aggregate({"a": [1.0, 2.0], "b": [1.0, math.nan]})
