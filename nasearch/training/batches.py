"""The batches of a training: augmented ones to learn from, plain ones to judge and to take statistics by."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nasearch.data import Augmentation, Batches, Dataset
from nasearch.data.prepared import Prepared
from nasearch.training.recipe import Recipe

VALIDATION_BATCH = 250
STATISTICS_IMAGES = 512
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

    def __init__(self, dataset: Dataset, recipe: Recipe, device: torch.device, seed: int) -> None:
        self._prepared = Prepared.of(dataset, device)
        self._images = recipe.images
        self._channels_last = True
        self.training = self._prepared.training(
            images=recipe.images, augmentation=augmentation(recipe), batch_size=recipe.batch_size, seed=seed
        )
        self.validation = self._prepared.validation(VALIDATION_BATCH)
        self._statistics: Batches | None = None

    def lay_out(self, memory_format: torch.memory_format) -> None:
        """Give images in another memory format from now on."""
        self._channels_last = memory_format is torch.channels_last
        for batches in (self.training, self.validation, self._statistics):
            if batches is not None:
                batches.memory_format = memory_format

    def halve_validation(self) -> None:
        """Judge by smaller batches from now on."""
        present = min(self.validation.batch_size, len(self.validation.labels))
        self.validation = self._prepared.validation(max(present // 2, 1), self._channels_last)
        self._statistics = None

    def plain(self, most: int | None = None) -> Iterator[Tensor]:
        """Some training images without augmentation, in batches of at least two.

        Args:
            most: no batch is begun once there were so many images; `STATISTICS_IMAGES` if not given.
        """
        if self._statistics is None:
            count = min(STATISTICS_IMAGES, self._prepared.size(self._images))
            largest = max(self.validation.batch_size // 2, 2)
            self._statistics = self._prepared.sample(
                count,
                images=self._images,
                # of equal size, for every batch's mean and variance count the same
                batch_size=max(-(-count // -(-count // largest)), 2),
                channels_last=self._channels_last,
            )
        given = 0
        for images, _ in self._statistics.epoch():
            if len(images) > 1 and (most is None or given < most):
                yield images
                given += len(images)
