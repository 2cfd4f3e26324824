"""Parameters, multiply-accumulates and activation memory of a network, exact and without training.

One pass over shapes (torch's meta device computes no values) records every operator, see
`nasearch.measure.trace`. An architecture's cost is put together from its blocks' costs, each traced
once.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nasearch.errors import MeasurementError
from nasearch.measure.pieces import check_shape, pieces_of
from nasearch.measure.trace import Shape, Trace, trace_model
from nasearch.space.architecture import Architecture


@dataclass(frozen=True)
class Cost:
    """What one image costs a network.

    Attributes:
        params: weights, frozen ones included; buffers such as running means are not among them.
        macs: multiply-accumulates of convolutions and matrix products; biases, normalisation and
            elementwise operators are none.
        peak_activation_bytes: batch 1, float32, evaluation: the largest, over the operators, of the
            activations alive while one runs (what it reads, what it makes, what is needed later).
            Nothing is taken to work in place, views share their buffer, weights do not count.
        uncounted: operators that may multiply but have no formula; their MACs are missing.
    """

    params: int
    macs: int
    peak_activation_bytes: int
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlockCost:
    """One row of a network's bill: a block, or the head at the end.

    Attributes:
        label: kind and what distinguishes it, such as `mbconv k5 e4`.
        output_shape: without the batch, (C, H, W) or (num_classes,).
        note: what the block does differently at this size of input, empty if nothing.
    """

    name: str
    kind: str
    label: str
    output_shape: Shape
    params: int
    macs: int
    peak_activation_bytes: int
    note: str = ""


def measure_cost(model: nn.Module, input_shape: Shape = (3, 32, 32)) -> Cost:
    """Count any model's parameters, MACs and peak activation memory.

    The model is left as it is. It runs once as a copy without values on the meta device; where it
    reads values, and so cannot, it runs once itself on zeros.

    Args:
        model: takes one float tensor (1, *input_shape).
        input_shape: of one input, without the batch.

    Raises:
        MeasurementError: if the model cannot take such an input.
    """
    trace = traced(model, input_shape)
    params = sum(parameter.numel() for parameter in model.parameters())
    return Cost(params, trace.macs, trace.peak_bytes(), trace.uncounted)


def traced(model: nn.Module, input_shape: Shape) -> Trace:
    """Any model run once, as `measure_cost` says; errors as there."""
    check_shape(input_shape)
    try:
        return trace_model(_without_values(model), input_shape)
    except (RuntimeError, TypeError, ValueError):  # values are read, or the model cannot be copied
        modes = {module: module.training for module in model.modules()}
        try:
            return trace_model(model.eval(), input_shape)
        except (RuntimeError, TypeError, ValueError) as problem:
            reason = str(problem).strip().partition("\n")[0]
            raise MeasurementError(
                f"{type(model).__name__} cannot take an input of shape {(1, *input_shape)}: {reason}"
            ) from problem
        finally:
            for module, training in modes.items():
                module.training = training


def architecture_cost(
    architecture: Architecture, input_shape: Shape = (3, 32, 32), num_classes: int = 10
) -> Cost:
    """What `measure_cost(build(architecture, ...), input_shape)` gives, without building it.

    Parameters and MACs of the blocks add up; the peak is the largest block's, together with what
    later blocks still need. Microseconds once its blocks have been met.

    Raises:
        BuildError: if a block cannot be built, by its name.
        MeasurementError: if `input_shape` is no (channels, height, width).
    """
    pieces = pieces_of(architecture, input_shape, num_classes)
    uncounted: set[str] = set()
    params = macs = peak = 0
    for piece in pieces:
        params += piece.params
        macs += piece.macs
        peak = max(peak, piece.peak_activation_bytes)
        uncounted.update(piece.uncounted)
    return Cost(params, macs, peak, tuple(sorted(uncounted)))


def block_costs(
    architecture: Architecture, input_shape: Shape = (3, 32, 32), num_classes: int = 10
) -> tuple[BlockCost, ...]:
    """The bill of a network: a row a block in order, then the head.

    Raises:
        BuildError: if a block cannot be built, by its name.
        MeasurementError: if `input_shape` is no (channels, height, width).
    """
    head, resolution = architecture.head, architecture.option("resolution")
    names = [("resolution", "resize", f"resize {resolution}")] if resolution else []
    names += [(block.name, block.kind, block.label) for block in architecture.blocks]
    names.append(("head", head.kind, head.label))
    return tuple(
        BlockCost(
            *name, piece.output_shape, piece.params, piece.macs, piece.peak_activation_bytes, piece.note
        )
        for name, piece in zip(names, pieces_of(architecture, input_shape, num_classes), strict=True)
    )


def _without_values(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose parameters and buffers have shapes but no values."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo).eval()
