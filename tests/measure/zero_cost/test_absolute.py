"""A number for a network by itself, from scores on a scale."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from nasearch.errors import MeasurementError
from nasearch.measure.zero_cost.absolute import Scale, absolute_score, scales_of


def test_the_scale_of_normal_scores_is_their_mean_and_deviation() -> None:
    normal = NormalDist(7, 2)
    column = [normal.inv_cdf((i + 0.5) / 999) for i in range(999)]
    found = scales_of({"zen": [*column, -math.inf]})
    assert found["zen"].middle == pytest.approx(7)
    assert found["zen"].width == pytest.approx(2, rel=0.01)


def test_equal_scores_have_a_width_and_none_are_an_error() -> None:
    assert scales_of({"zen": [3.0, 3.0]}) == {"zen": Scale(3.0, 1.0)}
    with pytest.raises(MeasurementError, match="zen has no signal in any of 2 networks"):
        scales_of({"zen": [-math.inf, -math.inf]})


def test_a_score_is_the_mean_of_logistic_parts() -> None:
    scales = {"a": Scale(0.0, 1.0), "b": Scale(10.0, 2.0)}
    assert absolute_score({"a": 0.0, "b": 10.0}, scales) == 0.5
    expected = (1 / (1 + math.exp(-1)) + 1 / (1 + math.exp(2))) / 2
    assert absolute_score({"a": 1.0, "b": 6.0}, scales) == pytest.approx(expected)
    assert absolute_score({"a": -math.inf, "b": 10.0}, scales) == 0.25
    assert absolute_score({"a": -math.inf, "b": -math.inf}, scales) == 0.0


def test_better_than_all_that_were_seen_is_still_better() -> None:
    scales = {"a": Scale(0.0, 1.0)}
    values = [absolute_score({"a": score}, scales) for score in (-1e9, -5.0, 0.0, 3.0, 5.0, 9.0)]
    assert values == sorted(values)
    assert len(set(values)) == 6
    assert all(0 <= value < 1 for value in values)
