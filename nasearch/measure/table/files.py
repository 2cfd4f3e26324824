"""Columns of a file: CSV, parquet or npz."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasearch.errors import TableError
from nasearch.pareto.objectives import Floats

Column = NDArray[Any]


def read_columns(path: Path) -> dict[str, Column]:
    """Every array of a file by name; texts and numbers as the file has them.

    Raises:
        TableError: if the file cannot be read, or needs a package that is not installed.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TableError(f"{path}: {path.suffix or 'no suffix'}; expected one of {', '.join(_READERS)}")
    try:
        return reader(path)
    except OSError as problem:
        raise TableError(f"{path}: {problem.strerror or problem}; expected a readable table") from problem
    except (ValueError, zipfile.BadZipFile) as problem:
        raise TableError(f"{path}: {problem}; expected a readable table") from problem


def numbers_of(columns: Mapping[str, Column]) -> dict[str, Floats]:
    """The columns of numbers as float64; of an array (rows, n) each column as `name[0]` and so on.

    Texts are numbers where every one of them is; an empty text is NaN.
    """
    found: dict[str, Floats] = {}
    for name, values in columns.items():
        numbers = _as_floats(values)
        if numbers is None:
            continue
        if numbers.ndim == 1:
            found[name] = numbers
        elif numbers.ndim == 2:
            found |= {f"{name}[{i}]": numbers[:, i] for i in range(numbers.shape[1])}
    return found


def _as_floats(values: Column) -> Floats | None:
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    try:
        texts = ["nan" if value in (None, "") else value for value in values.tolist()]
        return np.array(texts, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _csv(path: Path) -> dict[str, Column]:
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        names = next(lines, [])
        rows = [row for row in lines if row]
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise TableError(
                f"{path}: row {number} has {len(row)} cells; expected {len(names)} as the heading"
            )
    if len(set(names)) < len(names):
        raise TableError(f"{path}: a column's name stands twice in the heading; expected each once")
    return {name: np.array([row[i] for row in rows], dtype=object) for i, name in enumerate(names)}


def _npz(path: Path) -> dict[str, Column]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _parquet(path: Path) -> dict[str, Column]:
    try:
        import pyarrow.parquet
    except ImportError as problem:
        raise TableError(
            f"{path}: parquet needs the package pyarrow, which is not installed; "
            "pip install pyarrow, or write the table as CSV"
        ) from problem
    try:
        found = pyarrow.parquet.read_table(path).to_pydict()
    except pyarrow.ArrowException as problem:
        raise TableError(f"{path}: {problem}; expected a readable parquet file") from problem
    columns: dict[str, Column] = {}
    for name, values in found.items():
        is_number = all(isinstance(value, (int, float, type(None))) for value in values)
        columns[name] = np.array(values, dtype=np.float64 if is_number else object)
    return columns


_READERS: dict[str, Callable[[Path], dict[str, Column]]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".npz": _npz,
}
