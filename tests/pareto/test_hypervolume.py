from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasearch.errors import SelectionError
from nasearch.pareto import hypervolume
from tests.pareto.brute import slow_hypervolume, tables


@given(tables(max_rows=7), st.lists(st.integers(0, 6), min_size=4, max_size=4))
@settings(max_examples=150, deadline=None)
def test_equals_counting_cells(table: np.ndarray, corner: list[int]) -> None:
    reference = np.array(corner[: table.shape[1]], dtype=np.float64)
    assert hypervolume(table, reference) == pytest.approx(slow_hypervolume(table, reference), abs=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_one_point_is_a_box(width: int) -> None:
    assert hypervolume(np.full((1, width), 1.0), [3.0] * width) == pytest.approx(2.0**width)


def test_staircase_by_hand() -> None:
    # Boxes 4x1, 3x2 and 1x4 of the corner (5, 5): 4 + 3 + 2 = 9 cells of the union, row by row.
    assert hypervolume([[1, 4], [2, 3], [4, 1]], [5, 5]) == 4 + 3 + 1 + 1


def test_no_rows_and_rows_beyond_the_reference_count_nothing() -> None:
    assert hypervolume([], [1, 1]) == 0.0
    assert hypervolume(np.empty((0, 3)), [1, 1, 1]) == 0.0
    assert hypervolume([[2.0, 0.1], [0.1, 2.0], [1.0, 1.0]], [1, 1]) == 0.0
    assert hypervolume([[2.0, 0.1], [0.5, 0.5]], [1, 1]) == 0.25


def test_inputs_are_only_read() -> None:
    table = np.array([[1, 2], [2, 1]])
    table.flags.writeable = False
    reference = np.array([3, 3])
    reference.flags.writeable = False
    assert hypervolume(table, reference) == 3.0


@pytest.mark.parametrize(
    ("losses", "reference", "text"),
    [
        ([[0.5, np.nan]], [1, 1], "losses: row 0, column 1 is nan"),
        ([[0.5, 0.5]], [1, np.inf], "reference: row 0, column 1 is inf"),
        ([[0.5, 0.5]], [1, 1, 1], "reference has 3 numbers; expected 2"),
        ([[0.5, 0.5]], 1, "reference has 1 numbers; expected 2"),
    ],
)
def test_bad_numbers_are_refused(losses: Any, reference: Any, text: str) -> None:
    with pytest.raises(SelectionError, match=text):
        hypervolume(losses, reference)


@pytest.mark.parametrize("width", [2, 3])
def test_a_hundred_thousand_points_take_no_second(width: int) -> None:
    rows = np.random.default_rng(0).dirichlet(
        [1.0] * width, 100_000
    )  # all of them on the front: the worst case
    start = time.process_time()
    volume = hypervolume(rows, [1.0] * width)
    assert time.process_time() - start < 1.0
    # Above the plane sum(x) = 1 lies 1 - 1 / width! of the unit cube.
    assert volume == pytest.approx({2: 1 / 2, 3: 5 / 6}[width], abs=0.01)
