"""`nasearch trials`: everything a study has tried, with what became of it."""

from __future__ import annotations

import click

from nasearch.cli.common import (
    console,
    echo_json,
    json_option,
    load_study,
    plugins_option,
    scores_option,
    storage_option,
    study_argument,
)
from nasearch.report.content import OUTCOMES


@click.command()
@study_argument
@click.option(
    "--outcome",
    "outcomes",
    type=click.Choice(OUTCOMES),
    multiple=True,
    help="Only trials with this outcome. Repeatable.",
)
@click.option("--screened", is_flag=True, help="List what a screen looked at instead of the trials.")
@scores_option
@storage_option
@plugins_option
@json_option
def command(
    study: str | None,
    outcomes: tuple[str, ...],
    screened: bool,
    scores: bool,
    storage: str,
    as_json: bool,
) -> None:
    """List the trials of a study.

    STUDY left out means the last one. Refused and repeated trials cost nothing of the budget: the first broke
    a limit before training, the second was a network measured before. What --screen has looked at is no trial
    unless it was trained; --screened lists it.
    """
    if screened and outcomes:
        raise click.UsageError("--outcome is of trials, and --screened lists none; expected one of them")
    with load_study(study, storage) as loaded:
        from nasearch.report.tables import screened_json, screened_table, trials_json, trials_table
        from nasearch.study.reporting import objectives_of, rows_of, screened_of

        name = loaded.name
        objectives = [objective.name for objective in objectives_of(loaded)]
        looked_at = screened_of(loaded) if screened else ()
        every = () if screened else rows_of(loaded)
        rows = [row for row in every if not outcomes or row.outcome in outcomes]
    if screened and as_json:
        echo_json({"study": name, **screened_json(looked_at, objectives)})
    elif screened:
        console().print(screened_table(looked_at, objectives, f"Screen of {name}", console().width))
    elif as_json:
        echo_json({"study": name, **trials_json(rows, objectives)})
    else:
        title, out = f"Trials of {name}", console()
        out.print(trials_table(rows, objectives, title, out.width, scores=scores))
