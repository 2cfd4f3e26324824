"""The batches of a training: augmented ones to learn from, plain ones to judge and to take statistics by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nasearch.data import Augmentation, Batches, Dataset, Split, stratified_share
from nasearch.training.recipe import Recipe

SHARE_SEED = 0
"""Of the recipe's share of images: fixed, so that every candidate of every study sees the same ones."""

VALIDATION_BATCH = 250
STATISTICS_IMAGES = 2_000
"""Training images from which batch normalisation takes statistics of averaged weights."""


def augmentation(recipe: Recipe) -> Augmentation:
    """The part of a recipe that the loader carries out."""
    return Augmentation(
        crop_padding=recipe.crop_padding,
        flip=recipe.flip,
        mixup_alpha=recipe.mixup_alpha,
        cutmix_alpha=recipe.cutmix_alpha,
        mixup_share=recipe.mixup_share,
        cutmix_share=recipe.cutmix_share,
    )


class TrainingData:
    """What a training reads of a data set on a device; the test split is not touched."""

    def __init__(
        self, dataset: Dataset, recipe: Recipe, device: torch.device, seed: int, prepared: object = None
    ) -> None:
        """Args: prepared: for data that is shared between trainings; None makes everything anew."""
        self.dataset, self.recipe, self.device, self.seed = dataset, recipe, device, seed
        self.memory_format = torch.channels_last
        share = min(recipe.images or len(dataset.train), len(dataset.train))
        self.share = stratified_share(dataset.train, share, SHARE_SEED)
        self.training = self._batches(self.share, recipe.batch_size, augmentation(recipe))
        self.validation = self._batches(dataset.val, VALIDATION_BATCH)
        self._statistics: Batches | None = None

    def lay_out(self, memory_format: torch.memory_format) -> None:
        """Give images in another memory format from now on."""
        self.memory_format = memory_format
        for batches in (self.training, self.validation, self._statistics):
            if batches is not None:
                batches.memory_format = memory_format

    def halve_validation(self) -> None:
        """Judge by smaller batches from now on."""
        present = min(self.validation.batch_size, len(self.dataset.val))
        self.validation = self._batches(self.dataset.val, max(present // 2, 1))
        self._statistics = None

    def plain(self) -> Iterator[Tensor]:
        """Some training images without augmentation, in batches of at least two."""
        if self._statistics is None:
            some = stratified_share(self.share, min(STATISTICS_IMAGES, len(self.share)), SHARE_SEED)
            # batches of one class would have less variance than the whole
            order = np.random.default_rng(SHARE_SEED).permutation(len(some))
            most = max(self.validation.batch_size // 2, 2)
            # of equal size, for every batch's mean and variance count the same
            size = max(-(-len(some) // -(-len(some) // most)), 2)
            self._statistics = self._batches(some.rows(order), size)
        for images, _ in self._statistics.epoch():
            if len(images) > 1:
                yield images

    def _batches(self, split: Split, batch_size: int, augmentation: Augmentation | None = None) -> Batches:
        return Batches(
            split,
            self.dataset.mean,
            self.dataset.std,
            batch_size=batch_size,
            device=self.device,
            augmentation=augmentation,
            num_classes=self.dataset.num_classes,
            seed=self.seed,
            channels_last=self.memory_format is torch.channels_last,
        )
