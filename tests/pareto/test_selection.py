from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from nasearch.errors import SelectionError
from nasearch.pareto import best_under, front, knee, parse_limits, parse_objectives
from tests.pareto.brute import tables

# Error and million MACs of a front as searches find it: each doubling buys less than the one before.
HAND_MADE = [[0.40, 0.2], [0.25, 0.5], [0.18, 1.0], [0.14, 2.0], [0.12, 4.0], [0.11, 8.0]]


def test_the_knee_of_a_hand_made_front() -> None:
    # Shares of the ranges 0.29 and 7.8, summed: 1, .521, .344, .334, .522, 1.
    assert knee(HAND_MADE) == 3
    assert knee(HAND_MADE[::-1]) == 2


def test_one_more_tiny_network_hardly_moves_the_knee() -> None:
    # On a logarithmic cost axis the knee would move by two, from 82 % to 75 %, for a network nobody wants.
    assert knee([*HAND_MADE, [0.60, 0.01]]) in (2, 3)


def slow_knee(table: np.ndarray) -> set[int]:
    """Rows farthest below the line through the two extremes of a front of two objectives."""
    low, high = table.min(axis=0), table.max(axis=0)
    unit = (table - low) / np.where(high > low, high - low, 1)
    below = [(1 - x - y) / math.sqrt(2) for x, y in unit]
    return {i for i, distance in enumerate(below) if distance >= max(below) - 1e-9}


@given(tables(min_rows=1, max_rows=15).filter(lambda table: table.shape[1] == 2))
@settings(max_examples=100, deadline=None)
def test_the_knee_is_farthest_from_the_extremes_line(table: np.ndarray) -> None:
    rows = table[front(table)]
    assert knee(rows) in slow_knee(rows)


@given(tables(min_rows=1))
@settings(max_examples=100, deadline=None)
def test_the_knee_does_not_depend_on_the_order_of_rows(table: np.ndarray) -> None:
    order = np.random.default_rng(len(table)).permutation(len(table))
    assert table[order][knee(table[order])].tolist() == table[knee(table)].tolist()


def test_one_trial_one_objective_and_equal_rows() -> None:
    assert knee([[0.3, 5.0]]) == 0
    assert knee([[0.3], [0.1], [0.2], [0.1]]) == 1
    assert knee([[0.3, 5.0], [0.3, 5.0]]) == 0


def test_two_networks_are_compared_by_ratio() -> None:
    assert knee([[0.115, 4.0], [0.110, 8.0]]) == 0  # twice the cost for a hair
    assert knee([[0.40, 4.0], [0.11, 8.0]]) == 1  # twice the cost for a quarter of the errors
    assert knee([[0.40, 4.0], [0.20, 8.0]]) == 0  # equal products: the cheaper
    assert knee([[0.40, 4.0], [0.0, 800.0]]) == 1  # nothing beats no error


def test_ties_go_to_the_cheaper() -> None:
    # Both inner rows have shares summing to 1/2.
    assert knee([[1.0, 0.0], [0.25, 0.25], [0.125, 0.375], [0.0, 1.0]]) == 1
    assert knee([[1.0, 0.0], [0.125, 0.375], [0.25, 0.25], [0.0, 1.0]]) == 2


def test_costs_share_one_weight() -> None:
    objectives = parse_objectives(["accuracy", "macs", "params"])
    rows = np.array([[error, macs, macs] for error, macs in HAND_MADE])
    assert knee(rows, objectives) == knee(HAND_MADE)  # the same cost twice is still one cost
    turned = parse_objectives(["macs", "accuracy"])
    assert knee(np.array(HAND_MADE)[:, ::-1], turned) == knee(HAND_MADE)


def test_costs_alone_have_a_knee_too() -> None:
    assert knee([[0, 9], [1, 1], [9, 0]], parse_objectives(["params", "macs"])) == 1


def test_knee_refuses_nothing_and_nan() -> None:
    with pytest.raises(SelectionError, match="front is empty"):
        knee(np.empty((0, 2)))
    with pytest.raises(SelectionError, match="losses: row 0, column 'macs' is nan"):
        knee([[0.1, math.nan]], parse_objectives(["accuracy", "macs"]))


METRICS = parse_objectives(["macs", "accuracy", "params"])
VALUES = [[1e6, 0.80, 10], [4e6, 0.90, 20], [5e6, 0.91, 30], [6e6, 0.95, 40], [3e6, 0.90, 50]]


@pytest.mark.parametrize(
    ("limits", "row"),
    [
        ([], 3),
        (["macs <= 5M"], 2),
        (["macs <= 4M"], 4),  # equal accuracy: fewer MACs
        (["macs <= 4M", "params <= 20"], 1),
        (["accuracy >= 90%", "params <= 30"], 2),
        (["macs <= 1M"], 0),
    ],
)
def test_best_under_is_the_most_accurate_that_keeps_the_limits(limits: list[str], row: int) -> None:
    assert best_under(VALUES, METRICS, parse_limits(limits)) == row


def test_best_under_without_accuracy_goes_by_the_first_column() -> None:
    costs = parse_objectives(["params", "macs"])
    assert best_under([[3, 1], [2, 9], [2, 5]], costs, []) == 2


def test_best_under_says_what_comes_nearest() -> None:
    with pytest.raises(SelectionError, match="none of 5 trials keeps macs <= 500k; the smallest macs is 1M"):
        best_under(VALUES, METRICS, parse_limits(["macs <= 500k"]))
    with pytest.raises(
        SelectionError, match="latency_ms was not measured; expected one of macs, accuracy, par"
    ):
        best_under(VALUES, METRICS, parse_limits(["latency_ms <= 1"]))
    with pytest.raises(SelectionError, match="no complete trial"):
        best_under(np.empty((0, 3)), METRICS, [])


def test_best_under_changes_nothing() -> None:
    values = np.array(VALUES)
    values.flags.writeable = False
    assert best_under(values, METRICS, []) == 3
