"""What a search optimises, and the one door through which numbers enter the Pareto mathematics.

Everywhere else in this package arrays are losses: one row a trial, one column an objective, lower is better.
Directions are turned here and nowhere else.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasearch.errors import SelectionError

Floats = NDArray[np.float64]
Unit = Literal["fraction", "count", "bytes", "ms"]
Arithmetic = Literal["params", "macs", "peak_activation_bytes"]
ARITHMETIC: tuple[Arithmetic, ...] = get_args(Arithmetic)
"""Costs that a network tells by arithmetic; others take a training or a clock."""


@dataclass(frozen=True)
class Objective:
    """One number that a study optimises or limits.

    Attributes:
        name: key of the number wherever trials are stored.
        direction: "maximize" (a fraction in [0, 1]) or "minimize" (a cost, never negative).
        unit: what the number counts; decides how limits are written and how tables show it.
        known_before_training: an untrained network is enough to measure it, so a limit on it can refuse a
            candidate without spending budget.
        about: one line for help texts.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    unit: Unit
    known_before_training: bool
    about: str = ""

    @property
    def is_cost(self) -> bool:
        """Whether less of it is better."""
        return self.direction == "minimize"


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("accuracy", "maximize", "fraction", False, "share of validation images classified right"),
        Objective("params", "minimize", "count", True, "trainable parameters"),
        Objective("macs", "minimize", "count", True, "multiply-accumulates for one image"),
        Objective(
            "peak_activation_bytes", "minimize", "bytes", True, "largest sum of live activations, one image"
        ),
        Objective("latency_ms", "minimize", "ms", True, "median time for one image, in milliseconds"),
    )
}


def find_objective(name: str) -> Objective:
    """The objective of that name.

    Raises:
        SelectionError: if there is none; the text lists all names and the nearest one.
    """
    try:
        return OBJECTIVES[name]
    except (KeyError, TypeError):
        near = difflib.get_close_matches(str(name), OBJECTIVES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SelectionError(
            f"objective {name!r} does not exist; expected one of {', '.join(OBJECTIVES)}{hint}"
        ) from None


def parse_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """Objectives in the order given; the first is the one a study cares about most.

    Raises:
        SelectionError: if there is no name, a name is unknown, or a name stands twice.
    """
    if isinstance(names, str):
        raise SelectionError(
            f"objectives is the text {names!r}; expected a list such as ['accuracy', 'macs']"
        )
    found = tuple(find_objective(name) for name in names)
    if not found:
        raise SelectionError(f"objectives is empty; expected at least one of {', '.join(OBJECTIVES)}")
    for i, objective in enumerate(found):
        if objective in found[:i]:
            raise SelectionError(f"objectives[{i}] is {objective.name!r} again; expected each name once")
    return found


def finite_values(values: ArrayLike, columns: Sequence[str] | None = None, what: str = "losses") -> Floats:
    """Check a table of numbers and give it back as float64; O(rows x columns).

    Args:
        values: (rows, columns), any real dtype; an empty list is a table without rows.
        columns: names of the columns for error texts; their number is checked when given.
        what: name of the table for error texts.

    Returns:
        (rows, columns) float64. It may share memory with `values`: callers here only read.

    Raises:
        SelectionError: if the shape or dtype is not that of a table, or a number is NaN or infinite; the text
            names the first such row and column.
    """
    try:
        table: NDArray[Any] = np.asarray(values)
    except ValueError as error:
        raise SelectionError(f"{what} has rows of different lengths; expected a table of numbers") from error
    if table.ndim == 1 and table.size == 0:
        table = table.reshape(0, 1 if columns is None else len(columns))
    if table.ndim != 2 or table.shape[1] == 0:
        raise SelectionError(f"{what} has shape {table.shape}; expected (trials, objectives)")
    if table.dtype.kind not in "fiub" and table.size:
        raise SelectionError(f"{what} has dtype {table.dtype}; expected real numbers")
    if columns is not None and table.shape[1] != len(columns):
        raise SelectionError(
            f"{what} has {table.shape[1]} columns; expected {len(columns)}: {', '.join(columns)}"
        )
    table = table.astype(np.float64, copy=False)
    finite = np.isfinite(table)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        name = f"column {column}" if columns is None else f"column {columns[column]!r}"
        raise SelectionError(f"{what}: row {row}, {name} is {table[row, column]}; expected a finite number")
    return table


def losses(values: ArrayLike, objectives: Sequence[Objective]) -> Floats:
    """Turn measured values into losses, lower is better; O(trials x objectives).

    A maximised fraction v becomes 1 - v (accuracy becomes the error), so no loss is negative; costs stay.

    Args:
        values: (trials, objectives), finite, in the units of `Objective`.
        objectives: what the columns are.

    Returns:
        (trials, objectives) float64, a new array.

    Raises:
        SelectionError: if a value is not finite, a fraction is outside [0, 1], or a cost is negative.
    """
    names = [objective.name for objective in objectives]
    result = finite_values(values, names, "values").copy()
    for j, objective in enumerate(objectives):
        column = result[:, j]
        upper = np.inf if objective.is_cost else 1.0
        outside = np.flatnonzero((column < 0) | (column > upper))
        if outside.size:
            accepted = "a number that is not negative" if objective.is_cost else "a fraction in [0, 1]"
            raise SelectionError(
                f"values: row {outside[0]}, column {objective.name!r} is {column[outside[0]]:g}; "
                f"expected {accepted}"
            )
        if not objective.is_cost:
            result[:, j] = 1.0 - column
    return result
