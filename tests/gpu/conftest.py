"""What the tests that need a CUDA device share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from nasearch.data import Dataset, Split
from nasearch.data.dataset import make_dataset


@pytest.fixture(autouse=True)
def device() -> Iterator[torch.device]:
    """The first CUDA device; its settings are left as they were found."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    yield torch.device("cuda", 0)
    torch.cuda.set_sync_debug_mode("default")
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@pytest.fixture
def bars() -> Callable[[int, int], Dataset]:
    """Makes data sets of two classes that small networks learn at once: a bright bar across or down."""

    def make(count: int, side: int) -> Dataset:
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(count) % 2
        places = torch.randint(0, side, (count,), generator=generator)
        images = torch.randint(0, 120, (count, 3, side, side), generator=generator)
        bar = torch.arange(side) == places[:, None]
        across = bar[:, None, :, None] & (labels == 1)[:, None, None, None]
        down = bar[:, None, None, :] & (labels == 0)[:, None, None, None]
        split = Split((images + 120 * (across | down)).to(torch.uint8), labels)
        return make_dataset(
            "bars", split, None, None, classes=("down", "across"), val_share=0.25, seed=0, about="bars"
        )

    return make
