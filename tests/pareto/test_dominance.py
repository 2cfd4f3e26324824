from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from nasearch.errors import SelectionError
from nasearch.pareto import crowding, front, ranks
from tests.pareto.brute import slow_front, slow_ranks, tables

Function = Callable[[Any], np.ndarray]


@given(tables())
@settings(max_examples=150, deadline=None)
def test_front_is_what_the_definition_says(table: np.ndarray) -> None:
    assert front(table).tolist() == slow_front(table)


@given(tables())
@settings(max_examples=150, deadline=None)
def test_ranks_are_what_peeling_gives(table: np.ndarray) -> None:
    assert ranks(table).tolist() == slow_ranks(table)


@pytest.mark.parametrize("function", [front, ranks, crowding])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_no_trials_give_no_rows(function: Function, width: int) -> None:
    assert function(np.empty((0, width))).shape == (0,)
    assert function([]).shape == (0,)


def test_equal_rows_are_all_kept() -> None:
    assert front([[1, 1], [0, 2], [1, 1], [2, 2]]).tolist() == [True, True, True, False]
    assert ranks([[1, 1], [0, 2], [1, 1], [2, 2]]).tolist() == [0, 0, 0, 1]


def test_one_objective_is_its_minimum() -> None:
    assert front([[3], [1], [2], [1]]).tolist() == [False, True, False, True]
    assert ranks([[3], [1], [2], [1]]).tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize("function", [front, ranks, crowding])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_inputs_of_any_layout_are_only_read(function: Function, dtype: type[np.generic]) -> None:
    wide: np.ndarray[Any, Any] = np.array([[1, 9, 4], [2, 9, 3], [3, 9, 3], [4, 9, 1]], dtype=dtype)
    strided = wide[:, ::2]  # not contiguous
    strided.flags.writeable = False
    expected = function(np.ascontiguousarray(strided, dtype=np.float64))
    before = wide.copy()
    assert function(strided).tolist() == expected.tolist()
    assert (wide == before).all()


@pytest.mark.parametrize("function", [front, ranks, crowding])
def test_nan_is_refused_with_its_place(function: Function) -> None:
    with pytest.raises(SelectionError, match="losses: row 1, column 0 is nan"):
        function([[0.0, 1.0], [math.nan, 0.0]])


def test_crowding_by_hand() -> None:
    # Ranges 4 and 8. Row 1: (3 - 0) / 4 + (8 - 1) / 8; row 2: (4 - 1) / 4 + (3 - 0) / 8.
    got = crowding([[0, 8], [1, 3], [3, 1], [4, 0]])
    assert got.tolist() == [math.inf, 3 / 4 + 7 / 8, 3 / 4 + 3 / 8, math.inf]


def test_crowding_of_few_equal_or_huge_rows() -> None:
    assert crowding([[1, 1]]).tolist() == [math.inf]
    assert crowding([[1, 1], [1, 1]]).tolist() == [math.inf, math.inf]
    assert crowding([[0, 5], [1, 5], [2, 5]]).tolist() == [math.inf, 1.0, math.inf]  # the second says nothing
    top = float(np.finfo(np.float64).max)
    assert crowding([[-top], [0.0], [top]]).tolist() == [math.inf, 1.0, math.inf]


@given(tables(min_rows=1))
@settings(max_examples=100, deadline=None)
def test_crowding_depends_on_neither_order_nor_scale(table: np.ndarray) -> None:
    order = np.random.default_rng(len(table)).permutation(len(table))
    room = crowding(table)
    assert crowding(table[order]).tolist() == room[order].tolist()
    assert crowding(table * 4.0).tolist() == room.tolist()
    extreme = ((table == table.min(0)) | (table == table.max(0))) & (table.min(0) < table.max(0))
    assert (np.isinf(room) == (extreme.any(axis=1) | (table == table[0]).all())).all()
    assert (room[np.isfinite(room)] <= table.shape[1]).all()


@pytest.mark.parametrize("width", [2, 3])
def test_a_hundred_thousand_points_take_no_second(width: int) -> None:
    table = np.random.default_rng(0).random((100_000, width))
    spent = []
    for function in (front, ranks, crowding):
        start = time.process_time()
        function(table)
        spent.append(time.process_time() - start)
    assert max(spent) < 1.0, spent
