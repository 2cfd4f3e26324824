"""Blocks that are graphs: reckoned from their parts, they cost what a run of the whole block says."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

import nasearch as nas
from nasearch.errors import BuildError
from nasearch.measure import pieces
from nasearch.measure.composition import composed_piece
from nasearch.measure.piece import Piece, traced_piece
from nasearch.nets.blocks import BLOCKS, GRAPHS
from nasearch.nets.blocks.cell import Cell
from nasearch.nets.build import graph_of, make_block
from nasearch.space import KINDS, Architecture, Block, Head, SearchSpace, Value

FLOAT = 4  # bytes
EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")
CELL_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
DARTS_OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


def block_of(kind: str, channels: int, stride: int = 1, **given: Value) -> Block:
    inputs = (-2, -1) if kind == "darts_cell" else (-1,)
    return Block("cell", kind, channels, stride, "none", KINDS[kind].complete(given), inputs)


def random_cell(generator: random.Random, channels: int, nodes: int = 4) -> Block:
    names = [f"{source}-{target}" for target in range(nodes) for source in range(target)]
    generator.shuffle(names)  # terms are added in the order of the edges
    return block_of(
        "cell", channels, nodes=nodes, edges=tuple((name, generator.choice(CELL_OPS)) for name in names)
    )


def random_darts_cell(generator: random.Random, halve_first: bool) -> Block:
    nodes = generator.choice((1, 2, 4))
    edges = tuple(
        (f"{source}-{node}", generator.choice(DARTS_OPS))
        for node in range(2, 2 + nodes)
        for source in generator.sample(range(node), 2)
    )
    given: dict[str, Value] = {"nodes": nodes, "edges": edges, "halve_first": halve_first}
    return block_of("darts_cell", 8 * nodes, generator.choice((1, 2)), **given)


def both_ways(
    block: Block,
    shapes: tuple[tuple[int, int, int], ...],
    order: tuple[int, ...],
    kept: tuple[bool, ...],
) -> tuple[Piece | None, Piece]:
    """From the parts, and from a run of the block."""
    widths = [shapes[i][0] for i in order]
    graph = graph_of(block, *widths)
    assert graph is not None
    with torch.device("meta"):
        module = make_block(block, *widths)
    return composed_piece(graph, shapes, order, kept), traced_piece(module, *shapes, order=order, kept=kept)


@pytest.mark.parametrize("shape", [(16, 32, 32), (32, 16, 16), (64, 8, 8), (5, 7, 3), (8, 1, 1)])
def test_random_cells(shape: tuple[int, int, int]) -> None:
    generator = random.Random(shape[0])
    for _ in range(60):
        block = random_cell(generator, shape[0], generator.choice((2, 4, 4, 5)))
        composed, traced = both_ways(block, (shape,), (0,), (generator.random() < 0.3,))
        assert composed == traced, block


@pytest.mark.parametrize("side", [16, 9, 1])
def test_random_cells_with_two_inputs(side: int) -> None:
    generator = random.Random(side)
    for turn in range(12):
        halves = turn % 3 == 1
        block = random_darts_cell(generator, halves)
        if turn % 3 == 2:  # one map, read twice
            shapes: tuple[tuple[int, int, int], ...] = ((12, side, side),)
            order: tuple[int, ...] = (0, 0)
        else:
            first = 2 * side if halves else side
            shapes, order = ((6, first, first), (12, side, side)), (0, 1)
        kept = tuple(generator.random() < 0.5 for _ in shapes)
        composed, traced = both_ways(block, shapes, order, kept)
        assert composed == traced, block


@pytest.mark.parametrize(
    ("name", "networks", "shape"),
    [("nasbench201", 6, (1, 27, 20)), ("darts", 3, (3, 19, 16)), ("micro", 6, (3, 32, 32))],
)
def test_whole_networks(name: str, networks: int, shape: tuple[int, int, int]) -> None:
    space = SearchSpace.load(name)
    for seed in range(100, 100 + networks):
        architecture = space.sample(seed=seed)
        with torch.device("meta"):
            model = nas.build(architecture, 7, shape[0])
        assert nas.architecture_cost(architecture, shape, 7) == nas.measure_cost(model, shape)
        assert nas.architecture_topology(architecture, shape, 7) == nas.measure_topology(model, shape)


def test_peak_of_a_cell_by_hand() -> None:
    ops = ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3", "skip_connect", "skip_connect", "nor_conv_3x3")
    block = block_of("cell", 8, edges=tuple(zip(EDGES, ops, strict=True)))
    composed, _ = both_ways(block, ((8, 4, 4),), (0,), (False,))
    assert composed is not None
    # In maps: while the terms of node 2 are added, x and node 1 wait for their skips; there are both terms
    # and the sum. While a norm makes the first term there are four, and afterwards never more than four.
    assert composed.peak_activation_bytes == FLOAT * 5 * (8 * 4 * 4)
    assert composed.params == 2 * (8 * 8 * 9 + 2 * 8) + 8 * 8 + 2 * 8
    assert composed.macs == (2 * 8 * 8 * 9 + 8 * 8) * 16
    (flow,) = composed.flows
    assert flow is not None
    assert (flow.depth, flow.shortest, flow.paths) == (2, 0, 4)


def test_maps_of_unequal_size_are_left_to_torch() -> None:
    edges = (("0-2", "skip_connect"), ("1-2", "sep_conv_3x3"))
    block = block_of("darts_cell", 4, nodes=1, edges=edges)
    composed, traced = both_ways(block, ((4, 1, 1), (4, 6, 6)), (0, 1), (False, False))
    assert composed is None  # torch widens the first
    assert traced.output_shape == (4, 6, 6)
    architecture = Architecture(
        (
            Block("stem", "conv", 4, 2, "none", KINDS["conv"].complete({})),
            Block("next", "conv", 4, 2, "none", KINDS["conv"].complete({})),
            block,
        ),
        Head(),
    )
    with torch.device("meta"):
        model = nas.build(architecture, 10)
    assert nas.architecture_cost(architecture, (3, 3, 3)) == nas.measure_cost(model, (3, 3, 3))
    with pytest.raises(BuildError, match=r"cell \(darts_cell\) cannot take a map of 4x8x8 and 4x4x4: "):
        nas.architecture_cost(architecture, (3, 16, 16))


def test_a_wrong_operation_is_named_with_its_block() -> None:
    block = Block("stack2.cell1", "cell", 8, 1, "none", (("edges", (("0-3", "conv"),)), ("nodes", 4)))
    with pytest.raises(BuildError, match=r"stack2.cell1 \(cell\): cell operation is 'conv'; expected one of"):
        nas.architecture_cost(Architecture((block,), Head()), (8, 4, 4))


class Twice(Cell):
    """A cell whose forward is not its graph's."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(super().forward(x))


def test_another_class_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Twice not in GRAPHS
    block = block_of("cell", 8, edges=(("0-3", "nor_conv_3x3"),))
    architecture = Architecture((block,), Head())
    once = nas.architecture_cost(architecture, (8, 6, 6))
    monkeypatch.setitem(BLOCKS, "cell", Twice)
    pieces._block_piece.cache_clear()
    twice = nas.architecture_cost(architecture, (8, 6, 6))
    pieces._block_piece.cache_clear()
    assert twice.macs - once.macs == 8 * 8 * 9 * 36
