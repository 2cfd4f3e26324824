"""Canonical cells: what is folded, and what never is."""

from __future__ import annotations

import itertools
import random

import pytest

from nasearch.space.cells import CELL_OPS, canonical_cell, edge_names, is_identity_cell

NB201_EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")


def cell(*ops: str) -> dict[str, object]:
    return {"nodes": 4, "edges": tuple(zip(NB201_EDGES, ops, strict=True))}


def same(first: dict[str, object], second: dict[str, object]) -> bool:
    return canonical_cell(first) == canonical_cell(second)


def test_edges_are_named_by_target_then_source() -> None:
    assert tuple(edge_names(4)) == NB201_EDGES


def test_inner_nodes_can_swap_when_they_do_not_meet() -> None:
    one = cell("nor_conv_1x1", "nor_conv_3x3", "none", "none", "skip_connect", "avg_pool_3x3")
    other = cell("nor_conv_3x3", "nor_conv_1x1", "none", "none", "avg_pool_3x3", "skip_connect")
    assert same(one, other)


def test_a_node_that_copies_is_folded_into_its_source() -> None:
    through = cell("skip_connect", "none", "none", "none", "nor_conv_3x3", "none")
    direct = cell("none", "none", "none", "nor_conv_3x3", "none", "none")
    assert same(through, direct)


def test_the_same_value_added_twice_is_not_folded() -> None:
    once = cell("none", "none", "none", "skip_connect", "none", "none")
    twice = cell("skip_connect", "none", "none", "skip_connect", "skip_connect", "none")
    assert is_identity_cell(once)
    assert not is_identity_cell(twice)
    assert not same(once, twice)


def test_a_convolution_whose_result_is_not_used_still_counts() -> None:
    without = cell("none", "none", "none", "skip_connect", "none", "none")
    with_one = cell("nor_conv_3x3", "none", "none", "skip_connect", "none", "none")
    with_pool = cell("avg_pool_3x3", "none", "none", "skip_connect", "none", "none")
    assert not same(without, with_one)
    assert same(without, with_pool)


def test_a_convolution_of_nothing_is_a_constant_and_not_zero() -> None:
    nothing = cell("none", "none", "none", "skip_connect", "none", "none")
    constant = cell("none", "none", "none", "skip_connect", "nor_conv_1x1", "none")
    assert not same(nothing, constant)


def test_two_uses_of_one_convolution_are_not_two_convolutions() -> None:
    shared = cell("nor_conv_3x3", "none", "skip_connect", "none", "skip_connect", "avg_pool_3x3")
    apart = cell("nor_conv_3x3", "nor_conv_3x3", "none", "none", "skip_connect", "avg_pool_3x3")
    assert not same(shared, apart)


def reference_function(options: dict[str, object], seed: int) -> tuple[object, ...]:
    """A second implementation: the cell on numbers, each convolution a random affine map of its own.

    Operations: skip x; none 0; pool x/2 (linear, fixed); convolution number k: a_k * max(x, 0) + b_k. Cells
    that compute the same for every assignment of random maps to convolutions are the same function.
    """
    generator = random.Random(seed)
    maps = [(generator.uniform(0.5, 2), generator.uniform(-1, 1)) for _ in range(6)]
    results = []
    convolutions = [edge for edge in options["edges"] if CELL_OPS[edge[1]].weighted]  # type: ignore[attr-defined]
    for order in set(itertools.permutations(range(len(convolutions)))):
        values = {0: 1.7}
        for target in range(1, 4):
            total = 0.0
            for source in range(target):
                name = f"{source}-{target}"
                op = dict(options["edges"])[name]  # type: ignore[call-overload]
                x = values[source]
                if op == "skip_connect":
                    total += x
                elif op == "avg_pool_3x3":
                    total += x / 2
                elif CELL_OPS[op].weighted:
                    scale, shift = maps[order[convolutions.index((name, op))]]
                    kind = 1.0 if op == "nor_conv_1x1" else 3.0
                    total += kind * scale * max(x, 0.0) + shift
            values[target] = total
        results.append(round(values[3], 9))
    return tuple(sorted(results))


@pytest.mark.parametrize("seed", range(3))
def test_cells_with_one_form_compute_the_same(seed: int) -> None:
    generator = random.Random(seed)
    forms: dict[str, tuple[object, ...]] = {}
    for _ in range(3000):
        options = cell(*(generator.choice(list(CELL_OPS)) for _ in NB201_EDGES))
        if sum(CELL_OPS[op].weighted for _, op in options["edges"]) > 3:  # type: ignore[attr-defined]
            continue  # six convolutions have 720 assignments each
        form = str(canonical_cell(options))
        value = reference_function(options, seed=5)
        assert forms.setdefault(form, value) == value, options
    assert len(forms) > 500
