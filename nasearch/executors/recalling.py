"""Taking the measurements that are there already from where they are."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable

from nasearch.executors.job import Done, Executor, Job, OnPoint
from nasearch.measure.trained import ProxyResult

Recall = Callable[[Job], ProxyResult | None]
"""What the training of a job would give, where that is known; with the epochs that were validated."""


class Recalling(Executor):
    """Hands to another executor what is not known; the rest is told epoch by epoch as if it were trained.

    So a race judges a known network as it would have judged it in training, and may stop it early.
    """

    def __init__(self, inner: Executor, recall: Recall) -> None:
        self._inner, self._recall = inner, recall
        self._known: deque[tuple[Job, ProxyResult]] = deque()

    @property
    def room(self) -> int:
        """Of the other executor, less the jobs that are known and wait."""
        return self._inner.room - len(self._known)

    @property
    def threads(self) -> int | None:
        """As those of the other executor."""
        return self._inner.threads

    def settle(self) -> None:
        """Until nothing disturbs a measurement of time."""
        self._inner.settle()

    def submit(self, job: Job) -> None:
        """Keep a known job for `wait`, hand on the others."""
        result = self._recall(job)
        if result is None:
            self._inner.submit(job)
        else:
            self._known.append((job, result))

    def wait(self, on_point: OnPoint) -> Done:
        """Tell of a known job, where there is one, or wait for another."""
        if not self._known:
            return self._inner.wait(on_point)
        job, result = self._known.popleft()
        for point in result.curve:
            if not on_point(job, point):
                stopped = dataclasses.replace(
                    result, accuracy=point.val_accuracy, stopped=True, epochs=point.epoch
                )
                return Done(job, point.seconds, stopped)
        return Done(job, result.seconds, result)

    def close(self) -> None:
        """Forget what waits, and close the other executor."""
        self._known.clear()
        self._inner.close()
