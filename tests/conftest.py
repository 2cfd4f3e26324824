"""What all tests share: the list of other people's warnings, and settings that make runs repeat."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Before torch is imported anywhere: small networks gain nothing from threads, and timings disturb each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

FILTERS = Path(__file__).parent / "warning_filters.txt"

hypothesis.settings.register_profile("nasearch", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("nasearch")


def warning_filters(text: str) -> list[str]:
    """Read the filters of a list, in which a line `# reason` stands before each of them.

    Raises:
        ValueError: for a filter without a reason.
    """
    filters: list[str] = []
    reasoned = False
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("#"):
            reasoned = True
        elif line:
            if not reasoned:
                raise ValueError(f"warning filter without a reason in the line before: {line}")
            filters.append(line)
            reasoned = False
    return filters


@pytest.fixture(autouse=True)
def optuna_level() -> Iterator[None]:
    """Commands quieten Optuna for their process; here the process goes on with other tests."""
    logger = logging.getLogger("optuna")
    before = logger.level
    yield
    logger.setLevel(before)


def pytest_configure(config: pytest.Config) -> None:
    for line in warning_filters(FILTERS.read_text(encoding="utf-8")):
        config.addinivalue_line("filterwarnings", line)
