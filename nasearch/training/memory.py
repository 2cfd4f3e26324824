"""Running out of memory, as an outcome."""

from __future__ import annotations

import gc

import torch

from nasearch.errors import OutOfMemory
from nasearch.training.allocator import stop_keeping

MOST_PARTS = 4
"""Parts of a batch whose gradients are added up: twice it is halved, for the third time it does not fit."""

_WORDS = (
    "out of memory",  # CUDA, MPS, XPU
    "can't allocate memory",  # torch on a CPU
    "not enough memory",  # torch on a CPU under Windows
    "cannot allocate memory",  # the system's own text
    "bad_alloc",  # C++
    "could not create a memory object",  # oneDNN
    "alloc_failed",  # CUDNN_STATUS_ALLOC_FAILED, CUBLAS_STATUS_ALLOC_FAILED
    "allocation_failed",  # CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
)


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether a failure says that memory did not suffice, on a CPU or a device."""
    if isinstance(problem, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(problem, RuntimeError) and any(word in str(problem).lower() for word in _WORDS)


def free_memory(device: torch.device) -> None:
    """Give what nothing refers to any more back, after a failure."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    else:
        stop_keeping()


def part_size(batch_size: int, parts: int) -> int:
    """Images in a part of a batch: an even number, for the reason in `Batches`, of at least two."""
    size = -(-batch_size // parts)
    return min(max(size + size % 2, 2), batch_size)


def does_not_fit(device: torch.device, batch: int, shape: tuple[int, int, int], what: str) -> OutOfMemory:
    """The outcome, in words."""
    channels, height, width = shape
    return OutOfMemory(
        f"out of memory on {device} in {what}, even with {batch} images of {channels}x{height}x{width} at a "
        "time; expected a network and images that fit"
    )
