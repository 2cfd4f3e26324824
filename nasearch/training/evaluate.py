"""How good a network is on a split, and the statistics that it is judged with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nasearch.data import Batches, Dataset, Split


def evaluate(
    model: nn.Module,
    split: Split,
    dataset: Dataset,
    device: str | torch.device = "cpu",
    batch_size: int = 500,
) -> tuple[float, float]:
    """Accuracy, a fraction in [0, 1], and mean cross-entropy of a model on a split of a data set.

    The model is on `device`, takes images normalised with the data set's mean and standard deviation, and is
    left in the mode (training or evaluation) it was in.
    """
    batches = Batches(split, dataset.mean, dataset.std, batch_size=batch_size, device=device)
    return evaluate_batches(model, batches)


def evaluate_batches(model: nn.Module, batches: Batches) -> tuple[float, float]:
    """As `evaluate`, for images that are on the device already."""
    was_training = model.training
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=batches.device)
    loss = torch.zeros(
        (), dtype=torch.float64 if batches.device.type != "mps" else None, device=batches.device
    )
    with torch.inference_mode():
        for images, labels in batches.epoch():
            logits = model(images)
            right += (logits.argmax(1) == labels).sum()
            loss += F.cross_entropy(logits, labels, reduction="sum")
    model.train(was_training)
    count = len(batches.labels)
    return int(right) / count, float(loss) / count


Model = TypeVar("Model", bound=nn.Module)


def settle(model: Model, images: Iterable[Tensor]) -> Model:
    """Give a network's batch norms the statistics of these images; it is in evaluation mode afterwards.

    Norms that stay in evaluation mode while the network trains, as those of a frozen backbone, keep theirs.

    Args:
        model: is changed.
        images: batches (B, C, H, W) without augmentation, of one size, B at least 2.
    """
    model.train()
    norms = [each for each in model.modules() if isinstance(each, _BatchNorm) and each.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    with torch.no_grad():
        for batch in images:
            model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()
