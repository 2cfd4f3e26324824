"""Numbers that are known of a network without training, for a model that foretells what a training gives."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from nasearch.errors import MeasurementError
from nasearch.measure.cost import architecture_cost
from nasearch.measure.topology import Topology, architecture_topology
from nasearch.measure.trace import Shape
from nasearch.pareto import ARITHMETIC
from nasearch.space.architecture import Architecture


def architecture_traits(
    architecture: Architecture,
    input_shape: Shape = (3, 32, 32),
    num_classes: int = 10,
    *,
    without: Collection[str] = (),
) -> tuple[float, ...]:
    """Topology and costs of a network as numbers for a model; microseconds once its blocks have been met.

    Args:
        architecture: is not built.
        input_shape: (channels, height, width) of an image.
        num_classes: of the data.
        without: names of costs to leave out, as a model has them already where they are objectives.

    Returns:
        (6 + costs,): those of `Topology.traits`, then binary logarithms of the costs, 0 for a cost of 0.

    Raises:
        BuildError: if a block cannot be built, by its name.
        MeasurementError: if `input_shape` is no (channels, height, width), or a cost is none.
    """
    for name in without:
        if name not in ARITHMETIC:
            raise MeasurementError(f"without has {name!r}; expected some of {', '.join(ARITHMETIC)}")
    cost = architecture_cost(architecture, input_shape, num_classes)
    values = [getattr(cost, name) for name in ARITHMETIC if name not in without]
    return joined_traits(architecture_topology(architecture, input_shape, num_classes), values)


def joined_traits(topology: Topology, costs: Iterable[float]) -> tuple[float, ...]:
    """The traits of a network whose topology and costs are known already."""
    return (*topology.traits, *(math.log2(cost) if cost > 0 else 0.0 for cost in costs))
