"""AZ-NAS: four views of a network that a rank over all candidates puts together.

Source: Lee & Ham 2024, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search".
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasearch.measure.zero_cost.prepare import derived, feature_maps

IMAGES = 64


def az_components(net: nn.Module, image: Tensor) -> dict[str, float]:
    """Expressivity, progressivity and trainability of the blocks, on normal noise.

    The fourth component, complexity, is `macs`. A block that hands its input on unchanged is none: the
    authors' program makes trainability -inf where there is one, which would silence every space in which
    a block may be skipped. A component is -inf where nothing passes.

    Args:
        net: as `scoring_copy` makes it, with `kaiming_weights`.
        image: one of the images, (C, H, W), for its shape.
    """
    noise = torch.randn((IMAGES, *image.shape), device=image.device, dtype=image.dtype)
    maps = _without_copies(feature_maps(net, noise))
    entropies = [entropy(one.detach()) for one in maps]
    steps = [after - before for before, after in pairwise(entropies)]
    signals = [gradient_signal(before, after) for before, after in pairwise(maps)]
    found = {
        "az_expressivity": sum(entropies),
        "az_progressivity": min(steps, default=-math.inf),
        "az_trainability": sum(signals) / len(signals) if signals else -math.inf,
    }
    return {name: -math.inf if math.isnan(value) else value for name, value in found.items()}


def _without_copies(maps: list[Tensor]) -> list[Tensor]:
    kept = maps[:1]
    for before, after in pairwise(maps):
        if before.shape != after.shape or not torch.equal(before, after):
            kept.append(after)
    return kept


def entropy(one: Tensor) -> float:
    """Entropy of the eigenvalues, as shares of their sum, of the covariance of a map's channels.

    Args:
        one: (N, channels, height, width); every pixel of every image is a sample.

    Returns:
        0 to log(channels); NaN for a map without variance.
    """
    samples = one.movedim(1, -1).flatten(0, -2)
    samples = samples - samples.mean(0)
    values = torch.linalg.eigvalsh((samples.T @ samples).cpu().double() / len(samples)).clamp_min(0)
    share = values / values.sum()
    return -float((share * (share + 1e-8).log()).sum())


def gradient_signal(before: Tensor, after: Tensor) -> float:
    """2 - s - 1 / s for the largest singular value s of the map that takes a gradient through a block.

    It is 0, the most, where a gradient keeps its length. The matrix is estimated with random signs as the
    gradient at the block's output (Hutchinson); where the block shrinks the map, pixels become channels.

    Args:
        before: the map that comes in, (N, channels, height, width).
        after: the map that comes out, computed from it.
    """
    signs = torch.randint(0, 2, after.shape, device=after.device).to(after.dtype) * 2 - 1
    grad = None
    if before.requires_grad and after.requires_grad:  # a cell without a connection gives a constant
        (grad,) = derived(after, [before], signs)
    if grad is None:
        grad = torch.zeros_like(before)
    grad = _unshuffled(grad, after)
    rows, columns = (one.movedim(1, -1).flatten(0, -2) for one in (grad, signs))
    matrix = rows.T @ columns / len(columns)
    s = float(torch.linalg.svdvals(matrix.cpu())[0])
    return 2 - s - 1 / (s + 1e-6)


def _unshuffled(grad: Tensor, after: Tensor) -> Tensor:
    """Pixels as channels where a block shrinks the map, which is filled up to a multiple of the stride."""
    stride = max(1, *(-(-grad.shape[side] // after.shape[side]) for side in (-2, -1)))
    height, width = (side * stride for side in after.shape[-2:])
    filled = F.pad(grad, (0, width - grad.shape[-1], 0, height - grad.shape[-2]))
    return F.pixel_unshuffle(filled, stride)
