"""Where the pixels of a split lie, and crops out of them: uint8 all the way, no random choice of its own.

`Resident` keeps them on the device; `Streamed`, in its own file, reads them from the host's memory. Both give
the same bytes: batches do not tell where their images came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Pixels(Protocol):
    """What `Batches` reads. Images are (N, H, W, C) uint8; with a border those of `shuffled` are larger."""

    @property
    def padding(self) -> int:
        """Pixels of reflected border on each side."""
        ...

    def in_order(self, batch_size: int) -> Iterator[Tensor]:
        """All images on the device, (B, H, W, C) a batch, without border."""
        ...

    def shuffled(self, host_rows: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        """For each step, images on the device with their border, and which rows of them are the batch.

        Args:
            host_rows: (steps, B) int64 in the host's memory.
            rows: the same on the device.

        Returns:
            (N, H + 2 padding, W + 2 padding, C) and (B,), or a batch of its own and None for all of it.
        """
        ...


@dataclass(frozen=True, eq=False)
class Resident:
    """Images (N, H + 2 padding, W + 2 padding, C) on the device, bordered and laid out once."""

    images: Tensor
    padding: int

    @classmethod
    def of(cls, images: Tensor, padding: int, device: torch.device) -> Resident:
        """Move images (N, C, H, W) to the device, where they are laid out and bordered."""
        # channels last, see gathered_crops; still uint8, a quarter of float32's memory and traffic
        moved = images.to(device).permute(0, 2, 3, 1).contiguous()
        if padding:
            height, width = moved.shape[1:3]
            moved = reflected(moved, border(height, width, padding, device))
        return cls(moved, padding)

    def in_order(self, batch_size: int) -> Iterator[Tensor]:
        """See `Pixels`."""
        whole = slice(self.padding, -self.padding or None)
        yield from self.images[:, whole, whole].split(batch_size)

    def shuffled(self, host_rows: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        """See `Pixels`."""
        for part in rows:
            yield self.images, part


def widest_padding(padding: int, height: int, width: int) -> int:
    """Padding that can be reflected: smaller than the image."""
    return min(padding, height - 1, width - 1)


def border(height: int, width: int, padding: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which line and which column of an image stands where once it has a reflected border; int64."""
    lines, columns = (
        torch.from_numpy(np.pad(np.arange(side), padding, mode="reflect")).to(device)
        for side in (height, width)
    )
    return lines, columns


def reflected(images: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """Images (N, H, W, C) with the border of `border`: (N, H + 2 padding, W + 2 padding, C).

    By indices: torch's own reflection knows no uint8, and float32 takes four times the size of all images.
    """
    lines, columns = tables
    return images.index_select(1, lines).index_select(2, columns)


def crops(
    images: Tensor, rows: Tensor | None, corners: Tensor, flips: Tensor, size: tuple[int, int]
) -> Tensor:
    """Crops (B, H, W, C), each at its own corner and mirrored or not.

    Args:
        images: (N, H + 2 padding, W + 2 padding, C) uint8.
        rows: (B,) int64, which images; None for all in their order.
        corners: (2, B) int64, top and left, from 0 to 2 padding.
        flips: (B,) int64, 1 mirrors.
        size: (H, W) of the crops.
    """
    if rows is None:
        rows = torch.arange(len(images), device=images.device)
    cut = window_crops if images.device.type == "cpu" else gathered_crops
    return cut(images, rows, corners, flips, size)


def gathered_crops(
    images: Tensor, rows: Tensor, corners: Tensor, flips: Tensor, size: tuple[int, int]
) -> Tensor:
    """`crops` in one gather of pixels: two kernels or three on a GPU, whatever the size of the batch.

    Channels last, because the same gather channels first took up to three times as long on a CPU.
    """
    height, width = size
    columns = torch.arange(width, device=images.device)
    across = torch.where(flips[:, None] > 0, width - 1 - columns, columns) + corners[1][:, None]
    down = torch.arange(height, device=images.device) + corners[0][:, None]
    return images[rows[:, None, None], down[:, :, None], across[:, None, :]]


def window_crops(
    images: Tensor, rows: Tensor, corners: Tensor, flips: Tensor, size: tuple[int, int]
) -> Tensor:
    """`crops` on a CPU: numpy copies whole lines of windows, then mirrors the lines that are to be mirrored.

    One thread, 128 images 32x32x3: 0.3-0.5 ms, against 2.0 for `gathered_crops` and 0.65 for a loop.
    """
    array = images.numpy()
    height, width = size
    channels = array.shape[3]
    by_image, by_line, by_pixel, _ = array.strides
    windows = np.lib.stride_tricks.as_strided(
        array,
        shape=(len(array), array.shape[1] - height + 1, array.shape[2] - width + 1, height, width * channels),
        strides=(by_image, by_line, by_pixel, by_line, 1),
        writeable=False,
    )
    top, left = corners.numpy()
    lines = windows[rows.numpy(), top, left]
    mirrored = np.flatnonzero(flips.numpy())
    if len(mirrored):
        backwards = np.arange(width * channels).reshape(width, channels)[::-1].ravel()
        lines[mirrored] = np.take(lines[mirrored], backwards, axis=2, mode="clip")
    return torch.from_numpy(lines).view(len(lines), height, width, channels)
