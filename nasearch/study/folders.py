"""The folder of a study's report, winner and plots; it belongs to the study that was there first."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nasearch.errors import StudyError
from nasearch.report.content import REPORT

if TYPE_CHECKING:
    from nasearch.store.records import StudyRecord
    from nasearch.study.parts import Parts
    from nasearch.study.settings import StudySettings

OWNER = ".study"
"""The file in a folder that says whose it is: name and time of making, as `made` has them."""


def folder_of(settings: StudySettings, name: str) -> Path:
    """Where what a study writes goes: the folder that the settings name, else one of its own."""
    return Path(settings.out) if settings.out else Path("studies") / name


def made(record: StudyRecord) -> str:
    """`digits 2026-11-28T11:02:03+00:00`: tells a study from those of its name in other stores."""
    return f"{record.name} {record.created_at.isoformat()}"


def claim_folder(folder: Path, study: Parts) -> None:
    """Note that a folder is a study's, before its report or winner is written there.

    Raises:
        StudyError: as in `check_folder`.
    """
    check_claim(folder, study)
    mine = made(study._record)
    if _first_line(folder / OWNER) != mine:
        with suppress(OSError):  # who writes there will say what is wrong with it
            folder.mkdir(parents=True, exist_ok=True)
            (folder / OWNER).write_text(f"{mine}\n", encoding="utf-8")


def check_claim(folder: Path, study: Parts) -> None:
    """Refuse a folder that a study cannot claim, and claim nothing; StudyError as in `check_folder`."""
    check_folder(folder, study.name, made(study._record))


def check_folder(folder: Path, name: str, mine: str | None = None) -> None:
    """Refuse a folder of another study, whose report and winner would be overwritten.

    Args:
        folder: need not be there. One without a note of its owner belongs to the study of its report.
        name: of the study that is to write there.
        mine: that study as `made` has it, empty if it is not made yet; the name alone counts if not given.

    Raises:
        StudyError: naming that study.
    """
    note = _first_line(folder / OWNER)
    owner, _, moment = note.rpartition(" ")
    if owner and (owner != name or mine not in (None, note)):
        when = moment[:19].replace("T", " ")
        free = f"; to overwrite them, delete {folder / OWNER}" if owner == name else ""
        raise StudyError(
            f"{folder} belongs to another study, {owner!r}, made {when}; its report and winner would be "
            f"overwritten by those of {name!r}; expected another folder: --out FOLDER{free}"
        )
    file = folder / REPORT
    reported = None if owner else _reported(file)
    if reported not in (None, name):
        raise StudyError(
            f"{file} is the report of another study, {reported!r}, and would be overwritten by that of "
            f"{name!r}; expected another folder: --out FOLDER"
        )


def _reported(file: Path) -> str | None:
    """The study that a report is of, as its heading says; None where there is none that could be read."""
    mark, _, name = _first_line(file).partition(" ")
    return name.strip().replace("\\", "") if mark == "#" else None


def _first_line(file: Path) -> str:
    """Without its end; empty where the file cannot be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return lines.readline().rstrip("\n")
    except OSError:
        return ""
