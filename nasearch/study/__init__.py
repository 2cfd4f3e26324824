"""Studies: one search from its settings to the exported winner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasearch.study.settings import StudySettings

if TYPE_CHECKING:
    from nasearch.study.progress import Progress, RunSummary, Standing
    from nasearch.study.study import Study

_HOMES = {"Study": "study", "Progress": "progress", "RunSummary": "progress", "Standing": "progress"}


def __getattr__(name: str) -> object:
    """Import on first use: the settings alone are needed for `--help`, which is to be quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Progress", "RunSummary", "Standing", "Study", "StudySettings"]
