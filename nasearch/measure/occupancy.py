"""How many candidates are trained side by side, on one GPU or on the cores of a processor.

What decides is pure: figures in, a number out. `gpu_share` finds the figures for a GPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch.autograd import DeviceType

from nasearch.errors import DeviceError

MEMORY_SHARE = 0.9
"""Of the free memory; the rest is for what fragments, and for candidates larger than the one measured."""

MOST_WORKERS = 8
"""Workers of one machine or GPU; more wait for the one process that keeps the study."""

WORKER_BYTES = 3 * 2**29
"""Memory of a worker on a processor, 1.5 GiB: torch takes 0.5, a training of a large candidate the rest."""

CONTEXT_BYTES = 2**29
"""Of a GPU's memory that a process takes for itself before its first tensor; it cannot read that figure."""


@dataclass(frozen=True)
class GpuShare:
    """What one training takes of a GPU.

    Attributes:
        peak_bytes: the most memory, with what torch keeps for later and the process's own.
        busy: share of the time, above 0 to 1, in which the GPU computed for it; None where it could not be
            told, because the profiler sees no kernel.
    """

    peak_bytes: int
    busy: float | None


def side_by_side(
    free_bytes: int, peak_bytes: int, busy: float | None, cores: int, most: int = MOST_WORKERS
) -> int:
    """Trainings that share one GPU: as many as keep it busy, as long as memory and cores last.

    Kernels of different processes take turns, so that trainings which need the GPU for a share `busy` of
    their time fill it when there are 1 / busy of them; more only wait for each other.

    Args:
        free_bytes: of the GPU's memory, before any of them runs; 90 % are given away.
        peak_bytes: of one training, its process included.
        busy: as `GpuShare` has it; None counts as 1.
        cores: of the processor; one is left to the process that keeps the study.
        most: bound of the answer.

    Returns:
        1 to `most`; 1 also where not even one fits: it will fail by itself, and say so.
    """
    by_memory = int(MEMORY_SHARE * free_bytes) // max(peak_bytes, 1)
    # rounded first: 1 / (1 / 3) must stay 3
    by_time = most if busy == 0 else math.ceil(round(1 / (busy or 1), 6))
    return max(1, min(by_memory, by_time, cores - 1, most))


def cpu_workers(
    cores: int, free_bytes: int | None, wanted: int | None = None, data_bytes: int = 0
) -> tuple[int, int]:
    """Worker processes on a processor, and threads of each.

    Networks of a search are small: two of them on a thread each are done sooner than one after the other on
    two threads.

    Args:
        cores: that may be kept busy.
        free_bytes: of memory; None where nobody knows.
        wanted: workers that the user asked for; None chooses one a core, each with 1.5 GiB of memory,
            at most 8.
        data_bytes: of images that each worker keeps for itself.

    Returns:
        (workers, threads), at least 1 each.
    """
    by_memory = MOST_WORKERS if free_bytes is None else free_bytes // (WORKER_BYTES + data_bytes)
    workers = max(1, min(cores, by_memory, MOST_WORKERS) if wanted is None else wanted)
    return workers, max(1, cores // workers)


def gpu_share(train_some: Callable[[], None], device: str | torch.device) -> GpuShare:
    """Run a short training on a GPU and see what it takes.

    Args:
        train_some: trains for about a second, on `device`; called three times, and kernels chosen in the
            first call are not counted as training.
        device: a CUDA device.

    Raises:
        DeviceError: for another device.
        Whatever `train_some` raises, torch.OutOfMemoryError among it.
    """
    device = torch.device(device)
    if device.type != "cuda":
        raise DeviceError(f"occupancy of {str(device)!r}; expected a CUDA device, such as cuda:0")
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    free_before, _ = torch.cuda.mem_get_info(device)
    kept_before = torch.cuda.memory_reserved(device)
    train_some()
    torch.cuda.synchronize(device)
    free_after, _ = torch.cuda.mem_get_info(device)
    # libraries load their kernels at first use, beside torch's own memory
    libraries = free_before - free_after - (torch.cuda.memory_reserved(device) - kept_before)
    wall = _seconds(train_some, device)
    # what torch keeps is not another process's to use: reserved, not allocated
    peak = torch.cuda.max_memory_reserved(device) + max(0, libraries) + CONTEXT_BYTES
    return GpuShare(peak, busy_share(_kernels(train_some, device), wall))


def busy_share(kernels: Iterable[tuple[float, float]], wall: float) -> float | None:
    """Share of a time in which at least one kernel ran, at most 1; None where there was no kernel.

    Args:
        kernels: (start, end) of each, in the unit of `wall`; they may overlap, and come in any order.
        wall: how long the same training took when nobody watched: a profiler slows it.
    """
    busy, reached, any_kernel = 0.0, -math.inf, False
    for start, end in sorted(kernels):
        any_kernel = True
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return min(1.0, busy / wall) if any_kernel and wall > 0 else None


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _kernels(work: Callable[[], None], device: torch.device) -> list[tuple[float, float]]:
    """(start, end) in seconds of all that the GPU did."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        work()
        torch.cuda.synchronize(device)
    return [
        (event.time_range.start / 1e6, event.time_range.end / 1e6)
        for event in profile.events()
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    ]
