"""The work behind `nasearch run`, `finish` and `export`: search, train, export, report, print."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from nasearch.cli.common import console, echo_json, quiet_optuna
from nasearch.cli.main import INTERRUPTED
from nasearch.cli.options import spoken
from nasearch.cli.progress import BarProgress, LineProgress, make_progress
from nasearch.deploy import checked_formats
from nasearch.errors import NasearchError
from nasearch.pareto import parse_limit
from nasearch.report.equal_budget import comparison_line
from nasearch.report.formatting import percent, size
from nasearch.report.tables import front_json, front_table
from nasearch.store.database import masked
from nasearch.study import Study
from nasearch.study.folders import check_claim
from nasearch.study.reporting import pictures_of

if TYPE_CHECKING:
    from nasearch.deploy import ExportReport
    from nasearch.study import StudySettings

Display = LineProgress | BarProgress


def run_job(ctx: click.Context, settings: StudySettings, as_json: bool) -> None:
    """Search up to the budget, then train, export and report what was not done before."""
    quiet_optuna()
    with Study.from_settings(settings) as study:
        check_ahead(study)
        with interruptible(ctx, study), display(as_json, settings.time_s) as progress:
            if study.recalled:
                progress.message(f"as told before: {spoken(study.recalled)}")
            study.run(
                budget=settings.budget, time_s=settings.time_s, progress=progress, command=command_line()
            )
            study.measure_front_latency(progress=progress)
            failed = None
            if settings.finish and not study.has_images:
                progress.message("no winner is trained: the study measures from a table and has no images")
            elif settings.finish:
                try:
                    hand_over(study, progress)
                except NasearchError as error:  # the search is done and worth its report all the same
                    failed = error
            write_report(study, progress)
        print_front(study, as_json)
        if failed is not None:
            raise failed


def check_ahead(study: Study) -> None:
    """Refuse before the search what would fail only after it.

    Raises:
        NasearchError: for a format or bound that cannot be used, or a folder with another study's report.
        OSError: if the study's folder cannot be made.
    """
    if study.settings.formats is not None:
        checked_formats(study.settings.formats)
    if study.settings.pick is not None:
        parse_limit(study.settings.pick)
    check_claim(study.directory, study)
    study.directory.mkdir(parents=True, exist_ok=True)


def hand_over(
    study: Study, progress: Display, trial: int | None = None, out: str | None = None, *, train: bool = True
) -> ExportReport:
    """Export the winner, or a trial by number.

    With `train` it is trained and tested as the settings say, where that was not done before; without, it is
    taken as it was trained last.
    """
    check_ahead(study)
    if train:
        study.finish(trial=trial, progress=progress)
    report = study.export(out, trial=trial, progress=progress)
    key = None if trial is None else study.trial(trial).key
    record = [record for record in study.finishes if key in (None, record.key)][-1]
    taught = "" if record.teacher is None else f", taught by trial {record.teacher}"
    progress.message(
        f"trial {record.number}{taught}: test accuracy {percent(record.test_accuracy)},"
        f" validation {percent(record.val_accuracy)}"
    )
    for file in report.files:
        progress.message(f"wrote {file} ({size(file.stat().st_size)})")
    return report


def write_report(study: Study, progress: Display) -> None:
    """Write the report and the plots, and say where, and how the study did beside its baselines."""
    comparisons = study.compare_baselines()
    for file in study.report(comparisons=comparisons):
        progress.message(f"wrote {file}")
    for comparison in comparisons:
        progress.message(comparison_line(comparison))


def print_front(study: Study, as_json: bool, *, scores: bool = False) -> None:
    """The fronts as tables, with the knee and the references marked, and scores if asked; or as JSON."""
    pictures = pictures_of(study)
    if as_json:
        echo_json({"study": study.name, **front_json(pictures)})
        return
    out = console()
    for picture in pictures:
        out.print(front_table(picture, out.width, scores=scores))


def command_line() -> str:
    """The command as it was typed, without the passwords of URLs, for the report."""
    return shlex.join(["nasearch", *map(masked, sys.argv[1:])])


@contextmanager
def display(as_json: bool, time_s: float | None = None) -> Iterator[Display]:
    """A progress display on stdout, or on stderr where stdout is for JSON."""
    with make_progress(console(stderr=as_json), time_s) as progress:
        yield progress


@contextmanager
def interruptible(ctx: click.Context, study: Study) -> Iterator[None]:
    """Turn Ctrl-C into one line that says what to do next."""
    try:
        yield
    except KeyboardInterrupt:
        how = f"--study {study.name} in place of --fresh goes on" if study.settings.fresh else "goes on"
        click.echo(f"interrupted: the study {study.name} is safe; the same command {how}", err=True)
        ctx.exit(INTERRUPTED)
