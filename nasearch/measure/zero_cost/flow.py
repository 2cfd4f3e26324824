"""SynFlow: how much passes through a network whose weights are all positive."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nasearch.measure.zero_cost.prepare import ACTIVATIONS, NORMS, derived, weight_layers


def synflow(net: nn.Module, image: Tensor) -> float:
    """Logarithm of the sum of w dR/dw over the weights, with R the summed output for an image of ones.

    Weights and biases are replaced by their absolute values, norms by nothing (with them no more than what
    they let through would pass), and activations too: ReLU changes no positive number, and the bound of ReLU6
    would stop the flow. In double precision, as single precision overflows at about 30 layers. The logarithm
    changes no rank. -inf where nothing passes.

    Args:
        net: as `scoring_copy` makes it; it is changed.
        image: one of the images, (C, H, W), for its shape.

    Source: Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic
    flow", section 5; without norms as in Abdelfattah et al. 2021, section 3.2.
    """
    if image.device.type == "mps":  # has no double precision
        net, image = net.cpu(), image.cpu()
    net = net.double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()
    for module in net.modules():
        if isinstance(module, (*NORMS, *ACTIVATIONS)):
            setattr(module, "forward", _unchanged)  # noqa: B010 - the types of the two differ by a name
    weights = [layer.weight for layer in weight_layers(net)]
    flow = net(torch.ones_like(image, dtype=torch.float64)[None]).sum()
    grads = derived(flow, weights)
    terms = [
        (weight * grad).detach().abs().sum()
        for weight, grad in zip(weights, grads, strict=True)
        if grad is not None
    ]
    total = float(torch.stack(terms).sum()) if terms else 0.0
    return math.log(total) if total > 0 else -math.inf if total == 0 else total


def _unchanged(x: Tensor) -> Tensor:
    return x
