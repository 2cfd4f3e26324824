from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch

from nasearch.data import SHARE_SEED, Augmentation, Batches, Dataset, Prepared, Split, stratified_share
from nasearch.data.dataset import make_dataset
from nasearch.errors import DataError

ALL = Augmentation(crop_padding=2, flip=True, mixup_share=0.3, cutmix_share=0.3)


def dataset_of(channels: int) -> Dataset:
    generator = torch.Generator().manual_seed(channels)
    images = torch.randint(0, 256, (120, channels, 6, 5), dtype=torch.uint8, generator=generator)
    split = Split(images, torch.arange(120) % 3)
    return make_dataset(
        "made", split, None, None, classes=("a", "b", "c"), val_share=0.2, seed=0, about="random pixels"
    )


def assert_equal(batches: Batches, expected: Batches) -> None:
    assert len(batches) == len(expected)
    for epoch in (1, 2):
        for pair, other in zip(batches.epoch(epoch), expected.epoch(epoch), strict=True):
            assert all(torch.equal(mine, theirs) for mine, theirs in zip(pair, other, strict=True))


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("images", [None, 50, 10_000])
def test_batches_are_those_of_the_share_itself(images: int | None, resident: bool) -> None:
    dataset = dataset_of(3)
    share = stratified_share(dataset.train, min(images or 10_000, len(dataset.train)), SHARE_SEED)
    prepared = Prepared(dataset, resident=resident)
    for seed in (1, 2):
        expected = Batches(
            share,
            dataset.mean,
            dataset.std,
            batch_size=16,
            augmentation=ALL,
            num_classes=3,
            seed=seed,
            channels_last=True,
        )
        found = prepared.training(images=images, augmentation=ALL, batch_size=16, seed=seed)
        assert_equal(found, expected)
    val = Batches(dataset.val, dataset.mean, dataset.std, batch_size=7, channels_last=True)
    assert_equal(prepared.validation(batch_size=7), val)


@pytest.mark.parametrize("images", [None, 50])
@pytest.mark.parametrize("count", [20, 1000])
def test_a_sample_is_a_share_of_the_share_in_one_random_order(count: int, images: int | None) -> None:
    dataset = dataset_of(3)
    share = stratified_share(dataset.train, images or len(dataset.train), SHARE_SEED)
    some = stratified_share(share, min(count, len(share)), SHARE_SEED)
    mixed = some.rows(np.random.default_rng(SHARE_SEED).permutation(len(some)))
    expected = Batches(mixed, dataset.mean, dataset.std, batch_size=16, channels_last=True)
    assert_equal(Prepared(dataset).sample(count, images=images, batch_size=16), expected)


def test_all_candidates_share_the_pixels() -> None:
    prepared = Prepared(dataset_of(3))
    first, second = (
        prepared.training(images=50, augmentation=ALL, batch_size=batch_size, seed=batch_size)
        for batch_size in (8, 16)
    )
    assert first.pixels is second.pixels
    assert first.labels is second.labels
    assert prepared.validation().pixels is prepared.validation(batch_size=3).pixels
    other = prepared.training(images=51, augmentation=ALL, batch_size=8, seed=0)
    assert other.pixels is not first.pixels
    unbordered = prepared.training(images=50, augmentation=Augmentation(), batch_size=8, seed=0)
    assert unbordered.pixels is not first.pixels


def test_there_is_one_for_a_data_set_and_device_and_it_goes_with_the_data_set() -> None:
    dataset = dataset_of(1)
    prepared = Prepared.of(dataset, "cpu")
    assert Prepared.of(dataset, torch.device("cpu")) is prepared
    assert Prepared.of(dataset_of(1)) is not prepared
    gone = weakref.ref(prepared)
    del prepared, dataset
    gc.collect()
    assert gone() is None


def test_a_gpu_without_a_number_is_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    dataset = dataset_of(1)
    prepared = Prepared.of(dataset, "cuda")
    assert prepared.device == torch.device("cuda:1")
    assert Prepared.of(dataset, "cuda:1") is prepared
    assert Prepared.of(dataset, "cuda:0") is not prepared


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="share of 0 images; expected 1 to"):
        Prepared(dataset_of(1)).training(images=0, augmentation=ALL, batch_size=8, seed=0)
