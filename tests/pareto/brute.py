"""Slow second implementations, straight from the definitions, and the tables they are compared on."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

Table = list[list[float]]


def tables(max_rows: int = 12, max_columns: int = 4, min_rows: int = 0) -> st.SearchStrategy[np.ndarray]:
    """Tables of small integers as floats: few distinct values make ties and duplicates the rule."""
    return st.integers(1, max_columns).flatmap(
        lambda m: st.lists(
            st.lists(st.integers(0, 5).map(float), min_size=m, max_size=m),
            min_size=min_rows,
            max_size=max_rows,
        ).map(lambda rows: np.array(rows, dtype=np.float64).reshape(len(rows), m))
    )


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def slow_front(table: np.ndarray) -> list[bool]:
    return [not any(dominates(other, row) for other in table) for row in table]


def slow_ranks(table: np.ndarray) -> list[int]:
    ranks = [-1] * len(table)
    level = 0
    while -1 in ranks:
        left = [i for i, rank in enumerate(ranks) if rank == -1]
        for i in [i for i in left if not any(dominates(table[j], table[i]) for j in left)]:
            ranks[i] = level
        level += 1
    return ranks


def slow_hypervolume(table: np.ndarray, reference: np.ndarray) -> float:
    """Cells of the grid spanned by all coordinates, each counted once if some row dominates its corner."""
    inside = [row for row in table if all(row < reference)]
    axes = [sorted({*(float(row[j]) for row in inside), float(reference[j])}) for j in range(len(reference))]
    volume = 0.0
    for cell in itertools.product(*(itertools.pairwise(axis) for axis in axes)):
        low = [edge[0] for edge in cell]
        if any(all(row <= low) for row in inside):
            volume += float(np.prod([edge[1] - edge[0] for edge in cell]))
    return volume
