"""NAS-Bench-201: its cell and the block that halves the resolution between stacks of cells."""

from __future__ import annotations

from torch import Tensor, nn

from nasearch.nets.graph import Graph, Part
from nasearch.nets.layers import make_attention


class ReLUConvNorm(nn.Module):
    """ReLU, convolution without bias, batch norm: the order of NAS-Bench-201."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.activation = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.norm(self.conv(self.activation(x)))
        return out


def make_edge(op: str, channels: int) -> nn.Module:
    """The operation on an edge of a cell.

    Raises:
        ValueError: if there is no such operation.
    """
    if op == "skip_connect":
        return nn.Identity()
    if op == "nor_conv_1x1":
        return ReLUConvNorm(channels, channels, 1)
    if op == "nor_conv_3x3":
        return ReLUConvNorm(channels, channels, 3)
    if op == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    raise ValueError(
        f"cell operation is {op!r}; "
        "expected one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3"
    )


def cell_graph(
    in_channels: int,
    channels: int,
    stride: int = 1,
    *,
    nodes: int = 4,
    edges: tuple[tuple[str, str], ...] = (),
) -> Graph:
    """The graph of a `Cell`; arguments and errors as there, but for operations, which are not looked at."""
    if stride != 1 or in_channels != channels:
        raise ValueError(
            f"a cell of {in_channels} -> {channels} channels with stride {stride}; "
            "a cell keeps its shape (stride 1, equal channels)"
        )
    known = {f"{source}-{target}": (source, target) for target in range(nodes) for source in range(target)}
    incoming: list[list[tuple[int, Part]]] = [[] for _ in range(nodes)]
    for edge, op in edges:
        if edge not in known:
            raise ValueError(f"cell edge is {edge!r}; expected one of {', '.join(known)}")
        source, target = known[edge]
        if op != "none":
            incoming[target].append((source, Part(make_edge, (op, channels))))
    return Graph(tuple(map(tuple, incoming[1:])), (nodes - 1,))


class Cell(nn.Module):
    """A small graph: node 0 is the input, the last node the output, edges carry operations.

    `edges` names the operation of each edge as ("source-target", operation); an edge that carries
    `none`, or is not named, contributes zero. Operations whose result no later node reads are run
    all the same: the benchmark's parameters and operations count them.

    Source: Dong & Yang 2020, "NAS-Bench-201".

    Raises:
        ValueError: if the shape would change, an edge is no "i-j" with 0 <= i < j < nodes, or there is no
            such operation.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        nodes: int = 4,
        edges: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__()
        self.graph = cell_graph(in_channels, channels, stride, nodes=nodes, edges=edges)
        self.nodes = nn.ModuleList(
            nn.ModuleDict({"operations": nn.ModuleList(part.made() for _, part in node)})
            for node in self.graph.nodes
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, channels, H, W)."""
        layers = [layer for node in self.nodes for layer in node.get_submodule("operations").children()]
        return self.graph.run([x], layers)


class AvgPoolResidual(nn.Module):
    """The reduction of NAS-Bench-201: two ReLU-conv-norm, and a shortcut through average pooling.

    The shortcut's 1x1
    convolution has no norm, and no activation follows the addition.

    Source: Dong & Yang 2020, "NAS-Bench-201".
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, attention: str = "none") -> None:
        super().__init__()
        self.first = ReLUConvNorm(in_channels, channels, 3, stride)
        self.second = ReLUConvNorm(channels, channels, 3)
        self.attention = make_attention(attention, channels)
        shortcut: list[nn.Module] = []
        if stride > 1:  # an edge that the window does not fill is averaged over what is there
            shortcut.append(nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False))
        if stride > 1 or in_channels != channels:
            shortcut.append(nn.Conv2d(in_channels, channels, 1, bias=False))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        branch = self.attention(self.second(self.first(x)))
        out: Tensor = self.shortcut(x) + branch
        return out
