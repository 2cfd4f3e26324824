"""What a person sees while a study runs: bars in a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from nasearch.report.formatting import duration, metric, percent, title
from nasearch.study.progress import Progress, RunSummary, Standing

if TYPE_CHECKING:
    from nasearch.store.records import TrialRecord
    from nasearch.training import CurvePoint
    from nasearch.training.supernet import SupernetPoint

# These cost nothing of the budget and can come by the dozen; they are counted, not shown one by one.
FREE = ("refused", "repeated")
LARGEST = "accuracy of its largest network"
REASONS = {
    "budget": "",
    "time": "; the time is up",
    "exhausted": "; the space has no further network within the limits",
}


class Pace:
    """Foretells the time left from what the candidates of this run took.

    Args:
        time_s: the run's own time limit in seconds, if it has one.
        clock: seconds that only go forward.
    """

    def __init__(self, time_s: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._time_s = time_s
        self._clock = clock
        self._first = 0
        self._started = clock()

    def start(self, standing: Standing) -> None:
        """Begin to count; what earlier runs did is not this run's pace."""
        self._first = standing.done
        self._started = self._clock()

    def left_s(self, standing: Standing) -> float | None:
        """Seconds left, or None before the first candidate is done."""
        done = standing.done - self._first
        if done <= 0:
            return None
        elapsed = self._clock() - self._started
        left = elapsed / done * max(standing.budget - standing.done, 0)
        return left if self._time_s is None else min(left, max(self._time_s - elapsed, 0.0))


class _Shared(Progress):
    """What both displays say alike."""

    def __init__(self, console: Console, time_s: float | None = None) -> None:
        self._console = console
        self._pace = Pace(time_s)
        self._free = 0
        self._stage = ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def _note(self, standing: Standing) -> str:
        """Best so far, front size, share of the reference box, time left."""
        parts = []
        if standing.best_accuracy is not None:
            kind = title(standing.accuracy).removesuffix("accuracy").strip()
            best = metric(standing.accuracy, standing.best_accuracy)
            parts.append(f"best {kind} {best}" if kind else f"best {best}")
        parts += [f"front {standing.front_size}", f"volume {standing.hypervolume:.3f}"]
        left = self._pace.left_s(standing)
        if left is not None:
            parts.append(f"{duration(left)} left")
        return " · ".join(parts)

    def finished(self, summary: RunSummary) -> None:
        """Say what the search did and why it ended."""
        outcomes = ", ".join(
            f"{count} {outcome.replace('_', ' ')}" for outcome, count in summary.outcomes.items() if count
        )
        done = f"{summary.standing.done} of {summary.standing.budget} candidates done"
        took = f"after {duration(summary.seconds)}"
        self.message(f"{done} ({outcomes or 'no trial'}) {took}{REASONS[summary.stopped]}")


class LineProgress(_Shared):
    """One line for each candidate that was measured and each epoch of a longer training."""

    def __enter__(self) -> LineProgress:
        return self

    def started(self, study: str, standing: Standing) -> None:
        """Say where the study stands."""
        self._pace.start(standing)
        self.message(f"study {study}: {standing.done} of {standing.budget} candidates done")

    def screening(self, done: int, networks: int) -> None:
        """Write a line for every tenth of what is scored."""
        if done in (0, networks) or done * 10 // networks > (done - 1) * 10 // networks:
            self.message(f"{done} of {networks} networks scored")

    def told(self, trial: TrialRecord, standing: Standing) -> None:
        """Write the candidate's line; free ones are only counted."""
        if trial.outcome in FREE:
            self._free += 1
            return
        free = f" (after {self._free} refused or repeated)" if self._free else ""
        self._free = 0
        place = f"[{standing.done}/{standing.budget}]"
        self.message(f"{place} {describe(trial)}{free} | {self._note(standing)}")

    def message(self, text: str) -> None:
        """Write a line at once, so that a log can be followed."""
        self._console.print(text, markup=False, soft_wrap=True)
        self._console.file.flush()

    def stage(self, name: str, epochs: int) -> None:
        """Begin a longer training."""
        self._stage = name
        self.message(f"{name}: {epochs} epoch{'s' if epochs != 1 else ''}")

    def stage_epoch(self, point: CurvePoint, epochs: int) -> None:
        """Write an epoch of that training."""
        self.message(f"{self._stage} [{point.epoch}/{epochs}] accuracy {percent(point.val_accuracy)}")

    def supernet_epoch(self, point: SupernetPoint, epochs: int) -> None:
        """Write an epoch of a supernet's training: its ends, and the loss."""
        largest, smallest = percent(point.largest_accuracy), percent(point.smallest_accuracy)
        shown = f"{LARGEST} {largest}, of its smallest {smallest}, loss {point.train_loss:.3f}"
        self.message(f"{self._stage} [{point.epoch}/{epochs}] {shown}")


class BarProgress(_Shared):
    """Bars that stay in place: one for the candidates, one for the training that runs now."""

    def __init__(self, console: Console, time_s: float | None = None) -> None:
        super().__init__(console, time_s)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._main: TaskID | None = None
        self._screen: TaskID | None = None
        self._trainings: dict[int | None, TaskID] = {}  # by trial, None for a longer training

    def __enter__(self) -> BarProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def started(self, study: str, standing: Standing) -> None:
        """Show the candidates' bar."""
        self._pace.start(standing)
        done = min(standing.done, standing.budget)
        self._main = self._bars.add_task(study, total=standing.budget, completed=done, note="")

    def screening(self, done: int, networks: int) -> None:
        """Move the bar of what is scored, which goes when it is full."""
        if self._screen is None:
            self._screen = self._bars.add_task("scores", total=networks, note="")
        self._bars.update(self._screen, completed=done)
        if done >= networks:
            self._bars.remove_task(self._screen)
            self._screen = None

    def candidate(self, number: int, label: str) -> None:
        """Show a candidate in training; its network is too long for a bar's line."""
        self._begin_training(number, f"#{number}", None)

    def epoch(self, number: int, point: CurvePoint, epochs: int) -> None:
        """Move that candidate's bar."""
        self._move_training(number, point, epochs)

    def told(self, trial: TrialRecord, standing: Standing) -> None:
        """Leave a line for what was measured, and move the candidates' bar."""
        if trial.outcome not in FREE:
            self._end_training(trial.number)
            self.message(describe(trial))
        if self._main is not None:
            done = min(standing.done, standing.budget)
            self._bars.update(self._main, completed=done, note=self._note(standing))

    def message(self, text: str) -> None:
        """Write a line above the bars."""
        self._bars.console.print(text, markup=False)

    def finished(self, summary: RunSummary) -> None:
        """Leave a line in the place of the candidates' bars."""
        for number in tuple(self._trainings):
            self._end_training(number)
        if self._screen is not None:  # the time was up
            self._bars.remove_task(self._screen)
            self._screen = None
        if self._main is not None:
            self._bars.remove_task(self._main)
            self._main = None
        super().finished(summary)

    def stage(self, name: str, epochs: int) -> None:
        """Show the bar of a longer training."""
        self._begin_training(None, name, epochs or None)

    def stage_epoch(self, point: CurvePoint, epochs: int) -> None:
        """Move that bar."""
        self._move_training(None, point, epochs)

    def supernet_epoch(self, point: SupernetPoint, epochs: int) -> None:
        """Move it, and say whose accuracy it shows."""
        self._move_training(None, point.largest, epochs, LARGEST)

    def stage_done(self, name: str) -> None:
        """Take that bar away."""
        self._end_training(None)

    def _begin_training(self, number: int | None, name: str, epochs: int | None) -> None:
        self._end_training(number)
        self._trainings[number] = self._bars.add_task(name, total=epochs, note="")

    def _move_training(
        self, number: int | None, point: CurvePoint, epochs: int, shown: str = "accuracy"
    ) -> None:
        if number in self._trainings:
            note = f"{shown} {percent(point.val_accuracy)}"
            self._bars.update(self._trainings[number], completed=point.epoch, total=epochs, note=note)

    def _end_training(self, number: int | None) -> None:
        if number in self._trainings:
            self._bars.remove_task(self._trainings.pop(number))


def describe(trial: TrialRecord) -> str:
    """A measured candidate in one line."""
    text = f"#{trial.number} {trial.outcome}"
    if trial.reason:
        return f"{text}: {trial.reason}"
    values = ", ".join(f"{title(name)} {metric(name, value)}" for name, value in trial.values.items())
    took = "" if trial.seconds is None else f", {duration(trial.seconds)}"
    return f"{text} {values}{took}"


def make_progress(console: Console, time_s: float | None = None) -> LineProgress | BarProgress:
    """Bars where they can move, lines elsewhere."""
    return BarProgress(console, time_s) if console.is_terminal else LineProgress(console, time_s)
