"""A data set made ready for a device once, for all the candidates that a process trains on it."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
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
        numbered = _numbered(torch.device(device))
        if numbered not in here:
            here[numbered] = cls(dataset, numbered)
        return here[numbered]

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
        padding = border_of(augmentation, self._train)
        key = ("train", -1 if images is None else images, padding)
        return Batches(
            self._place(key, self._train, lambda: self._share(images), padding),
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
            self._place(("val", 0, 0), self._val, lambda: None, 0),
            self._mean,
            self._std,
            batch_size=batch_size,
            device=self.device,
            channels_last=channels_last,
        )

    def size(self, images: int | None) -> int:
        """How many training images a share of so many really has."""
        return len(self._train) if images is None else min(images, len(self._train))

    def sample(
        self, count: int, *, images: int | None, batch_size: int = 250, channels_last: bool = True
    ) -> Batches:
        """Some training images without augmentation, in one random order: for statistics of activations.

        Args:
            count: how many, a stratified share of the share; no more than that has.
            images: the share, as `training` has it.
            batch_size: the most images a batch.
            channels_last: memory format of the images.
        """
        return Batches(
            self._place(
                ("sample", count, -1 if images is None else images),
                self._train,
                lambda: self._some(count, images),
                0,
            ),
            self._mean,
            self._std,
            batch_size=batch_size,
            device=self.device,
            channels_last=channels_last,
        )

    def _share(self, images: int | None) -> np.ndarray | None:
        """Rows of the training split in a share; None for all."""
        if images is None or images >= len(self._train):
            return None
        return share_rows(self._train.labels.numpy(), images, SHARE_SEED)

    def _some(self, count: int, images: int | None) -> np.ndarray:
        share = self._share(images)
        rows = np.arange(len(self._train)) if share is None else share
        chosen = share_rows(self._train.labels.numpy()[rows], min(count, len(rows)), SHARE_SEED)
        # shuffled: batches of one class would have less variance than the whole
        shuffled: np.ndarray = rows[np.random.default_rng(SHARE_SEED).permutation(chosen)]
        return shuffled

    def _place(
        self, key: tuple[str, int, int], split: Split, rows: Callable[[], np.ndarray | None], padding: int
    ) -> Placed:
        if key not in self._placed:
            chosen = rows()
            self._placed[key] = place(
                split,
                self.device,
                padding=padding,
                rows=None if chosen is None else torch.from_numpy(chosen),
                resident=self._resident,
            )
        return self._placed[key]


def _numbered(device: torch.device) -> torch.device:
    """The same GPU by its number: `cuda` is the current one."""
    if str(device) == "cuda":
        return torch.device("cuda", torch.cuda.current_device())
    return device


_PREPARED: WeakKeyDictionary[Dataset, dict[torch.device, Prepared]] = WeakKeyDictionary()
