"""Fronts over time and what a judge says of them, by rectangles that can be added by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasearch.space import SearchSpace
from scripts.bench_time_to_front import Plan, append_line, check_plan, macs_limit, search_on, spans_of
from scripts.front_curves import (
    Event,
    Moment,
    Span,
    elapsed,
    first_reach,
    judged_curve,
    observed_fronts,
    reached_for_good,
)


def event(seconds: float, key: str, accuracy: float, macs: float) -> Event:
    return Event(seconds, key, "{}", accuracy, macs)


def test_the_front_is_what_the_search_saw_until_then() -> None:
    events = [
        event(3.0, "better", 0.8, 10),  # given out of order
        event(1.0, "first", 0.5, 10),
        event(2.0, "cheap", 0.4, 5),
        event(4.0, "dominated", 0.3, 20),
    ]
    assert observed_fronts(events) == [
        Moment(1.0, frozenset({"first"})),
        Moment(2.0, frozenset({"first", "cheap"})),
        Moment(3.0, frozenset({"better", "cheap"})),
        Moment(4.0, frozenset({"better", "cheap"})),
    ]


def test_the_judges_accuracies_count_and_not_the_searchs() -> None:
    moments = [
        Moment(1.0, frozenset({"a"})),
        Moment(2.0, frozenset({"a", "b"})),
        Moment(3.0, frozenset({"b"})),
    ]
    accuracy, macs = {"a": 0.6, "b": 0.7}, {"a": 25.0, "b": 50.0}
    curve = judged_curve(moments, accuracy, macs, (0.8, 100.0))
    # the box is 0.8 x 100; a covers (0.8 - 0.4) x 75, b (0.8 - 0.3) x 50, both (0.8 - 0.4) x 75 + 0.1 x 50
    assert [seconds for seconds, _ in curve] == [1.0, 2.0, 3.0]
    assert [value for _, value in curve] == pytest.approx([30 / 80, 35 / 80, 25 / 80])


def test_a_front_no_better_than_guessing_covers_nothing() -> None:
    moments = [Moment(1.0, frozenset({"a"}))]
    assert judged_curve(moments, {"a": 0.1}, {"a": 5.0}, (0.9, 100.0)) == [(1.0, 0.0)]


CURVE = [(1.0, 0.2), (2.0, 0.5), (3.0, 0.4), (4.0, 0.6), (5.0, 0.5)]


@pytest.mark.parametrize(
    ("target", "first", "for_good"),
    [(0.1, 1.0, 1.0), (0.5, 2.0, 4.0), (0.45, 2.0, 4.0), (0.55, 4.0, None), (0.7, None, None)],
)
def test_when_a_curve_is_at_a_target(target: float, first: float | None, for_good: float | None) -> None:
    assert first_reach(CURVE, target) == first
    assert reached_for_good(CURVE, target) == for_good


@pytest.mark.parametrize(
    ("at", "expected"),
    [(90.0, 0.0), (105.0, 5.0), (110.0, 10.0), (150.0, 10.0), (203.0, 13.0), (300.0, 30.0)],
)
def test_pauses_between_processes_do_not_count(at: float, expected: float) -> None:
    assert elapsed(at, [Span(100.0, 110.0), Span(200.0, 220.0)]) == expected


def test_the_box_ends_at_the_spaces_limit_or_beyond_the_dearest() -> None:
    assert macs_limit(SearchSpace.load("mobile"), [1e9]) == 8e6
    assert macs_limit(SearchSpace.load("tiny"), [10.0, 20.0]) == pytest.approx(22.0)


def plan(folder: Path, **changed: object) -> Plan:
    given: dict[str, object] = {
        "space": "tiny",
        "data": "npz:none.npz",
        "budget": 3,
        "epochs": 1,
        "images": 16,
        "device": "cpu",
        "judge_epochs": 1,
        "judge_images": 16,
        "work": folder,
    }
    return Plan(**(given | changed))  # type: ignore[arg-type]


def test_a_complete_search_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("scripts.bench_time_to_front.run_logged", lambda command, _: ran.append(command))
    search_on(plan(tmp_path), 0, 3)
    search_on(plan(tmp_path), 0, 3)
    assert len(ran) == 1
    search_on(plan(tmp_path), 0, 5)
    assert len(ran) == 2
    assert len(spans_of(plan(tmp_path), 0)) == 2


def test_a_search_that_was_cut_off_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, database = tmp_path / "nasearch-0.spans.jsonl", tmp_path / "nasearch-0.db"
    append_line(file, {"began": 1.0})
    database.write_text("half a study")
    owner = tmp_path / "nasearch-0" / ".study"
    owner.parent.mkdir()
    owner.write_text("bench 2026-01-01T00:00:00+00:00")
    monkeypatch.setattr("scripts.bench_time_to_front.run_logged", lambda *_: None)
    search_on(plan(tmp_path), 0, 3)
    assert not database.exists()
    assert not owner.exists()  # or the new study would be refused the folder
    (span,) = spans_of(plan(tmp_path), 0)
    assert span.began > 1.0


def test_a_work_folder_is_of_one_comparison(tmp_path: Path) -> None:
    import click

    check_plan(plan(tmp_path))
    check_plan(plan(tmp_path))
    with pytest.raises(click.ClickException, match="is of another comparison"):
        check_plan(plan(tmp_path, budget=4))
