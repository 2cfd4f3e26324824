from __future__ import annotations

import numpy as np
import pytest
import torch

from nasearch.data.pixels import Resident, border, crops, gathered_crops, reflected, window_crops

CPU = torch.device("cpu")


def images_of(count: int, height: int, width: int, channels: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=generator)


def test_reflection_is_numpys() -> None:
    images = images_of(3, 9, 7, 3)
    expected = np.pad(images.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    assert np.array_equal(reflected(images, border(9, 7, 2, CPU)).numpy(), expected)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("cut", [window_crops, gathered_crops, crops])
def test_crops_are_slices(channels: int, cut: object) -> None:
    images = images_of(6, 9, 8, channels)
    rows = torch.tensor([5, 0, 5, 3])
    corners = torch.tensor([[0, 4, 2, 1], [3, 0, 1, 2]])
    flips = torch.tensor([0, 1, 1, 0])
    found = cut(images, rows, corners, flips, (5, 5))  # type: ignore[operator]
    for crop, row, top, left, flip in zip(found, rows, *corners, flips, strict=True):
        window = images[row, top : top + 5, left : left + 5]
        assert torch.equal(crop, window.flip(1) if flip else window)


def test_crops_of_all_rows_and_of_no_mirrored_one() -> None:
    images = images_of(3, 4, 4, 3)
    nothing = torch.zeros(3, dtype=torch.int64)
    assert torch.equal(
        crops(images, None, torch.ones(2, 3, dtype=torch.int64), nothing, (3, 3)), images[:, 1:, 1:]
    )


def test_crops_leave_the_images_as_they_are() -> None:
    images = images_of(2, 4, 4, 3)
    before = images.clone()
    crops(images, None, torch.zeros(2, 2, dtype=torch.int64), torch.ones(2, dtype=torch.int64), (4, 4))
    assert torch.equal(images, before)


def test_resident_images_in_order_have_no_border() -> None:
    images = images_of(5, 6, 4, 3)
    resident = Resident.of(images.permute(0, 3, 1, 2), 2, CPU)
    assert resident.images.shape == (5, 10, 8, 3)
    assert torch.equal(torch.cat(list(resident.in_order(2))), images)
