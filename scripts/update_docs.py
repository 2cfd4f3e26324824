"""Write into the docs what the program knows better: help texts, settings, blocks.

    python scripts/update_docs.py            rewrites the marked parts of docs/**/*.md

A marked part begins with `<!-- made: NAME [ARGUMENT] -->` and ends with `<!-- end -->`. A test compares.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import click

from nasearch.cli.main import main as cli
from nasearch.cli.options import flag_of
from nasearch.measure import architecture_cost
from nasearch.space import (
    ATTENTIONS,
    CELL_OPS,
    HEADS,
    KINDS,
    Option,
    SearchSpace,
    builtin_names,
    fixed_names,
)
from nasearch.space.catalogue import FAMILIES
from nasearch.space.darts import DARTS_OPS
from nasearch.space.language.network import DEPTH_MULTIPLIER, NETWORK_KEYS
from nasearch.space.language.stages import STAGE_KEYS
from nasearch.study.settings import StudySettings
from nasearch.training import RECIPES, Recipe

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
        flag = flag_of(field.name)
        if str(field.type) == "bool" and field.default:
            flag = f"--no-{flag[2:]}"
        elif str(field.type) == "bool | None":
            flag = f"{flag}/--no-{flag[2:]}"
        default = field.default
        if isinstance(default, tuple):
            shown = f"`[{', '.join(default)}]`"
        elif isinstance(default, bool):
            shown = f"`{str(default).lower()}`"
        else:
            shown = "" if default is None else f"`{default}`"
        lines.append(f"| `{field.name}` | `{flag}` | {shown} | {_cell(field.metadata['help'])} |")
    return "\n".join(lines) + "\n"


def recipe_table(_: str) -> str:
    """Every value of a recipe, as its docstring says, with the built-in recipes' values."""
    about: dict[str, str] = {}
    text = inspect.getdoc(Recipe) or ""
    for entry in re.split(r"\n    (?=\w)", text.partition("Attributes:")[2]):
        names, _, words = entry.partition(":")
        for name in names.split(","):
            about[name.strip()] = " ".join(words.split())
    lines = [f"| key | {' | '.join(RECIPES)} | meaning |", f"| --- | {'--- | ' * len(RECIPES)}--- |"]
    for field in dataclasses.fields(Recipe):
        if field.name == "name":
            continue
        shown = [getattr(recipe, field.name) for recipe in RECIPES.values()]
        cells = ["all" if value is None else str(value).lower() for value in shown]
        lines.append(f"| `{field.name}` | {' | '.join(cells)} | {_cell(about[field.name])} |")
    return "\n".join(lines) + "\n"


def kinds_table(_: str) -> str:
    """Every kind of block with its options, family by family."""
    lines: list[str] = []
    for family, specs in FAMILIES.items():
        written = [spec for spec in specs if spec.written_as is None]
        lines += [
            f"## {family.capitalize()}",
            "",
            "| kind | what it is | options (default) |",
            "| --- | --- | --- |",
        ]
        for spec in written:
            attention = "" if spec.attention else "; takes no `attention`"
            lines.append(f"| `{spec.kind}` | {_cell(spec.about)}{attention} | {_options(spec.options)} |")
        lines.append("")
    return "\n".join(lines)


def spaces_table(_: str) -> str:
    """Every built-in space of more than one network."""
    lines = ["| name | what it is | architectures |", "| --- | --- | --- |"]
    for name in builtin_names():
        space = SearchSpace.load(name)
        if space.size > 1:
            lines.append(f"| [`{name}`](spaces/{name}.md) | {_cell(space.about)} | {_size(space.size)} |")
    return "\n".join(lines) + "\n"


def _size(size: int) -> str:
    if size < 10**9:
        return f"{size:,}"
    power = len(str(size)) - 1
    return f"{size / 10**power:.2f} x 10^{power}"


def space_table(name: str) -> str:
    """Size and edges of a built-in space, as scripts/verify_spaces.py found them when it was last run."""
    lines = (DOCS / "verification" / "spaces.txt").read_text(encoding="utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[:1] == [name])
    _, size, how, few, many, low, high, _, _, kept = lines[at].split()
    cheapest, dearest = (lines[at + i].partition(": ")[2] for i in (1, 2))
    shape = lines[2].partition("images ")[2].partition(",")[0]
    space = SearchSpace.load(name)
    rows = [("architectures", f"{size}, by {len(space.choices)} choices")]
    if space.limits:
        within, drawn = kept.split("/")
        limits = ", ".join(f"`{limit}`" for limit in space.limits)
        rows.append(("limits", f"{limits}; {within} of {drawn} random networks keep them"))
    rows += [
        ("parameters", f"{few} to {many}"),
        (f"MACs at {shape}", f"{low} to {high}"),
        ("cheapest", cheapest),
        ("dearest", dearest),
    ]
    source = "among all networks" if how == "all" else "by several descents, a choice at a time"
    table = "\n".join(f"| {key} | {_cell(value)} |" for key, value in rows)
    return (
        f"| | |\n| --- | --- |\n{table}\n\n"
        f"Counted for images of {shape} and 10 classes, limits aside; cheapest and dearest by MACs,\n"
        f"found {source}. Behind a block's options stand its width and, after a `/`, its stride.\n"
    )


def networks_table(_: str) -> str:
    """Every fixed network, at the size of ImageNet."""
    lines = ["| name | what it is | parameters | MACs at 3x224x224 |", "| --- | --- | --- | --- |"]
    for name in fixed_names():
        space = SearchSpace.load(name)
        cost = architecture_cost(space.sample(0), (3, 224, 224), 1000)
        lines.append(f"| `{name}` | {_cell(space.about)} | {cost.params:,} | {cost.macs:,} |")
    return "\n".join(lines) + "\n"


def stages_table(_: str) -> str:
    """Every key of a stage."""
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, option in STAGE_KEYS.items():
        if isinstance(option, str):
            default = "(required)" if name == "block" else ""
            lines.append(f"| `{name}` | {default} | {_cell(option)} |")
        else:
            default = "(required)" if name == "channels" else f"`{option.default}`"
            lines.append(f"| `{name}` | {default} | {_cell(option.about)}; {option.accepts} |")
    return "\n".join(lines) + "\n"


def network_table(_: str) -> str:
    """Every key at the top of a file that says something of the network as a whole."""
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, option in {**NETWORK_KEYS, "depth_multiplier": DEPTH_MULTIPLIER}.items():
        lines.append(f"| `{name}` | `{option.default}` | {_cell(option.about)}; {option.accepts} |")
    return "\n".join(lines) + "\n"


def operations_table(_: str) -> str:
    """Every operation of cells."""
    lines = ["| operation | `inputs` | what it is |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | 1 | {_cell(op.about)} |" for name, op in CELL_OPS.items()]
    lines += [f"| `{name}` | 2 | {_cell(about)} |" for name, about in DARTS_OPS.items()]
    return "\n".join(lines) + "\n"


def heads_table(_: str) -> str:
    """Every kind of head with its options."""
    lines = ["| kind | what it is | options (default) |", "| --- | --- | --- |"]
    for name, spec in sorted(HEADS.items()):
        lines.append(f"| `{name}` | {_cell(spec.about)} | {_options(spec.options)} |")
    return "\n".join(lines) + "\n"


def attentions_list(_: str) -> str:
    """Every attention module, which is a kind of block as well."""
    lines = ["| attention | what it is |", "| --- | --- |", "| `none` | nothing |"]
    for name in ATTENTIONS[1:]:
        kind = name if name in KINDS else f"{name}_attention"
        lines.append(f"| `{name}` | {_cell(KINDS[kind].about.removesuffix(' as a block'))} |")
    return "\n".join(lines) + "\n"


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
    "recipe": recipe_table,
    "kinds": kinds_table,
    "heads": heads_table,
    "attentions": attentions_list,
    "spaces": spaces_table,
    "space": space_table,
    "networks": networks_table,
    "stages": stages_table,
    "network": network_table,
    "operations": operations_table,
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
