"""How an image reaches a tensor: the layers on its way there, and how many ways there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias


class Flow(NamedTuple):
    """The ways from one tensor to another, over all operators between them.

    Attributes:
        depth: layers with weights (convolutions, matrix products) on the way that has most of them.
        spatial_depth: convolutions that look at more than one pixel, on the way that has most of them.
        shortest: layers with weights on the way that has fewest.
        plainest: convolutions, matrix products and poolings on the way that has fewest: 0 where a shortcut
            leads all along.
        paths: number of different ways.
        reach: how far a pixel there looks beyond its own place here, in pixels of the first tensor.
        scale: pixels here for one there.
    """

    depth: int
    spatial_depth: int
    shortest: int
    plainest: int
    paths: float
    reach: int
    scale: int

    def then(self, other: Flow) -> Flow:
        """These ways, continued by each of the other's."""
        return Flow(
            self.depth + other.depth,
            self.spatial_depth + other.spatial_depth,
            self.shortest + other.shortest,
            self.plainest + other.plainest,
            self.paths * other.paths,
            self.reach + self.scale * other.reach,
            self.scale * other.scale,
        )


START = Flow(0, 0, 0, 0, 1.0, 0, 1)
"""From a tensor to itself."""

Flows: TypeAlias = tuple[Flow | None, ...]
"""From each of several inputs; None where none leads."""


def either(flows: Iterable[Flow | None]) -> Flow | None:
    """All ways that lead side by side; None if there are none."""
    there = [flow for flow in flows if flow is not None]
    if len(there) <= 1:
        return there[0] if there else None
    depth, spatial, shortest, plainest, paths, reach, scale = zip(*there, strict=True)
    return Flow(
        max(depth), max(spatial), min(shortest), min(plainest), math.fsum(paths), max(reach), max(scale)
    )


def joined(reached: Sequence[Flows]) -> Flows:
    """What the operands of an operator bring together, input by input."""
    return reached[0] if len(reached) == 1 else tuple(either(flows) for flows in zip(*reached, strict=True))


def through(flows: Flows, name: str, args: Sequence[Any], weighted: bool) -> Flows:
    """The ways continued by one operator.

    Args:
        flows: that lead to it.
        name: of the operator.
        args: that it is given, the map first.
        weighted: whether it multiplies with weights.
    """
    step = _step(name, args, weighted)
    return flows if step is START else tuple(flow and flow.then(step) for flow in flows)


def _step(name: str, args: Sequence[Any], weighted: bool) -> Flow:
    """One operator as a way of its own."""
    if "convolution" in name:
        _, weight, _, stride, _, dilation, transposed = args[:7]
        kernel = max(weight.shape[2:], default=1)
        reach = (kernel - 1) * max(dilation)
        return Flow(1, int(kernel > 1), 1, 1, 1.0, reach, 1 if transposed else max(stride))
    if weighted:
        return Flow(1, 0, 1, 1, 1.0, 0, 1)
    if "adaptive" in name:
        sides = args[0].shape[-len(args[1]) :]
        kernel = max(math.ceil(side / wanted) for side, wanted in zip(sides, args[1], strict=True))
        return Flow(0, 0, 0, 1, 1.0, kernel - 1, kernel) if kernel > 1 else START
    if "_pool" in name and "fractional" not in name:
        kernel, stride = max(args[1]), max(args[2] if len(args) > 2 and args[2] else args[1])
        return Flow(0, 0, 0, 1, 1.0, kernel - 1, stride)
    return START
