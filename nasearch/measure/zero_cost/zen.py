"""Zen-score: how much a network's last map changes with a small change of its input."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nasearch.measure.zero_cost.prepare import feature_maps, normal_weights

STEP = 0.01
"""Size of the change, alpha in the paper."""

REPEATS = 2
"""Draws of weights and inputs; the paper takes 32 of 16 images."""

IMAGES = 16


def zen(net: nn.Module, image: Tensor) -> float:
    """Mean of log E || f(x) - f(x + a e) ||_1 + sum log sigma over some draws of weights, x and e.

    f is the map before the pooling, x and e are standard normal, sigma is the root of a batch norm's mean
    variance, which gives back what the norm takes away. -inf where the map does not change.

    Args:
        net: as `scoring_copy` makes it; its weights are drawn anew.
        image: one of the images, (C, H, W), for its shape.

    Source: Lin et al. 2021, "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition", algorithm 1.
    """
    with torch.no_grad():
        draws = [_draw(net, image) for _ in range(REPEATS)]
    return sum(draws) / len(draws)


def _draw(net: nn.Module, image: Tensor) -> float:
    normal_weights(net)
    shape = (IMAGES, *image.shape)
    images = torch.randn(shape, device=image.device, dtype=image.dtype)
    variances: list[Tensor] = []

    def see(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variances.append(inputs[0].transpose(0, 1).flatten(1).var(1, correction=0).mean())

    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    handles = [norm.register_forward_pre_hook(see) for norm in norms]
    try:
        here = feature_maps(net, images)[-1]
    finally:
        for handle in handles:
            handle.remove()
    there = feature_maps(net, images + STEP * torch.randn_like(images))[-1]
    change = float((here - there).abs().flatten(1).sum(1).mean())
    scale = sum(0.5 * math.log(variance) for variance in map(float, variances) if variance > 0)
    return math.log(change) + scale if change > 0 else -math.inf
