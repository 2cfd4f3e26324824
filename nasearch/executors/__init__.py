"""Where candidates are measured: in this process, or side by side in worker processes."""

from __future__ import annotations

from nasearch.executors.in_process import InProcess
from nasearch.executors.job import Death, Done, Executor, Job, OnPoint, Proxy
from nasearch.executors.processes import Place, Processes
from nasearch.executors.recalling import Recall, Recalling
from nasearch.executors.task import Task

__all__ = [
    "Death",
    "Done",
    "Executor",
    "InProcess",
    "Job",
    "OnPoint",
    "Place",
    "Processes",
    "Proxy",
    "Recall",
    "Recalling",
    "Task",
]
