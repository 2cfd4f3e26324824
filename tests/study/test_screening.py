"""The screen: what is looked at without training, what is kept, and that a search begins with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from nasearch.errors import MeasurementError, SettingsError, StudyError
from nasearch.pareto import parse_objectives
from nasearch.space import Architecture, SearchSpace
from nasearch.study import Progress, Study, StudySettings, scoring
from nasearch.study.opening import make_rules
from nasearch.study.screening import Drawn, draw, judged_by_promise
from tests.support.small_tables import everything, write_tiny

Make = Callable[..., Study]
OBJECTIVES = parse_objectives(["accuracy", "macs"])


class Watch(Progress):
    """Remembers what a run said of its screen."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.lines: list[str] = []

    def screening(self, done: int, networks: int) -> None:
        self.steps.append((done, networks))

    def message(self, text: str) -> None:
        self.lines.append(text)


def networks(count: int) -> list[Architecture]:
    space = SearchSpace.load("tiny")
    found = {each.key: each for each in map(space.sample, range(200))}
    return list(found.values())[:count]


def judged(
    scores: Sequence[float], macs: Sequence[float], begins: int | None = None, objectives: Any = OBJECTIVES
) -> list[tuple[int, str]]:
    """The rows in the order of their promise, with their fates."""
    rows = [
        (Drawn(one, {"macs": cost, "params": 1.0}), {"synflow": score, "jacov": score})
        for one, score, cost in zip(networks(len(scores)), scores, macs, strict=True)
    ]
    place = {each.architecture.key: i for i, (each, _) in enumerate(rows)}
    return [(place[record.key], record.fate) for record in judged_by_promise(rows, objectives, begins)]


def test_what_another_beats_in_score_and_cost_comes_later() -> None:
    # 0 and 3 are on the front; 1 costs more than 0 for less; 2 is beaten by 0, 1 and 3
    order = [row for row, _ in judged([5, 4, 3, 9], [10, 11, 30, 20])]
    assert set(order[:2]) == {0, 3}
    assert order[2:] == [1, 2]


def test_a_tenth_is_kept_and_no_more_than_the_sampler_begins_with() -> None:
    scores, macs = list(range(40)), [1.0] * 40
    assert [row for row, fate in judged(scores, macs) if fate == "kept"] == [39, 38, 37, 36]
    assert [row for row, fate in judged(scores, macs, begins=3) if fate == "kept"] == [39, 38, 37]
    assert [fate for _, fate in judged([1, 2], [1, 1])] == ["kept", "screened_out"]


def test_no_signal_is_never_kept_however_cheap() -> None:
    found = judged([-math.inf, *range(1, 11)], [0.0, *[5.0] * 10])
    assert found[0] == (10, "kept")
    assert found[-1] == (0, "screened_out")
    assert judged([-math.inf], [1.0]) == [(0, "screened_out")]


def test_macs_stand_for_a_latency_and_accuracy_alone_goes_by_score() -> None:
    scores, macs = [*range(20), 25.0], [*[9.0] * 20, 1.0]
    assert judged(scores, macs, objectives=parse_objectives(["accuracy", "latency_ms"]))[0] == (20, "kept")
    alone = parse_objectives(["accuracy"])
    assert [row for row, _ in judged([3, 1, 2], [1, 1, 1], objectives=alone)] == [0, 2, 1]


def test_draws_are_distinct_keep_limits_and_repeat_by_seed(make_study: Make) -> None:
    study = make_study(limits=["macs <= 6k"])
    rules = make_rules(study)
    drawn, broken = draw(rules, 15, 0)
    assert len({each.architecture.key for each in drawn}) == 15
    assert all(each.values["macs"] <= 6_000 for each in drawn)
    assert broken > 0
    again, _ = draw(rules, 25, 0)
    assert [each.architecture for each in again[:15]] == [each.architecture for each in drawn]
    other, _ = draw(rules, 15, 1)
    assert [each.architecture for each in other] != [each.architecture for each in drawn]


def test_a_search_begins_with_what_the_screen_kept(make_study: Make, scored: list[str]) -> None:
    study, watch = make_study(screen=30, limits=["params <= 10M"]), Watch()
    study.run(budget=4, progress=watch)
    screened = study.screened()
    kept = [record for record in screened if record.fate == "kept"]
    assert (len(screened), len(kept), len(scored)) == (30, 3, 30)
    assert [record.place for record in screened] == list(range(30))
    trials = study.trials()
    assert [trial.key for trial in trials[:3]] == [record.key for record in kept]
    assert study.spent == 4  # what was screened out costs nothing, and is no trial
    assert len(trials) == 4
    for trial, record in zip(trials, kept, strict=False):
        assert trial.scores == record.scores != {}
        assert trial.values["macs"] == record.values["macs"]
        attributes = study._optuna.trials[trial.number].user_attrs
        assert attributes["score:synflow"] == record.scores["synflow"]
    out = screened[-1]
    assert out.reason == "place 30 of 30 by synflow, jacov, macs; 3 are kept"
    assert watch.steps[0] == (0, 30)
    assert watch.steps[-1] == (30, 30)
    assert "screen: 30 networks scored by synflow and jacov, the 3 most promising" in watch.lines[0]


def test_a_small_space_is_drawn_whole(make_study: Make) -> None:
    study = make_study()
    drawn, _ = draw(make_rules(study), 10_000, 0)
    assert {each.architecture.key for each in drawn} == {each.key for each in everything(study.space)}


def test_a_screen_goes_on_where_it_was_and_is_the_same(
    make_study: Make, scored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_study("whole", screen=20)
    whole.run(budget=3)
    count = len(scored)

    class Stop(Watch):
        def screening(self, done: int, networks: int) -> None:
            if done == 7:
                raise KeyboardInterrupt

    study = make_study("halves", screen=20)
    with pytest.raises(KeyboardInterrupt):
        study.run(budget=3, progress=Stop())
    assert (len(scored) - count, study.spent, study.screened()) == (7, 0, ())
    watch = Watch()
    study.run(budget=3, progress=watch)
    assert len(scored) == 2 * count
    assert watch.steps[0] == (7, 20)
    assert study.screened() == whole.screened()
    assert [trial.key for trial in study.trials()] == [trial.key for trial in whole.trials()]


def test_a_study_that_has_its_budget_is_not_screened(make_study: Make, scored: list[str]) -> None:
    study = make_study()
    study.run(budget=1)
    again = make_study(screen=5)
    again.run(budget=1)
    assert scored == []
    again.run(budget=2)
    assert len(scored) == 5


def test_a_network_that_cannot_be_scored_is_passed_over(
    make_study: Make, scored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = scoring.score_architectures

    def some(architectures: Any, *given: Any, **named: Any) -> Any:
        if len(scored) == 3:
            scored.append("failed")
            raise MeasurementError("zen of Network is nan")
        return good(architectures, *given, **named)

    monkeypatch.setattr(scoring, "score_architectures", some)
    study, watch = make_study(screen=12), Watch()
    study.run(budget=1, progress=watch)
    *_, last = study.screened()
    assert (last.fate, last.reason, last.place) == ("failed", "zen of Network is nan", 11)
    assert ", 1 could not be scored" in watch.lines[0]


def test_time_ends_a_screen_and_starts_no_candidate(make_study: Make, scored: list[str]) -> None:
    study = make_study(screen=10)
    assert study.run(budget=1, time_s=1e-9).stopped == "time"
    assert (scored, study.spent) == ([], 0)


def test_real_scores_are_made_on_the_training_images(make_study: Make) -> None:
    study = make_study(screen=3)
    study.run(budget=1)
    for record in study.screened():
        values: Mapping[str, float] = record.scores
        assert set(values) == {"synflow", "jacov"}
        assert all(value > -math.inf for value in values.values())


def test_a_table_without_images_cannot_be_screened(tmp_path: Any) -> None:
    study = Study.create(
        "s",
        proxy=f"table:{write_tiny(tmp_path)}",
        screen=5,
        storage=f"sqlite:///{tmp_path}/n.db",
        device="cpu",
    )
    with study, pytest.raises(StudyError, match="has no images to score networks on; make it with --data"):
        study.run(budget=1)


def test_a_baseline_is_not_screened(make_study: Make, scored: list[str]) -> None:
    study = make_study(screen=10, sampler="surrogate", baseline="random")
    study.run(budget=1)
    with Study.load("s.random", storage=study.settings.storage) as sibling:
        assert sibling.screened() == ()
    assert len(scored) == 10


def test_a_screen_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="screen is 0; expected a whole number of at least 1"):
        StudySettings(screen=0)
