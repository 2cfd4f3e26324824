"""Which precision and memory layout train a network fastest on a device, by a short timing of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor, nn

from nasearch.errors import TrainingError
from nasearch.training.memory import free_memory, is_out_of_memory
from nasearch.training.step import Step

PRECISIONS = ("auto", "float32", "bfloat16")
FEWEST_STEPS_TO_TIME = 100
"""Shorter trainings are not worth a timing."""
FEW_STEPS = 400
"""Trainings up to this long are timed on half a batch, so that a timing costs about 1 % of them."""
SHARE = 0.01
"""Of a training's time, that repeated timings may cost."""
MOST_SECONDS = 10.0
WINS_BY = 1.1
"""How many times faster another way must be before it is taken: float32 is what others compare with."""
ROUNDS = 3


@dataclass(frozen=True)
class Numerics:
    """How numbers are held while a network trains.

    Attributes:
        precision: float32, or bfloat16 for automatic mixed precision.
        memory_format: channels_last or contiguous.
        why: what decided.
        timings_ms: milliseconds of a forward and backward pass, by way.
    """

    precision: str = "float32"
    memory_format: str = "channels_last"
    why: str = ""
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def way(self) -> str:
        """Precision and memory format, in words."""
        return f"{self.precision} {self.memory_format}"

    @property
    def layout(self) -> torch.memory_format:
        """The memory format as torch knows it."""
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {**asdict(self), "timings_ms": dict(self.timings_ms)}


def settled_without_timing(precision: str, device: torch.device, steps: int) -> Numerics | None:
    """The numerics where there is nothing to compare, else None.

    Raises:
        TrainingError: for a precision that does not exist.
    """
    if precision not in PRECISIONS:
        raise TrainingError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
    if torch.are_deterministic_algorithms_enabled():
        return Numerics(why="deterministic algorithms are asked for")
    if precision != "auto":
        return Numerics(precision, why="asked for")
    if steps < FEWEST_STEPS_TO_TIME:
        return Numerics(why=f"{steps} steps are too few to time")
    lack = no_bfloat16(device)
    # contiguous lost to channels last on a CPU for all of 12 random networks, by 1.4 to 1.7 times
    return Numerics(why=lack) if device.type == "cpu" and lack else None


def no_bfloat16(device: torch.device) -> str:
    """Why bfloat16 cannot be faster than float32 on a device; nothing where it might be."""
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return "" if able else "the GPU has no bfloat16 arithmetic"
    if device.type != "cpu":
        return f"bfloat16 is not tried on {device.type}"
    known: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    able = any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "avx10_2", "bf16"))
    return "" if able else "the processor has no bfloat16 instructions"


def choose(step: Step, images: Tensor, labels: Tensor, steps: int) -> Numerics:
    """Time the ways to train a network and take the fastest; only the generators are changed by it.

    Args:
        step: whose model and loss are timed.
        images: of a batch of the training, (B, C, H, W).
        labels: of the same batch.
        steps: of the training.
    """
    if steps < FEW_STEPS:
        half = max(len(images) // 4 * 2, 2)
        images, labels = images[:half], labels[:half]
    device = step.device
    lack = no_bfloat16(device)
    found = Numerics(why=lack)
    ways = [] if lack else [replace(found, precision="bfloat16")]
    clock = Clock(step, images, labels)
    try:
        found = fastest(clock, found, ways, steps)
        if device.type != "cpu":
            found = fastest(clock, found, [replace(found, memory_format="contiguous")], steps)
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        found = Numerics(why="memory did not suffice for a timing")
    clock.forget()
    if not found.timings_ms:
        free_memory(device)
        return found
    return replace(found, why=f"{found.why}; timed" if found.why else "timed")


def fastest(
    time_of: Callable[[Numerics], float], usual: Numerics, others: list[Numerics], steps: int
) -> Numerics:
    """The usual way, or another that is at least 10 % faster.

    Each is tried once unmeasured, for kernels are chosen at the first call, and then in turn with the usual
    one while that costs no more than its share of the training.

    Args:
        time_of: seconds of a forward and backward pass in a way.
        usual: the way that is taken if no other wins.
        others: further ways.
        steps: of the training.
    """
    if not others:
        return usual
    time_of(usual)
    best = {usual.way: time_of(usual)}
    allowed = min(best[usual.way] * steps * SHARE, MOST_SECONDS)
    reasons = [usual.why] * bool(usual.why)
    for other in others:
        began = time.perf_counter()
        try:
            time_of(other)
        except RuntimeError as problem:
            if is_out_of_memory(problem):
                raise
            reasons.append(f"{other.way} fails: {str(problem).strip().splitlines()[0][:200]}")
            continue
        if time.perf_counter() - began > MOST_SECONDS:
            reasons.append(f"{other.way} took too long to try")
            continue
        best[other.way] = time_of(other)
        for _ in range(ROUNDS - 1):
            if time.perf_counter() - began > allowed / len(others):
                break
            for way in (usual, other):
                best[way.way] = min(best[way.way], time_of(way))
    chosen = min(others, key=lambda way: best.get(way.way, float("inf")))
    if best.get(chosen.way, float("inf")) * WINS_BY > best[usual.way]:
        chosen = usual
    timings = {**usual.timings_ms, **{way: round(1000 * seconds, 3) for way, seconds in best.items()}}
    return replace(chosen, why="; ".join(reasons), timings_ms=timings)


class Clock:
    """Times passes through throw-away copies of a network, one for each memory format."""

    def __init__(self, step: Step, images: Tensor, labels: Tensor) -> None:
        self.step, self.images, self.labels = step, images, labels
        self.precision = step.precision
        self.copies: dict[str, nn.Module] = {}

    def __call__(self, way: Numerics) -> float:
        """Seconds of a forward and backward pass."""
        if way.memory_format not in self.copies:
            copy = deepcopy(self.step.model).train()
            self.copies[way.memory_format] = copy.to(memory_format=way.layout)
        model = self.copies[way.memory_format]
        images = self.images.contiguous(memory_format=way.layout)
        model.zero_grad(set_to_none=True)
        self.step.precision = way.precision
        try:
            self._wait()
            began = time.perf_counter()
            self.step.backward(model, images, self.labels)
            self._wait()
            return time.perf_counter() - began
        finally:
            self.step.precision = self.precision

    def forget(self) -> None:
        """Let go of the copies."""
        self.copies = {}

    def _wait(self) -> None:
        if self.step.device.type != "cpu":
            torch.accelerator.synchronize(self.step.device)
