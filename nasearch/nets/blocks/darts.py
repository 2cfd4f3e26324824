"""The cell of DARTS: two inputs, and nodes that sum two operations each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasearch.nets.blocks.cell import ReLUConvNorm
from nasearch.nets.graph import Graph, Part

INPUTS = 2
"""Maps that a cell reads."""


class FactorizedReduce(nn.Module):
    """Half the resolution without a pixel unread: two strided 1x1 convolutions, one shifted by a pixel.

    Source: Liu et al. 2019, "DARTS", reference code.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.activation = nn.ReLU()
        self.straight = nn.Conv2d(in_channels, channels // 2, 1, 2, bias=False)
        self.shifted = nn.Conv2d(in_channels, channels - channels // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / 2), ceil(W / 2))."""
        x = self.activation(x)
        # The pixel added at the end is read where a side is odd, and there alone.
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        out: Tensor = self.norm(torch.cat((self.straight(x), self.shifted(shifted)), dim=1))
        return out


class DepthwiseUnit(nn.Module):
    """ReLU, depthwise convolution, 1x1 convolution, batch norm."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.activation = nn.ReLU()
        padding = kernel // 2 * dilation
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, stride, padding, dilation=dilation, groups=channels, bias=False
        )
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.norm(self.pointwise(self.depthwise(self.activation(x))))
        return out


def make_operation(op: str, channels: int, stride: int) -> nn.Module:
    """One operation of a cell, (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride)).

    Raises:
        ValueError: if there is no such operation.
    """
    if op == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    if op == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, padding=1)
    if op == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    if op in ("sep_conv_3x3", "sep_conv_5x5"):
        kernel = int(op[-1])
        return nn.Sequential(
            DepthwiseUnit(channels, kernel, stride, 1), DepthwiseUnit(channels, kernel, 1, 1)
        )
    if op in ("dil_conv_3x3", "dil_conv_5x5"):
        return DepthwiseUnit(channels, int(op[-1]), stride, 2)
    raise ValueError(
        f"cell operation is {op!r}; expected one of skip_connect, max_pool_3x3, avg_pool_3x3, "
        "sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5"
    )


def darts_graph(
    in_channels: Sequence[int],
    channels: int,
    stride: int = 1,
    *,
    nodes: int = 4,
    edges: tuple[tuple[str, str], ...] = (),
    halve_first: bool = False,
) -> Graph:
    """The graph of a `DartsCell`; arguments and errors as there, but for operations, which are not looked at.

    Its values are the inputs and then the cell's nodes.
    """
    if channels % nodes:
        raise ValueError(f"channels is {channels}; expected a multiple of {nodes}, the cell's nodes")
    first, second = in_channels
    width = channels // nodes
    incoming: dict[int, list[tuple[int, Part]]] = {node: [] for node in range(2, 2 + nodes)}
    for edge, op in edges:
        source, node = map(int, edge.split("-"))
        if node not in incoming or not 0 <= source < node:
            raise ValueError(f"cell edge is {edge!r}; expected one from an earlier node to 2..{nodes + 1}")
        part = Part(make_operation, (op, width, stride if source < 2 else 1))
        incoming[node].append((source + INPUTS, part))
    wrong = [node for node, terms in incoming.items() if len(terms) != 2]
    if wrong:
        raise ValueError(f"node {wrong[0]} has {len(incoming[wrong[0]])} edges; expected two of each node")
    brought = Part(FactorizedReduce, (first, width)) if halve_first else Part(ReLUConvNorm, (first, width, 1))
    entries = (((0, brought),), ((1, Part(ReLUConvNorm, (second, width, 1))),))
    return Graph((*entries, *map(tuple, incoming.values())), tuple(range(2 + INPUTS, 2 + INPUTS + nodes)))


class DartsCell(nn.Module):
    """A cell that reads two maps; every inner node sums two operations on earlier nodes.

    Nodes 0 and 1 are the inputs, brought to channels / nodes by a ReLU, a 1x1 convolution and a norm;
    the output is the inner nodes 2, 3, ... side by side. With stride 2 the operations on the inputs
    are strided.

    Args:
        in_channels: of the first and the second input.
        channels: of the output, a multiple of `nodes`.
        stride: 1, or 2 for a reduction cell.
        nodes: inner nodes.
        edges: ("source-node", operation), two of each inner node.
        halve_first: whether the first input is twice as large as the second, because the cell between
            them reduced.

    Source: Liu et al. 2019, "DARTS: Differentiable Architecture Search", section 2.1 and reference code.

    Raises:
        ValueError: if widths or edges do not fit, or there is no such operation.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        stride: int = 1,
        *,
        nodes: int = 4,
        edges: tuple[tuple[str, str], ...] = (),
        halve_first: bool = False,
    ) -> None:
        super().__init__()
        self.graph = darts_graph(
            in_channels, channels, stride, nodes=nodes, edges=edges, halve_first=halve_first
        )
        self.first, self.second, *operations = (part.made() for node in self.graph.nodes for _, part in node)
        self.operations = nn.ModuleList(operations)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(N, C1, H1, W1), (N, C2, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        return self.graph.run([first, second], [self.first, self.second, *self.operations])
