"""The free region as boxes: disjoint, whole, and exact as a gain in hypervolume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasearch.errors import SelectionError
from nasearch.pareto import hypervolume
from nasearch.pareto.boxes import free_boxes
from tests.pareto.brute import slow_hypervolume, tables


def gain(boxes: tuple[np.ndarray, np.ndarray], y: np.ndarray) -> float:
    lower, upper = boxes
    return float(np.maximum(0.0, upper - np.maximum(lower, y)).prod(axis=1).sum())


@given(tables(max_rows=8), st.lists(st.integers(0, 6), min_size=8, max_size=8))
def test_a_points_gain_is_the_sum_over_boxes(table: np.ndarray, numbers: list[int]) -> None:
    """Ties, duplicates, dominated rows and rows beyond the reference are the rule in these tables."""
    width = table.shape[1]
    reference, y = np.array(numbers[:width], float), np.array(numbers[4 : 4 + width], float)
    grown = slow_hypervolume(np.vstack([table, y]), reference) - slow_hypervolume(table, reference)
    assert gain(free_boxes(table, reference), y) == pytest.approx(grown, abs=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [0, 1, 20])
def test_so_it_is_for_random_points(width: int, rows: int) -> None:
    generator = np.random.default_rng(10 * width + rows)
    table, reference = generator.random((rows, width)), np.full(width, 0.9)
    boxes = free_boxes(table, reference)
    for y in generator.uniform(-0.5, 1.0, (30, width)):
        grown = hypervolume(np.vstack([table, y]), reference) - hypervolume(table, reference)
        assert gain(boxes, y) == pytest.approx(grown, abs=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_each_free_point_lies_in_one_box_and_no_dominated_one_in_any(width: int) -> None:
    generator = np.random.default_rng(width)
    table, reference = generator.random((12, width)), np.ones(width)
    lower, upper = free_boxes(table, reference)
    points = generator.uniform(-0.3, 1.0, (2_000, width))  # no coordinate meets an edge, but by a miracle
    dominated = np.any(np.all(table[None] <= points[:, None], axis=2), axis=1)
    inside = ((lower[None] < points[:, None]) & (points[:, None] < upper[None])).all(axis=2).sum(axis=1)
    assert dominated.any()
    assert not dominated.all()
    np.testing.assert_array_equal(inside, (~dominated).astype(int))


def test_a_staircase_by_hand() -> None:
    lower, upper = free_boxes([[1, 4], [2, 3], [4, 1], [4, 4]], [5, 5])
    found = {(*low, *high) for low, high in zip(lower.tolist(), upper.tolist(), strict=True)}
    inf = np.inf
    assert found == {(-inf, -inf, 5, 1), (-inf, 1, 4, 3), (-inf, 3, 2, 4), (-inf, 4, 1, 5)}


@pytest.mark.parametrize(("table", "edge"), [([[3.0], [2.0]], 2.0), ([], 4.0), ([[7.0]], 4.0)])
def test_one_objective_is_free_below_its_best(table: list[list[float]], edge: float) -> None:
    lower, upper = free_boxes(np.array(table).reshape(-1, 1), [4.0])
    assert (lower.tolist(), upper.tolist()) == ([[-np.inf]], [[edge]])


def test_boxes_are_as_many_as_steps() -> None:
    steps = np.arange(100.0)
    lower, _ = free_boxes(np.stack([steps, 99 - steps], axis=1), [200.0, 200.0])
    assert len(lower) == 101


def test_inputs_are_only_read() -> None:
    table, reference = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 3.0])
    table.flags.writeable = reference.flags.writeable = False
    assert gain(free_boxes(table, reference), np.array([0.0, 0.0])) == 9 - 3


@pytest.mark.parametrize(
    ("table", "reference"),
    [([[1.0, np.nan]], [2.0, 2.0]), ([[1.0, 1.0]], [2.0, np.inf]), ([[np.inf, 0.0]], [1, 1])],
)
def test_numbers_that_are_none(table: list[list[float]], reference: list[float]) -> None:
    with pytest.raises(SelectionError):
        free_boxes(table, reference)
