from __future__ import annotations

import gc
import itertools
import multiprocessing
import warnings
from collections.abc import Iterator

import pytest
import torch

from nasearch.data import Augmentation, Batches, Split
from nasearch.data.loader import PLAIN
from nasearch.data.placement import fits, free_bytes, place, placed_bytes
from nasearch.data.streaming import Streamed, loader_workers

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
ALL = Augmentation(crop_padding=2, flip=True, mixup_share=0.3, cutmix_share=0.3)
CPU = torch.device("cpu")


def split_of(count: int, channels: int = 3, height: int = 9, width: int = 7) -> Split:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(count) % 4)


def batches_of(
    split: Split, augmentation: Augmentation | None, resident: bool | None, seed: int = 3
) -> Batches:
    channels = split.images.shape[1]
    return Batches(
        split,
        MEAN[:channels],
        STD[:channels],
        batch_size=8,
        augmentation=augmentation,
        num_classes=4,
        seed=seed,
        channels_last=True,
        resident=resident,
    )


@pytest.fixture(autouse=True)
def no_process_stays() -> Iterator[None]:
    before = set(multiprocessing.active_children())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()
    assert set(multiprocessing.active_children()) <= before


def equal_epochs(first: Batches, second: Batches, number: int) -> int:
    count = 0
    for (images, labels), (others, other_labels) in zip(
        first.epoch(number), second.epoch(number), strict=True
    ):
        assert images.stride() == others.stride()
        assert torch.equal(images, others)
        assert torch.equal(labels, other_labels)
        count += 1
    return count


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augmentation", [None, PLAIN, ALL], ids=["in order", "shuffled", "everything"])
def test_streamed_batches_are_the_resident_ones_bit_for_bit(
    augmentation: Augmentation | None, channels: int
) -> None:
    split = split_of(45, channels)
    resident, streamed = (batches_of(split, augmentation, choice) for choice in (True, False))
    assert isinstance(streamed.pixels, Streamed)
    assert equal_epochs(resident, streamed, 1) == equal_epochs(resident, streamed, 2) == 6


def test_rows_choose_the_images_and_labels() -> None:
    split, rows = split_of(45), torch.tensor([2, 40, 41, 7, 7])
    for resident in (True, False):
        placed = place(split, CPU, rows=rows, resident=resident)
        assert torch.equal(placed.labels, split.labels[rows])
        images = torch.cat(list(placed.pixels.in_order(2))).permute(0, 3, 1, 2)
        assert torch.equal(images, split.images[rows])


def test_workers_are_kept_between_epochs_and_end_with_the_batches() -> None:
    streamed = batches_of(split_of(45), ALL, False)
    list(streamed.epoch(1))
    first = {child.pid for child in multiprocessing.active_children()}
    list(streamed.epoch(2))
    assert first
    assert {child.pid for child in multiprocessing.active_children()} == first
    del streamed
    gc.collect()
    assert not multiprocessing.active_children()


def test_an_epoch_that_is_left_early_spoils_none_after_it() -> None:
    split = split_of(45)
    resident, streamed = (batches_of(split, ALL, choice) for choice in (True, False))
    for _ in range(2):
        assert len(list(itertools.islice(streamed.epoch(1), 2))) == 2
        equal_epochs(resident, streamed, 2)


def test_two_epochs_side_by_side() -> None:
    split = split_of(45)
    resident, streamed = (batches_of(split, ALL, choice) for choice in (True, False))
    side_by_side = zip(streamed.epoch(1), streamed.epoch(2), strict=True)
    expected = zip(resident.epoch(1), resident.epoch(2), strict=True)
    for ((one, _), (two, _)), ((one_expected, _), (two_expected, _)) in zip(
        side_by_side, expected, strict=True
    ):
        assert torch.equal(one, one_expected)
        assert torch.equal(two, two_expected)


def test_streaming_uses_up_nothing_of_the_global_generator() -> None:
    before = torch.get_rng_state()
    list(batches_of(split_of(45), ALL, False).epoch(1))
    assert torch.equal(before, torch.get_rng_state())


def read_in_daemon(queue: multiprocessing.Queue[object]) -> None:
    torch.set_num_threads(1)
    resident, streamed = (batches_of(split_of(45), ALL, choice) for choice in (True, False))
    queue.put(equal_epochs(resident, streamed, 1))
    queue.put(len(multiprocessing.active_children()))


@pytest.mark.slow
def test_a_daemon_reads_by_itself() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=read_in_daemon, args=(queue,), daemon=True)
    process.start()
    assert queue.get(timeout=60) == 6
    assert queue.get(timeout=60) == 0
    process.join()
    queue.close()
    queue.join_thread()


def test_how_many_workers() -> None:
    assert loader_workers(8, daemon=True) == 0
    assert loader_workers(1, daemon=False) == 1
    assert loader_workers(2, daemon=False) == 1
    assert loader_workers(64, daemon=False) == 2


def test_a_third_of_the_free_memory_is_for_images() -> None:
    assert fits(100, 300)
    assert not fits(101, 300)
    assert not fits(1, 0)
    assert fits(10**15, None)
    assert free_bytes(CPU) is None
    assert placed_bytes(split_of(10).images, 4, 2) == 4 * 3 * (9 + 4) * (7 + 4)


def test_a_processor_reads_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_of(45)
    assert not isinstance(batches_of(split, ALL, None).pixels, Streamed)
    bordered = 45 * 3 * (9 + 4) * (7 + 4)
    for free, streams in ((3 * bordered, False), (3 * bordered - 1, True)):
        monkeypatch.setattr("nasearch.data.placement.free_bytes", lambda device, free=free: free)
        assert isinstance(batches_of(split, ALL, None).pixels, Streamed) is streams
