"""The published tables that are known by their contents: NAS-Bench-201 and NAS-Bench-Macro as npz."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasearch.errors import TableError
from nasearch.measure.table.files import Column
from nasearch.measure.table.table import CostColumn, Roles

CLASSES = 10


@dataclass(frozen=True)
class Known:
    """What a known file holds.

    Attributes:
        space: built-in name of the search space.
        names: of the choices, in the order of the columns of `texts`.
        texts: (rows, choices) the value of each choice.
        roles: of its columns unless others are given.
    """

    space: str
    names: tuple[str, ...]
    texts: NDArray[np.str_]
    roles: Roles


def recognise(columns: Mapping[str, Column], source: str) -> Known | None:
    """What the arrays of an npz are; None if they are none of the known tables.

    Raises:
        TableError: if they are one, and do not fit together.
    """
    if {"ops", "op_names", "edges"} <= columns.keys():
        return _nasbench201(columns, source)
    if {"arch", "op_names", "test_acc"} <= columns.keys():
        return _nasbench_macro(columns, source)
    return None


def _nasbench201(columns: Mapping[str, Column], source: str) -> Known:
    names = tuple(f"edge{start}-{end}" for start, end in columns["edges"].tolist())
    valid, test = ("c10_valid_200",), ("c10_test_200",)
    # The published figure counts the classifier's bias, one operation a class, which is no
    # multiply-accumulate.
    costs = {"params": CostColumn("params_c10"), "macs": CostColumn("flops_c10", minus=CLASSES)}
    roles = Roles(valid, valid, test, percent=True, costs=costs)
    return Known("nasbench201", names, _texts(columns["ops"], columns["op_names"], len(names), source), roles)


def _nasbench_macro(columns: Mapping[str, Column], source: str) -> Known:
    names = tuple(f"layer{i}" for i in range(8))
    costs = {"params": CostColumn("params"), "macs": CostColumn("flops")}
    roles = Roles(("test_acc[0]",), ("mean_acc",), ("mean_acc",), percent=True, costs=costs)
    return Known("nasbench_macro", names, _texts(columns["arch"], columns["op_names"], 8, source), roles)


def _texts(places: Column, names: Column, width: int, source: str) -> NDArray[np.str_]:
    if places.ndim != 2 or places.shape[1] != width or places.dtype.kind not in "iu":
        raise TableError(
            f"{source}: operations of shape {places.shape} and type {places.dtype}; "
            f"expected whole numbers, {width} a row"
        )
    if places.size and not 0 <= places.min() <= places.max() < len(names):
        raise TableError(
            f"{source}: an operation is {int(places.max())}; "
            f"expected 0 to {len(names) - 1}, a place in op_names"
        )
    texts: NDArray[np.str_] = names[places]
    return texts
