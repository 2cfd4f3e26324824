"""The machine and libraries behind a study's numbers."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = ("nasearch", "torch", "torchvision", "optuna", "numpy", "sqlalchemy", "onnxruntime")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on, those installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def deterministic(threads: int | None) -> Iterator[None]:
    """Fix torch's threads, algorithms and precision for a while; None changes nothing.

    With the same number of threads, float32 sums are added in the same order, so that the same seed
    gives the same weights on the same machine.
    """
    if threads is None:
        yield
        return
    # cuBLAS reads this at its first use and refuses deterministic sums without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
    )
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])
        torch.set_float32_matmul_precision(before[3])
        torch.backends.cudnn.allow_tf32 = before[4]
