from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch

from nasearch import SearchSpace
from nasearch.data import Dataset
from nasearch.executors import InProcess, Job, Proxy
from nasearch.measure.trained import ProxyResult, train_proxy
from nasearch.training import CurvePoint, Recipe

pytestmark = pytest.mark.gpu

RECIPE = Recipe("short", epochs=6, batch_size=32, lr=1e-2, mixup_share=0.1, cutmix_share=0.1)


def proxy_on(dataset: Dataset, device: torch.device, recipe: Recipe) -> Proxy:
    def proxy(job: Job, on_epoch: Callable[[CurvePoint], bool | None]) -> ProxyResult:
        return train_proxy(job.architecture, dataset, recipe, device=device, seed=job.seed, on_epoch=on_epoch)

    return proxy


def always(job: Job, point: CurvePoint) -> bool:
    return True


@pytest.mark.parametrize("seed", [0, 1])
def test_accuracy_is_that_of_the_processor(
    device: torch.device, bars: Callable[[int, int], Dataset], seed: int
) -> None:
    dataset, network = bars(800, 8), SearchSpace.load("tiny").sample(seed)
    here, there = (
        train_proxy(network, dataset, RECIPE, device=place, seed=seed) for place in ("cpu", device)
    )
    assert here.accuracy > 0.8  # chance is 0.5
    assert there.accuracy == pytest.approx(here.accuracy, abs=0.08)  # 170 validation images


def waits(dataset: Dataset, device: torch.device, batch_size: int) -> int:
    """How often a training makes the processor wait for the GPU, after one that loads kernels."""
    recipe = Recipe("short", epochs=2, batch_size=batch_size, lr=1e-3, mixup_share=0.2, cutmix_share=0.2)
    network = SearchSpace.load("tiny").sample(0)
    train_proxy(network, dataset, recipe, device=device)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        train_proxy(network, dataset, recipe, device=device)
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(each.message) for each in told)


def test_more_steps_in_an_epoch_wait_no_more_often(
    device: torch.device, bars: Callable[[int, int], Dataset]
) -> None:
    dataset = bars(800, 8)
    few, many = waits(dataset, device, 64), waits(dataset, device, 16)  # 8 and 32 steps an epoch
    assert few > 0
    assert many <= few + 4  # 48 steps more


def test_a_candidate_out_of_memory_is_an_outcome_and_the_next_one_trains(
    device: torch.device, bars: Callable[[int, int], Dataset]
) -> None:
    dataset = bars(1200, 64)
    network = SearchSpace.load("tiny").sample(0)
    recipe = Recipe("wide", epochs=1, batch_size=512)
    executor = InProcess(proxy_on(dataset, device, recipe))
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    # less than the images and one layer's output of an eighth of a batch: 64 images of 16 maps of 64 x 64
    allowed = torch.cuda.memory_reserved(device) + 24 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / total, device)
    failed = executor.measure(Job(0, network, 0), always)
    assert failed.result is None
    assert failed.reason is not None
    assert "out of memory" in failed.reason
    torch.cuda.set_per_process_memory_fraction(1.0, device)
    assert executor.measure(Job(1, network, 0), always).result is not None
