from __future__ import annotations

import subprocess
import sys
import warnings

import click
import pytest
from click.testing import CliRunner

from nasearch.cli import main as module
from nasearch.cli.common import parse_target
from nasearch.cli.main import COMMANDS, Commands, main
from nasearch.errors import StudyError


def every_command() -> list[tuple[str, click.Command]]:
    context = click.Context(main)
    found: list[tuple[str, click.Command]] = []
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", command.commands[inner]) for inner in command.commands]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help
    assert command.help.splitlines()[0] == COMMANDS[name][1]


@pytest.mark.parametrize(("name", "command"), every_command(), ids=[name for name, _ in every_command()])
def test_every_command_and_option_has_help(name: str, command: click.Command) -> None:
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {name}")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_it_is_a_module_that_runs() -> None:
    command = [sys.executable, "-m", "nasearch"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == "python -m nasearch 0.1.0\n"
    wrong = subprocess.run([*command, "spaces", "show", "nothing"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("error: ")


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"], prog_name="nasearch")
    assert result.output == "nasearch 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fornt"], "No such command 'fornt'; did you mean front?; expected one of run, front, "),
        (["spaces", "lsit"], "No such command 'lsit'; did you mean list?; expected one of "),
        (["studies", "xyz"], "No such command 'xyz'; expected one of list, show\n"),
        (["--fornt"], "No such option"),
    ],
)
def test_unknown_command_is_usage(words: list[str], message: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_warnings_of_others_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def warning() -> None:
        warnings.warn_explicit("mind the gap", UserWarning, "their.py", 3)

    monkeypatch.setattr(Commands, "get_command", lambda self, ctx, name: warning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = CliRunner().invoke(module.main, ["warning"])
    assert result.stderr.startswith("their.py:3: UserWarning: mind the gap")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (StudyError("no study 'x' here; expected y"), 1, "error: no study 'x' here; expected y\n"),
        (StudyError("first\nsecond"), 1, "error: first\nerror: second\n"),
        (
            PermissionError(13, "Permission denied", "/nowhere/out"),
            1,
            "error: /nowhere/out: Permission denied\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_mistakes_are_lines_without_traceback(
    error: BaseException, code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(Commands, "get_command", lambda self, ctx, name: failing)
    result = CliRunner().invoke(module.main, ["failing"])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", text)


def test_our_own_mistakes_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def failing() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Commands, "get_command", lambda self, ctx, name: failing)
    assert isinstance(CliRunner().invoke(module.main, ["failing"]).exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ((), (None, None)),
        (("7",), (None, 7)),
        (("digits",), ("digits", None)),
        (("digits", "7"), ("digits", 7)),
        (("digits#7",), ("digits", 7)),
        (("#7",), (None, 7)),
        (("a#b",), ("a#b", None)),
    ],
)
def test_study_and_trial_as_words(words: tuple[str, ...], target: tuple[str | None, int | None]) -> None:
    assert parse_target(words) == target


@pytest.mark.parametrize("words", [("digits", "seven"), ("a", "1", "2")])
def test_other_words_are_usage(words: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError, match="expected"):
        parse_target(words)
