"""How a front grew."""

from __future__ import annotations

import numpy as np
import pytest

from nasearch.errors import SelectionError
from nasearch.pareto import hypervolume, hypervolume_curve


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


def test_edges() -> None:
    """No rows, and numbers that are none."""
    assert hypervolume_curve(np.zeros((0, 2)), [1.0, 1.0]).shape == (0,)
    with pytest.raises(SelectionError, match="row 0, column 1 is nan"):
        hypervolume_curve([[0.0, np.nan]], [1.0, 1.0])
    with pytest.raises(SelectionError, match="expected 2"):
        hypervolume_curve([[0.0, 0.0]], [1.0])
