"""The score board keeps by little steps what a computation over everything gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasearch.errors import SelectionError
from nasearch.pareto import parse_limits, parse_objectives
from nasearch.study.board import Board
from tests.pareto.brute import slow_front, slow_hypervolume

NAMES = ("accuracy", "macs", "params")
# Few keys and few values, so that networks are replaced, tie and dominate one another.
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 5)),
    ),
    max_size=25,
)


@given(entries=ENTRIES, width=st.integers(1, 3), limited=st.booleans())
def test_it_is_what_everything_together_gives(
    entries: list[tuple[str, tuple[int, int, int]]], width: int, limited: bool
) -> None:
    names = NAMES[:width]
    limits = ["macs <= 3"] if limited and width > 1 else []
    board = Board(parse_objectives(names), parse_limits(limits), 4)
    values: dict[str, tuple[float, ...]] = {}
    for key, (hits, macs, params) in entries:
        found = {"accuracy": hits / 4, "macs": macs, "params": params}
        board.add(key, found)
        if not limits or macs <= 3:
            values[key] = tuple(float(found[name]) for name in names)
    keys = list(values)
    table = np.array([values[key] for key in keys]).reshape(-1, width)
    table[:, 0] = 1 - table[:, 0]
    front = {key for key, kept in zip(keys, slow_front(table), strict=True) if kept}
    assert board.front() == front
    dearest = table.max(axis=0) if keys else np.ones(width)
    reference = [0.75, *(dearest[1:] + (dearest[1:] == 0))]
    if limits:
        reference[1] = 3.0
    assert board.reference() == tuple(reference)
    expected = slow_hypervolume(table, np.array(reference)) / float(np.prod(reference))
    assert board.hypervolume() == pytest.approx(expected, abs=1e-12)
    standing = board.standing(len(entries), 30)
    assert (standing.spent, standing.budget, standing.front_size) == (len(entries), 30, len(front))
    assert standing.hypervolume == board.hypervolume()


def test_what_is_no_measurement_is_refused_or_passed_over() -> None:
    board = Board(parse_objectives(("accuracy", "macs")), (), 10)
    board.add("a", {"accuracy": 0.5})
    assert board.front() == set()
    with pytest.raises(SelectionError, match="accuracy"):
        board.add("a", {"accuracy": float("nan"), "macs": 1})
    assert board.standing(0, 1).hypervolume == 0.0
