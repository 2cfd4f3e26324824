"""Measuring candidates one after another in this very process."""

from __future__ import annotations

from nasearch.executors.job import Done, Executor, Job, OnPoint, Proxy, measured


class InProcess(Executor):
    """Measures a job at a time with a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._waiting: list[Job] = []

    @property
    def room(self) -> int:
        """One, or none while a job waits."""
        return 1 - len(self._waiting)

    def submit(self, job: Job) -> None:
        """Keep a job for `wait`, which measures it."""
        self._waiting.append(job)

    def wait(self, on_point: OnPoint) -> Done:
        """Measure the submitted job to its end."""
        return self.measure(self._waiting.pop(0), on_point)

    def measure(self, job: Job, on_point: OnPoint) -> Done:
        """Measure a job to its end; only an interrupt or an error of `on_point` is raised."""
        return measured(self._proxy, job, on_point)

    def settle(self) -> None:
        """Nothing runs beside this process."""

    def close(self) -> None:
        """Forget a job that waits."""
        self._waiting.clear()
