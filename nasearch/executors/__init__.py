"""Where a candidate is measured."""

from __future__ import annotations

from nasearch.executors.in_process import Done, InProcess, Job

__all__ = ["Done", "InProcess", "Job"]
