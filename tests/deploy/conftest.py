"""Fixtures for files and blocks of a user's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from nasearch.nets import BLOCKS
from nasearch.space import KINDS
from tests.deploy.networks import UserFile


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UserFile]:
    """Writes a Python file into the user's folder and imports it by name."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def write(name: str, text: str) -> ModuleType:
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def catalogue() -> Iterator[None]:
    """Takes back what a test registers."""
    blocks, kinds = dict(BLOCKS), dict(KINDS)
    yield
    for table, before in ((BLOCKS, blocks), (KINDS, kinds)):
        for kind in set(table) - set(before):
            del table[kind]
