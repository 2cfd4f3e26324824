"""`nasearch front`: what a study has found, and known networks beside it."""

from __future__ import annotations

import click

from nasearch.cli.common import (
    console,
    json_option,
    load_study,
    plugins_option,
    scores_option,
    storage_option,
    study_argument,
)
from nasearch.cli.options import settings_options, split_names


@click.command()
@study_argument
@click.option("--plot", is_flag=True, help="Draw the front in the terminal as well.")
@scores_option
@settings_options("references", "device")
@storage_option
@plugins_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    study: str | None,
    plot: bool,
    scores: bool,
    references: tuple[str, ...],
    device: str | None,
    storage: str,
    as_json: bool,
) -> None:
    """Show the Pareto front of a study.

    STUDY left out means the last one. A row is a network that no other beats in every objective; the knee,
    which is chosen by default, is marked. Where candidates were confirmed by a training of their own, theirs
    is the first front, and that of all candidates by the proxy the second. Reference networks stand below
    the front; --reference trains those that the study has not measured yet.
    """
    with load_study(study, storage, device=device or "auto") as loaded:
        from nasearch.cli.job import display, interruptible, print_front

        if references:
            with interruptible(ctx, loaded), display(as_json) as progress:
                loaded.add_references(split_names(references), progress=progress)
        print_front(loaded, as_json, scores=scores)
        if plot and not as_json:
            from nasearch.report.terminal_plot import terminal_plot
            from nasearch.study.reporting import pictures_of

            out = console()
            for picture in pictures_of(loaded):
                out.print(terminal_plot(picture, width=min(out.width, 100)))
