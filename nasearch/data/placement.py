"""Whether pixels live on the device or stream there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nasearch.data.dataset import Split
from nasearch.data.pixels import Pixels, Resident
from nasearch.data.streaming import Streamed

RESIDENT_SHARE = 1 / 3
"""Most of a device's free memory that images may take; the rest is for training."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A split where batches are read from.

    Attributes:
        pixels: on the device, or streaming there.
        labels: (N,) int64 on the device.
        height, width: of the images without border.
    """

    pixels: Pixels
    labels: Tensor
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.labels)


def place(
    split: Split,
    device: torch.device,
    *,
    padding: int = 0,
    rows: Tensor | None = None,
    resident: bool | None = None,
) -> Placed:
    """Put a split, or some rows of it, where batches are read from.

    Args:
        split: images and labels in the host's memory.
        device: where batches are wanted.
        padding: pixels of reflected border, smaller than the image.
        rows: (n,) int64, which images; None for all.
        resident: whether pixels live on the device (True) or stream there (False); None chooses by `fits`.
    """
    labels = split.labels if rows is None else split.labels[rows]
    height, width = split.images.shape[2:]
    if resident is None:
        resident = fits(placed_bytes(split.images, len(labels), padding), free_bytes(device))
    pixels: Pixels
    if resident:
        images = split.images if rows is None else split.images.index_select(0, rows)
        pixels = Resident.of(images, padding, device)
    else:
        pixels = Streamed(split.images, padding, device, rows=rows)
    return Placed(pixels, labels.to(device), height, width)


def fits(image_bytes: int, free: int | None) -> bool:
    """Whether images live on the device: they take at most a third of its free memory, or it has no own.

    Args:
        image_bytes: of all images with their border.
        free: bytes that the device could still give; None where its memory is the host's.
    """
    return free is None or image_bytes <= free * RESIDENT_SHARE


def placed_bytes(images: Tensor, count: int, padding: int) -> int:
    """Bytes of `count` images (C, H, W) with a border of `padding` pixels."""
    channels, height, width = images.shape[1:]
    return count * channels * (height + 2 * padding) * (width + 2 * padding)


def free_bytes(device: torch.device) -> int | None:
    """Bytes that a device could still give this process; None where its memory is the host's (CPU, MPS)."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    taken = torch.cuda.memory_allocated(device)
    # what torch keeps for later tensors counts as free
    possible = free + torch.cuda.memory_reserved(device) - taken
    # a worker that shares the GPU may not use all of it
    allowed = int(torch.cuda.get_per_process_memory_fraction(device) * total) - taken
    return min(possible, allowed)
