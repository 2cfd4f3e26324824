"""`nasearch report`: report and plots of a study, written again."""

from __future__ import annotations

import click

from nasearch.cli.common import load_study, plugins_option, storage_option, study_argument


@click.command()
@study_argument
@click.option("--out", metavar="FOLDER", help="Folder for the files; studies/<study> if not given.")
@storage_option
@plugins_option
def command(study: str | None, out: str | None, storage: str) -> None:
    """Write the report and the plots of a study.

    report.md, front.png and front.html; candidates.png beside them where candidates were confirmed, and a
    picture for each baseline and the audit. STUDY left out means the last one.
    """
    with load_study(study, storage, out=out) as loaded:
        for file in loaded.report():
            click.echo(str(file))
