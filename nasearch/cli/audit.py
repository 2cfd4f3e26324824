"""`nasearch audit`: how well what a study went by orders networks that are trained in full."""

from __future__ import annotations

from typing import Any

import click

from nasearch.cli.common import (
    console,
    echo_json,
    json_option,
    load_study,
    plugins_option,
    storage_option,
    study_argument,
)
from nasearch.cli.options import given_only, settings_options


@click.command()
@study_argument
@click.option(
    "--n",
    type=click.IntRange(min=2),
    metavar="N",
    help="Networks in all; as many as before if not given, 12 at first.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Epochs of each training; as before if not given, the recipe's own at first.",
)
@click.option(
    "--recipe",
    metavar="NAME|FILE",
    help="Recipe of each training; as before if not given, full at first.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Seed of the choice, where it is chance; the study's if not given.",
)
@click.option(
    "--scores", is_flag=True, help="Score the networks without training too, where they have no scores yet."
)
@settings_options("device", "gpus", "workers", "precision", "out")
@storage_option
@plugins_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    study: str | None,
    n: int | None,
    epochs: int | None,
    recipe: str | None,
    seed: int | None,
    scores: bool,
    storage: str,
    as_json: bool,
    **options: Any,
) -> None:
    """See how well the proxies of a study order networks.

    Some networks of the front and of the field are trained in full, in the study STUDY.audit, and judged on
    the validation split. Kendall's tau and Spearman's rho say how far each rung, the proxy's accuracy and the
    costs order them alike, with 95 % intervals. The same command goes on after an interrupt, and prints what
    is there once all are trained; a larger --n adds to them. A report that is there is written again, with
    what was found. STUDY left out means the last one.
    """
    given = given_only(options)
    with load_study(study, storage, device=given.pop("device", "auto"), out=given.pop("out", None)) as loaded:
        from nasearch.cli.job import display, interruptible
        from nasearch.report.audit_plot import audit_png
        from nasearch.report.audit_text import AUDIT_PICTURE, audit_json, audit_line, audit_table, notes
        from nasearch.report.content import REPORT
        from nasearch.study.folders import check_claim, claim_folder

        check_claim(loaded.directory, loaded)
        loaded.settings = loaded.settings.merge(**given)
        with interruptible(ctx, loaded), display(as_json) as progress:
            found = loaded.audit(n, epochs, recipe=recipe, seed=seed, scores=scores, progress=progress)
        claim_folder(loaded.directory, loaded)
        picture = audit_png(found, loaded.directory / AUDIT_PICTURE)
        report = loaded.directory / REPORT
        written = [picture]
        if report.exists():  # which quotes it beside the proxy's figures
            written = loaded.report()
    if as_json:
        echo_json({**audit_json(found), "picture": str(picture)})
        return
    out = console()
    out.print(audit_line(found), markup=False)
    out.print(audit_table(found))
    for note in notes(found):
        out.print(note, markup=False)
    for file in written:
        out.print(f"wrote {file}", markup=False)
