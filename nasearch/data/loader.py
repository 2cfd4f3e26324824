"""Batches from uint8 images: shuffled, cropped, flipped, normalised and mixed on the device.

The pixels live there, or stream there where they do not fit; the batches are the same.

All random choices of an epoch are drawn at its start from generators of the loader's own, on the CPU: the
same seed gives the same batches on every device, no step waits for the device, and nothing of the caller's
global generators is used up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from nasearch.data.dataset import Split
from nasearch.data.pixels import crops, widest_padding
from nasearch.data.placement import Placed, place


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
        split: Split | Placed,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        *,
        batch_size: int,
        device: str | torch.device = "cpu",
        augmentation: Augmentation | None = None,
        num_classes: int = 0,
        seed: int = 0,
        channels_last: bool = False,
        resident: bool | None = None,
    ) -> None:
        """Where nothing lies ready, the split is put where it is read from.

        Args:
            split: images and labels; or both where they are to be read, in which case `resident` says nothing
                more and the border must be that of the augmentation.
            mean: a figure a channel, on the [0, 1] scale.
            std: the same.
            batch_size: the most images a batch.
            device: where batches are wanted.
            augmentation: for training; None for evaluation.
            num_classes: needed for mixing only.
            seed: of shuffling and augmentation.
            channels_last: memory format of the images.
            resident: whether pixels live on the device (True) or stream there (False); None chooses.
        """
        self.device = torch.device(device)
        self.augmentation = augmentation
        self.seed = seed
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        if isinstance(split, Split):
            split = place(split, self.device, padding=border_of(augmentation, split), resident=resident)
        self.pixels, self.labels = split.pixels, split.labels
        self.padding = self.pixels.padding
        self.height, self.width = split.height, split.width
        # (x / 255 - mean) / std as one multiplication and one addition
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        shift = -torch.tensor(mean, dtype=torch.float64) * 255 * scale
        # for each value of a line of pixels: a line of one length is four times as fast as lines of 1 or 3
        self.scale = scale.float().repeat(self.width).to(self.device)
        self.shift = shift.float().repeat(self.width).to(self.device)
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
        start = 0
        for pixels in self.pixels.in_order(self.batch_size):
            stop = start + len(pixels)
            yield self._normalised(pixels), self.labels[start:stop]
            start = stop

    def _shuffled(self, number: int, augmentation: Augmentation) -> Iterator[tuple[Tensor, Tensor]]:
        draws = np.random.default_rng([self.seed, number])
        count = self.steps * self.batch_size
        order = draws.permutation(len(self.labels))[:count]
        corners = draws.integers(0, 2 * self.padding + 1, (2, count))
        flips = draws.integers(0, 2 if augmentation.flip else 1, count)
        kinds = draws.random(self.steps)
        mix_seeds = draws.integers(0, 2**31, self.steps).tolist()
        drawn = torch.from_numpy(np.stack([order, *corners, flips])).view(4, self.steps, self.batch_size)
        on_device = self._moved(drawn)
        parts = self.pixels.shuffled(drawn[0], on_device[0])
        for step, (source, rows) in enumerate(parts):
            if self.padding or augmentation.flip:
                size = (self.height, self.width)
                pixels = crops(source, rows, on_device[1:3, step], on_device[3, step], size)
            else:
                pixels = source if rows is None else source.index_select(0, rows)
            images, labels = self._normalised(pixels), self.labels[on_device[0, step]]
            if kinds[step] < augmentation.mixup_share:
                images, labels = self._mixed(self.mixers[0], images, labels, mix_seeds[step])
            elif kinds[step] < augmentation.mixup_share + augmentation.cutmix_share:
                images, labels = self._mixed(self.mixers[1], images, labels, mix_seeds[step])
            yield images, labels

    def _moved(self, drawn: Tensor) -> Tensor:
        """An epoch's draws on the device, in one copy that makes nobody wait."""
        if self.device.type == "cuda":
            return drawn.pin_memory().to(self.device, non_blocking=True)
        return drawn.to(self.device)

    def _normalised(self, pixels: Tensor) -> Tensor:
        """(B, H, W, C) uint8 to (B, C, H, W) float32 of zero mean and unit variance, in the memory format."""
        images = torch.addcmul(self.shift, pixels.flatten(2).float(), self.scale)
        if self.memory_format == torch.contiguous_format and pixels.shape[3] == 1:
            # both formats at once; convolutions choose theirs by the strides
            return images[:, None]
        return images.view(pixels.shape).permute(0, 3, 1, 2).contiguous(memory_format=self.memory_format)

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


def border_of(augmentation: Augmentation | None, split: Split) -> int:
    """Pixels of reflected border that an augmentation asks for on images of this size."""
    if augmentation is None:
        return 0
    height, width = split.images.shape[2:]
    return widest_padding(augmentation.crop_padding, height, width)
