"""How good a network is on a split."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

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
