from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from nasearch.data import Dataset, Split
from nasearch.data.dataset import make_dataset


class FrozenNorm(nn.BatchNorm2d):
    """In evaluation mode while the rest trains, as those of a frozen backbone."""

    def train(self, mode: bool = True) -> FrozenNorm:
        super().train(False)
        return self


def bars(count: int, seed: int) -> Split:
    """Two classes that a small network tells apart: a bright bar across or down, in noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randint(0, 120, (count, 1, 8, 8), generator=generator)
    for row in range(count):
        place = int(torch.randint(0, 8, (), generator=generator))
        if labels[row]:
            images[row, 0, place] += 120
        else:
            images[row, 0, :, place] += 120
    return Split(images.to(torch.uint8), labels)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return make_dataset(
        "bars",
        bars(200, 0),
        bars(60, 1),
        bars(60, 2),
        classes=("down", "across"),
        val_share=0.2,
        seed=0,
        about="bars",
    )


@pytest.fixture
def make_network() -> Callable[[int], nn.Module]:
    def make(seed: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Conv2d(8, 8, 3, padding=1, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.AdaptiveMaxPool2d(1),
                nn.Flatten(),
                nn.Dropout(0.1),
                nn.Linear(8, 2),
            )

    return make
