"""From an architecture to the network it describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from nasearch.errors import BuildError
from nasearch.nets.blocks import BLOCKS, GRAPHS, HEADS
from nasearch.nets.blocks.backbone import TorchvisionFeatures
from nasearch.nets.graph import Graph
from nasearch.nets.wiring import Resize, Wired
from nasearch.space.architecture import Architecture, Block, Head

T = TypeVar("T")


class Network(nn.Module):
    """The network that an architecture describes: its blocks in order, then its head. See `build`.

    Args:
        architecture: what it is built from.
        num_classes: width of the output.
        in_channels: channels of the images.
        blocks: `blocks[i]` is built from `architecture.blocks[i]`.
        head: built from `architecture.head`.
    """

    def __init__(
        self,
        architecture: Architecture,
        num_classes: int,
        in_channels: int,
        blocks: Sequence[nn.Module],
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.num_classes = num_classes
        self.in_channels = in_channels
        resolution = architecture.option("resolution")
        self.resize = Resize(resolution) if resolution else None
        wires = [block.inputs for block in architecture.blocks]
        self.blocks = nn.Sequential(*blocks) if architecture.is_chain else Wired(wires, *blocks)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes), scores before the softmax."""
        if self.resize is not None:
            x = self.resize(x)
        scores: Tensor = self.head(self.blocks(x))
        return scores


class Normalized(nn.Module):
    """A network together with the normalisation of its images.

    Args:
        network: takes normalised images.
        mean: of each channel, for pixels in [0, 1].
        std: likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) float in [0, 1] -> what `network` gives for (images - mean) / std."""
        scores: Tensor = self.network((images - self.mean) / self.std)
        return scores


def build(
    architecture: Architecture, num_classes: int, in_channels: int = 3, *, own_weights: bool = True
) -> Network:
    """Build the network of an architecture, with fresh weights from torch's global generator.

    Args:
        architecture: a point of a search space, or one written by hand.
        num_classes: width of the output, at least 1.
        in_channels: channels of the images, at least 1.
        own_weights: whether blocks read the weights that they start from, such as a backbone's file;
            not needed where a state dict is loaded next.

    Raises:
        BuildError: naming the block, the value, and what is accepted.
    """
    require_count("num_classes", num_classes)
    require_count("in_channels", in_channels)
    if not architecture.blocks:
        raise BuildError("the architecture has no blocks; expected at least a stem")
    blocks = [
        make_block(block, *widths)
        for block, widths in zip(architecture.blocks, input_widths(architecture, in_channels), strict=True)
    ]
    head = make_head(architecture.head, architecture.blocks[-1].channels, num_classes)
    network = Network(architecture, num_classes, in_channels, blocks, head)
    network.apply(initialize)
    set_norms(network, architecture.option("norm_eps"), architecture.option("norm_momentum"))
    for block, module in zip(architecture.blocks, blocks, strict=True):
        if own_weights:
            set_own_weights(block, module)
    return network


def input_widths(architecture: Architecture, in_channels: int) -> list[tuple[int, ...]]:
    """For each block the channels of each of its inputs.

    Raises:
        BuildError: if a block reads what is not before it.
    """
    widths = [in_channels, *(block.channels for block in architecture.blocks)]
    read = []
    for i, block in enumerate(architecture.blocks):
        if not all(-i <= offset < 0 or (i == 0 and offset == -1) for offset in block.inputs):
            raise BuildError(f"{block.name}.inputs is {block.inputs!r}; expected numbers from {-i} to -1")
        read.append(tuple(widths[i + 1 + offset] for offset in block.inputs))
    return read


def set_norms(network: nn.Module, eps: float, momentum: float) -> None:
    """Give every batch norm these constants; those of a torchvision network keep the ones that they have."""
    backbones = [module for module in network.modules() if isinstance(module, TorchvisionFeatures)]
    kept = {layer for backbone in backbones for layer in backbone.features.modules()}
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module not in kept:
            module.eps, module.momentum = eps, momentum


def require_count(place: str, value: object) -> None:
    """Refuse what is no whole number of at least 1.

    Raises:
        BuildError: naming the place and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BuildError(f"{place} is {value!r}; expected a whole number of at least 1")


def make_block(block: Block, *in_channels: int) -> nn.Module:
    """One block of a network, without the network's initialisation.

    Args:
        block: what is built.
        in_channels: of each of its inputs; one for all kinds but two-input cells.

    Raises:
        BuildError: naming the block, the value, and what is accepted.
    """
    return _called(_class_of(block), block, in_channels)


def graph_of(block: Block, *in_channels: int) -> Graph | None:
    """The graph that a block is, without building it; None where its kind is not known as one.

    Arguments and errors as in `make_block`; the graph's parts are not looked at.
    """
    describe = GRAPHS.get(_class_of(block))
    return None if describe is None else _called(describe, block, in_channels)


def _class_of(block: Block) -> type[nn.Module]:
    if block.kind not in BLOCKS:
        raise BuildError(f"{block.name}.kind is {block.kind!r}; expected one of {', '.join(sorted(BLOCKS))}")
    require_count(f"{block.name}.channels", block.channels)
    require_count(f"{block.name}.stride", block.stride)
    return BLOCKS[block.kind]


def _called(make: Callable[..., T], block: Block, in_channels: tuple[int, ...]) -> T:
    """What a block's class, or a function with the same arguments, makes of a block."""
    arguments = block.kwargs
    if block.attention != "none":  # kinds that cannot carry one do not take the argument
        arguments["attention"] = block.attention
    try:
        widths: int | tuple[int, ...] = in_channels if len(in_channels) > 1 else in_channels[0]
        return make(widths, block.channels, block.stride, **arguments)
    except (TypeError, ValueError) as problem:
        raise BuildError(f"{block.name} ({block.kind}): {problem}") from problem
    except (LookupError, AttributeError, ArithmeticError, RuntimeError) as problem:  # a block of one's own
        reason = f"{type(problem).__name__}: {problem}"
        raise BuildError(f"{block.name} ({block.kind}) cannot be made: {reason}; mend the block") from problem


def set_own_weights(block: Block, module: nn.Module) -> None:
    """Call the method `own_weights()` of a block that has one: what it starts from instead of `initialize`.

    Nothing is done on the meta device, where weights have no values.

    Raises:
        BuildError: naming the block, if its weights cannot be had; the method raises a ValueError.
    """
    own_weights = getattr(module, "own_weights", None)
    if own_weights is None or any(parameter.is_meta for parameter in module.parameters()):
        return
    try:
        own_weights()
    except ValueError as problem:
        raise BuildError(f"{block.name} ({block.kind}): {problem}") from problem


def make_head(head: Head, channels: int, num_classes: int) -> nn.Module:
    """The head of a network, without the network's initialisation.

    Raises:
        BuildError: naming the value and what is accepted.
    """
    if head.kind not in HEADS:
        raise BuildError(f"head.kind is {head.kind!r}; expected one of {', '.join(sorted(HEADS))}")
    try:
        return HEADS[head.kind](channels, num_classes, **head.kwargs)
    except (TypeError, ValueError) as problem:
        raise BuildError(f"head ({head.kind}): {problem}") from problem


def initialize(module: nn.Module) -> None:
    """Fresh weights for one layer, as torchvision's MobileNetV2 has them; to be given to `Module.apply`.

    Source: He et al. 2015, "Delving Deep into Rectifiers" (fan out), for convolutions.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)
