"""The folder of a study's report, winner and plots; it belongs to the study whose report lies in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nasearch.errors import StudyError
from nasearch.report.content import REPORT

if TYPE_CHECKING:
    from nasearch.study.settings import StudySettings


def folder_of(settings: StudySettings, name: str) -> Path:
    """Where what a study writes goes: the folder that the settings name, else one of its own."""
    return Path(settings.out) if settings.out else Path("studies") / name


def check_folder(folder: Path, name: str) -> None:
    """Refuse a folder in which the report of another study lies, and would be overwritten.

    Raises:
        StudyError: naming that study.
    """
    file = folder / REPORT
    owner = _reported(file)
    if owner not in (None, name):
        raise StudyError(
            f"{file} is the report of another study, {owner!r}, and would be overwritten by that of "
            f"{name!r}; expected another folder: --out FOLDER"
        )


def _reported(file: Path) -> str | None:
    """The study that a report is of, as its heading says; None where there is none that could be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            heading = lines.readline()
    except OSError:  # who writes there will say what is wrong with it
        return None
    mark, _, name = heading.partition(" ")
    return name.strip().replace("\\", "") if mark == "#" else None
