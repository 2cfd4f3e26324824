"""The path of one architecture through a supernet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nasearch.nets.build import Network
from nasearch.nets.supernet.cuts import Cut
from nasearch.space.architecture import Architecture


@dataclass(frozen=True)
class Place:
    """Where a cut belongs in a network.

    Attributes:
        owner: the table of parameters of the part that it belongs to.
        name: in that table.
    """

    owner: dict[str, Any]
    name: str
    cut: Cut


class Shared(nn.Module):
    """Parameters by name, such as those that a subnet shares with its supernet."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        self._parameters.update(parameters)

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """All of them by name."""
        return self._parameters  # type: ignore[return-value]


class Subnet(nn.Module):
    """The network of an architecture, run with the weights of a supernet.

    Its parameters are those of the supernet that the path reads, whole: gradients arrive in them, zero
    where the path reads less. Running statistics of batch norms are its own, and as fresh ones are:
    recompute them before it is judged. Made by `Supernet.subnet`.

    Attributes:
        architecture: what it is the network of.
        network: as `nasearch.build` makes it; it has weights while `forward` runs.
        shared: the parameters that it reads.
    """

    def __init__(self, network: Network, shared: Mapping[str, nn.Parameter], places: Iterable[Place]) -> None:
        super().__init__()
        self.network = network
        self.shared = Shared(shared)
        self._places = tuple(places)

    @property
    def architecture(self) -> Architecture:
        """What it is the network of."""
        return self.network.architecture

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes), scores before the softmax."""
        tensors = self.shared.tensors
        try:
            for place in self._places:
                place.owner[place.name] = place.cut(tensors)
            scores: Tensor = self.network(x)
        finally:
            for place in self._places:
                place.owner[place.name] = None
        return scores
