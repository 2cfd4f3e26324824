"""`nasearch bench STUDY STUDY`: two searches at equal budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from nasearch.cli.common import console, echo_json, load_study, waiting


def compare_studies(studies: Sequence[str], storage: str, *, as_json: bool, out: str | None = None) -> None:
    """Print how the fronts of two studies of a store grew with the candidates that they trained.

    Args:
        studies: names of two.
        storage: URL of the store.
        as_json: print JSON instead of the table.
        out: folder for the curves as `curves.png` and `curves.csv`; none are written if not given.

    Raises:
        click.UsageError: if there are not two different names.
        StudyError: if one does not exist, or the two do not compare.
        ExportError: if the folder cannot be written.
    """
    if len(set(studies)) != 2 or len(studies) != 2:
        raise click.UsageError(f"STUDY is {' '.join(studies) or 'missing'}; expected two different studies")
    from nasearch.report.equal_budget import (
        comparison_csv,
        comparison_json,
        comparison_line,
        comparison_table,
        notes,
    )
    from nasearch.study.equal_budget import compare_fronts

    one, other = studies
    with load_study(one, storage) as first, load_study(other, storage) as second, waiting("comparing"):
        comparison = compare_fronts(first, second)
    files: list[Path] = []
    if out is not None:
        from nasearch.report.budget_plot import budget_png
        from nasearch.report.files import write_text

        files.append(budget_png(comparison, Path(out) / "curves.png"))
        files.append(write_text(Path(out) / "curves.csv", comparison_csv(comparison)))
    if as_json:
        echo_json(comparison_json(comparison))
        return
    shown = console()
    shown.print(comparison_table(comparison))
    for line in (comparison_line(comparison), *notes(comparison), *(f"wrote {file}" for file in files)):
        shown.print(line, markup=False, soft_wrap=True)
