"""Write into the docs what the program knows better: help texts, settings, blocks.

    python scripts/update_docs.py            rewrites the marked parts of docs/**/*.md

A marked part begins with `<!-- made: NAME [ARGUMENT] -->` and ends with `<!-- end -->`. A test compares.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import click

from nasearch.cli.main import main as cli
from nasearch.cli.options import SINGULAR
from nasearch.space import ATTENTIONS, HEADS, KINDS, Option
from nasearch.study.settings import StudySettings

DOCS = Path(__file__).resolve().parents[1] / "docs"
PART = re.compile(r"(<!-- made: (\w+)(?: ([\w ]+?))? -->\n).*?(<!-- end -->)", re.DOTALL)


def help_text(command: str) -> str:
    """What `nasearch COMMAND --help` prints on a terminal 100 columns wide."""
    context = click.Context(cli, info_name="nasearch", terminal_width=100, max_content_width=100)
    found: click.Command = cli
    for word in command.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(context, word)
        assert inner is not None, command
        found = inner
        context = click.Context(
            found,
            info_name=word,
            parent=context,
            terminal_width=100,
            max_content_width=100,
            help_option_names=["-h", "--help"],
        )
    return f"```text\n{found.get_help(context)}\n```\n"


def settings_table(_: str) -> str:
    """Every setting with its option, default and meaning."""
    lines = ["| key | option | default | meaning |", "| --- | --- | --- | --- |"]
    for field in dataclasses.fields(StudySettings):
        flag = SINGULAR.get(field.name, "--" + field.name.replace("_", "-"))
        if str(field.type) == "bool" and field.default:
            flag = f"--no-{flag[2:]}"
        default = field.default
        if isinstance(default, tuple):
            shown = f"`[{', '.join(default)}]`"
        elif isinstance(default, bool):
            shown = f"`{str(default).lower()}`"
        else:
            shown = "" if default is None else f"`{default}`"
        lines.append(f"| `{field.name}` | `{flag}` | {shown} | {_cell(field.metadata['help'])} |")
    return "\n".join(lines) + "\n"


def kinds_table(_: str) -> str:
    """Every kind of block with its options."""
    lines = ["| kind | what it is | options (default) |", "| --- | --- | --- |"]
    for name, spec in sorted(KINDS.items()):
        if spec.written_as is None:
            attention = "" if spec.attention else "; takes no `attention`"
            lines.append(f"| `{name}` | {_cell(spec.about)}{attention} | {_options(spec.options)} |")
    return "\n".join(lines) + "\n"


def heads_table(_: str) -> str:
    """Every kind of head with its options."""
    lines = ["| kind | what it is | options (default) |", "| --- | --- | --- |"]
    for name, spec in sorted(HEADS.items()):
        lines.append(f"| `{name}` | {_cell(spec.about)} | {_options(spec.options)} |")
    return "\n".join(lines) + "\n"


def attentions_list(_: str) -> str:
    """Names of the attention modules."""
    return ", ".join(f"`{name}`" for name in ATTENTIONS) + "\n"


def datasets_table(_: str) -> str:
    """Every data set with a name."""
    from nasearch import data

    lines = ["| name | what it is |", "| --- | --- |"]
    lines += [f"| `{name}` | {_cell(about)} |" for name, about in data.names()]
    return "\n".join(lines) + "\n"


def _options(options: object) -> str:
    assert isinstance(options, dict)
    texts = []
    for name, option in options.items():
        assert isinstance(option, Option)
        texts.append(f"`{name}` ({option.default}): {option.about}; {option.accepts}")
    return _cell("<br>".join(texts)) or "none"


def _cell(text: str) -> str:
    return (
        text.replace("|", "\\|").replace("<space>-<data>", "`<space>-<data>`").replace("<name>", "`<name>`")
    )


PARTS: dict[str, Callable[[str], str]] = {
    "help": help_text,
    "settings": settings_table,
    "kinds": kinds_table,
    "heads": heads_table,
    "attentions": attentions_list,
    "datasets": datasets_table,
}


def render(text: str) -> str:
    """The page with its marked parts made anew."""
    return PART.sub(lambda part: part[1] + PARTS[part[2]](part[3] or "") + part[4], text)


def main() -> None:
    """Rewrite the pages that differ."""
    for page in sorted(DOCS.rglob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = render(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"rewrote {page.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
