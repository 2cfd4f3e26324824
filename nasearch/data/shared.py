"""A data set in one file that several processes map into memory, so that they share its pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nasearch.data.dataset import Dataset, Split

_SPLITS = ("train", "val", "test")
_FACTS = ("name", "classes", "mean", "std", "fingerprint", "about")


def save_dataset(dataset: Dataset, file: Path) -> None:
    """Write a data set for `load_dataset`; of the test split nothing, which no training may see."""
    nothing = Split(dataset.test.images[:0], dataset.test.labels[:0])
    tensors = {
        name: (split.images.contiguous(), split.labels.contiguous())
        for name in _SPLITS
        for split in (nothing if name == "test" else getattr(dataset, name),)
    }
    torch.save({"splits": tensors, "facts": {name: getattr(dataset, name) for name in _FACTS}}, file)


def load_dataset(file: Path) -> Dataset:
    """Map a written data set: pages are read when they are needed, and once for all processes."""
    found = torch.load(file, mmap=True, weights_only=True)
    parts: dict[str, Any] = {name: Split(*found["splits"][name]) for name in _SPLITS}
    return Dataset(**parts, **found["facts"])
