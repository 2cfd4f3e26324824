"""Batches from images that live on the device as uint8: shuffled, cropped, flipped, normalised, mixed.

All random choices of an epoch are drawn at its start from generators of the loader's own, on the CPU: the
same seed gives the same batches on every device, no step waits for the device, and nothing of the caller's
global generators is used up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2

from nasearch.data.dataset import Split


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training batch.

    Attributes:
        crop_padding: pixels of reflection on each side from which a crop of the old size is cut; 0 is none.
        flip: mirror half of the images left to right.
        mixup_alpha, cutmix_alpha: of the Beta distribution that gives the mixing share.
        mixup_share, cutmix_share: share of the batches that are mixed so; the rest stays plain.
    """

    crop_padding: int = 0
    flip: bool = False
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    mixup_share: float = 0.0
    cutmix_share: float = 0.0


PLAIN = Augmentation()


class Batches:
    """One split on one device, epoch by epoch.

    Without augmentation (`augmentation=None`) the images come in their order and all of them, for evaluation.
    With it they are shuffled anew each epoch into batches of one size, of at least two images: the split is
    cut into ceil(n / batch_size) batches of floor(n / batches) images, one less if that is odd, and the few
    left over wait for another epoch. One size keeps kernels chosen once.
    """

    def __init__(
        self,
        split: Split,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        *,
        batch_size: int,
        device: str | torch.device = "cpu",
        augmentation: Augmentation | None = None,
        num_classes: int = 0,
        seed: int = 0,
        channels_last: bool = False,
    ) -> None:
        """Args: mean, std: a figure a channel, on the [0, 1] scale. num_classes is needed for mixing only."""
        self.device = torch.device(device)
        self.augmentation = augmentation
        self.seed = seed
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.labels = split.labels.to(self.device)
        self.height, self.width = split.images.shape[2:]
        # still uint8, a quarter of float32's memory and traffic; padded and laid out once for all epochs
        images = split.images.to(self.device)
        self.padding = 0
        if augmentation is not None and augmentation.crop_padding:
            # reflection needs the padding to be smaller than the image
            self.padding = min(augmentation.crop_padding, self.height - 1, self.width - 1)
            images = reflected(images, self.padding)
        self.images = images.permute(0, 2, 3, 1).contiguous()  # (N, H, W, C), see _cut
        # (x / 255 - mean) / std as one multiplication and one addition
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        shift = -torch.tensor(mean, dtype=torch.float64) * 255 * scale
        self.scale = scale.float().view(1, -1, 1, 1).to(self.device)
        self.shift = shift.float().view(1, -1, 1, 1).to(self.device)
        self.one_hot = torch.eye(num_classes, device=self.device)
        self.steps = -(-len(split) // batch_size)
        self.batch_size = batch_size
        if augmentation is not None:
            # never one image alone, for which batch normalisation has no variance
            self.steps = max(1, min(self.steps, len(split) // 2))
            self.batch_size = len(split) // self.steps
            # An even number: torch 2.15 crashes on a CPU in the backward pass of a strided 1x1 convolution of
            # 8 to 16 channels, channels last, two threads, on batches of 31, 59 or 61; never on even ones.
            self.batch_size -= self.batch_size % 2 if self.batch_size > 2 else 0
        self.mixers = [
            v2.MixUp(alpha=augmentation.mixup_alpha) if augmentation and augmentation.mixup_share else None,
            v2.CutMix(alpha=augmentation.cutmix_alpha)
            if augmentation and augmentation.cutmix_share
            else None,
        ]

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.steps

    def epoch(self, number: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch: images (B, C, H, W) float32; labels (B,), or (B, classes) if mixed.

        The same seed and number give the same batches, whatever was read before.
        """
        if self.augmentation is None:
            yield from self._in_order()
        else:
            yield from self._shuffled(number, self.augmentation)

    def _in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.labels), self.batch_size):
            stop = start + self.batch_size
            yield self._normalised(self.images[start:stop]), self.labels[start:stop]

    def _shuffled(self, number: int, augmentation: Augmentation) -> Iterator[tuple[Tensor, Tensor]]:
        draws = np.random.default_rng([self.seed, number])
        count = self.steps * self.batch_size
        order = torch.from_numpy(draws.permutation(len(self.labels))[:count]).to(self.device)
        corners = torch.from_numpy(draws.integers(0, 2 * self.padding + 1, (2, count))).to(self.device)
        flips = torch.from_numpy(draws.integers(0, 2 if augmentation.flip else 1, count)).to(self.device)
        kinds = draws.random(self.steps)
        mix_seeds = draws.integers(0, 2**31, self.steps).tolist()
        for step in range(self.steps):
            part = slice(step * self.batch_size, (step + 1) * self.batch_size)
            rows = order[part]
            if self.padding or augmentation.flip:
                pixels = self._cut(rows, corners[:, part], flips[part])
            else:
                pixels = self.images[rows]
            images, labels = self._normalised(pixels), self.labels[rows]
            if kinds[step] < augmentation.mixup_share:
                images, labels = self._mixed(self.mixers[0], images, labels, mix_seeds[step])
            elif kinds[step] < augmentation.mixup_share + augmentation.cutmix_share:
                images, labels = self._mixed(self.mixers[1], images, labels, mix_seeds[step])
            yield images, labels

    def _cut(self, rows: Tensor, corners: Tensor, flips: Tensor) -> Tensor:
        """Crops (B, H, W, C) uint8, each at its own corner and mirrored or not, in one gather.

        Channels last, one gather of 128 images took 0.8-0.9 ms on two cores (28x28x1 and 32x32x3); the same
        gather channels first 1.1-2.7 ms, unfold and index 4-10 ms, index_select of pixels 0.8-3.8 ms. A loop
        over the images is as fast on a CPU (0.7-1.1 ms) but launches 128 kernels a batch on a GPU.
        """
        columns = torch.arange(self.width, device=self.device)
        across = torch.where(flips[:, None] > 0, self.width - 1 - columns, columns) + corners[1][:, None]
        down = torch.arange(self.height, device=self.device) + corners[0][:, None]
        return self.images[rows[:, None, None], down[:, :, None], across[:, None, :]]

    def _normalised(self, pixels: Tensor) -> Tensor:
        """(B, H, W, C) uint8 to (B, C, H, W) float32 of zero mean and unit variance, in the memory format."""
        images = pixels.permute(0, 3, 1, 2).float()
        return torch.addcmul(self.shift, images, self.scale).contiguous(memory_format=self.memory_format)

    def _mixed(
        self, mixer: v2.Transform | None, images: Tensor, labels: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Mixed images and soft labels (B, classes).

        MixUp and CutMix draw from the global CPU generator, which is seeded for them and then put back.
        Labels go in as vectors: turning integers into vectors, as they would, makes a GPU wait.
        """
        assert mixer is not None
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            mixed: tuple[Tensor, Tensor] = mixer(images, self.one_hot[labels])
        return mixed


def reflected(images: Tensor, padding: int) -> Tensor:
    """uint8 images (N, C, H, W) with a reflected border: (N, C, H + 2 padding, W + 2 padding)."""
    # in parts: the reflection is computed in float32, four times the size of all images at once
    parts = [F.pad(part.float(), (padding,) * 4, mode="reflect").byte() for part in images.split(1000)]
    return torch.cat(parts)
