"""The description of a table in YAML: which file, and what its columns are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasearch.errors import TableError
from nasearch.measure.table.table import CostColumn
from nasearch.pareto import OBJECTIVES
from nasearch.space import Scalar, SearchSpace
from nasearch.space.reader import Document, read_yaml

_KEYS = ("about", "file", "space", "choices", "architecture", "values", "accuracy", "costs", "input")
_COSTS = tuple(name for name, objective in OBJECTIVES.items() if objective.is_cost)
_UNITS = ("percent", "fraction")


@dataclass(frozen=True)
class Form:
    """How a column with the text of an architecture is taken apart.

    Attributes:
        find: expression whose matches (or groups, where it has some) are the choices' values in order.
    """

    column: str
    find: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """What a description says; what it leaves out is empty or None.

    Attributes:
        path: of the description.
        file: of the table.
        choices: name of a choice to its column.
        values: text in the table to the choice's value.
        percent: whether accuracies are in per cent.
    """

    path: Path
    file: Path
    space: SearchSpace | None = None
    choices: Mapping[str, str] | None = None
    architecture: Form | None = None
    values: Mapping[str, Scalar] = field(default_factory=dict)
    observe: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    percent: bool | None = None
    costs: Mapping[str, CostColumn] = field(default_factory=dict)
    input_shape: tuple[int, int, int] = (3, 32, 32)
    num_classes: int = 10


def read_description(path: Path) -> Description:
    """Read a description.

    Raises:
        TableError: with every mistake of the file, each with its line and what is accepted.
        SpaceError: if the space that it names cannot be read.
    """
    document = read_yaml(path, TableError)
    data = document.data
    if not isinstance(data, dict):
        raise TableError(f"{path}: expected keys such as file, space and accuracy")
    document.check_keys("", data, _KEYS)
    file = _text(document, "file", data.get("file"))
    space = None if "space" not in data else _text(document, "space", data["space"])
    accuracy = _part(document, "accuracy", data, ("unit", "observe", "judge", "test"))
    shape, classes = _input(document, _part(document, "input", data, ("shape", "classes")))
    unit = accuracy.get("unit")
    if unit is not None and unit not in _UNITS:
        document.complain("accuracy.unit", f" is {unit!r}; expected one of {', '.join(_UNITS)}")
    found = Description(
        path=path,
        file=path.parent / Path(file).expanduser(),
        choices=_choices(document, data),
        architecture=_form(document, data),
        values=_values(document, data),
        observe=_names(document, "accuracy.observe", accuracy.get("observe", ())),
        judge=_names(document, "accuracy.judge", accuracy.get("judge", ())),
        test=_names(document, "accuracy.test", accuracy.get("test", ())),
        percent=None if unit is None else unit == "percent",
        costs=_costs(document, data),
        input_shape=shape,
        num_classes=classes,
    )
    if found.choices is not None and found.architecture is not None:
        document.complain("architecture", " stands beside choices; expected one of them")
    document.finish()
    if space is None:
        return found
    beside = path.parent / space
    loaded = SearchSpace.load(beside if space.endswith((".yaml", ".yml")) and beside.exists() else space)
    return Description(**{**vars(found), "space": loaded})


def _text(document: Document, place: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        document.complain(place, f" is {value!r}; expected a text")
        return ""
    return value


def _names(document: Document, place: str, value: Any) -> tuple[str, ...]:
    """The name of a column, or several whose mean is taken."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        document.complain(place, f" is {value!r}; expected the name of a column, or a list of them")
        return ()
    return tuple(names)


def _part(document: Document, name: str, data: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    part = data.get(name, {})
    if not isinstance(part, dict):
        document.complain(name, f" is {part!r}; expected keys {', '.join(keys)}")
        return {}
    document.check_keys(name, part, keys)
    return {key: value for key, value in part.items() if key in keys}


def _choices(document: Document, data: Mapping[str, Any]) -> dict[str, str] | None:
    given = data.get("choices")
    if given is None:
        return None
    if isinstance(given, list):
        given = {name: name for name in given if isinstance(name, str)} if given else None
    if not isinstance(given, dict) or not given or not all(isinstance(name, str) for name in given.values()):
        document.complain("choices", f" is {data['choices']!r}; expected choice: column, or a list of names")
        return None
    return dict(given)


def _form(document: Document, data: Mapping[str, Any]) -> Form | None:
    if "architecture" not in data:
        return None
    part = _part(document, "architecture", data, ("column", "find", "choices"))
    find = _text(document, "architecture.find", part.get("find"))
    try:
        re.compile(find)
    except re.error as problem:
        document.complain("architecture.find", f" is {find!r}; expected a regular expression ({problem})")
    choices = _names(document, "architecture.choices", part.get("choices", ()))
    if not choices:
        document.complain("architecture.choices", " is empty; expected the names of the choices, in order")
    return Form(_text(document, "architecture.column", part.get("column")), find, choices)


def _values(document: Document, data: Mapping[str, Any]) -> dict[str, Scalar]:
    given = data.get("values", {})
    if not isinstance(given, dict) or not all(isinstance(v, (str, int, float)) for v in given.values()):
        document.complain("values", f" is {given!r}; expected text in the table: value of the choice")
        return {}
    return dict(given)


def _costs(document: Document, data: Mapping[str, Any]) -> dict[str, CostColumn]:
    found: dict[str, CostColumn] = {}
    for name, value in _part(document, "costs", data, _COSTS).items():
        place = f"costs.{name}"
        part = {"column": value} if isinstance(value, str) else value
        if not isinstance(part, dict):
            document.complain(place, f" is {value!r}; expected a column, or column, scale and minus")
            continue
        document.check_keys(place, part, ("column", "scale", "minus"))
        numbers = [part.get("scale", 1.0), part.get("minus", 0.0)]
        if not all(isinstance(number, (int, float)) for number in numbers):
            document.complain(place, f" is {value!r}; expected numbers for scale and minus")
            continue
        column = _text(document, f"{place}.column", part.get("column"))
        found[name] = CostColumn(column, float(numbers[0]), float(numbers[1]))
    return found


def _input(document: Document, part: Mapping[str, Any]) -> tuple[tuple[int, int, int], int]:
    shape, classes = part.get("shape", [3, 32, 32]), part.get("classes", 10)
    right = isinstance(shape, list) and len(shape) == 3
    if not right or not all(isinstance(length, int) and length > 0 for length in shape):
        document.complain("input.shape", f" is {shape!r}; expected [channels, height, width]")
        shape = [3, 32, 32]
    if not isinstance(classes, int) or classes < 1:
        document.complain("input.classes", f" is {classes!r}; expected a whole number of at least 1")
        classes = 10
    return (shape[0], shape[1], shape[2]), classes
