from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nasearch.training.guard import STEPS_BETWEEN_CHECKS, Answer, LossWatch, sent_by_cuda

CPU = torch.device("cpu")
NAN = float("nan")


class Slow:
    """A device whose flags arrive some questions later; it counts how many it was given."""

    def __init__(self, delay: int) -> None:
        self.delay, self.sent = delay, 0

    def __call__(self, flag: Tensor) -> Answer:
        self.sent += 1
        left = [self.delay]

        def answer() -> bool | None:
            left[0] -= 1
            return bool(flag) if left[0] < 0 else None

        return answer


def found_at(watch: LossWatch, losses: list[float]) -> tuple[int, tuple[int, float]] | None:
    """The step after which a bad loss was known, and what was told."""
    for step, loss in enumerate(losses, 1):
        told = watch.add(torch.tensor(loss))
        if told is not None:
            return step, told
    return None


@pytest.mark.parametrize("bad", [1, 4, 10, 11, 25])
def test_a_bad_loss_is_known_within_ten_steps_on_a_cpu(bad: int) -> None:
    losses = [1.0] * (bad - 1) + [float("inf")] + [1.0] * 30
    found = found_at(LossWatch(60, CPU), losses)
    assert found is not None
    assert found[1] == (bad, float("inf"))
    assert bad <= found[0] < bad + STEPS_BETWEEN_CHECKS


@pytest.mark.parametrize("delay", [1, 3, 12])
def test_a_flag_that_takes_its_time_is_never_waited_for(delay: int) -> None:
    device = Slow(delay)
    losses = [1.0] * 4 + [NAN] + [1.0] * 50
    found = found_at(LossWatch(60, CPU, device), losses)
    assert found is not None
    step, (bad, _) = found
    assert bad == 5
    assert STEPS_BETWEEN_CHECKS < step <= STEPS_BETWEEN_CHECKS + delay
    assert device.sent == 1


def test_one_flag_is_under_way_at_a_time_and_none_is_left_out() -> None:
    device = Slow(15)
    watch = LossWatch(60, CPU, device)
    # the flag of steps 1-10 arrives at 25; the next one asks for 11-25, and so finds the 12th
    found = found_at(watch, [1.0] * 11 + [NAN] + [1.0] * 40)
    assert found is not None
    assert (found[0], found[1][0]) == (40, 12)
    assert device.sent == 2


def test_the_end_of_an_epoch_sees_what_no_flag_told() -> None:
    watch = LossWatch(12, CPU, Slow(100))
    assert found_at(watch, [1.0] * 11 + [NAN]) is None
    told = watch.first_bad()
    assert told is not None
    assert told[0] == 12


def test_the_mean_is_of_the_losses() -> None:
    watch = LossWatch(3, CPU)
    assert found_at(watch, [1.0, 2.0, 6.0]) is None
    assert watch.mean() == 3.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_flag_comes_from_a_gpu_without_waiting() -> None:
    device = torch.device("cuda")
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        watch = LossWatch(20, device)
        for _ in range(11):
            watch.add(torch.full((), 1.0, device=device))
    finally:
        torch.cuda.set_sync_debug_mode(before)
    answer = sent_by_cuda(torch.tensor(False, device=device))
    torch.cuda.synchronize()
    assert answer() is False
