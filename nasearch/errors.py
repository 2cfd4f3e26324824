"""Every exception and warning that a user can meet.

Each exception is a `NasearchError`; the command line prints its text as one line and ends with exit code 1.
A text names the place, the value found there, and what is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`did you mean front?; ` where a known word is close to the given one, else nothing."""
    close = get_close_matches(str(word), list(known), n=1)
    return f"did you mean {close[0]}?; " if close else ""


class NasearchError(Exception):
    """Base of all errors that a user's input, files, devices or servers can cause."""


class SpaceError(NasearchError):
    """A search space, architecture or decision that the space language does not allow."""


class PluginError(NasearchError):
    """A file or package with blocks that is missing or cannot be loaded."""


class PluginWarning(UserWarning):
    """A file with blocks that registers none."""


class BuildError(NasearchError):
    """An architecture that cannot become a network for the given input."""


class DataError(NasearchError):
    """Images or labels that are missing, unreadable, inconsistent or too few."""


class SelectionError(NasearchError):
    """An objective, limit, or set of losses that cannot be compared."""


class DeviceError(NasearchError):
    """A device that does not exist or cannot be used."""


class TrainingError(NasearchError):
    """A training that diverged or cannot start."""


class OutOfMemory(TrainingError):  # noqa: N818  # the outcome's name, as torch calls it
    """A network that does not fit the device's memory, not even in small batches."""


class MeasurementError(NasearchError):
    """A measurement that failed or gave a number that is not finite."""


class TableError(NasearchError):
    """A table of trained networks that cannot be read, or that lacks what is asked of it."""


class ExportError(NasearchError):
    """A network that could not be written, or whose written form differs from the original."""


class StoreError(NasearchError):
    """A database that cannot be reached, read, written or owned."""


class StudyError(NasearchError):
    """A study that does not exist, is another one, or cannot go on."""


class SettingsError(NasearchError):
    """A study file or option with a key or value that does not exist."""
