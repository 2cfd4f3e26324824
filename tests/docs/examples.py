"""The commands and snippets that README.md and the docs show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A command line or snippet, and the page that shows it."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0]}"


def blocks(*languages: str) -> list[Example]:
    """The fenced blocks of these languages in all pages."""
    return [
        Example(page.relative_to(ROOT).as_posix(), match[2])
        for page in PAGES
        for match in BLOCK.finditer(page.read_text(encoding="utf-8"))
        if match[1] in languages
    ]


def command_lines() -> list[Example]:
    """Each line of the `sh` blocks, and each line after `$ ` of the `console` blocks."""
    return [
        Example(block.page, line.removeprefix("$ "))
        for block in blocks("console", "sh")
        for line in block.text.splitlines()
        if line.strip() and not line.startswith("#")
    ]


def nasearch_commands() -> list[Example]:
    """Command lines of nasearch itself; each text once."""
    found: dict[str, Example] = {}
    for example in command_lines():
        if example.text.startswith("nasearch "):
            found.setdefault(example.text, example)
    return list(found.values())


def arguments(example: Example) -> list[str]:
    """The words after `nasearch`."""
    return shlex.split(example.text)[1:]
