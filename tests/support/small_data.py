"""A data set of a few small images, in memory."""

from __future__ import annotations

import numpy as np
import torch

from nasearch.data import Dataset, Split
from nasearch.data.dataset import make_dataset

CLASSES, SIDE = 3, 8


def small_dataset(channels: int = 1, per_class: int = 20, seed: int = 0) -> Dataset:
    """Each class has a bright third of the image of its own, so that it is learnt at once."""
    generator = np.random.default_rng(seed)

    def split(count: int) -> Split:
        labels = np.repeat(np.arange(CLASSES), count)
        images = generator.integers(0, 80, (len(labels), channels, SIDE, SIDE), dtype=np.uint8)
        for label in range(CLASSES):
            images[labels == label, :, :, label * 2 + 1 : label * 2 + 3] += 150
        return Split(torch.from_numpy(images), torch.from_numpy(labels))

    return make_dataset(
        "stripes",
        split(per_class),
        split(per_class),
        split(per_class),
        classes=("left", "middle", "right"),
        val_share=0.2,
        seed=0,
        about="stripes",
    )
