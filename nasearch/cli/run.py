"""`nasearch run`: the main job, from a space to an exported winner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nasearch.cli.common import json_option
from nasearch.cli.options import given_only, settings_options
from nasearch.study.settings import StudySettings, names


@click.command()
@click.argument("study_file", required=False, type=click.Path(path_type=Path), metavar="[STUDY.yaml]")
@settings_options(*names())
@json_option
@click.pass_context
def command(ctx: click.Context, study_file: Path | None, as_json: bool, **options: Any) -> None:
    """Search, train the winner and export it.

    STUDY.yaml holds the same settings; options given here go before it. The same command again continues the
    study up to the budget, or prints its results if it has that already. Ctrl-C is safe at any time.
    """
    settings = StudySettings.load(study_file) if study_file else StudySettings()
    settings = settings.merge(**given_only(options))
    _, is_file, path = settings.storage.partition("sqlite:///")
    if is_file and not Path(path).exists():  # no study was told anything before
        settings.check_whole()

    # Only now: wrong settings are told before torch is imported.
    from nasearch.cli.job import run_job

    run_job(ctx, settings, as_json)
