"""What is measured, what comes of it, and what every executor promises."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from nasearch.errors import NasearchError
from nasearch.measure.trained import ProxyResult
from nasearch.space import Architecture
from nasearch.training import CurvePoint


@dataclass(frozen=True)
class Job:
    """A network to measure.

    Attributes:
        number: of its trial; None for a reference.
        architecture: the network.
        seed: of its training.
        weights: file of the weights that the training begins with; fresh ones without.
        checkpoint: file from which a training goes on after a death, and which it writes after every epoch.
    """

    number: int | None
    architecture: Architecture
    seed: int
    checkpoint: Path | None = None
    weights: Path | None = None


Death = Literal["crash", "kill"]
"""How a worker's process ended under a job: by its own doing, memory that it took included, or by others'."""


@dataclass(frozen=True)
class Done:
    """What became of a job: a result, or the reason why there is none. Seconds are wall-clock.

    Attributes:
        death: the worker's process ended under the job, and how; the job itself may be sound.
    """

    job: Job
    seconds: float
    result: ProxyResult | None = None
    reason: str | None = None
    death: Death | None = None


OnPoint = Callable[[Job, CurvePoint], bool]
"""Told of every validated epoch of a job; the training goes on if it answers True."""

Proxy = Callable[[Job, Callable[[CurvePoint], bool | None]], ProxyResult]
"""Measures a job; hands every validated epoch on and stops where the answer is False."""


class Executor(ABC):
    """Measures as many jobs at a time as it has room for. As a context manager it is closed at the end."""

    @property
    @abstractmethod
    def room(self) -> int:
        """How many jobs can be submitted now."""

    @property
    def threads(self) -> int | None:
        """Of each training on the processor; None for as many as this process has."""
        return None

    @abstractmethod
    def settle(self) -> None:
        """Until nothing runs that would disturb a measurement of time; only while there is no job."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Take a job; only where there is room."""

    @abstractmethod
    def wait(self, on_point: OnPoint) -> Done:
        """Until a submitted job is done.

        Whatever a candidate does wrong (it cannot be built, diverges, runs out of memory, kills its process)
        is its outcome. An error of `on_point` is the caller's and is raised as it is.
        """

    @abstractmethod
    def close(self) -> None:
        """Give up what is under way and leave nothing running; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def measured(proxy: Proxy, job: Job, on_point: OnPoint) -> Done:
    """Measure a job to its end in this process, whatever it does wrong; see `Executor.wait`."""
    started = time.perf_counter()
    caught: list[Exception] = []

    def guarded(point: CurvePoint) -> bool:
        try:
            return on_point(job, point)
        except Exception as problem:
            caught.append(problem)
            raise

    try:
        result = proxy(job, guarded)
    except Exception as problem:  # whatever the candidate does wrong is its outcome
        if caught:
            raise
        return Done(job, time.perf_counter() - started, reason=_reason(problem))
    return Done(job, time.perf_counter() - started, result)


def _reason(problem: Exception) -> str:
    """One line on why a candidate failed; ours as they are, others with their type."""
    lines = str(problem).strip().splitlines() or [""]
    text = lines[0][:500]
    return text if isinstance(problem, NasearchError) else f"{type(problem).__name__}: {text}"
