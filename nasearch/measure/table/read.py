"""Reading a table: a known file as it is, any other by a description in YAML beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasearch.errors import SpaceError, TableError
from nasearch.measure.table.description import Description, read_description
from nasearch.measure.table.files import Column, numbers_of, read_columns
from nasearch.measure.table.known import Known, recognise
from nasearch.measure.table.table import INACTIVE, Roles, Table
from nasearch.space import Scalar, SearchSpace
from nasearch.space.choices import Choice

DESCRIPTIONS = (".yaml", ".yml")


def load_table(path: str | Path) -> Table:
    """Read a table of trained networks.

    Args:
        path: an npz of NAS-Bench-201 or NAS-Bench-Macro, which is known by its contents; or a YAML file that
            names a CSV, parquet or npz file and says what its columns are.

    Raises:
        TableError: if it cannot be read, or its contents do not fit together.
        SpaceError: if the space that it names cannot be read.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() in DESCRIPTIONS:
        described = read_description(path)
        return _described(described, read_columns(described.file))
    columns = read_columns(path)
    known = recognise(columns, str(path))
    if known is None:
        raise TableError(
            f"{path}: no NAS-Bench-201 or NAS-Bench-Macro table; "
            "give a YAML file that names it and says what its columns are (docs/tables.md)"
        )
    return _assembled(path, SearchSpace.load(known.space), known.names, known.texts, columns, known.roles)


def _described(described: Description, columns: Mapping[str, Column]) -> Table:
    source, space = described.file, described.space
    known = recognise(columns, str(source))
    if described.choices is None and described.architecture is None and known is not None:
        space = space or SearchSpace.load(known.space)
        names, texts = known.names, known.texts
    elif described.architecture is not None:
        names, texts = _parsed(described, columns)
    else:
        names, texts = _from_columns(described, columns)
    for written, value in described.values.items():
        texts = np.where(texts == written, str(value), texts)
    table = _assembled(source, space, names, texts, columns, _roles(described, known))
    return Table(
        described.path.stem,
        table.source,
        table.choices,
        table.decisions,
        table.columns,
        table.roles,
        space,
        described.input_shape,
        described.num_classes,
    )


def _roles(described: Description, known: Known | None) -> Roles:
    base = known.roles if known is not None else None
    observe = described.observe or (base.observe if base else ())
    if not observe:
        raise TableError(f"{described.path}: accuracy.observe is missing; expected the name of a column")
    inherited = base.judge if base and not described.observe else observe
    percent = described.percent
    return Roles(
        observe,
        described.judge or inherited,
        described.test or (base.test if base else ()),
        percent=percent if percent is not None else (base.percent if base else True),
        costs={**(base.costs if base else {}), **described.costs},
    )


def _from_columns(
    described: Description, columns: Mapping[str, Column]
) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Choices that have a column each; those of the space's names where none are named."""
    named = described.choices
    if named is None:
        if described.space is None:
            raise TableError(
                f"{described.path}: neither choices nor architecture nor space is given; "
                "expected one of them, to know which columns decide a network"
            )
        named = {choice.name: choice.name for choice in described.space.choices}
    missing = [column for column in named.values() if column not in columns]
    if missing:
        raise TableError(
            f"{described.file}: no column {missing[0]!r} for a choice; it has {', '.join(columns)}"
        )
    texts = np.stack([_as_texts(columns[column]) for column in named.values()], axis=1)
    return tuple(named), texts


def _as_texts(values: Column) -> NDArray[Any]:
    """One text a value: whole numbers without a fraction, NaN and nothing as an empty text."""
    return np.array([_as_text(value) for value in values.tolist()], dtype=object)


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _parsed(described: Description, columns: Mapping[str, Column]) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Choices found in one text by an expression, in its order."""
    form = described.architecture
    assert form is not None
    if form.column not in columns:
        raise TableError(f"{described.file}: no column {form.column!r}; it has {', '.join(columns)}")
    rows = []
    for row, text in enumerate(_as_texts(columns[form.column])):
        found = [part for match in re.findall(form.find, text) for part in _groups(match)]
        if len(found) != len(form.choices):
            raise TableError(
                f"{described.file}: row {row}, column {form.column}: {text[:80]!r} has {len(found)} parts "
                f"that match {form.find!r}; expected {len(form.choices)}, one a choice"
            )
        rows.append(found)
    return form.choices, np.array(rows, dtype=object).reshape(len(rows), len(form.choices))


def _groups(match: str | tuple[str, ...]) -> Sequence[str]:
    return (match,) if isinstance(match, str) else match


def _assembled(
    source: Path,
    space: SearchSpace | None,
    names: Sequence[str],
    texts: NDArray[Any],
    columns: Mapping[str, Column],
    roles: Roles,
) -> Table:
    """A table from the texts of its choices, (rows, choices), in the order of the space if there is one."""
    if space is None:
        choices = tuple(Choice(name, _found_values(texts[:, i])) for i, name in enumerate(names))
    else:
        choices = space.choices
        if {choice.name for choice in choices} != set(names):
            raise TableError(
                f"{source}: choices are {', '.join(names)}; expected those of the space {space.name}: "
                f"{', '.join(choice.name for choice in choices)}"
            )
        texts = texts[:, [list(names).index(choice.name) for choice in choices]]
    decisions = np.stack([_places(source, choice, texts[:, i]) for i, choice in enumerate(choices)], axis=1)
    numbers = {name: found for name, found in numbers_of(columns).items() if len(found) == len(texts)}
    table = Table(source.stem, str(source), choices, decisions, numbers, roles, space)
    if space is not None and (decisions == INACTIVE).any():
        _check_active(table, space)
    return table


def _found_values(texts: NDArray[Any]) -> tuple[Scalar, ...]:
    """The values of a choice of which only its texts are known: numbers where all of them are."""
    seen = sorted(set(texts.tolist()) - {""})
    for kind in (int, float):
        try:
            return tuple(sorted(kind(text) for text in seen))
        except ValueError:
            continue
    return tuple(seen)


def _places(source: Path, choice: Choice, texts: NDArray[Any]) -> NDArray[np.int64]:
    known = {str(value): i for i, value in enumerate(choice.values)} | {"": INACTIVE}
    for i, value in enumerate(choice.values):
        if isinstance(value, float) and value.is_integer():
            known.setdefault(str(int(value)), i)
    for row, text in enumerate(texts.tolist()):
        if text not in known:
            raise TableError(
                f"{source}: row {row}, {choice.name} is {text!r}; "
                f"expected one of {', '.join(map(str, choice.values))}"
            )
    return np.array([known[text] for text in texts.tolist()], dtype=np.int64)


def _check_active(table: Table, space: SearchSpace) -> None:
    """Refuse rows that leave out a choice which the space asks, or decide one that it does not."""
    for row in range(len(table)):
        given = table.params(row)
        try:
            asked = dict(space.decode(given).decisions)
        except SpaceError as problem:
            raise TableError(f"{table.source}: row {row}: {problem}") from problem
        if asked != given:
            extra = ", ".join(name for name in given if name not in asked)
            raise TableError(
                f"{table.source}: row {row} decides {extra}, which {space.name} does not ask there; "
                "expected an empty cell"
            )
