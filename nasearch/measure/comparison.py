"""What one whole network costs, as a row among others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nasearch.errors import BuildError, MeasurementError
from nasearch.measure.cost import architecture_cost, measure_cost
from nasearch.measure.latency import Latency, measure_latency
from nasearch.measure.trace import BYTES_PER_FLOAT, Shape
from nasearch.nets.build import build
from nasearch.space.architecture import Architecture


@dataclass(frozen=True)
class NetworkRow:
    """What one network costs for one image, and how good it is where that was measured.

    Attributes:
        name: as it was asked for, such as `resnet18` or `digits#7`.
        params: weights, frozen ones included.
        macs: multiply-accumulates.
        size_bytes: of the weights in float32, four bytes a parameter.
        peak_activation_bytes: as in `Cost`.
        latency: None where it was not measured.
        accuracy: of a trial, on the validation split after the proxy; None for other networks.
        test_accuracy: of a trial that was trained in full, on the test split.
        uncounted: operators whose MACs are missing.
        note: why it was not timed; empty if it was.
    """

    name: str
    params: int
    macs: int
    size_bytes: int
    peak_activation_bytes: int
    latency: Latency | None = None
    accuracy: float | None = None
    test_accuracy: float | None = None
    uncounted: tuple[str, ...] = ()
    note: str = ""


def measure_network(
    name: str,
    network: Architecture | nn.Module,
    input_shape: Shape,
    num_classes: int,
    *,
    device: str = "cpu",
    runtime: str = "auto",
    latency: bool = True,
    accuracy: float | None = None,
    test_accuracy: float | None = None,
) -> NetworkRow:
    """Measure a network; an architecture is built for `num_classes`, a module is taken as it is.

    Raises:
        MeasurementError: if it cannot take such an input, by its name.
        DeviceError: if there is no such device here.
    """
    try:
        if isinstance(network, Architecture):
            cost = architecture_cost(network, input_shape, num_classes)
        else:
            cost = measure_cost(network, input_shape)
    except (BuildError, MeasurementError, RuntimeError, ValueError) as problem:
        line = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        shape = "x".join(map(str, input_shape))
        raise MeasurementError(f"{name} cannot take an input of {shape}: {line}") from problem
    time, note = None, ""
    if latency:
        with torch.random.fork_rng(devices=[]):  # a measurement shifts no training's random numbers
            model = (
                build(network, num_classes, input_shape[0]) if isinstance(network, Architecture) else network
            )
        try:
            time = measure_latency(model, input_shape, device, runtime)
        except MeasurementError as problem:
            note = f"not timed: {problem}"
    return NetworkRow(
        name,
        cost.params,
        cost.macs,
        BYTES_PER_FLOAT * cost.params,
        cost.peak_activation_bytes,
        time,
        accuracy,
        test_accuracy,
        cost.uncounted,
        note,
    )
