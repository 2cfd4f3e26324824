"""What proposals are judged by before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nasearch.measure.topology import Topology
from nasearch.pareto import Limit, Objective
from nasearch.space import Architecture, BlockLimit, SearchSpace


@dataclass(frozen=True)
class Rules:
    """What proposals are judged by.

    Attributes:
        block_limits: bounds of single blocks, which the space writes.
        costs: architecture to what is known by arithmetic (parameters, MACs, memory); raises
            BuildError where it cannot be built for the data.
        block_costs: the same for single blocks: name of each block limit that applies to the
            architecture to the largest value among the blocks that it bounds.
        topology: how the image reaches the output; raises as `costs`.
        measured: what must be timed; asked only of architectures that keep the rest.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    block_limits: tuple[BlockLimit, ...]
    costs: Callable[[Architecture], dict[str, float]]
    block_costs: Callable[[Architecture], dict[str, float]]
    topology: Callable[[Architecture], Topology]
    measured: Callable[[Architecture], dict[str, float]]

    def hopeless(self, architecture: Architecture) -> list[str]:
        """Why no training could make anything of a network, in words; empty for nearly all."""
        if self.topology(architecture).is_connected:
            return []
        return ["no path leads from the image to the output, which is the same for every image"]

    def broken(self, values: Mapping[str, float], blocks: Mapping[str, float]) -> list[str]:
        """The limits that these values break, each with the value, in words."""
        network = [
            f"{limit.text} is broken: {limit.metric} is {values[limit.metric]:g}"
            for limit in self.limits
            if limit.metric in values and limit.margin(values[limit.metric]) > 0
        ]
        return network + [
            f"{bound.name} is broken: {bound.limit.metric} of a block is {blocks[bound.name]:g}"
            for bound in self.block_limits
            if bound.name in blocks and bound.limit.margin(blocks[bound.name]) > 0
        ]

    def margins(self, values: Mapping[str, float], blocks: Mapping[str, float] | None) -> dict[str, float]:
        """How far each limit is broken, by its text: all of them, always.

        Optuna's Gaussian process raises when the number of constraints differs from trial to trial. What
        was not measured is taken as 0, which holds nothing against the trial; a bound of blocks of which
        the network has none is kept by its whole (-1).

        Args:
            values: of the network, as far as they are known.
            blocks: of single blocks; None where they are not known.
        """
        margins = {
            limit.text: limit.margin(values[limit.metric]) if limit.metric in values else 0.0
            for limit in self.limits
        }
        for bound in self.block_limits:
            if blocks is None:
                margins[bound.name] = 0.0
            else:
                margins[bound.name] = bound.limit.margin(blocks[bound.name]) if bound.name in blocks else -1.0
        return margins
