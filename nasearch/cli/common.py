"""What several commands share: options, the way a study is named, and where text goes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from nasearch.errors import did_you_mean
from nasearch.study.settings import default_of, help_of
from nasearch.study.storage import sqlite_file

if TYPE_CHECKING:
    from rich.console import Console

    from nasearch.study import Study

Command = TypeVar("Command", bound=Callable[..., Any])

# Tables that go to a file or a pipe are not folded at 80 columns: lines are what other programs read.
PIPE_WIDTH = 200

# Those of `nasearch.measure.latency`, which imports torch; a test compares.
RUNTIMES = ("auto", "onnxruntime", "eager")


def storage_option(command: Command) -> Command:
    """Add `--storage`."""
    return click.option(
        "--storage",
        metavar="URL",
        default=default_of("storage"),
        show_default=True,
        help=help_of("storage"),
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def scores_option(command: Command) -> Command:
    """Add `--scores`."""
    return click.option(
        "--scores", is_flag=True, help="Show scores without training, where networks have some."
    )(command)


def plugins_option(command: Command) -> Command:
    """Add `--plugins`, whose files are loaded before the command begins; it receives nothing."""

    @wraps(command)
    def loading(*args: Any, plugins: tuple[str, ...], **kwargs: Any) -> Any:
        if plugins:
            from nasearch.space.plugins import load_plugins

            load_plugins(*plugins)
        return command(*args, **kwargs)

    return click.option(
        "--plugins",
        metavar="FILE",
        multiple=True,
        help="Python file that registers blocks of your own. Repeatable.",
    )(cast(Command, loading))


def measuring_options(command: Command) -> Command:
    """Add `--device`, `--runtime` and `--no-latency` (given as `latency`): how networks are timed."""
    for option in (
        click.option(
            "--latency/--no-latency",
            default=True,
            show_default=True,
            help="Measure latency, which takes time.",
        ),
        click.option(
            "--runtime",
            type=click.Choice(RUNTIMES),
            default=RUNTIMES[0],
            show_default=True,
            help="What computes; auto is ONNX Runtime where it is installed and serves the device.",
        ),
        click.option(
            "--device",
            metavar="NAME",
            default="cpu",
            show_default=True,
            help="Device of the latency: auto, cpu, cuda, cuda:1, mps.",
        ),
    ):
        command = option(command)
    return command


def read_shape(text: str) -> tuple[int, int, int]:
    """Read `3x224x224`, an option's channels, height and width.

    Raises:
        click.BadParameter: if the text is no shape.
    """
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise click.BadParameter(f"{text!r}; expected CHANNELSxHEIGHTxWIDTH such as 3x224x224")
    channels, height, width = map(int, parts)
    return channels, height, width


class Suggesting(click.Group):
    """A group that names the command that may have been meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a word on a misspelt name."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            ctx.fail(
                f"No such command {name!r}; {did_you_mean(name, known)}expected one of {', '.join(known)}"
            )
        return super().resolve_command(ctx, args)


def study_argument(command: Command) -> Command:
    """Add the argument STUDY; left out, it means the study that was made last."""
    return click.argument("study", required=False)(command)


def target_arguments(command: Command) -> Command:
    """Add the arguments [STUDY] [TRIAL], given to the command as `target`; see `parse_target`."""

    def refuse(_: click.Context, __: click.Parameter, number: str | None) -> None:
        if number is not None:
            raise click.UsageError(
                f"No such option: --trial; expected the number as an argument: STUDY#{number}, "
                f"or {number} alone"
            )

    words = "No option: the number is an argument."  # not shown
    meant = click.option("--trial", hidden=True, expose_value=False, callback=refuse, help=words)
    return click.argument("target", nargs=-1, metavar="[STUDY] [TRIAL]")(meant(command))


def parse_target(words: tuple[str, ...]) -> tuple[str | None, int | None]:
    """Read [STUDY] [TRIAL]: `digits 7`, `digits#7`, `digits`, `7` or nothing.

    Returns:
        The study's name, or None for the last one, and the trial's number, or None for the winner.

    Raises:
        click.UsageError: if there are more words, or the trial is no number.
    """
    if len(words) > 2:
        raise click.UsageError(f"got {len(words)} arguments ({' '.join(words)}); expected [STUDY] [TRIAL]")
    if len(words) == 2:
        name, number = words
        if not number.isdecimal():
            raise click.UsageError(f"TRIAL is {number!r}; expected a number")
        return name, int(number)
    if not words:
        return None, None
    (word,) = words
    if word.isdecimal():
        return None, int(word)
    name, mark, number = word.rpartition("#")
    if mark and number.isdecimal():
        return name or None, int(number)
    return word, None


def load_study(name: str | None, storage: str, *, device: str = "auto", out: str | None = None) -> Study:
    """Load a study by name, or the one that was made last.

    Raises:
        StudyError: if there is no such study, or none at all.
        StoreError: if the store cannot be read.
    """
    from nasearch.study import Study

    check_store_exists(storage)
    quiet_optuna()
    return Study.load(name, storage=storage, device=device, out=out)


def quiet_optuna() -> None:
    """Keep Optuna's own notes off stderr; what matters of them the progress display says.

    To be called when Optuna has been imported, which sets its level to INFO.
    """
    logging.getLogger("optuna").setLevel(logging.WARNING)


def check_store_exists(storage: str) -> None:
    """Refuse an SQLite file that is not there: commands that read do not make an empty one.

    Raises:
        StudyError: if it is not there.
    """
    from nasearch.errors import StudyError

    file = sqlite_file(storage)
    if file is not None and not file.exists():
        raise StudyError(
            f"no study yet: {file} does not exist; `nasearch run` makes it, --storage names another"
        )


def console(*, stderr: bool = False) -> Console:
    """A rich console on the current stdout or stderr."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Say on a terminal what takes a while, in a line that goes away; nothing elsewhere.

    Gives a function that says something else. No thread moves a bar: latencies are measured meanwhile.
    """
    aside = console(stderr=True)
    if not aside.is_terminal:
        yield lambda _: None
        return
    from rich.live import Live

    with Live(what, console=aside, auto_refresh=False, transient=True) as line:
        line.refresh()
        yield lambda text: line.update(text, refresh=True)


def echo_json(value: object) -> None:
    """Print a value as JSON that other programs can rely on: numbers unformatted, keys in the order given."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
