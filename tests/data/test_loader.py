from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from nasearch.data import Augmentation, Batches, Split
from nasearch.data.loader import PLAIN

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def split_of(count: int, channels: int = 3, height: int = 9, width: int = 7) -> Split:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(count) % 4)


def all_of(batches: Batches, epoch: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*batches.epoch(epoch), strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize("channels_last", [False, True])
def test_evaluation_gives_every_image_in_order_normalised_as_torchvision_does(channels_last: bool) -> None:
    split = split_of(11)
    batches = Batches(split, MEAN, STD, batch_size=4, channels_last=channels_last)
    images, labels = all_of(batches)
    expected = v2.functional.normalize(split.images / 255, list(MEAN), list(STD))
    torch.testing.assert_close(images, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(labels, split.labels)
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    assert next(batches.epoch())[0].is_contiguous(memory_format=wanted)


def test_a_shuffled_epoch_gives_each_image_once_with_its_label() -> None:
    split = split_of(24)
    images, labels = all_of(Batches(split, MEAN, STD, batch_size=8, augmentation=PLAIN))
    normalised = v2.functional.normalize(split.images / 255, list(MEAN), list(STD))
    found = [int((normalised - image).abs().amax((1, 2, 3)).argmin()) for image in images]
    assert sorted(found) == list(range(24))
    assert found != list(range(24))
    assert torch.equal(labels, split.labels[found])


def test_epochs_differ_and_repeat_whatever_was_read_before() -> None:
    split = split_of(24)
    augmentation = Augmentation(crop_padding=2, flip=True, mixup_share=0.5, cutmix_share=0.5)

    def batches(seed: int = 5) -> Batches:
        return Batches(split, MEAN, STD, batch_size=8, augmentation=augmentation, num_classes=4, seed=seed)

    reader = batches()
    first, second, third = (all_of(reader, epoch)[0] for epoch in (1, 2, 1))
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert torch.equal(second, all_of(batches(), 2)[0])
    assert not torch.equal(second, all_of(batches(6), 2)[0])


def test_the_global_generators_are_not_used() -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    augmentation = Augmentation(crop_padding=2, flip=True, mixup_share=0.5, cutmix_share=0.5)
    all_of(Batches(split_of(24), MEAN, STD, batch_size=4, augmentation=augmentation, num_classes=4))
    assert torch.equal(before, torch.get_rng_state())
    assert np.random.get_state()[1].tolist() == numpy_before  # type: ignore[index]  # noqa: NPY002


def test_every_crop_is_a_window_of_the_reflected_image_mirrored_or_not() -> None:
    split = split_of(16)
    batches = Batches(
        split, (0.0,) * 3, (1 / 255,) * 3, batch_size=16, augmentation=Augmentation(crop_padding=2, flip=True)
    )
    padded = np.pad(split.images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    windows: dict[bytes, tuple[int, int, int, bool]] = {}
    for row in range(16):
        for top in range(5):
            for left in range(5):
                window = padded[row, :, top : top + 9, left : left + 7]
                windows[window.tobytes()] = (row, top, left, False)
                windows[window[:, :, ::-1].tobytes()] = (row, top, left, True)
    found = []
    for epoch in range(20):
        images, labels = all_of(batches, epoch)
        for image, label in zip(images.round().to(torch.uint8).contiguous().numpy(), labels, strict=True):
            row, top, left, mirrored = windows[image.tobytes()]
            assert split.labels[row] == label
            found.append((top, left, mirrored))
    assert {top for top, _, _ in found} == {left for _, left, _ in found} == set(range(5))
    mirrored_count = sum(mirrored for _, _, mirrored in found)
    assert 120 < mirrored_count < 200  # 320 draws at 1/2: mean 160, standard deviation 9
    assert len(set(found[:16])) > 8  # each image of a batch has its own crop


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [
        (129, 128, [64, 64]),
        (128, 128, [128]),
        (255, 128, [126, 126]),
        (2, 128, [2]),
        (5, 2, [2, 2]),
        (3, 2, [2]),
    ],
)
def test_training_batches_have_one_even_size_and_none_is_of_one_image(
    count: int, most: int, sizes: list[int]
) -> None:
    batches = Batches(split_of(count, 1, 2, 2), (0.5,), (0.5,), batch_size=most, augmentation=PLAIN)
    assert [len(labels) for _, labels in batches.epoch()] == sizes
    assert len(batches) == len(sizes)


def test_padding_wider_than_the_image_is_cut_to_what_can_be_reflected() -> None:
    batches = Batches(
        split_of(4, 1, 3, 2), (0.5,), (0.5,), batch_size=4, augmentation=Augmentation(crop_padding=4)
    )
    assert next(batches.epoch())[0].shape == (4, 1, 3, 2)


@pytest.mark.parametrize(("mixup", "cutmix"), [(1.0, 0.0), (0.0, 1.0)])
def test_mixed_batches_are_torchvisions(mixup: float, cutmix: float) -> None:
    split = split_of(12)
    plain = Batches(split, MEAN, STD, batch_size=6, augmentation=PLAIN, num_classes=4, seed=3)
    augmentation = Augmentation(mixup_alpha=0.7, cutmix_alpha=0.9, mixup_share=mixup, cutmix_share=cutmix)
    mixed = Batches(split, MEAN, STD, batch_size=6, augmentation=augmentation, num_classes=4, seed=3)
    for (images, labels), (mixed_images, mixed_labels) in zip(plain.epoch(1), mixed.epoch(1), strict=True):
        assert mixed_labels.shape == (6, 4)
        torch.testing.assert_close(mixed_labels.sum(1), torch.ones(6))
        one_hot = F.one_hot(labels, 4).float()
        rolled = one_hot.roll(1, 0)
        unequal = (one_hot != rolled).any(1)
        weight = float(mixed_labels[unequal][0][labels[unequal][0]])  # of the image itself
        torch.testing.assert_close(mixed_labels, weight * one_hot + (1 - weight) * rolled)
        if mixup:
            torch.testing.assert_close(mixed_images, weight * images + (1 - weight) * images.roll(1, 0))
        else:
            own = (mixed_images == images).all(1)
            assert bool((own | (mixed_images == images.roll(1, 0)).all(1)).all())
            assert float(own[0].float().mean()) == pytest.approx(weight, abs=1e-6)


def test_shares_of_plain_mixup_and_cutmix_batches() -> None:
    """0.5, 0.25 and 0.25 of 1,000 batches; each kind is told by its pixels."""
    # black and white in turn: CutMix keeps these two values, MixUp makes others of them
    images = (torch.arange(400) % 2 * 255).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    batches = Batches(
        Split(images, torch.arange(400) % 4),
        (0.0,),
        (1 / 255,),
        batch_size=2,
        augmentation=Augmentation(mixup_alpha=1.0, mixup_share=0.25, cutmix_share=0.25),
        num_classes=4,
    )
    counts = {"plain": 0, "mixup": 0, "cutmix or of one colour": 0}
    for epoch in range(5):
        for pixels, labels in batches.epoch(epoch):
            if labels.ndim == 1:
                counts["plain"] += 1
            elif bool(((pixels > 0.5) & (pixels < 254.5)).any()):
                counts["mixup"] += 1
            else:
                counts["cutmix or of one colour"] += 1
    # four standard deviations of a binomial of 1,000 draws: 4 sqrt(1000 p (1 - p)); a pair is of two colours
    # with 200 / 399, else MixUp leaves no trace
    two = 200 / 399
    for kind, share in (("plain", 0.5), ("mixup", 0.25 * two), ("cutmix or of one colour", 0.5 - 0.25 * two)):
        assert abs(counts[kind] - 1000 * share) < 4 * (1000 * share * (1 - share)) ** 0.5, counts
