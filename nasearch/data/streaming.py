"""Pixels that stay in the host's memory, or in a file, and are read batch by batch ahead of the device."""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from nasearch.data.host import usable_processors
from nasearch.data.pixels import border, reflected

MOST_READERS = 2
"""Processes that read for one loader: they copy bytes alone, so that one is nearly always enough."""

PREFETCH = 4
"""Batches that each worker reads ahead."""


class Streamed:
    """Images that are read through a DataLoader: workers, pinned memory, prefetch.

    Only bytes travel: the border, and whatever `Batches` does to a batch, is made on the device. Workers are
    kept between epochs and end with this object. An epoch that is read while another one of the same object
    is still under way gets workers of its own.
    """

    def __init__(
        self,
        images: Tensor,
        padding: int,
        device: torch.device,
        *,
        rows: Tensor | None = None,
        workers: int | None = None,
    ) -> None:
        """No worker is started before the first epoch.

        Args:
            images: (N, C, H, W) uint8 in the host's memory.
            padding: pixels of reflected border on each side of `shuffled` images.
            device: where batches go.
            rows: (n,) int64, which images belong to this split; None for all.
            workers: processes that read; None chooses.
        """
        self.padding = padding
        self._device = device
        self._images = images
        self._rows = rows
        self._count = len(images) if rows is None else len(rows)
        height, width = images.shape[2:]
        self._border = border(height, width, padding, device)
        self._workers = loader_workers(len(usable_processors()), in_daemon()) if workers is None else workers
        self._idle: list[tuple[DataLoader[Tensor], _Order]] = []

    def in_order(self, batch_size: int) -> Iterator[Tensor]:
        """See `Pixels`."""
        starts = range(0, self._count, batch_size)
        yield from self._read([np.arange(start, min(start + batch_size, self._count)) for start in starts])

    def shuffled(self, host_rows: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        """See `Pixels`."""
        for images in self._read(list(host_rows.numpy())):
            yield reflected(images, self._border) if self.padding else images, None

    def _read(self, parts: Sequence[np.ndarray]) -> Iterator[Tensor]:
        """Batches (B, H, W, C) on the device, of these rows, in this order."""
        loader, order = self._idle.pop() if self._idle else self._loader()
        order.parts = parts
        try:
            with forking():
                batches = iter(loader)
            for batch in batches:
                # not the host's work: on the device the bytes are laid out anew in no time
                yield batch.to(self._device, non_blocking=True).permute(0, 2, 3, 1).contiguous()
        finally:
            # also after an epoch that nobody read to its end: what its workers still send is thrown away
            self._idle.append((loader, order))

    def _loader(self) -> tuple[DataLoader[Tensor], _Order]:
        order = _Order()
        loader = DataLoader(
            _Rows(self._images, self._rows),
            batch_size=None,
            sampler=order,
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            persistent_workers=self._workers > 0,
            prefetch_factor=PREFETCH if self._workers else None,
            multiprocessing_context=start_method() if self._workers else None,
            # its own: it would draw a seed from the global one, which is the caller's
            generator=torch.Generator(),
        )
        return loader, order


class _Rows(Dataset[Tensor]):
    """Batches of rows: an index is an array of them."""

    def __init__(self, images: Tensor, rows: Tensor | None) -> None:
        self.images, self.rows = images, rows

    def __getitem__(self, index: np.ndarray) -> Tensor:
        rows = torch.from_numpy(index)
        return self.images.index_select(0, rows if self.rows is None else self.rows[rows])


class _Order(Sampler[np.ndarray]):
    """The batches of the epoch that is read next. Arrays: as tensors each would travel as an open file."""

    def __init__(self) -> None:
        self.parts: Sequence[np.ndarray] = ()

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)


def loader_workers(processors: int, daemon: bool) -> int:
    """Processes that read for one loader: one is left to training; 0 in a daemon, which may have no children.

    With 0 the batches are read in the training process itself.
    """
    return 0 if daemon else min(MOST_READERS, max(1, processors - 1))


def in_daemon() -> bool:
    """Whether this process may not have children."""
    return multiprocessing.current_process().daemon


def start_method() -> str | None:
    """Fork on Linux: it copies no images and needs no guard in a user's script; elsewhere Python's own."""
    return "fork" if sys.platform == "linux" else None


@contextmanager
def forking() -> Iterator[None]:
    """Silence Python 3.12's warning of forks beside threads: readers use no lock that a thread could hold."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=r".*use of fork\(\) may lead to deadlocks", category=DeprecationWarning
        )
        yield
