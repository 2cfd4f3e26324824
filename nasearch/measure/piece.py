"""What one part of a network costs and how it hangs together, from one run over shapes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from nasearch.measure.flow import Flow
from nasearch.measure.trace import Shape, trace_model
from nasearch.nets.maps import collected_notes


@dataclass(frozen=True)
class Piece:
    """What one block or head is at its input shapes.

    Attributes:
        flows: from each of its inputs to its output; None for one that the output does not depend on.
        note: what it does differently at this size of input, empty if nothing.
    """

    output_shape: Shape
    params: int
    macs: int
    peak_activation_bytes: int
    uncounted: tuple[str, ...]
    flows: tuple[Flow | None, ...]
    note: str = ""


def traced_piece(
    module: nn.Module, *input_shapes: Shape, order: tuple[int, ...] = (), kept: tuple[bool, ...] = ()
) -> Piece:
    """A module, run once; arguments as in `trace_model`."""
    with collected_notes(module) as notes:
        trace = trace_model(module.eval(), *input_shapes, order=order, kept=kept)
    params = sum(parameter.numel() for parameter in module.parameters())
    return Piece(
        trace.output_shape,
        params,
        trace.macs,
        trace.peak_bytes(),
        trace.uncounted,
        trace.flows,
        "; ".join(notes),
    )
