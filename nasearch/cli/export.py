"""`nasearch export`: a trained network as files that do not need nasearch."""

from __future__ import annotations

from typing import Any

import click

from nasearch.cli.common import (
    echo_json,
    json_option,
    load_study,
    parse_target,
    plugins_option,
    storage_option,
    target_arguments,
)
from nasearch.cli.options import given_only, settings_options


@click.command()
@target_arguments
@settings_options("formats", "pick", "winner_recipe", "winner_epochs", "teacher", "device")
@click.option(
    "--out",
    metavar="FOLDER",
    help="Folder for the files; studies/<study>/winner, or studies/<study>/trial<N>, if not given.",
)
@storage_option
@plugins_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, target: tuple[str, ...], out: str | None, storage: str, as_json: bool, **options: Any
) -> None:
    """Write a network as files that do not need nasearch.

    The winner of the study, or TRIAL. A network that is not trained in full yet is trained first, as by
    `nasearch finish`. Every file is loaded in a fresh process without nasearch, and its outputs are
    compared to the original's.
    """
    name, number = parse_target(target)
    given = given_only(options)
    with load_study(name, storage, device=given.pop("device", "auto")) as study:
        from nasearch.cli.job import display, hand_over, interruptible

        study.settings = study.settings.merge(**given)
        with interruptible(ctx, study), display(as_json) as progress:
            train = not given.keys().isdisjoint({"pick", "winner_recipe", "winner_epochs", "teacher"})
            report = hand_over(study, progress, trial=number, out=out, train=train)
    if as_json:
        echo_json({"files": [str(file) for file in report.files], "max_abs_difference": report.checked})
