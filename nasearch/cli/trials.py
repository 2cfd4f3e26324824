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
@scores_option
@storage_option
@plugins_option
@json_option
def command(study: str | None, outcomes: tuple[str, ...], scores: bool, storage: str, as_json: bool) -> None:
    """List the trials of a study.

    STUDY left out means the last one. Refused and repeated trials cost nothing of the budget: the first broke
    a limit before training, the second was a network measured before.
    """
    with load_study(study, storage) as loaded:
        from nasearch.report.tables import trials_json, trials_table
        from nasearch.study.reporting import rows_of

        name = loaded.name
        objectives = [objective.name for objective in loaded.objectives]
        rows = [row for row in rows_of(loaded) if not outcomes or row.outcome in outcomes]
    if as_json:
        echo_json({"study": name, **trials_json(rows, objectives)})
    else:
        title, out = f"Trials of {name}", console()
        out.print(trials_table(rows, objectives, title, out.width, scores=scores))
