"""Images: data sets by name with fixed splits, and batches that live on the device."""

from __future__ import annotations

from nasearch.data.dataset import Dataset, Split, stratified_share
from nasearch.data.load import load, names
from nasearch.data.loader import Augmentation, Batches
from nasearch.data.prepared import SHARE_SEED, Prepared

__all__ = [
    "SHARE_SEED",
    "Augmentation",
    "Batches",
    "Dataset",
    "Prepared",
    "Split",
    "load",
    "names",
    "stratified_share",
]
