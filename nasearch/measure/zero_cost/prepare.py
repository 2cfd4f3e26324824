"""A copy of a network made ready for scoring: fresh weights, batch statistics, and a view of its layers.

Everything is done to the copy, so that weights, gradients, hooks, modes and running statistics of the user's
network cannot change.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Hardswish, nn.Mish)
"""Activations by whose sign a unit is on or off: each is above zero where its input is, and nowhere else."""

WeightLayer: TypeAlias = _ConvNd | nn.Linear

NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)


def scoring_copy(model: nn.Module) -> nn.Module:
    """A copy in which nothing is random, batch norms use the batch's statistics, and all weights are free.

    Dropout and stochastic depth are off, as they would add noise to a single batch. Activations do not work
    in place: their inputs are read after they have run. Hooks that watch the original see nothing of it.
    """
    net = copy.deepcopy(model).eval()
    for module in net.modules():
        module._forward_hooks.clear()
        module._backward_hooks.clear()
        if isinstance(module, _BatchNorm):
            module.training = True
        if getattr(module, "inplace", False):
            setattr(module, "inplace", False)  # noqa: B010 - torch's types know no such attribute
        if isinstance(module, nn.Hardsigmoid):
            setattr(module, "forward", _hard_sigmoid)  # noqa: B010 - the types of the two differ by a name
    net.zero_grad(set_to_none=True)
    return net.requires_grad_(True)


def _hard_sigmoid(x: Tensor) -> Tensor:
    """As torch's, which cannot be derived twice."""
    return F.relu6(x + 3) / 6


def weight_layers(net: nn.Module) -> list[WeightLayer]:
    """Convolutions and linear layers, in order: the layers whose weights the scores sum over."""
    return [module for module in net.modules() if isinstance(module, (_ConvNd, nn.Linear))]


def default_weights(net: nn.Module) -> None:
    """Weights as torch's layers make them (uniform, Kaiming with a = sqrt 5), from the global generator.

    Parameters of blocks that are in no layer of torch's, such as layer scales, stay as they are.
    """
    for module in net.modules():
        reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
        if reset is not None:
            reset()


def kaiming_weights(net: nn.Module) -> None:
    """Normal weights of variance 2 / fan in, zero biases; norms as torch makes them."""
    default_weights(net)
    for layer in weight_layers(net):
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
        _zero_bias(layer)


def normal_weights(net: nn.Module) -> None:
    """Standard normal weights, zero biases; norms as torch makes them."""
    default_weights(net)
    for layer in weight_layers(net):
        nn.init.normal_(layer.weight)
        _zero_bias(layer)


def _zero_bias(layer: WeightLayer) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def derived(
    output: Tensor, inputs: Sequence[Tensor], along: Tensor | None = None, *, again: bool = False
) -> list[Tensor | None]:
    """The gradients of an output by inputs; None where it does not depend on one.

    Args:
        output: a scalar, or any tensor together with `along`.
        inputs: what it is derived by.
        along: the gradient at the output, of its shape.
        again: whether the gradients can be derived themselves.
    """
    return list(
        torch.autograd.grad(output, inputs, along, retain_graph=True, create_graph=again, allow_unused=True)
    )


@contextmanager
def watched(modules: Sequence[nn.Module], see: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Show the outputs of modules to `see` while the network runs; the hooks are gone afterwards."""

    def hook(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            see(module, output)

    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def stages(net: nn.Module) -> list[nn.Module]:
    """The parts that a network's maps go through, in order: its blocks.

    Sequences are taken apart, and so is a network that is nothing but a wrapper of one other.
    """
    children = list(net.children())
    if len(children) == 1 and not isinstance(net, nn.Sequential):
        return stages(children[0])
    found: list[nn.Module] = []
    for child in children:
        found += stages(child) if isinstance(child, nn.Sequential) else [child]
    return found


def feature_maps(net: nn.Module, images: Tensor) -> list[Tensor]:
    """Run a network and return the map that each of its blocks gave, the last one before the pooling.

    Args:
        net: as `scoring_copy` makes it.
        images: (N, C, H, W).

    Returns:
        Maps (N, channels, height, width), in the order in which they were made, part of the graph.
    """
    maps: list[Tensor] = []

    def see(module: nn.Module, output: Tensor) -> None:
        if output.dim() == 4 and not isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
            maps.append(output)

    with watched(stages(net), see):
        net(images)
    return maps
