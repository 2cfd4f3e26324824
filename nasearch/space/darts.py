"""Cells with two inputs, after DARTS: every inner node sums two operations on earlier nodes.

Nodes 0 and 1 are the outputs of the two cells before, the inner nodes 2, 3, ... follow, and the
output is all inner nodes side by side (Liu et al. 2019, "DARTS", section 2.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

DARTS_OPS: dict[str, str] = {
    "skip_connect": "identity; with stride 2 two shifted 1x1 convolutions",
    "max_pool_3x3": "3x3 maximum pooling",
    "avg_pool_3x3": "3x3 average pooling, padding not counted",
    "sep_conv_3x3": "ReLU, 3x3 depthwise, 1x1, batch norm, twice",
    "sep_conv_5x5": "ReLU, 5x5 depthwise, 1x1, batch norm, twice",
    "dil_conv_3x3": "ReLU, 3x3 depthwise of dilation 2, 1x1, batch norm",
    "dil_conv_5x5": "ReLU, 5x5 depthwise of dilation 2, 1x1, batch norm",
}
SHORT_OPS = {
    "skip_connect": "skip",
    "max_pool_3x3": "max3",
    "avg_pool_3x3": "avg3",
    "sep_conv_3x3": "sep3",
    "sep_conv_5x5": "sep5",
    "dil_conv_3x3": "dil3",
    "dil_conv_5x5": "dil5",
}


def inner_nodes(nodes: int) -> range:
    """The numbers of the inner nodes."""
    return range(2, 2 + nodes)


def source_pairs(node: int) -> Iterator[tuple[int, int]]:
    """The pairs of different earlier nodes that a node can read."""
    return combinations(range(node), 2)


def wrong_darts_cell(options: Mapping[str, Any]) -> str | None:
    """What is wrong with the edges of a cell, in words; None if nothing."""
    edges, nodes = options["edges"], options["nodes"]
    named = [edge[:1] for edge in edges if isinstance(edge, tuple)]
    targets = [
        node for node in inner_nodes(nodes) for source in range(node) if (f"{source}-{node}",) in named
    ]
    two_each = targets == [node for node in inner_nodes(nodes) for _ in range(2)]
    ops_known = all(isinstance(edge, tuple) and len(edge) == 2 and edge[1] in DARTS_OPS for edge in edges)
    if two_each and len(edges) == 2 * nodes and ops_known:
        return None
    return (
        f"edges are {edges!r}; expected two of each node 2 to {nodes + 1}, such as "
        f'("0-2", "sep_conv_3x3"), from two earlier nodes, operations among {", ".join(DARTS_OPS)}'
    )


def canonical_darts_cell(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """One form for all orders of a node's two terms; the order of nodes is that of the channels, and kept."""
    in_order = sorted(options["edges"], key=lambda edge: tuple(map(int, edge[0].split("-")))[::-1])
    return {"edges": in_order, "halve_first": options["halve_first"]}


def edges_of(genotype: Mapping[str, Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """The edges of a decided cell: for each node its two sources and operations, in order."""
    edges: list[tuple[str, str]] = []
    for node, decided in genotype.items():
        first, second = decided["inputs"].split("+")
        edges += [(f"{first}-{node}", decided["op1"]), (f"{second}-{node}", decided["op2"])]
    return tuple(edges)


def short_cell(edges: tuple[tuple[str, str], ...]) -> str:
    """A cell in one line: each node's terms as source and operation, nodes apart by `|`."""
    by_node: dict[str, list[str]] = {}
    for edge, op in edges:
        source, node = edge.split("-")
        by_node.setdefault(node, []).append(f"{source}:{SHORT_OPS[op]}")
    return " | ".join("+".join(terms) for terms in by_node.values())
