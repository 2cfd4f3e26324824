from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from nasearch.cli.progress import BarProgress, LineProgress, Pace, describe, make_progress
from nasearch.space import SearchSpace
from nasearch.store.records import TrialRecord
from nasearch.study.progress import RunSummary, Standing
from nasearch.training import CurvePoint
from nasearch.training.supernet import SupernetPoint

ARCHITECTURE = SearchSpace.load("tiny").sample(seed=0)


def trial(number: int = 0, outcome: str = "complete", **given: object) -> TrialRecord:
    values = {"accuracy": 0.8125, "macs": 246_336} if outcome == "complete" else {}
    return TrialRecord(number, outcome, "1:key", ARCHITECTURE, values, **given)  # type: ignore[arg-type]


def point(epoch: int, accuracy: float) -> CurvePoint:
    return CurvePoint(epoch, 1.5, 1.25, accuracy, 0.001, 2.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("spent", "in_flight", "elapsed", "time_s", "left"),
    [
        (10, 0, 60.0, None, None),  # nothing done in this run yet
        (12, 0, 20.0, None, 80.0),  # 10 s each, 8 to come
        (12, 0, 20.0, 50.0, 30.0),  # the time limit comes first
        (12, 0, 60.0, 50.0, 0.0),  # it is over
        (20, 0, 100.0, None, 0.0),
        (25, 0, 100.0, None, 0.0),
        (14, 2, 20.0, None, 80.0),  # 12 are done, two in flight
        (12, 2, 20.0, None, None),  # none of this run is done yet
    ],
)
def test_time_left(
    spent: int, in_flight: int, elapsed: float, time_s: float | None, left: float | None
) -> None:
    clock = Clock()
    pace = Pace(time_s, clock)
    clock.now += 1000.0  # making the study took long; it is not the candidates' pace
    pace.start(Standing(10, 20))
    clock.now += elapsed
    assert pace.left_s(Standing(spent, 20, in_flight=in_flight)) == left


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (trial(3, seconds=6.31), "#3 complete accuracy 81.25 %, MACs 246 k, 6.3 s"),
        (trial(3), "#3 complete accuracy 81.25 %, MACs 246 k"),
        (
            replace(trial(3), values={"inherited_accuracy": 0.5, "peak_activation_bytes": 256_000.0}),
            "#3 complete inherited accuracy 50.00 %, peak memory 256 kB",
        ),
        (trial(4, "failed", reason="out of memory"), "#4 failed: out of memory"),
    ],
)
def test_a_candidate_in_one_line(given: TrialRecord, text: str) -> None:
    assert describe(given) == text


def watch(progress: LineProgress | BarProgress) -> None:
    """A study as it tells a display about itself."""
    with progress:
        progress.started("digits", Standing(0, 2))
        progress.told(trial(0, "refused", reason="macs <= 8M"), Standing(0, 2))
        progress.told(trial(1, "repeated"), Standing(0, 2))
        progress.candidate(2, "mbconv")
        progress.epoch(2, point(1, 0.5), 2)
        progress.told(trial(2, seconds=1.0), Standing(1, 2, 1, 0.8125, 0.25))
        progress.candidate(3, "conv [red]")
        progress.told(trial(3, "failed", reason="loss is nan [1]"), Standing(2, 2, 1, 0.8125, 0.25))
        progress.finished(
            RunSummary(Standing(2, 2, 1, 0.8125), {"complete": 1, "failed": 1, "raced_out": 0}, 65.0, "time")
        )
        progress.stage("teacher, trial 2", 1)
        progress.stage_epoch(point(1, 0.9), 1)
        progress.stage_done("teacher")
        progress.message("wrote [out]/model.py")


def test_lines_where_the_output_is_no_terminal() -> None:
    out = io.StringIO()
    progress = make_progress(Console(file=out, width=200))
    assert isinstance(progress, LineProgress)
    progress._pace = Pace(clock=lambda: 0.0)
    watch(progress)
    note = " | best 81.25 % · front 1 · volume 0.250 · 0.0 s left"
    assert out.getvalue().splitlines() == [
        "study digits: 0 of 2 candidates done",
        f"[1/2] #2 complete accuracy 81.25 %, MACs 246 k, 1.0 s (after 2 refused or repeated){note}",
        f"[2/2] #3 failed: loss is nan [1]{note}",
        "2 of 2 candidates done (1 complete, 1 failed) after 1 min 5 s; the time is up",
        "teacher, trial 2: 1 epoch",
        "teacher, trial 2 [1/1] accuracy 90.00 %",
        "wrote [out]/model.py",
    ]


def test_lines_count_what_has_an_outcome() -> None:
    """With two workers: both are started before the first is done; the second is left by a kill."""
    out = io.StringIO()
    progress = LineProgress(Console(file=out, width=200))
    progress._pace = Pace(clock=lambda: 0.0)
    progress.started("digits", Standing(0, 2))
    progress.told(trial(0), Standing(2, 2, 1, 0.8125, 0.25, in_flight=1))
    progress.started("digits", Standing(2, 2, 1, 0.8125, 0.25, in_flight=1))
    progress.told(trial(1), Standing(2, 2, 1, 0.8125, 0.25))
    note = " complete accuracy 81.25 %, MACs 246 k | best 81.25 % · front 1 · volume 0.250 · 0.0 s left"
    assert out.getvalue().splitlines() == [
        "study digits: 0 of 2 candidates done",
        f"[1/2] #0{note}",
        "study digits: 1 of 2 candidates done",
        f"[2/2] #1{note}",
    ]


def test_a_supernets_epoch_says_whose_accuracy_it_is() -> None:
    out = io.StringIO()
    told = SupernetPoint(1, 1.23456, 0.42, 0.125, 0.001, 2.0)
    lines = LineProgress(Console(file=out, width=200))
    lines.stage("supernet", 3)
    lines.supernet_epoch(told, 3)
    assert out.getvalue().splitlines()[1:] == [
        "supernet [1/3] accuracy of its largest network 42.00 %, of its smallest 12.50 %, loss 1.235"
    ]
    bars = BarProgress(Console(file=io.StringIO(), width=120, force_terminal=True))
    bars.stage("supernet", 3)
    bars.supernet_epoch(told, 3)
    (training,) = bars._bars.tasks
    assert (training.completed, training.total) == (1, 3)
    assert training.fields["note"] == "accuracy of its largest network 42.00 %"


def test_bars_in_a_terminal() -> None:
    out = io.StringIO()
    progress = make_progress(Console(file=out, width=120, force_terminal=True, color_system=None))
    assert isinstance(progress, BarProgress)
    watch(progress)
    text = out.getvalue()
    assert "digits" in text
    assert "#3 failed: loss is nan [1]" in text
    assert "wrote [out]/model.py" in text
    assert not progress._bars.tasks


def test_bars_show_the_standing_and_the_training() -> None:
    progress = BarProgress(Console(file=io.StringIO(), width=120, force_terminal=True))
    progress.started("digits", Standing(0, 50))
    progress.told(trial(0), Standing(7, 50, 3, 0.8125, 0.25))
    progress.candidate(8, "mbconv")
    progress.epoch(8, point(1, 0.5), 2)
    main, training = progress._bars.tasks
    assert (main.completed, main.total) == (7, 50)
    assert main.fields["note"].startswith("best 81.25 % · front 3 · volume 0.250 · ")
    assert (training.description, training.completed, training.total) == ("#8", 1, 2)
    progress.told(trial(9, "refused"), Standing(8, 50, in_flight=1))
    assert main.completed == 7
    assert len(progress._bars.tasks) == 2  # the training goes on
    progress.told(trial(8), Standing(8, 50))
    assert [task.description for task in progress._bars.tasks] == ["digits"]
