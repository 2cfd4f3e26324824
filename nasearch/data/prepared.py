"""A data set made ready for a device once, for all the candidates that a process trains on it."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch

from nasearch.data.dataset import Dataset, Split, share_rows
from nasearch.data.loader import Augmentation, Batches, border_of
from nasearch.data.placement import Placed, place

SHARE_SEED = 0
"""Of the share of images that a recipe asks for: fixed: candidates of all studies see the same ones."""


class Prepared:
    """The training and validation split of a data set, where batches are read from.

    What is dear (the share of images, their layout, their border, the copy to the device) is done when it is
    first asked for and kept; batches that are handed out share it. It must not be asked by two threads at
    once; batches that were handed out may be read side by side.
    """

    def __init__(
        self, dataset: Dataset, device: str | torch.device = "cpu", *, resident: bool | None = None
    ) -> None:
        """Nothing is copied yet.

        Args:
            dataset: whose splits are used; the object itself is not kept.
            device: where batches are wanted.
            resident: whether pixels live on the device (True) or stream there (False); None chooses.
        """
        self.device = torch.device(device)
        self._train, self._val = dataset.train, dataset.val
        self._mean, self._std = dataset.mean, dataset.std
        self._num_classes = dataset.num_classes
        self._resident = resident
        self._placed: dict[tuple[str, int, int], Placed] = {}

    @classmethod
    def of(cls, dataset: Dataset, device: str | torch.device = "cpu") -> Prepared:
        """The one of this data set on this device, made at the first call, kept as long as the data set."""
        here = _PREPARED.setdefault(dataset, {})
        key = str(torch.device(device))
        if key not in here:
            here[key] = cls(dataset, device)
        return here[key]

    def training(
        self,
        *,
        images: int | None,
        augmentation: Augmentation,
        batch_size: int,
        seed: int,
        channels_last: bool = True,
    ) -> Batches:
        """Shuffled batches of a fixed stratified share of the training split.

        Args:
            images: size of the share; None, or more than there are, is all of the split.
            augmentation: what happens to a batch.
            batch_size: the most images a batch.
            seed: of shuffling and augmentation.
            channels_last: memory format of the images.

        Raises:
            DataError: for a share of no image.
        """
        count = len(self._train) if images is None else min(images, len(self._train))
        padding = border_of(augmentation, self._train)
        return Batches(
            self._place("train", self._train, count, padding),
            self._mean,
            self._std,
            batch_size=batch_size,
            device=self.device,
            augmentation=augmentation,
            num_classes=self._num_classes,
            seed=seed,
            channels_last=channels_last,
        )

    def validation(self, batch_size: int = 500, channels_last: bool = True) -> Batches:
        """The validation split, whole and in its order."""
        return Batches(
            self._place("val", self._val, len(self._val), 0),
            self._mean,
            self._std,
            batch_size=batch_size,
            device=self.device,
            channels_last=channels_last,
        )

    def _place(self, part: str, split: Split, count: int, padding: int) -> Placed:
        key = (part, count, padding)
        if key not in self._placed:
            rows = None
            if count < len(split):
                rows = torch.from_numpy(share_rows(split, count, SHARE_SEED))
            self._placed[key] = place(split, self.device, padding=padding, rows=rows, resident=self._resident)
        return self._placed[key]


_PREPARED: WeakKeyDictionary[Dataset, dict[str, Prepared]] = WeakKeyDictionary()
