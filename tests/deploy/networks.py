"""Small networks for the tests of exports."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import torch
from torch import nn

from nasearch.nets import Network, Normalized, build
from nasearch.space import HEADS, KINDS, Architecture, Block, Head

# Writes a Python file by name and text into the folder of a user, and imports it.
UserFile = Callable[[str, str], ModuleType]

CELL_EDGES = (
    ("0-1", "nor_conv_3x3"),
    ("0-2", "skip_connect"),
    ("1-2", "avg_pool_3x3"),
    ("0-3", "none"),
    ("1-3", "nor_conv_1x1"),
    ("2-3", "skip_connect"),
)


def block(
    name: str, kind: str, channels: int, stride: int = 1, attention: str = "none", **given: object
) -> Block:
    """A block with the options that are not given at their defaults."""
    return Block(name, kind, channels, stride, attention, KINDS[kind].complete(given))  # type: ignore[arg-type]


def network(*blocks: Block, channels: int = 3, classes: int = 4, seed: int = 0, **head: object) -> Normalized:
    """A network of the given blocks whose every parameter and statistic is random, in eval mode."""
    options = HEADS["linear"].complete(head)  # type: ignore[arg-type]
    torch.manual_seed(seed)
    model = build(Architecture(blocks, Head("linear", options)), classes, channels)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.2)
            nn.init.normal_(layer.bias, 0.0, 0.2)
            layer.running_mean = torch.randn(layer.num_features) * 0.2
            layer.running_var = torch.rand(layer.num_features) + 0.5
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    return Normalized(model, [0.3 + 0.1 * i for i in range(channels)], [0.25] * channels).eval()


def names(model: Normalized) -> list[str]:
    """A class name for each output."""
    assert isinstance(model.network, Network)
    return [f"class {i}" for i in range(model.network.num_classes)]
