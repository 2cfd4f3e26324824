"""Blocks that are graphs, as data: which parts they have, what is summed, and what stands side by side.

What a graph costs follows from its parts (`nasearch.measure.composition`), so no such block has to be built
for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Part(NamedTuple):
    """A layer by what makes it: `make(*arguments)`.

    It takes one map and gives a new one, or it is the identity.
    """

    make: Callable[..., nn.Module]
    arguments: tuple[Any, ...]

    def made(self) -> nn.Module:
        """The layer, with weights of its own."""
        return self.make(*self.arguments)


class Graph(NamedTuple):
    """Values one after another: the inputs, then nodes, each the sum of parts run on earlier values.

    Attributes:
        nodes: for each its terms, as (value read, part that it goes through); a node without any is zero, as
            large as the first input.
        output: the values that are put side by side; of a single one, the value itself.
    """

    nodes: tuple[tuple[tuple[int, Part], ...], ...]
    output: tuple[int, ...]

    def run(self, inputs: Sequence[Tensor], layers: Iterable[Callable[[Tensor], Tensor]]) -> Tensor:
        """What the graph gives.

        Args:
            inputs: (N, C, H, W) each.
            layers: one for each part, node after node.
        """
        values, following = list(inputs), iter(layers)
        for node in self.nodes:
            # One at a time: a term is added before the next is computed, so few are in memory at once.
            terms = (next(following)(values[source]) for source, _ in node)
            total = next(terms, None)
            if total is None:
                total = torch.zeros_like(values[0])
            for term in terms:
                total = total + term
            values.append(total)
        first, *others = (values[place] for place in self.output)
        return torch.cat((first, *others), dim=1) if others else first
