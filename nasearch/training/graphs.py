"""A step of the optimiser as one CUDA graph, where that is faster than launching its kernels one by one.

The first steps of a training run eagerly, on a side stream as capture wants it, and are timed. Then the whole
step (forward, loss, backward, clipping, update, average of weights) is captured with static buffers, replayed
and timed as well. Every one of these is a real step of the training; nobody waits for a timing.

Source: PyTorch's notes on CUDA semantics, "CUDA graphs", whole-network capture.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from nasearch.training.step import Step

WARM_UP = 3
"""Eager steps before the first timed one: what the notes ask for before a capture."""
TIMED = 6
FEWEST_STEPS_TO_CAPTURE = 100
"""Shorter trainings are not worth a capture."""


def no_graph(device: torch.device, steps: int) -> str:
    """Why no capture is tried; nothing if it is."""
    if device.type != "cuda":
        return "eager: no CUDA device"
    if torch.are_deterministic_algorithms_enabled():
        return "eager: deterministic algorithms are asked for"
    if steps < FEWEST_STEPS_TO_CAPTURE:
        return f"eager: {steps} steps are too few for a capture"
    return ""


class GraphedStep:
    """A step that becomes a graph when it can and when that wins; else it stays what it is."""

    def __init__(self, step: Step, classes: int) -> None:
        self.step = step
        mixes = step.recipe.mixup_share + step.recipe.cutmix_share > 0
        # a graph knows labels of one shape; where some batches are mixed, every label is a vector
        self.one_hot = torch.eye(classes, device=step.device) if mixes else None
        self.verdict = "eager: the training ended before a capture"
        self.calls = 0
        self.decided = False
        self.graph: torch.cuda.CUDAGraph | None = None
        self.stream = torch.cuda.Stream(step.device)
        self.images = self.labels = self.loss = torch.empty(0)
        self.marks = [torch.cuda.Event(enable_timing=True) for _ in range(4)]

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on a batch; its loss, a scalar on the device."""
        if self.decided:
            return self._replay(images, labels) if self.graph else self.step(images, labels)
        self.calls += 1
        if self.calls == 1:
            problem = self._synchronises(images, labels)
            if problem:
                self._stay_eager(f"eager: {problem}")
                return self.step(images, labels)
        if self.calls <= WARM_UP + TIMED:
            return self._warm_up(images, labels)
        if self.graph is None:
            problem = self._capture(images, labels)
            if problem:
                self._stay_eager(f"eager: {problem}")
                return self.step(images, labels)
            return self._replay(images, labels)  # the first replay uploads the graph
        return self._timed_replay(images, labels)

    def _warm_up(self, images: Tensor, labels: Tensor) -> Tensor:
        """An eager step on the side stream."""
        present = torch.cuda.current_stream(self.step.device)
        if self.calls == WARM_UP + 1:
            self.marks[0].record(present)
        self.stream.wait_stream(present)
        with torch.cuda.stream(self.stream):
            loss = self.step(images, self._soft(labels))
        present.wait_stream(self.stream)
        loss.record_stream(present)
        if self.calls == WARM_UP + TIMED:
            self.marks[1].record(present)
        return loss

    def _timed_replay(self, images: Tensor, labels: Tensor) -> Tensor:
        """A replay, and the decision once all timings have arrived."""
        present = torch.cuda.current_stream(self.step.device)
        replays = self.calls - (WARM_UP + TIMED + 1)
        if replays == 1:
            self.marks[2].record(present)
        loss = self._replay(images, labels)
        if replays == TIMED:
            self.marks[3].record(present)
        elif replays > TIMED and self.marks[3].query():
            self._decide()
        return loss

    def _decide(self) -> None:
        eager = self.marks[0].elapsed_time(self.marks[1]) / TIMED
        replayed = self.marks[2].elapsed_time(self.marks[3]) / TIMED
        figures = f"{replayed:.2f} ms a step against {eager:.2f} eager"
        if replayed < eager:
            self.verdict, self.decided = f"captured: {figures}", True
        else:
            self._stay_eager(f"eager: captured {figures}")

    def _stay_eager(self, verdict: str) -> None:
        self.verdict, self.decided, self.graph = verdict, True, None
        self._capturable(False)
        self.step.optimizer.zero_grad(set_to_none=True)  # gradients lie in the graph's memory

    def _soft(self, labels: Tensor) -> Tensor:
        """Labels in the one shape of a graph: (B, classes) where some batches are mixed."""
        return labels if self.one_hot is None or labels.ndim > 1 else self.one_hot[labels]

    def _synchronises(self, images: Tensor, labels: Tensor) -> str:
        """What makes the network wait for the device in a pass through a copy of it; nothing if it does not.

        A capture that fails half-way leaves more behind than a pass that was never captured.
        """
        device = self.step.device
        model = deepcopy(self.step.model)
        with torch.random.fork_rng(devices=[device]):
            before = torch.cuda.get_sync_debug_mode()
            torch.cuda.set_sync_debug_mode("error")
            try:
                self.step.backward(model, images, labels)
            except RuntimeError as problem:
                return first_line(problem)
            finally:
                torch.cuda.set_sync_debug_mode(before)
        return ""

    def _capture(self, images: Tensor, labels: Tensor) -> str:
        """Capture a step, which does not run it; why that failed, nothing if it did not."""
        labels = self._soft(labels)
        self.images, self.labels = torch.empty_like(images), torch.empty_like(labels)
        self._capturable(True)
        # the backward pass then allocates gradients in the graph's memory, at fixed places
        self.step.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        try:
            # the outer context restores the stream, which a failing capture leaves behind
            with (
                torch.cuda.stream(torch.cuda.current_stream(self.step.device)),
                torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"),
            ):
                self.loss = self.step(self.images, self.labels)
        except Exception as problem:  # noqa: BLE001  # whatever cannot be captured runs as it did
            self._free_generator()
            return first_line(problem)
        self.graph = graph
        return ""

    def _replay(self, images: Tensor, labels: Tensor) -> Tensor:
        assert self.graph is not None
        self.images.copy_(images)
        self.labels.copy_(self._soft(labels))
        self.graph.replay()
        return self.loss

    def _capturable(self, value: bool) -> None:
        """Say to the optimiser that it is captured; it warns of the flag where it is not."""
        for group in self.step.optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = value

    def _free_generator(self) -> None:
        """Give the device's generator a fresh state: a capture that failed may leave the old one in its mode.

        Dropout then begins its epoch's numbers anew, which nothing depends on.
        """
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        fresh = torch.Generator(device=f"cuda:{torch.cuda.current_device()}")
        fresh.manual_seed(generator.initial_seed())
        generator.graphsafe_set_state(fresh.graphsafe_get_state())


def first_line(problem: Exception) -> str:
    """A failure's type and first line."""
    lines = str(problem).strip().splitlines() or [""]
    return f"{type(problem).__name__}: {lines[0][:200]}"
