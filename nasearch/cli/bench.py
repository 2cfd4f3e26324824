"""`nasearch bench`: samplers side by side at equal budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nasearch.cli.bench_studies import compare_studies
from nasearch.cli.common import console, echo_json, json_option, quiet_optuna, storage_option, waiting
from nasearch.cli.options import setting_option, split_names
from nasearch.errors import SettingsError
from nasearch.study.settings import default_of

if TYPE_CHECKING:
    from nasearch.study.tabular_bench import Bench, OnRun, Run


@click.command()
@click.argument("studies", nargs=-1, metavar="[STUDY...]")
@click.option("--table", metavar="FILE", help="Table of trained networks: a known npz, or a YAML file.")
@click.option(
    "--samplers",
    metavar="NAMES",
    default="surrogate,random,tpe",
    show_default=True,
    help="Samplers with commas between; gp:3 runs that one with 3 seeds.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Distinct networks that each search measures.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=20, show_default=True, help="Searches of each sampler."
)
@setting_option("objectives")
@storage_option
@click.option(
    "--observe", metavar="COLUMNS", help="Accuracy that samplers see; the table's own if not given."
)
@click.option("--judge", metavar="COLUMNS", help="Accuracy that the front is judged by; see the docs.")
@click.option(
    "--test", metavar="COLUMNS", help="Test accuracy, for the report; the table's own if not given."
)
@click.option("--latency-column", metavar="COLUMN", help="What latency_ms is, where it is an objective.")
@click.option(
    "--reference",
    metavar="TEXT",
    multiple=True,
    help="The worst that counts, such as 'accuracy >= 70%' (the default) or 'macs <= 100M' "
    "(else the largest). Repeatable.",
)
@click.option(
    "--known",
    metavar="NAMES",
    help="Costs that samplers may know before measuring, or none; params, macs and memory if not given.",
)
@click.option("--count-repeats", is_flag=True, help="Let networks proposed again spend budget.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes side by side."
)
@click.option(
    "--out", metavar="FOLDER", help="Where results go; studies/bench-<table>-<objectives> if not given."
)
@click.option("--fresh", is_flag=True, help="Throw away what the folder has instead of going on.")
@json_option
def command(studies: tuple[str, ...], table: str | None, storage: str, as_json: bool, **options: Any) -> None:
    """Compare samplers or studies at equal budget.

    With --table every sampler searches a table of trained networks, so that nothing is trained: seconds a
    search. Printed are the share of the true front's hypervolume that was found, standard errors, mean ranks
    and paired tests; curves go to a picture and a CSV. The same command again goes on where it was stopped.

    With two studies of a store, such as one and its baseline, it prints how their fronts grew with the
    candidates that they trained, with intervals; --out keeps the curves.
    """
    if table is None and not studies:
        raise SettingsError("nothing to compare; expected --table FILE or two studies")
    if table is None:
        compare_studies(studies, storage, as_json=as_json, out=options["out"])
    elif studies:
        raise SettingsError(f"studies {', '.join(studies)} beside --table; expected one of them")
    else:
        bench_on_table(table, as_json, **options)


def bench_on_table(
    table: str,
    as_json: bool,
    *,
    samplers: str,
    objectives: tuple[str, ...],
    observe: str | None,
    judge: str | None,
    test: str | None,
    known: str | None,
    out: str | None,
    **options: Any,
) -> None:
    """Search a table with each sampler, and print how they compare."""
    from nasearch.study.tabular_bench import bench_json, bench_table

    quiet_optuna()
    objectives = objectives or default_of("objectives")
    folder = out or str(Path("studies") / "-".join(["bench", Path(table).stem, *objectives]))
    with _watching() as on_run:
        found = bench_table(
            table,
            split_names((samplers,)),
            objectives=objectives,
            known=None if known is None else [name for name in split_names((known,)) if name != "none"],
            out=folder,
            on_run=on_run,
            observe=split_names((observe or "",)),
            judge=split_names((judge or "",)),
            test=split_names((test or "",)),
            **options,
        )
    if as_json:
        echo_json({**bench_json(found), "files": [str(file) for file in found.files]})
    else:
        _print(found)


@contextmanager
def _watching() -> Iterator[OnRun]:
    """Says on a terminal how far the searches are; nothing elsewhere: curves.csv grows with each."""
    with waiting("reading the table") as say:

        def on_run(run: Run, done: int, of: int) -> None:
            say(f"{run.sampler}, seed {run.seed}: {run.score[-1]:.4f} after {len(run.rows)} ({done} of {of})")

        yield on_run


def _print(found: Bench) -> None:
    from nasearch.report.sampler_comparison import pairs_table, standings_table
    from nasearch.study.tabular_bench import bench_lines

    out = console()
    for line in bench_lines(found):
        out.print(line, markup=False)
    out.print(standings_table(found.comparison, found.facts))
    if len(found.runs) > 1:
        out.print(pairs_table(found.comparison))
    for file in found.files:
        out.print(f"wrote {file}", markup=False)
