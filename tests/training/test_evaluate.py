from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from nasearch.data import Dataset, Split
from nasearch.training import evaluate
from nasearch.training.evaluate import settle
from tests.training.conftest import FrozenNorm


class Threshold(nn.Module):
    """Says class 1 where the mean of the normalised image is above 0, with fixed confidence."""

    def forward(self, images: Tensor) -> Tensor:
        bright = (images.mean((1, 2, 3)) > 0).float()
        return torch.stack([1 - bright, bright], 1) * math.log(9)  # probabilities 0.9 and 0.1


@pytest.mark.parametrize("batch_size", [1, 3, 500])
def test_accuracy_and_loss_by_hand(dataset: Dataset, batch_size: int) -> None:
    images = torch.tensor([0, 0, 255, 255, 255], dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 8, 8)
    split = Split(images, torch.tensor([0, 0, 1, 1, 0]))
    accuracy, loss = evaluate(Threshold(), split, dataset, "cpu", batch_size)
    assert accuracy == 4 / 5
    assert loss == pytest.approx(-(4 * math.log(0.9) + math.log(0.1)) / 5, rel=1e-5)


def test_the_mode_is_put_back_and_statistics_are_not_touched(dataset: Dataset) -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 2)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, dataset.val, dataset)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_settling_takes_the_mean_over_batches_and_leaves_frozen_norms() -> None:
    model = nn.Sequential(FrozenNorm(2), nn.BatchNorm2d(2, momentum=0.3))
    batches: list[Tensor] = [torch.randn(4, 2, 3, 3) for _ in range(3)]
    settle(model, batches)
    frozen, norm = model
    assert isinstance(frozen, nn.BatchNorm2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert frozen.running_mean is not None
    assert norm.running_mean is not None
    assert not frozen.running_mean.any()
    scale = (1 + frozen.eps) ** -0.5
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    assert torch.allclose(norm.running_mean, means * scale, atol=1e-6)
    assert norm.momentum == 0.3
    assert not model.training
