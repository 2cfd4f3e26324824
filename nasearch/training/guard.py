"""Seeing that a loss stopped being finite, within a few steps and without making a device wait."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

STEPS_BETWEEN_CHECKS = 10
"""A diverged loss is found about this late; reading it at each step would make a GPU wait."""

Answer = Callable[[], bool | None]
"""Whether a flag that is on its way from the device is set; None while it has not arrived."""


class LossWatch:
    """The losses of one epoch, on the device, and what is known of them."""

    def __init__(
        self, steps: int, device: torch.device, ask: Callable[[Tensor], Answer] | None = None
    ) -> None:
        """Args: ask: sends a flag from the device; None for the way that fits the device."""
        self.losses = torch.zeros(steps, device=device)
        self._ask = ask or (sent_by_cuda if device.type == "cuda" else read_at_once)
        self._done = self._asked = 0
        self._answer: Answer | None = None

    def add(self, loss: Tensor) -> tuple[int, float] | None:
        """Take in the next step's loss; the first step (from 1) known to have a bad one, and that loss."""
        self.losses[self._done] = loss
        self._done += 1
        if self._answer is not None:
            fine = self._answer()
            if fine is False:
                return self.first_bad()
            if fine is not None:
                self._answer = None
        if self._answer is None and self._done - self._asked >= STEPS_BETWEEN_CHECKS:
            self._answer = self._ask(self.losses[self._asked : self._done].isfinite().all())
            self._asked = self._done
            if self._answer() is False:
                return self.first_bad()
        return None

    def first_bad(self) -> tuple[int, float] | None:
        """The first step (from 1) whose loss is not finite, with that loss; waits for the device."""
        for step, loss in enumerate(self.losses[: self._done].tolist(), 1):
            if not math.isfinite(loss):
                return step, loss
        return None

    def mean(self) -> float:
        """Mean of the losses; waits for the device."""
        return float(self.losses[: self._done].mean())


def read_at_once(flag: Tensor) -> Answer:
    """For a CPU, where nothing waits."""
    fine = bool(flag)
    return lambda: fine


def sent_by_cuda(flag: Tensor) -> Answer:
    """Copy a flag to pinned memory while the device goes on; the copy's event is asked, never waited for."""
    host = torch.empty((), dtype=torch.bool, pin_memory=True)
    host.copy_(flag, non_blocking=True)
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(flag.device))
    return lambda: bool(host) if event.query() else None
