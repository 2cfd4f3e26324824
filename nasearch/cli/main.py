"""`nasearch`: the commands, loaded when they are called, and what becomes of their errors."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, NoReturn, TextIO

import click

from nasearch.cli.common import Suggesting
from nasearch.errors import NasearchError, PluginWarning

# Name of a command -> the module that holds it (as `command`), and its line in the list of commands. Kept
# here so that `nasearch --help` answers without importing them; a test compares it with their own help.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("nasearch.cli.run", "Search, train the winner and export it."),
    "front": ("nasearch.cli.front", "Show the Pareto front of a study."),
    "trials": ("nasearch.cli.trials", "List the trials of a study."),
    "show": ("nasearch.cli.show", "Draw the network of a trial."),
    "audit": ("nasearch.cli.audit", "See how well the proxies of a study order networks."),
    "finish": ("nasearch.cli.finish", "Train the winner of a study and export it."),
    "export": ("nasearch.cli.export", "Write a network as files that do not need nasearch."),
    "report": ("nasearch.cli.report", "Write the report and the plots of a study."),
    "dashboard": ("nasearch.cli.dashboard", "Watch a study in the browser."),
    "spaces": ("nasearch.cli.spaces", "List, show, check and count search spaces."),
    "blocks": ("nasearch.cli.blocks", "List the blocks of networks, or what each costs."),
    "compare": ("nasearch.cli.compare", "Compare whole networks: what they cost, side by side."),
    "bench": ("nasearch.cli.bench", "Compare samplers or studies at equal budget."),
    "recipes": ("nasearch.cli.recipes", "List and show the recipes of trainings."),
    "studies": ("nasearch.cli.studies", "List and show the studies of a store."),
    "doctor": ("nasearch.cli.doctor", "Tell what is installed and which devices can be used."),
}

INTERRUPTED = 130


class Commands(Suggesting):
    """A group whose commands are imported on use, and which turns a user's mistakes into one line.

    Exit codes: 0 done, 1 a `NasearchError` (a line on stderr, no traceback), 2 wrong usage, 130 interrupted.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the work, as in the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that a user can meet end it with one line."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except NasearchError as error:
            # A space file with three mistakes says so in three lines.
            _end(ctx, 1, "\n".join(f"error: {line}" for line in str(error).splitlines() if line.strip()))
        except KeyboardInterrupt:
            _end(ctx, INTERRUPTED, "interrupted")
        except OSError as error:
            # A file or folder that the user named and the system refused; others keep their traceback.
            if error.filename is None or isinstance(error, BrokenPipeError):
                raise
            _end(ctx, 1, f"error: {error.filename}: {error.strerror}")


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning of ours as one line; others as Python shows them."""
    if issubclass(category, PluginWarning):
        click.echo(f"warning: {message}", file, err=file is None)
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        click.echo(text, file, nl=False, err=file is None)


def _end(ctx: click.Context, code: int, text: str) -> NoReturn:
    click.echo(text, err=True)
    ctx.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="nasearch", message="%(prog)s %(version)s")
def main() -> None:
    """Find an image-classification network that fits your data, device and limits.

    \b
    nasearch run                          search with the embedded data, all defaults
    nasearch run --limit "params <= 200k" --data folder:photos --budget 50
    nasearch front                        what was found
    nasearch show                         the network that was chosen
    """  # noqa: D301 (click wants the control character itself)
