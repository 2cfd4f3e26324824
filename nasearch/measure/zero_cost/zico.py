"""ZiCo: layers whose gradients are large and alike from batch to batch."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from nasearch.measure.zero_cost.prepare import derived, weight_layers


def zico(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum over the layers of log sum E|g| / std(g), over the weights of a layer.

    g are the gradients of the two halves of the batch. Weights with equal gradients in both, and layers
    without any other, are passed over, as in the authors' program; -inf where all are.

    Args:
        net: as `scoring_copy` makes it.
        images: (N, C, H, W), normalised, N at least 4.
        labels: (N,) int64.

    Source: Li et al. 2023, "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients",
    equation 15; the deviation is that of the gradients themselves, as in the authors' program.
    """
    layers = [layer.weight for layer in weight_layers(net)]
    first, second = (
        derived(F.cross_entropy(net(some), known), layers)
        for some, known in zip(images.tensor_split(2), labels.tensor_split(2), strict=True)
    )
    terms = [
        _inverse_variation(one, other)
        for one, other in zip(first, second, strict=True)
        if one is not None and other is not None
    ]
    positive = [term for term in terms if term > 0]
    return sum(map(math.log, positive)) if positive else -math.inf


def _inverse_variation(one: Tensor, other: Tensor) -> float:
    """Sum of mean |g| / std g of two gradients, where the deviation is not zero."""
    mean = (one.abs() + other.abs()) / 2
    deviation = (one - other).abs() / 2
    varies = deviation > 0
    return float((mean[varies] / deviation[varies]).cpu().double().sum())
