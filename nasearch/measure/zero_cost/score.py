"""The scores of a network, and those of many, on one batch of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nasearch.errors import MeasurementError, OutOfMemory, did_you_mean
from nasearch.measure.cost import measure_cost
from nasearch.measure.zero_cost.az import az_components
from nasearch.measure.zero_cost.flow import synflow
from nasearch.measure.zero_cost.gradients import gradient_scores
from nasearch.measure.zero_cost.prepare import (
    default_weights,
    kaiming_weights,
    scoring_copy,
    weight_layers,
)
from nasearch.measure.zero_cost.table import GROUPS, SCORES
from nasearch.measure.zero_cost.zen import zen
from nasearch.measure.zero_cost.zico import zico
from nasearch.nets import build
from nasearch.space import Architecture
from nasearch.training import global_generators_kept

FEWEST_IMAGES = 4
"""Two in each half of the batch: batch norm has no variance of one."""


@dataclass(frozen=True)
class _Pass:
    """What several scores are had from.

    Attributes:
        weights: what the network starts from; None where the pass does that itself.
        run: (network, images, labels, wanted names) -> scores.
    """

    weights: Callable[[nn.Module], None] | None
    run: Callable[[nn.Module, Tensor, Tensor, Collection[str]], dict[str, float]]


# `flow` comes last: it changes the network for good.
PASSES: dict[str, _Pass] = {
    "gradients": _Pass(default_weights, gradient_scores),
    "zico": _Pass(default_weights, lambda net, images, labels, _: {"zico": zico(net, images, labels)}),
    "az": _Pass(kaiming_weights, lambda net, images, _labels, _: az_components(net, images[0])),
    "zen": _Pass(None, lambda net, images, _labels, _: {"zen": zen(net, images[0])}),
    "flow": _Pass(default_weights, lambda net, images, _labels, _: {"synflow": synflow(net, images[0])}),
}


def zero_cost_scores(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    names: Iterable[str] | None = None,
    *,
    seed: int = 0,
    weights: str = "fresh",
) -> dict[str, float]:
    """Score a network without training it, on one batch of images.

    The network is left as it is, down to its gradients, hooks, modes and running statistics, and so are
    torch's generators: scores are taken of a copy, in evaluation mode, with batch norms that use the batch.
    Scores that come from the same pass share it.

    Args:
        model: takes (N, C, H, W) floats and gives (N, classes); at least one convolution or linear layer.
        images: (N, C, H, W) floats, normalised as in training; N at least 4, 64 to 128 are usual.
        labels: (N,) int64.
        names: of scores, in `SCORES`, or `az_nas` for its components; all if not given.
        seed: of fresh weights and noise: the same seed gives the same scores.
        weights: "fresh" draws weights by the seed as each score's paper has them, so that a score is one of
            the architecture; "own" takes those of the model, which only `zen` does without. Parameters that
            are in none of torch's layers, such as layer scales, stay as they are.

    Returns:
        By name, in the order asked for; more is taken to be better. -inf stands for no signal at all, as in
        a cell without a connection, and ranks lowest. Nothing else is ever not finite.

    Raises:
        MeasurementError: for an unknown name, images or labels of another kind, a model that cannot be
            scored, or a score that is not a number or too large for one.
        OutOfMemory: if the batch does not fit the device.
    """
    wanted = wanted_names(names)
    if weights not in ("fresh", "own"):
        raise MeasurementError(f"weights is {weights!r}; expected fresh or own")
    _check_batch(images, labels)
    if not weight_layers(model):
        raise MeasurementError(f"{type(model).__name__} has no convolution or linear layer to score")
    weight = weight_layers(model)[0].weight
    device, name = weight.device, type(model).__name__
    batch = images.to(device, weight.dtype, copy=True)
    try:
        with torch.inference_mode(False), torch.enable_grad(), global_generators_kept(device):
            found = _scores(model, batch, labels.to(device), wanted, seed, weights)
    except torch.OutOfMemoryError as problem:
        raise OutOfMemory(f"{name} with {len(images)} images does not fit {device}; take fewer") from problem
    except (RuntimeError, TypeError, ValueError, IndexError) as problem:
        reason = str(problem).strip().partition("\n")[0]
        shape = tuple(images.shape)
        raise MeasurementError(f"{name} cannot be scored on images of shape {shape}: {reason}") from problem
    for score, value in found.items():
        if math.isnan(value) or value == math.inf:
            raise MeasurementError(f"{score} of {name} is {value}; its activations or gradients overflow")
    return found


def score_architectures(
    architectures: Sequence[Architecture],
    images: Tensor,
    labels: Tensor,
    num_classes: int,
    names: Iterable[str] | None = None,
    *,
    seed: int = 0,
) -> Iterator[dict[str, float]]:
    """The scores of many candidates, one after another, each as `zero_cost_scores` has them.

    Args:
        architectures: are built where the images are, and let go again.
        images: (N, C, H, W) floats, normalised.
        labels: (N,) int64, below `num_classes`.
        num_classes: width of the networks' outputs.
        names: of the scores.
        seed: the same for all, so that candidates do not differ by luck.

    Raises:
        BuildError: if an architecture cannot be built.
        MeasurementError: as `zero_cost_scores`.
    """
    wanted = wanted_names(names)
    for architecture in architectures:
        with global_generators_kept(images.device), images.device:
            torch.manual_seed(seed)
            network = build(architecture, num_classes, images.shape[1], own_weights=False)
        yield zero_cost_scores(network, images, labels, wanted, seed=seed)


def wanted_names(names: Iterable[str] | None) -> tuple[str, ...]:
    """Names of scores, those of a group instead of the group's; all for None.

    Raises:
        MeasurementError: for a name that is none.
    """
    wanted: list[str] = []
    for name in SCORES if names is None else names:
        if name not in SCORES and name not in GROUPS:
            known = (*SCORES, *GROUPS)
            raise MeasurementError(
                f"score {name!r} is not known; {did_you_mean(name, known)}expected one of {', '.join(known)}"
            )
        wanted += GROUPS.get(name, (name,))
    return tuple(dict.fromkeys(wanted))


def _check_batch(images: Tensor, labels: Tensor) -> None:
    if images.dim() != 4 or not images.is_floating_point() or len(images) < FEWEST_IMAGES:
        raise MeasurementError(
            f"images are {images.dtype} of shape {tuple(images.shape)}; expected normalised floats "
            f"(N, C, H, W), N at least {FEWEST_IMAGES}"
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise MeasurementError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; expected int64 ({len(images)},)"
        )
    if not bool(images.isfinite().all()):
        raise MeasurementError("images hold values that are not finite; expected normalised floats")


def _scores(
    model: nn.Module, images: Tensor, labels: Tensor, wanted: tuple[str, ...], seed: int, weights: str
) -> dict[str, float]:
    found: dict[str, float] = {}
    needed = {SCORES[name].needs for name in wanted}
    # the faster layout on processors as on GPUs
    net = scoring_copy(model).to(memory_format=torch.channels_last)
    if "cost" in needed:
        cost = measure_cost(net, tuple(images.shape[1:]))
        found |= {"params": float(cost.params), "macs": float(cost.macs)}
    images = images.to(memory_format=torch.channels_last)
    for name, one in PASSES.items():
        if name in needed:
            torch.manual_seed(seed)
            if one.weights is not None and weights == "fresh":
                one.weights(net)
            with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
                found |= one.run(net, images, labels, wanted)
    return {name: found[name] for name in wanted}
