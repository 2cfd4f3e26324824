"""The pages say what the program says, and their links lead somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest

from nasearch.cli.main import COMMANDS, main
from scripts.update_docs import PART, render
from tests.docs.examples import PAGES, ROOT, Example, arguments, command_lines, nasearch_commands

PAGE_IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_made_parts_are_current(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert render(text) == text, "run: python scripts/update_docs.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_with_its_help(name: str) -> None:
    text = (ROOT / "docs" / "commands" / f"{name}.md").read_text(encoding="utf-8")
    parts = {part[3]: part[0] for part in PART.finditer(text) if part[2] == "help"}
    assert f"Usage: nasearch {name}" in parts[name]
    assert f"commands/{name}.md" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), f"{page}: {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{page}: {target}"


@pytest.mark.parametrize("example", nasearch_commands(), ids=str)
def test_every_command_shown_is_one(example: Example) -> None:
    """Parsed by click as far as the last word, and not run."""
    words = arguments(example)
    context = click.Context(main, info_name="nasearch")
    command: click.Command | None = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(context, words.pop(0))
    assert command is not None
    command.make_context(command.name, words, resilient_parsing=False)


def test_other_commands_shown_are_scripts_and_installs() -> None:
    others = {example.text for example in command_lines() if not example.text.startswith("nasearch ")}
    assert others == {
        "bash scripts/run.sh",
        "bash scripts/test.sh",
        "pip install .",
        "pip install '.[all]'",
    }
    for script in ("scripts/run.sh", "scripts/test.sh", ".ci/run"):
        assert os.access(ROOT / script, os.X_OK)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "bash scripts/test.sh" in lines
