from __future__ import annotations

import pytest
import torch

from nasearch.data import Split, stratified_share
from nasearch.data.dataset import channel_statistics, make_dataset, split_off
from nasearch.errors import DataError


def split_of(counts: list[int]) -> Split:
    """Images whose single pixel is their row number, so that rows can be told apart."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return Split(torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1), labels)


def test_a_share_keeps_proportions_by_largest_remainders() -> None:
    # 10 of (50, 30, 15): exact 5.26, 3.16, 1.58; floors 5, 3, 1 and the largest remainder gets the tenth
    share = stratified_share(split_of([50, 30, 15]), 10, seed=0)
    assert torch.bincount(share.labels).tolist() == [5, 3, 2]


def test_a_share_is_fixed_by_its_seed_and_keeps_labels_with_images() -> None:
    split = split_of([50, 50])
    share, again, other = (stratified_share(split, 20, seed) for seed in (3, 3, 4))
    assert torch.equal(share.images, again.images)
    assert not torch.equal(share.images, other.images)
    assert torch.equal(share.labels, split.labels[share.images.flatten().long()])
    assert len(set(share.images.flatten().tolist())) == 20


def test_the_whole_is_its_own_share() -> None:
    split = split_of([2, 2])
    assert stratified_share(split, 4, 0) is split


@pytest.mark.parametrize("n", [0, 5, -1])
def test_a_share_out_of_range_is_refused(n: int) -> None:
    with pytest.raises(DataError, match=rf"share of {n} images; expected 1 to 4"):
        stratified_share(split_of([2, 2]), n, 0)


def test_splitting_off_divides_without_loss() -> None:
    rest, taken = split_off(split_of([20, 10, 2]), 0.2, 0, place="here", classes=("a", "b", "c"))
    assert torch.bincount(taken.labels).tolist() == [4, 2, 1]  # round(.2 n), at least one
    rows = torch.cat([rest.images, taken.images]).flatten()
    assert sorted(rows.tolist()) == list(range(32))


def test_a_class_too_small_to_split_is_named() -> None:
    with pytest.raises(
        DataError, match=r"here: class 'b' has too few images to split \(1 left .* at least 3"
    ):
        split_off(split_of([20, 1]), 0.2, 0, place="here", classes=("a", "b"))


def test_a_missing_test_split_takes_15_percent_and_about_says_so() -> None:
    dataset = make_dataset(
        "x", split_of([100, 100]), None, None, classes=("a", "b"), val_share=0.2, seed=7, about="made here"
    )
    assert [len(s) for s in (dataset.test, dataset.val, dataset.train)] == [
        30,
        34,
        136,
    ]  # 15 of 100; 17 of 85; rest
    assert dataset.about == (
        "made here; 136 training, 34 validation, 30 test images; "
        "test: 15% of the images, split off (stratified, seed 7); "
        "validation: 20% of the training part (stratified, seed 7)"
    )


def test_statistics_agree_with_torch_a_channel() -> None:
    images = torch.randint(
        0, 256, (40, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    mean, std = channel_statistics(images)
    scaled = images.double() / 255
    assert mean == pytest.approx(scaled.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert std == pytest.approx(scaled.std((0, 2, 3), correction=0).tolist(), abs=1e-12)


def test_a_constant_channel_does_not_divide_by_zero() -> None:
    mean, std = channel_statistics(torch.full((3, 1, 2, 2), 51, dtype=torch.uint8))
    assert mean == pytest.approx((0.2,))
    assert std[0] > 0


@pytest.mark.parametrize("val_share", [0.0, 1.0, -0.1])
def test_a_val_share_outside_its_range_is_refused(val_share: float) -> None:
    with pytest.raises(DataError, match="expected a share between 0 and 1"):
        make_dataset(
            "x", split_of([9, 9]), None, None, classes=("a", "b"), val_share=val_share, seed=0, about=""
        )
