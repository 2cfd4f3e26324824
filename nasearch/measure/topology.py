"""The shape of a network as a graph: how deep it is, how many ways lead through it, how far it looks.

Samplers learn from these numbers what single choices say slowly: that a cell is nothing without a way
through it, that depth helps where a shortcut goes along. They cost microseconds once a network's blocks have
been met.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from nasearch.measure.cost import traced
from nasearch.measure.flow import START, Flow, either
from nasearch.measure.pieces import pieces_of, wires_of
from nasearch.measure.trace import Shape
from nasearch.space.architecture import Architecture


@dataclass(frozen=True)
class Topology:
    """How an image reaches the output of a network. All numbers are 0 where it does not.

    Attributes:
        depth: layers with weights (convolutions, matrix products) on the way that has most of them.
        spatial_depth: convolutions that look at more than one pixel, on the way that has most of them.
        shortest: layers with weights on the way that has fewest.
        plainest: convolutions, matrix products and poolings on the way that has fewest.
        paths: number of different ways.
        receptive_field: side of the square of pixels that one pixel of the last map depends on, by the sizes
            and strides of windows; it can be larger than the image.
    """

    depth: int
    spatial_depth: int
    shortest: int
    plainest: int
    paths: float
    receptive_field: int

    @property
    def is_connected(self) -> bool:
        """Whether the output depends on the image at all."""
        return self.paths > 0

    @property
    def traits(self) -> tuple[float, ...]:
        """(6,) numbers for a model of networks; the paths as their binary logarithm."""
        return (
            self.depth,
            self.spatial_depth,
            self.shortest,
            self.plainest,
            math.log2(self.paths) if self.is_connected else 0.0,
            self.receptive_field,
        )


def measure_topology(model: nn.Module, input_shape: Shape = (3, 32, 32)) -> Topology:
    """The topology of any model, run once over shapes.

    Args:
        model: takes one float tensor (1, *input_shape); is left as it is.
        input_shape: of one input, without the batch.

    Raises:
        MeasurementError: if the model cannot take such an input.
    """
    return _topology(traced(model, input_shape).flows[0])


def architecture_topology(
    architecture: Architecture, input_shape: Shape = (3, 32, 32), num_classes: int = 10
) -> Topology:
    """What `measure_topology(build(architecture, ...), input_shape)` gives, without building it.

    Raises:
        BuildError: if a block cannot be built, by its name.
        MeasurementError: if `input_shape` is no (channels, height, width).
    """
    pieces = pieces_of(architecture, input_shape, num_classes)
    head = pieces.pop().flows[0]
    start: Flow | None = pieces.pop(0).flows[0] if architecture.option("resolution") else START
    outputs = [start]
    for piece, wire in zip(pieces, wires_of(architecture), strict=True):
        outputs.append(
            either(_joint(outputs[place], flow) for place, flow in zip(wire.reads, piece.flows, strict=True))
        )
    return _topology(_joint(outputs[-1], head))


def _joint(first: Flow | None, then: Flow | None) -> Flow | None:
    return None if first is None or then is None else first.then(then)


def _topology(flow: Flow | None) -> Topology:
    if flow is None:
        return Topology(0, 0, 0, 0, 0.0, 0)
    return Topology(flow.depth, flow.spatial_depth, flow.shortest, flow.plainest, flow.paths, flow.reach + 1)
