"""`nasearch finish`: train, test and export the winner of a study that was searched before."""

from __future__ import annotations

from typing import Any

import click

from nasearch.cli.common import load_study, parse_target, plugins_option, storage_option, target_arguments
from nasearch.cli.options import given_only, settings_options


@click.command()
@target_arguments
@settings_options("pick", "winner_recipe", "winner_epochs", "teacher", "formats", "device", "out")
@storage_option
@plugins_option
@click.pass_context
def command(ctx: click.Context, target: tuple[str, ...], storage: str, **options: Any) -> None:
    """Train the winner of a study and export it.

    The winner is the knee of the front, the most accurate network under --pick, or TRIAL. It is trained with
    --winner-recipe, taught by the most accurate network, tested once on the test split, exported and checked.
    What was trained in the same way before is not trained again.
    """
    name, number = parse_target(target)
    given = given_only(options)
    with load_study(name, storage, device=given.pop("device", "auto"), out=given.pop("out", None)) as study:
        from nasearch.cli.job import display, hand_over, interruptible, write_report

        study.settings = study.settings.merge(**given)
        with interruptible(ctx, study), display(as_json=False) as progress:
            hand_over(study, progress, trial=number)
            write_report(study, progress)
