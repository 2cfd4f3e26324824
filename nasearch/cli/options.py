"""Options of the command line made from the table of a study's settings, so that both say the same."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from nasearch.study.settings import StudySettings, default_of, help_of

Command = TypeVar("Command", bound=Callable[..., Any])

# Settings that are lists are given one by one; the option is the singular.
SINGULAR = {
    "objectives": "--objective",
    "limits": "--limit",
    "references": "--reference",
    "formats": "--format",
}
METAVARS = {
    "space": "NAME|FILE",
    "plugins": "FILE",
    "data": "NAME|folder:PATH|npz:FILE",
    "data_root": "FOLDER",
    "image_size": "PIXELS",
    "objectives": "NAME",
    "limits": "TEXT",
    "references": "NAME|FILE",
    "sampler": "NAME",
    "baseline": "NAME",
    "screen": "NETWORKS",
    "proxy": "NAME",
    "recipe": "NAME|FILE",
    "winner_recipe": "NAME|FILE",
    "supernet_recipe": "NAME|FILE",
    "supernet_time": "TIME",
    "gpus": "NUMBERS",
    "precision": "NAME",
    "study": "NAME",
    "storage": "URL",
    "device": "NAME",
    "time": "TIME",
    "pick": "TEXT",
    "formats": "NAME",
    "out": "FOLDER",
}
_FIELDS = {field.name: field for field in dataclasses.fields(StudySettings)}


def spoken(given: Mapping[str, Any]) -> str:
    """Settings as they are typed: `--confirm 3 --no-teacher`."""
    words: list[str] = []
    for name, value in given.items():
        flag = flag_of(name)
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            values = value if isinstance(value, list | tuple) else [value]
            words += [word for each in values for word in (flag, str(each))]
    return shlex.join(words)


def flag_of(name: str) -> str:
    """The option of a setting."""
    return SINGULAR.get(name, "--" + name.replace("_", "-"))


def setting_option(name: str) -> Callable[[Command], Command]:
    """The option of one setting; the command receives None (or an empty tuple) where it was not given."""
    kind = str(_FIELDS[name].type).removesuffix(" | None")
    default = default_of(name)
    flag = flag_of(name)
    text = help_of(name)
    if kind == "bool":
        # A setting that is on by default, or that a study file may have switched on, can be switched off.
        shown = f"{flag}/--no-{flag[2:]}"
        if default is not None:
            text = f"{text}  [default: {flag if default else '--no-' + flag[2:]}]"
        return click.option(shown, name, default=None, help=text)
    several = kind.startswith("tuple")
    if several:
        text = f"{text} Repeatable."
    if default not in (None, ()):
        text = f"{text}  [default: {', '.join(default) if several else default}]"
    return click.option(
        flag,
        name,
        type=int if kind == "int" else str,
        multiple=several,
        metavar=METAVARS.get(name),
        help=text,
    )


def settings_options(*names: str) -> Callable[[Command], Command]:
    """The options of several settings, shown in the order given."""

    def add(command: Command) -> Command:
        for name in reversed(names):
            command = setting_option(name)(command)
        return command

    return add


def given_only(values: dict[str, Any]) -> dict[str, Any]:
    """The settings that were really given; names in `--format a,b` and `--reference a,b` are taken apart."""
    given = {name: value for name, value in values.items() if value is not None and value != ()}
    for name in ("formats", "references"):
        if name in given:
            given[name] = split_names(given[name])
    return given


def split_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Names given one by one or with commas between: ("module,pt2", "onnx") are three."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())
