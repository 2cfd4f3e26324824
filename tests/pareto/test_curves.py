"""How a front grew."""

from __future__ import annotations

import numpy as np
import pytest

from nasearch.errors import SelectionError
from nasearch.pareto import hypervolume, hypervolume_curve, judged_hypervolume_curve
from tests.pareto.brute import slow_front, slow_hypervolume


def test_hand_reckoned() -> None:
    """A square, nothing for a dominated row, a second square, nothing beyond the reference."""
    rows = [[2.0, 2.0], [2.5, 2.5], [1.0, 3.0], [9.0, 0.0], [0.0, 0.0]]
    assert hypervolume_curve(rows, [4.0, 4.0]).tolist() == [4.0, 4.0, 5.0, 5.0, 16.0]


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_equals_hypervolume_of_each_beginning(objectives: int) -> None:
    """Also with ties and rows outside of the reference."""
    rows = np.random.default_rng(objectives).integers(0, 9, (60, objectives)).astype(float)
    corner = [7.5] * objectives
    expected = [hypervolume(rows[: n + 1], corner) for n in range(len(rows))]
    assert hypervolume_curve(rows, corner) == pytest.approx(expected)


def test_judged_by_hand() -> None:
    """The second row looks better than the first and is worse; the third is dominated as it is seen."""
    seen = [[2.0, 2.0], [1.0, 1.0], [1.0, 2.0]]
    judged = [[1.0, 1.0], [3.0, 3.0], [0.0, 0.0]]
    assert judged_hypervolume_curve(seen, judged, [4.0, 4.0]).tolist() == [9.0, 1.0, 1.0]


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_judged_equals_the_judged_front_of_each_beginning(objectives: int) -> None:
    generator = np.random.default_rng(objectives)
    seen, judged = generator.integers(0, 6, (2, 40, objectives)).astype(float)
    corner = np.full(objectives, 5.5)
    expected = [
        slow_hypervolume(judged[: n + 1][slow_front(seen[: n + 1])], corner) for n in range(len(seen))
    ]
    assert judged_hypervolume_curve(seen, judged, corner) == pytest.approx(expected)
    assert judged_hypervolume_curve(seen, seen, corner) == pytest.approx(hypervolume_curve(seen, corner))
    with pytest.raises(SelectionError, match=r"expected .* as the observed"):
        judged_hypervolume_curve(seen, judged[1:], corner)


def test_edges() -> None:
    """No rows, and numbers that are none."""
    assert hypervolume_curve(np.zeros((0, 2)), [1.0, 1.0]).shape == (0,)
    with pytest.raises(SelectionError, match="row 0, column 1 is nan"):
        hypervolume_curve([[0.0, np.nan]], [1.0, 1.0])
    with pytest.raises(SelectionError, match="expected 2"):
        hypervolume_curve([[0.0, 0.0]], [1.0])
