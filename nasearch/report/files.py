"""Writing a report's files: whole or not at all, and with an error a user can act on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from nasearch.errors import ExportError


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a file under a passing name and move it into place; folders are made.

    Raises:
        ExportError: if the folder or file cannot be written.
    """
    target = Path(path)
    passing = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        passing.write_bytes(content)
        passing.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            passing.unlink()
        reason = error.strerror or str(error)
        raise ExportError(
            f"{target}: cannot be written ({reason}); expected a folder that you may write to"
        ) from error
    return target


def write_text(path: str | Path, content: str) -> Path:
    """`write_bytes` for text, in UTF-8."""
    return write_bytes(path, content.encode("utf-8"))
