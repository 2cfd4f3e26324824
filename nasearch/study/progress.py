"""What a running study tells whoever watches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nasearch.store.records import TrialRecord
    from nasearch.training import CurvePoint
    from nasearch.training.supernet import SupernetPoint

Stopped = Literal["budget", "time", "exhausted"]


@dataclass(frozen=True)
class Standing:
    """How far a study is.

    Attributes:
        spent: distinct architectures whose proxy was started; those count for the budget.
        budget: how many are wanted.
        front_size: distinct networks on the front.
        best_accuracy: fraction in [0, 1], None before the first.
        accuracy: what that is called: "accuracy", or such as "zero_cost_score".
        hypervolume: share of the reference box that the front dominates, in [0, 1].
        in_flight: how many of those that were started have no outcome yet.
    """

    spent: int
    budget: int
    front_size: int = 0
    best_accuracy: float | None = None
    hypervolume: float = 0.0
    accuracy: str = "accuracy"
    in_flight: int = 0

    @property
    def done(self) -> int:
        """Distinct architectures whose proxy has ended, however it did."""
        return self.spent - self.in_flight


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes:
        outcomes: number of trials of the whole study by outcome.
        seconds: of this run.
        stopped: why no further candidate was started.
    """

    standing: Standing
    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    stopped: Stopped = "budget"


class Progress:
    """Override what you want to see; every method of this base does nothing."""

    def started(self, study: str, standing: Standing) -> None:
        """The search begins or goes on."""

    def screening(self, done: int, networks: int) -> None:
        """So many of the networks of a screen have their scores."""

    def candidate(self, number: int, label: str) -> None:
        """A candidate's proxy starts."""

    def epoch(self, number: int, point: CurvePoint, epochs: int) -> None:
        """An epoch of a candidate's proxy is done, of `epochs`."""

    def told(self, trial: TrialRecord, standing: Standing) -> None:
        """A trial has its outcome."""

    def message(self, text: str) -> None:
        """Something worth a line."""

    def finished(self, summary: RunSummary) -> None:
        """The search is over."""

    def stage(self, name: str, epochs: int) -> None:
        """A longer training starts: a supernet's, a reference's, the teacher's or the winner's."""

    def stage_epoch(self, point: CurvePoint, epochs: int) -> None:
        """An epoch of a longer training is done."""

    def supernet_epoch(self, point: SupernetPoint, epochs: int) -> None:
        """An epoch of a supernet's training is done; `stage_epoch` is told of its largest network."""
        self.stage_epoch(point.largest, epochs)

    def stage_done(self, name: str) -> None:
        """A longer training is over."""
