"""Scores of the loss's gradient and of the output's Jacobian: one forward pass for all of them.

With L the cross-entropy of the batch and w the weights of a layer, summed over convolutions and linear layers
(Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS", section 3.2, and the papers named):

    grad_norm   || dL/dw ||                         Abdelfattah et al. 2021
    snip        sum | w dL/dw |                     Lee et al. 2019, equation 4
    grasp       - sum w (H dL/dw)                   Wang et al. 2020, equation 8
    fisher      see `fisher`                        Turner et al. 2020, section 3
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasearch.measure.zero_cost.prepare import ACTIVATIONS, WeightLayer, derived, watched, weight_layers

JITTER = 1e-5
"""Added to the eigenvalues in `jacov`, as its authors do."""


@dataclass(frozen=True)
class _Seen:
    """What one forward pass showed: the outputs of layers with weights, those of activations, the scores."""

    layers: list[tuple[WeightLayer, Tensor]]
    activations: list[Tensor]
    scores: Tensor


def gradient_scores(
    net: nn.Module, images: Tensor, labels: Tensor, names: Collection[str]
) -> dict[str, float]:
    """Those of `grad_norm`, `snip`, `grasp`, `fisher`, `jacov` and `naswot` that are named.

    Args:
        net: as `scoring_copy` makes it.
        images: (N, C, H, W), normalised.
        labels: (N,) int64.
        names: of the scores; others are passed over.
    """
    images = images.detach().requires_grad_(True)
    seen = _forward(net, images)
    scores: dict[str, float] = {}
    if {"jacov", "naswot"} & set(names):
        scores |= _kernel_scores(seen, images, names)
    if {"grad_norm", "snip", "grasp", "fisher"} & set(names):
        scores |= _loss_scores(net, seen, labels, names)
    return scores


def _forward(net: nn.Module, images: Tensor) -> _Seen:
    layers: list[tuple[WeightLayer, Tensor]] = []
    activations: list[Tensor] = []

    def see(module: nn.Module, output: Tensor) -> None:
        if not output.requires_grad:  # computed from a constant, such as a node that nothing reaches
            return
        if isinstance(module, ACTIVATIONS):
            activations.append(output)
        elif isinstance(module, WeightLayer):
            layers.append((module, output))

    watch = [module for module in net.modules() if isinstance(module, (WeightLayer, *ACTIVATIONS))]
    with watched(watch, see):
        scores = net(images)
    return _Seen(layers, activations, scores)


def _kernel_scores(seen: _Seen, images: Tensor, names: Collection[str]) -> dict[str, float]:
    """`jacov` and `naswot`: one backward pass gives the Jacobian and tells which activations count."""
    grads = derived(seen.scores.sum(), [images, *seen.activations])
    scores: dict[str, float] = {}
    if "jacov" in names:
        scores["jacov"] = jacov(torch.zeros_like(images) if grads[0] is None else grads[0])
    if "naswot" in names:
        used = [output for output, grad in zip(seen.activations, grads[1:], strict=True) if grad is not None]
        scores["naswot"] = naswot(used, len(images))
    return scores


def jacov(jacobian: Tensor) -> float:
    """How differently a network answers to different images: - sum log(v + k) + 1 / (v + k).

    v are the eigenvalues of the correlation matrix of the rows. -inf where a row is constant: the network
    does not look at that image.

    Args:
        jacobian: (N, ...), the gradient of the summed outputs of an image by that image.

    Source: Mellor et al. 2021, "Neural Architecture Search without Training", first version (arXiv
    2006.04647v1), "jacob_cov" in Abdelfattah et al. 2021.
    """
    rows = jacobian.detach().flatten(1).cpu().double()
    rows = rows - rows.mean(1, keepdim=True)
    lengths = rows.norm(dim=1, keepdim=True)
    if not bool((lengths > 0).all()):
        return -math.inf
    rows = rows / lengths
    values = torch.linalg.eigvalsh(rows @ rows.T) + JITTER
    return -float((values.clamp_min(torch.finfo(values.dtype).tiny).log() + 1 / values).sum())


def naswot(activations: list[Tensor], count: int) -> float:
    """How well the on-off patterns of the activations tell images apart: log det of their kernel.

    An entry of the kernel is the number of units that two images agree on, which is the number of units less
    the Hamming distance of their patterns. -inf where two images have the same patterns.

    Args:
        activations: outputs (N, ...) of the activations that the network's output depends on.
        count: N.

    Source: Mellor et al. 2021, "Neural Architecture Search without Training", equations 1 and 2.
    """
    kernel = torch.zeros(count, count, dtype=torch.float64)
    for output in activations:
        on = (output.detach().reshape(count, -1) > 0).float()
        both = (on @ on.T).cpu().double()
        each = both.diagonal()
        kernel += 2 * both + on.shape[1] - each[:, None] - each[None, :]
    sign, log_det = torch.linalg.slogdet(kernel)
    return float(log_det) if sign > 0 else -math.inf


def _loss_scores(net: nn.Module, seen: _Seen, labels: Tensor, names: Collection[str]) -> dict[str, float]:
    """One backward pass for all, and a second one through it for `grasp`."""
    weights = [layer.weight for layer in weight_layers(net)]
    outputs = [output for _, output in seen.layers] if "fisher" in names else []
    loss = F.cross_entropy(seen.scores, labels)
    found = derived(loss, [*weights, *outputs], again="grasp" in names)
    grads, output_grads = found[: len(weights)], found[len(weights) :]
    pairs = [(w, g) for w, g in zip(weights, grads, strict=True) if g is not None]
    scores: dict[str, float] = {}
    if "grad_norm" in names:
        scores["grad_norm"] = _total([grad.detach().norm() for _, grad in pairs])
    if "snip" in names:
        scores["snip"] = _total([(weight * grad).detach().abs().sum() for weight, grad in pairs])
    if "fisher" in names:
        terms = [
            fisher(layer, output, grad)
            for (layer, output), grad in zip(seen.layers, output_grads, strict=True)
            if grad is not None
        ]
        scores["fisher"] = _total(terms)
    if "grasp" in names:
        scores["grasp"] = grasp(pairs)
    return scores


def fisher(layer: WeightLayer, output: Tensor, grad: Tensor) -> Tensor:
    """Half the mean square, over the images, of a channel's z dL/dz summed over its pixels.

    Each channel counts as often as it has weights, as in Abdelfattah et al. 2021 (the authors' program).

    Args:
        layer: that made the output.
        output: z, (N, channels, ...) of a convolution, (N, ..., channels) of a linear layer.
        grad: of the loss, the same shape.

    Source: Turner et al. 2020, "BlockSwap", section 3; Theis et al. 2018.
    """
    product = (output * grad).detach()
    if isinstance(layer, nn.Linear):
        product = product.reshape(len(product), -1, product.shape[-1]).sum(1)
    else:
        product = product.flatten(2).sum(2)
    weights_of_a_channel = layer.weight[0].numel()
    return product.square().mean(0).sum() / 2 * weights_of_a_channel


def grasp(pairs: list[tuple[Tensor, Tensor]]) -> float:
    """- sum w (H g), where H g is the gradient of g (as a constant) times g (as a function of the weights).

    What each weight's going would do to the flow of the gradient; more is taken to be better, as in
    Abdelfattah et al. 2021. The scale of weights under a batch norm does not change the loss, for which
    H w = -g: of such weights alone the score is the squared length of the gradient.

    Args:
        pairs: weights, and their gradients with a graph.

    Source: Wang et al. 2020, "Picking Winning Tickets Before Training by Preserving Gradient Flow",
    equation 8.
    """
    pairs = [(weight, grad) for weight, grad in pairs if grad.requires_grad]
    if not pairs:
        return 0.0
    flow = torch.stack([(grad.detach() * grad).sum() for _, grad in pairs]).sum()
    products = derived(flow, [weight for weight, _ in pairs])
    return _total(
        [
            -(weight * product).detach().sum()
            for (weight, _), product in zip(pairs, products, strict=True)
            if product is not None
        ]
    )


def _total(terms: list[Tensor]) -> float:
    return float(torch.stack(terms).cpu().double().sum()) if terms else 0.0
