"""Tables of made-up accuracies, small enough to be searched whole by a second, slow implementation."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nasearch.measure import architecture_cost
from nasearch.space import Architecture, Scalar, SearchSpace

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("NASEARCH_SHARED_DATA", ROOT.parent / "shared" / "data"))
NASBENCH201 = SHARED / "nasbench201" / "nasbench201_cifar10.npz"
NASBENCH_MACRO = SHARED / "nasbench_macro" / "nasbench_macro.npz"

FLAT = """\
width,op,first,second,test,macs,lat_a,note
8,conv,50,52,51,10,3,x
8,skip,40,40,41,4,1,x
16,conv,70,68,66,20,5,x
16,skip,60,64,60,8,2,x
32,conv,72,70,71,40,4,x
32,skip,71,66,70,16,9,x
"""
FLAT_YAML = """\
file: flat.csv
choices: {width: width, op: op}
accuracy: {unit: percent, observe: first, judge: [first, second], test: test}
costs: {macs: {column: macs, scale: 1.0e+6}, latency_ms: lat_a}
"""


def write_flat(folder: Path) -> Path:
    """Two choices, six networks, without a space; gives the path of its description."""
    (folder / "flat.csv").write_text(FLAT, encoding="utf-8")
    (folder / "flat.yaml").write_text(FLAT_YAML, encoding="utf-8")
    return folder / "flat.yaml"


def everything(space: SearchSpace) -> Iterator[Architecture]:
    """Every architecture of a small space, by trying each value wherever a choice is met."""

    class Met(Exception):  # noqa: N818
        pass

    open_ends: list[dict[str, Scalar]] = [{}]
    while open_ends:
        decided = open_ends.pop()

        def suggest(name: str, values: Sequence[Scalar], decided: dict[str, Scalar] = decided) -> Scalar:
            if name not in decided:
                raise Met(name, values)
            return decided[name]

        try:
            yield space.propose(suggest)
        except Met as met:
            name, values = met.args
            open_ends.extend({**decided, name: value} for value in values)


def accuracy_of(architecture: Architecture) -> float:
    """Made up: grows with the parameters, and hangs on nothing that a key folds away."""
    params = architecture_cost(architecture, (1, 8, 8), 3).params
    return round(0.5 + 0.4 * params / (params + 1000), 4)


def write_tiny(folder: Path, *, leave_out: int = 0) -> Path:
    """The space `tiny` for three classes of grey 8 x 8 images; gives the path of its description."""
    space = SearchSpace.load("tiny")
    names = [choice.name for choice in space.choices]
    with (folder / "tiny_table.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow([*names, "val", "milliseconds"])
        for i, architecture in enumerate(everything(space)):
            if i >= leave_out:
                decided = dict(architecture.decisions)
                cells = [decided.get(name, "") for name in names]
                lines.writerow([*cells, accuracy_of(architecture), 1 + i / 100])
    (folder / "tiny_table.yaml").write_text(
        "file: tiny_table.csv\nspace: tiny\naccuracy: {unit: fraction, observe: val}\n"
        "costs: {latency_ms: milliseconds}\ninput: {shape: [1, 8, 8], classes: 3}\n",
        encoding="utf-8",
    )
    return folder / "tiny_table.yaml"


def write_cells(path: Path, *, wrong: int = 0) -> Path:
    """Three cells in the format of the NAS-Bench-201 npz."""
    ops = np.array([[3, 0, 1, 2, 4, 1 + wrong], [3, 3, 3, 3, 3, 3], [0, 0, 0, 1, 0, 0]], dtype=np.uint8)
    np.savez(
        path,
        ops=ops,
        op_names=np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]),
        # not in the order of the space
        edges=np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]], dtype=np.uint8),
        c10_valid_200=np.array([85.0, 91.0, 70.0], dtype=np.float32),
        c10_test_200=np.array([84.0, 94.0, 71.0], dtype=np.float32),
        c10_valid_12=np.array([60.0, 80.0, 40.0], dtype=np.float32),
        params_c10=np.array([200, 900, 73], dtype=np.int32),
        flops_c10=np.array([1010, 9010, 110], dtype=np.int64),
        lat_raspi4=np.array([5.0, np.nan, 1.0], dtype=np.float32),
    )
    return path
