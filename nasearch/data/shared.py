"""A data set in one file that several processes map into memory, so that they share its pages."""

from __future__ import annotations

from pathlib import Path

import torch

from nasearch.data.dataset import Dataset, Split

_SPLITS = ("train", "val", "test")
_FACTS = ("name", "classes", "mean", "std", "fingerprint", "about")


def save_dataset(dataset: Dataset, file: Path) -> None:
    """Write a data set for `load_dataset`; pixels and labels as they are."""
    splits = {name: getattr(dataset, name) for name in _SPLITS}
    tensors = {name: (split.images.contiguous(), split.labels.contiguous()) for name, split in splits.items()}
    torch.save({"splits": tensors, "facts": {name: getattr(dataset, name) for name in _FACTS}}, file)


def load_dataset(file: Path) -> Dataset:
    """Map a written data set: pages are read when they are needed, and once for all processes."""
    found = torch.load(file, mmap=True, weights_only=True)
    return Dataset(**{name: Split(*found["splits"][name]) for name in _SPLITS}, **found["facts"])
