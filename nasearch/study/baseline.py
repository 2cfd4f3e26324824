"""Baselines: the same search by another sampler with the same budget, and what the difference is."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING

from nasearch.errors import StudyError
from nasearch.samplers import make_sampler
from nasearch.study.equal_budget import compare_fronts
from nasearch.study.progress import Progress, RunSummary
from nasearch.study.running import run
from nasearch.study.siblings import open_sibling, siblings_of

if TYPE_CHECKING:
    from nasearch.report.curves import FrontComparison
    from nasearch.study.study import Study


def run_baseline(study: Study, sampler: str, budget: int | None, progress: Progress) -> RunSummary:
    """Give the baseline as many candidates as the study has; arguments and errors as in the `Study`."""
    make_sampler(sampler, 0, 0)
    budget = study.spent if budget is None else budget
    if budget < 1:
        raise StudyError(f"study {study.name!r} has no candidate yet; run it before its baseline")
    settings = dataclasses.replace(
        study.settings,
        sampler=sampler,
        screen=None,
        features=False,
        racing=study.raced,
        budget=budget,
        time=None,
    )
    found = {"sampler": sampler}
    with open_sibling(study, sampler, "baseline", settings, found=found) as sibling:
        try:
            return run(sibling, budget, None, progress, lender=study)
        finally:
            with suppress(OSError):  # trainings in flight are left in it
                sibling.directory.rmdir()


def comparisons(study: Study) -> tuple[FrontComparison, ...]:
    """The study beside each of its baselines that has something to show, oldest first."""
    from nasearch.study.study import Study

    found = []
    for record in siblings_of(study._store, study.name, "baseline"):
        with Study.load(record.name, storage=study.settings.storage) as sibling:
            if study.spent and sibling.spent:
                found.append(compare_fronts(study, sibling))
    return tuple(found)
