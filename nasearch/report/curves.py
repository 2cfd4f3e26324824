"""Two searches at equal budget, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nasearch.pareto import Objective

_ROWS = 5  # of a table


@dataclass(frozen=True)
class SearchCurve:
    """One search: how its front grew with the candidates that were trained.

    Hypervolumes are shares of the box that both searches are measured in.

    Attributes:
        study: its name.
        sampler: who proposed.
        spent: candidates of the study, of which the comparison takes as many as the other has too.
        raced_out: of those compared, stopped early; they count as spent and add nothing to the front.
        failed: likewise.
        is_any_order: chance alone proposed and nothing was raced out, so that the candidates might have come
            in any order; the intervals hold that as well.
        seen: (budget,) hypervolume after 1, 2, ... candidates, as it was seen.
        corrected: (counts,) hypervolume less what the noise of the accuracies is expected to have added.
        low: (counts,) of the 95 % interval.
        high: likewise.
        reached_other: candidates after which the other's last hypervolume was reached; None if never.
    """

    study: str
    sampler: str
    spent: int
    raced_out: int
    failed: int
    is_any_order: bool
    seen: tuple[float, ...]
    corrected: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    reached_other: int | None

    @property
    def name(self) -> str:
        """The sampler and its study, as both may have the same sampler."""
        return f"{self.sampler} ({self.study})"


@dataclass(frozen=True)
class FrontComparison:
    """Two searches at equal budget, in one box.

    Attributes:
        first: the study that is asked about.
        second: the one beside it.
        objectives: of both.
        reference: the corner of the box, a loss an objective.
        counts: numbers of candidates that have intervals, the last is the budget.
        difference: (counts,) first less second, corrected.
        low: (counts,) of its 95 % interval.
        high: likewise.
        images: validation images that the accuracies of first and second were read on.
        draws: of the bootstrap.
        unlike: what the studies differ in besides their proposals, in words.
    """

    first: SearchCurve
    second: SearchCurve
    objectives: tuple[Objective, ...]
    reference: tuple[float, ...]
    counts: tuple[int, ...]
    difference: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    images: tuple[int, int]
    draws: int
    unlike: tuple[str, ...] = ()

    @property
    def budget(self) -> int:
        """Candidates of each that are compared."""
        return self.counts[-1]

    @property
    def shown(self) -> tuple[int, ...]:
        """Places of the counts that a table has rows for: a few in equal steps, the last among them."""
        rows, number = min(_ROWS, len(self.counts)), len(self.counts)
        return tuple(math.ceil((i + 1) * number / rows) - 1 for i in range(rows))

    @property
    def leader(self) -> SearchCurve | None:
        """The search whose lead is beyond the interval; None where the images do not tell."""
        if self.low[-1] > 0:
            return self.first
        return self.second if self.high[-1] < 0 else None
