from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nasearch.errors import SelectionError
from nasearch.pareto import OBJECTIVES, find_objective, finite_values, losses, parse_objectives

ACCURACY_MACS = parse_objectives(["accuracy", "macs"])


def test_accuracy_is_the_only_one_that_is_maximised_and_needs_training() -> None:
    assert list(OBJECTIVES) == ["accuracy", "params", "macs", "peak_activation_bytes", "latency_ms"]
    assert [name for name, objective in OBJECTIVES.items() if not objective.is_cost] == ["accuracy"]
    assert [name for name, o in OBJECTIVES.items() if not o.known_before_training] == ["accuracy"]


def test_parse_keeps_the_order() -> None:
    assert [objective.name for objective in parse_objectives(["macs", "accuracy"])] == ["macs", "accuracy"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "objectives is empty"),
        ("accuracy", "objectives is the text 'accuracy'; expected a list"),
        (["accuracy", "accuracy"], r"objectives\[1\] is 'accuracy' again"),
        (["acuracy"], "objective 'acuracy' does not exist; .* did you mean 'accuracy'?"),
        (["zzz"], "expected one of accuracy, params, macs, peak_activation_bytes, latency_ms$"),
    ],
)
def test_parse_says_what_is_accepted(names: list[str], text: str) -> None:
    with pytest.raises(SelectionError, match=text):
        parse_objectives(names)


def test_a_name_that_is_no_text_is_an_error_too() -> None:
    with pytest.raises(SelectionError, match=r"objective \['macs'\] does not exist"):
        find_objective(["macs"])  # type: ignore[arg-type]


def test_losses_turn_accuracy_into_error_and_leave_costs() -> None:
    values = np.array([[0.75, 1000.0], [1.0, 0.0]])
    before = values.copy()
    assert losses(values, ACCURACY_MACS).tolist() == [[0.25, 1000.0], [0.0, 0.0]]
    assert (values == before).all()


def test_losses_of_no_trials_keep_their_width() -> None:
    assert losses([], ACCURACY_MACS).shape == (0, 2)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([[0.5, 1], [91.2, 2]], "row 1, column 'accuracy' is 91.2; expected a fraction"),
        ([[-0.1, 1]], "row 0, column 'accuracy' is -0.1"),
        ([[0.5, -1]], "row 0, column 'macs' is -1; expected a number that is not negative"),
        ([[0.5, 1], [0.5, np.nan]], "values: row 1, column 'macs' is nan; expected a finite number"),
        ([[0.5]], "values has 1 columns; expected 2: accuracy, macs"),
    ],
)
def test_losses_name_the_row_and_column(values: list[list[float]], text: str) -> None:
    with pytest.raises(SelectionError, match=text):
        losses(values, ACCURACY_MACS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_door_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(SelectionError, match=rf"losses: row 2, column 1 is {bad}; expected a finite number"):
        finite_values([[1.0, 2.0], [3.0, 4.0], [5.0, bad]])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.array([1.0, 2.0]), r"losses has shape \(2,\); expected \(trials, objectives\)"),
        (np.zeros((3, 0)), r"shape \(3, 0\)"),
        (np.zeros((1, 2, 3)), r"shape \(1, 2, 3\)"),
        ([["a", "b"]], "dtype <U1; expected real numbers"),
        ([[1j, 2j]], "dtype complex128"),
        ([[1, 2], [3]], "rows of different lengths"),
    ],
)
def test_one_door_refuses_what_is_no_table(values: Any, text: str) -> None:
    with pytest.raises(SelectionError, match=text):
        finite_values(values)
