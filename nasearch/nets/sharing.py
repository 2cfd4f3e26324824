"""How the blocks of one kind share their weights in a supernet: what their parameters do not show.

A supernet keeps, for each slot of a space and each kind of block there, every parameter once, by the
path of the part that owns it, as large as the largest block of the kind has it. A smaller block reads
the first entries of each axis, and the middle of a kernel. A kind needs a `Sharing` only where that
is not all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn

from nasearch.nets.blocks.darts import INPUTS, DepthwiseUnit, FactorizedReduce
from nasearch.nets.layers import ConvNorm, SqueezeExcitation

Paths: TypeAlias = Sequence[str]


def _no_names(_block: Any) -> Mapping[str, str]:
    return {}


def _no_pieces(_block: Any) -> Mapping[str, tuple[int, int]]:
    return {}


def _nothing_hidden(_block: Any) -> Sequence[tuple[Paths, Paths]]:
    return ()


@dataclass(frozen=True)
class Sharing:
    """What a supernet must be told of a kind. Each is a function of a block that was built.

    Attributes:
        names: path of a part -> the name that it is shared under; for parts that stand elsewhere in
            blocks with other options, or whose place does not say what they do. Empty: the path.
        pieces: path of a parameter -> (axis, count): an axis that is made of so many equal pieces,
            such as the heads of an attention, is cut piece by piece.
        hidden: widths inside the block that nothing outside knows of, each as (parts that write it,
            parts that read it): convolutions, linear layers and norms have it as their output in the
            one case, convolutions and linear layers as their input in the other. Its channels can
            change places, see `Supernet.sort_channels`.
    """

    names: Callable[[Any], Mapping[str, str]] = _no_names
    pieces: Callable[[Any], Mapping[str, tuple[int, int]]] = _no_pieces
    hidden: Callable[[Any], Sequence[tuple[Paths, Paths]]] = _nothing_hidden


BY_SHAPE = Sharing()
"""Of a kind that says nothing: its parameters show all."""


def _mbconv_names(block: Any) -> dict[str, str]:
    last = len(block.branch) - 1
    names = {f"branch.{last}": "attention", f"branch.{last - 1}": "narrow"}
    convolutions = []
    for i in range(last - 1):
        if isinstance(block.branch[i], SqueezeExcitation):
            names[f"branch.{i}"] = "squeeze"
        else:
            convolutions.append(f"branch.{i}")
    # the depthwise one is always there, the widening one before it is not
    return names | dict(zip(reversed(convolutions), ("depthwise", "widen"), strict=False))


def _mbconv_hidden(block: Any) -> list[tuple[Paths, Paths]]:
    place = {name: path for path, name in _mbconv_names(block).items()}
    if "widen" not in place:  # the middle is the input itself, whose order others know
        return []
    writers, readers = [place["widen"], place["depthwise"]], [place["narrow"]]
    if "squeeze" in place:
        writers.append(f"{place['squeeze']}.expand")
        readers.insert(0, f"{place['squeeze']}.reduce")
    return [(writers, readers)]


def _fused_names(block: Any) -> dict[str, str]:
    last = len(block.branch) - 1
    own = ("whole",) if last == 1 else ("widen", "narrow")
    return {f"branch.{i}": name for i, name in enumerate((*own, "attention"))}


def _fused_hidden(block: Any) -> list[tuple[Paths, Paths]]:
    return [(["branch.0"], ["branch.1"])] if isinstance(block.branch[1], ConvNorm) else []


def _bottleneck_hidden(block: Any) -> list[tuple[Paths, Paths]]:
    if block.middle.conv.groups > 1:  # channels of one group stay together
        return []
    return [(["narrow"], ["middle"]), (["middle"], ["widen"])]


def _cell_names(block: Any) -> dict[str, str]:
    return {
        f"nodes.{i}.operations.{k}": f"{source}-{i + 1}.{part.arguments[0]}"
        for i, node in enumerate(block.graph.nodes)
        for k, (source, part) in enumerate(node)
        if part.arguments[0].startswith("nor_conv")
    }


def _darts_names(block: Any) -> dict[str, str]:
    edges = [
        (source - INPUTS, node)
        for node, terms in enumerate(block.graph.nodes[INPUTS:], INPUTS)
        for source, _ in terms
    ]
    return {
        f"operations.{i}": f"{source}-{node}.{_darts_op(operation)}"
        for i, ((source, node), operation) in enumerate(zip(edges, block.operations, strict=True))
    }


def _darts_op(operation: nn.Module) -> str:
    unit = operation[0] if isinstance(operation, nn.Sequential) else operation
    if not isinstance(unit, DepthwiseUnit):
        return "reduce" if isinstance(unit, FactorizedReduce) else "plain"
    side = unit.depthwise.kernel_size[0]
    return f"{'dil' if unit is operation else 'sep'}_conv_{side}x{side}"


def _backbone_names(block: Any) -> dict[str, str]:
    """Networks share nothing with one another, nor do weights that are trained with ones that are not."""
    return {
        "features": f"{block.network}/{block.weights or 'fresh'}/{'frozen' if block.frozen else 'trained'}"
    }


def _heads(block: Any) -> dict[str, tuple[int, int]]:
    heads = block.self_attention.heads
    rows = {
        f"self_attention.{name}.{which}": (0, heads)
        for name in ("query", "key", "value")
        for which in ("weight", "bias")
    }
    return rows | {"self_attention.out.weight": (1, heads)}


def _between(*pairs: tuple[Paths, Paths]) -> Callable[[Any], Sequence[tuple[Paths, Paths]]]:
    return lambda _block: pairs


SHARING: dict[str, Sharing] = {
    "residual": Sharing(hidden=_between((["first"], ["second"]))),
    "bottleneck": Sharing(hidden=_bottleneck_hidden),
    "mbconv": Sharing(_mbconv_names, hidden=_mbconv_hidden),
    "fused_mbconv": Sharing(_fused_names, hidden=_fused_hidden),
    "inception": Sharing(hidden=_between((["three.0"], ["three.1"]), (["five.0"], ["five.1"]))),
    "transformer": Sharing(pieces=_heads, hidden=_between((["perceptron.0"], ["perceptron.2"]))),
    "convnext": Sharing(hidden=_between((["block.widen"], ["block.narrow"]))),
    "shuffle": Sharing(hidden=_between((["convolved.0", "convolved.1"], ["convolved.2"]))),
    "avgpool_residual": Sharing(hidden=_between((["first"], ["second"]))),
    "backbone": Sharing(_backbone_names),
    "cell": Sharing(_cell_names),
    "darts_cell": Sharing(_darts_names),
}
"""By kind of block; one that is missing is `BY_SHAPE`."""

HEAD_SHARING: dict[str, Sharing] = {"mlp": Sharing(hidden=_between((["hidden"], ["classifier"])))}
"""Likewise by kind of head."""
