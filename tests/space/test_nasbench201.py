"""The built-in NAS-Bench-201 space against the published table; skipped where the table is not at hand."""

from __future__ import annotations

import importlib.util
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from nasearch.space import SearchSpace

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("NASEARCH_SHARED_DATA", ROOT.parent / "shared" / "data"))
TABLE = SHARED / "nasbench201" / "nasbench201_cifar10.npz"

pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason="the NAS-Bench-201 table is not at hand")


def test_parameters_and_macs_of_cells_equal_the_table() -> None:
    """A share of the rows; scripts/verify_nasbench201.py compares all of them."""
    found = importlib.util.spec_from_file_location("verify", ROOT / "scripts" / "verify_nasbench201.py")
    assert found is not None
    assert found.loader is not None
    verify = importlib.util.module_from_spec(found)
    found.loader.exec_module(verify)
    assert verify.differing_rows(TABLE, rows=60) == (60, [])


def test_keys_fold_no_more_than_isomorphism_refined_by_counts() -> None:
    """15,625 cells fold into at least 7,700 networks, and never two whose counts differ."""
    with np.load(TABLE, allow_pickle=False) as data:
        ops, names = data["ops"], [str(name) for name in data["op_names"]]
        choices = [f"edge{source}-{target}" for source, target in data["edges"]]
        counts = list(zip(data["params_c10"].tolist(), data["flops_c10"].tolist(), strict=True))
        refined = set(zip(data["iso_rep"].tolist(), counts, strict=True))
    space = SearchSpace.load("nasbench201")
    rows: dict[str, list[int]] = defaultdict(list)
    for row, cell in enumerate(ops):
        decisions = {choice: names[op] for choice, op in zip(choices, cell, strict=True)}
        rows[space.decode(decisions).key].append(row)
    assert len(refined) == 7700
    assert len(rows) >= len(refined)
    assert all(len({counts[row] for row in group}) == 1 for group in rows.values())
