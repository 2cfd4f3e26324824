from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from nasearch.data import Augmentation, Batches, Dataset, Prepared
from nasearch.data.pixels import Resident, crops
from nasearch.data.placement import free_bytes
from nasearch.data.streaming import Streamed

pytestmark = pytest.mark.gpu

ALL = Augmentation(crop_padding=2, flip=True, mixup_share=0.3, cutmix_share=0.3)
PLACES = pytest.mark.parametrize("resident", [True, False], ids=["resident", "streamed"])


def training(dataset: Dataset, device: torch.device | str, resident: bool | None) -> Batches:
    prepared = Prepared(dataset, device, resident=resident)
    return prepared.training(images=None, augmentation=ALL, batch_size=32, seed=1)


@PLACES
def test_a_gpu_has_the_batches_of_the_processor(
    device: torch.device, bars: Callable[[int, int], Dataset], resident: bool
) -> None:
    dataset = bars(400, 10)
    here, there = training(dataset, "cpu", True), training(dataset, device, resident)
    for (images, labels), (gpu_images, gpu_labels) in zip(here.epoch(1), there.epoch(1), strict=True):
        assert gpu_images.device == gpu_labels.device == device
        assert gpu_images.is_contiguous(memory_format=torch.channels_last)
        # a GPU may round once where the processor rounds twice
        torch.testing.assert_close(gpu_images.cpu(), images, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(gpu_labels.cpu(), labels)


def test_streaming_is_residence_bit_for_bit(
    device: torch.device, bars: Callable[[int, int], Dataset]
) -> None:
    dataset = bars(400, 10)
    resident, streamed = (training(dataset, device, choice) for choice in (True, False))
    for epoch in (1, 2):
        for pair, other in zip(resident.epoch(epoch), streamed.epoch(epoch), strict=True):
            assert all(torch.equal(mine, theirs) for mine, theirs in zip(pair, other, strict=True))
    validation = (Prepared(dataset, device, resident=choice).validation(30) for choice in (True, False))
    for pair, other in zip(*(batches.epoch() for batches in validation), strict=True):
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(pair, other, strict=True))


def test_crops_are_those_of_the_processor_to_the_byte(device: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 9, 8, 3), dtype=torch.uint8, generator=generator)
    rows, flips = torch.tensor([5, 0, 5, 3]), torch.tensor([0, 1, 1, 0])
    corners = torch.tensor([[0, 4, 2, 1], [3, 0, 1, 2]])
    there = crops(images.to(device), rows.to(device), corners.to(device), flips.to(device), (5, 5))
    assert torch.equal(there.cpu(), crops(images, rows, corners, flips, (5, 5)))


@PLACES
def test_no_batch_makes_the_processor_wait(
    device: torch.device, bars: Callable[[int, int], Dataset], resident: bool
) -> None:
    batches = training(bars(400, 10), device, resident)
    list(batches.epoch(1))  # kernels are loaded, workers started, memory pinned
    torch.cuda.set_sync_debug_mode("error")
    kinds = {labels.ndim for epoch in (2, 3) for _, labels in batches.epoch(epoch)}
    assert kinds == {1, 2}


def test_what_does_not_fit_streams(
    device: torch.device, bars: Callable[[int, int], Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    free = free_bytes(device)
    assert free is not None
    assert 0 < free <= torch.cuda.mem_get_info(device)[1]
    dataset = bars(400, 10)
    assert isinstance(training(dataset, device, None).pixels, Resident)
    monkeypatch.setattr("nasearch.data.placement.free_bytes", lambda device: 1000)
    assert isinstance(training(dataset, device, None).pixels, Streamed)
