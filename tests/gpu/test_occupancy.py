from __future__ import annotations

import time

import pytest
import torch

from nasearch.measure.occupancy import CONTEXT_BYTES, gpu_share

pytestmark = pytest.mark.gpu

MIB = 2**20


def test_large_products_keep_a_gpu_busy(device: torch.device) -> None:
    def multiply() -> None:
        matrix = torch.ones(8192, 8192, device=device)  # 256 MiB
        for _ in range(20):
            matrix = matrix @ matrix * 1e-4
        torch.cuda.synchronize(device)

    share = gpu_share(multiply, device)
    assert share.busy is not None
    assert share.busy > 0.5
    # two matrices at least, and not the whole card
    assert CONTEXT_BYTES + 512 * MIB <= share.peak_bytes < CONTEXT_BYTES + 4096 * MIB


def test_a_training_that_mostly_waits_leaves_it_free(device: torch.device) -> None:
    def idle() -> None:
        values = torch.ones(1000, device=device)
        for _ in range(20):
            values = values + 1
            time.sleep(0.005)
        torch.cuda.synchronize(device)

    share = gpu_share(idle, device)
    assert share.busy is not None
    assert 0 < share.busy < 0.1
