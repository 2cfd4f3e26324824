"""What several commands share: options, the way a study is named, and where text goes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nasearch.study.settings import default_of, help_of

if TYPE_CHECKING:
    from rich.console import Console

    from nasearch.report.content import FrontRow
    from nasearch.study import Study

Command = TypeVar("Command", bound=Callable[..., Any])

# Tables that go to a file or a pipe are not folded at 80 columns: lines are what other programs read.
PIPE_WIDTH = 200


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


def study_argument(command: Command) -> Command:
    """Add the argument STUDY; left out, it means the study that was made last."""
    return click.argument("study", required=False)(command)


def target_arguments(command: Command) -> Command:
    """Add the arguments [STUDY] [TRIAL], given to the command as `target`; see `parse_target`."""
    return click.argument("target", nargs=-1, metavar="[STUDY] [TRIAL]")(command)


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


def sqlite_file(storage: str) -> Path | None:
    """The file behind `sqlite:///PATH`, None for other databases."""
    scheme, found, path = storage.partition(":///")
    return Path(path) if found and scheme.split("+")[0] == "sqlite" and path else None


def cheapest_first(rows: Sequence[FrontRow], objectives: Sequence[str]) -> list[FrontRow]:
    """Rows that have every objective, by their costs; the order in which a front is read."""
    from nasearch.pareto import OBJECTIVES

    costs = [name for name in objectives if OBJECTIVES[name].is_cost]
    measured = [row for row in rows if all(name in row.values for name in objectives)]
    return sorted(measured, key=lambda row: [*(row.values[name] for name in costs), row.number])


def console(*, stderr: bool = False) -> Console:
    """A rich console on the current stdout or stderr."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def echo_json(value: object) -> None:
    """Print a value as JSON that other programs can rely on: numbers unformatted, keys in the order given."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
