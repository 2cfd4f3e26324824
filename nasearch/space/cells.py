"""Cells: small directed graphs whose edges carry operations, and their canonical form.

Node 0 is the input and the last node the output; node j is the sum, over its incoming edges i -> j
with i < j, of the edge's operation applied to node i (Dong & Yang 2020, NAS-Bench-201).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any, TypeAlias


@dataclass(frozen=True)
class CellOp:
    """An operation on an edge; what the canonical form must know of it.

    Attributes:
        zero: its output is zero whatever comes in.
        identity: its output is its input.
        weighted: it has parameters, so it costs even where its output is not used, and it maps a
            zero input to a constant rather than to zero (the shift of its normalisation).
    """

    about: str
    zero: bool = False
    identity: bool = False
    weighted: bool = False


CELL_OPS: dict[str, CellOp] = {
    "none": CellOp("no connection", zero=True),
    "skip_connect": CellOp("identity", identity=True),
    "nor_conv_1x1": CellOp("ReLU, 1x1 convolution, batch norm", weighted=True),
    "nor_conv_3x3": CellOp("ReLU, 3x3 convolution, batch norm", weighted=True),
    "avg_pool_3x3": CellOp("3x3 average pooling, padding not counted"),
}

Edge: TypeAlias = tuple[int, int, str]
Graph: TypeAlias = tuple[str, tuple[Edge, ...], tuple[str, ...]]
_ZERO = -1  # stands for every node that is zero whatever the input


def edge_names(nodes: int) -> Iterator[str]:
    """`0-1 0-2 1-2 0-3 ...`: edges by target, then by source."""
    return (f"{source}-{target}" for target in range(1, nodes) for source in range(target))


def wrong_edges(options: Mapping[str, Any]) -> str | None:
    """What is wrong with the edges of a cell, in words; None if nothing. One left out is `none`."""
    edges, expected = options["edges"], list(edge_names(options["nodes"]))
    pairs = [edge for edge in edges if isinstance(edge, tuple) and len(edge) == 2]
    names = [name for name, _ in pairs]
    fits = len(pairs) == len(edges) and set(names) <= set(expected) and len(set(names)) == len(names)
    if fits and all(op in CELL_OPS for _, op in pairs):
        return None
    return (
        f"edges are {edges!r}; expected pairs of name and operation, names among {', '.join(expected)}, each "
        f"once, operations among {', '.join(CELL_OPS)}"
    )


def is_identity_cell(options: Mapping[str, Any]) -> bool:
    """Whether the cell hands its input on unchanged and without parameters."""
    return _canonical_graph(options["nodes"], options["edges"]) == ("identity", (), ())


def canonical_cell(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """One form for all writings of the same cell: same function, parameters and MACs.

    Folded are: edges that carry zero, nodes that only copy another node, weightless operations
    whose result is not used, and the numbering of the inner nodes. Kept, as a count that changes
    no output, are the operations with parameters whose result is not used.

    Complexity: (nodes - 2)! orders of the inner nodes are compared.
    """
    return {"graph": _canonical_graph(options["nodes"], options["edges"])}


@lru_cache(maxsize=4096)
def _canonical_graph(nodes: int, written: tuple[tuple[str, str], ...]) -> Graph:
    """Kept for a while, because every cell of a network is the same one."""
    edges, zero_nodes = _without_zeros(nodes, written)
    edges, output = _without_copies(nodes, edges, zero_nodes)
    used = _reaching(output, edges)
    live = [edge for edge in edges if edge[1] in used]
    wasted = sorted(op for _, target, op in edges if target not in used and CELL_OPS[op].weighted)
    if output == 0:
        return "identity", (), tuple(wasted)
    inner = sorted({node for edge in live for node in edge[:2]} - {0, output, _ZERO})
    first, last = 0, nodes - 1
    best: tuple[Edge, ...] | None = None
    for order in permutations(range(1, 1 + len(inner))):
        names = {_ZERO: _ZERO, first: first, output: last, **dict(zip(inner, order, strict=True))}
        graph = tuple(sorted((names[source], names[target], op) for source, target, op in live))
        best = graph if best is None or graph < best else best
    assert best is not None
    return "sum", best, tuple(wasted)


def _without_zeros(nodes: int, written: tuple[tuple[str, str], ...]) -> tuple[list[Edge], set[int]]:
    """Drop edges that carry zero; name the nodes that nothing reaches."""
    ops = dict(written)
    zero_nodes: set[int] = set()
    edges: list[Edge] = []
    for target in range(1, nodes):
        arriving = 0
        for source in range(target):
            op = ops.get(f"{source}-{target}", "none")
            nothing = CELL_OPS[op].zero or (source in zero_nodes and not CELL_OPS[op].weighted)
            if not nothing:
                edges.append((_ZERO if source in zero_nodes else source, target, op))
                arriving += 1
        if not arriving:
            zero_nodes.add(target)
    return edges, zero_nodes


def _without_copies(nodes: int, edges: list[Edge], zero_nodes: set[int]) -> tuple[list[Edge], int]:
    """Give each node that only copies another that other's name; return the output's name too."""
    stands_for = {node: _ZERO if node in zero_nodes else node for node in range(nodes)}
    kept: list[Edge] = []
    for target in range(1, nodes):
        arriving = [edge for edge in edges if edge[1] == target]
        if len(arriving) == 1 and CELL_OPS[arriving[0][2]].identity:
            stands_for[target] = stands_for[arriving[0][0]]
            continue
        kept += [(stands_for.get(source, _ZERO), target, op) for source, _, op in arriving]
    return kept, stands_for[nodes - 1]


def _reaching(output: int, edges: list[Edge]) -> set[int]:
    """Nodes whose value the output depends on, the output included."""
    used = {output}
    for source, target, _ in reversed(edges):  # edges are ordered by target
        if target in used:
            used.add(source)
    return used - {_ZERO}
