"""Scores without training in the store: by network and name, and what a screen made of them."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import text

from nasearch.errors import MeasurementError
from nasearch.space import Architecture, Block, Head
from nasearch.store import ScreenedRecord, Store, StudyRecord


def network(width: int = 8) -> Architecture:
    return Architecture((Block("stem", "conv", width),), Head())


def test_scores_come_back_as_they_were_written(store: Store, study: StudyRecord) -> None:
    store.scores.put(study.id, "1:a", {"synflow": 0.1 + 0.2, "zen": -7}, batch=64, seed=2**63 - 1)
    store.scores.put(study.id, "1:b", {"synflow": 1e300}, batch=64, seed=0)
    assert store.scores.of(study.id, "1:a") == {"synflow": 0.1 + 0.2, "zen": -7.0}
    assert store.scores.all(study.id) == {
        "1:a": {"synflow": 0.1 + 0.2, "zen": -7.0},
        "1:b": {"synflow": 1e300},
    }
    assert store.scores.of(study.id, "1:c") == {}


def test_a_score_takes_the_place_of_an_earlier_one_of_its_name(store: Store, study: StudyRecord) -> None:
    store.scores.put(study.id, "1:a", {"synflow": 1.0, "zen": 2.0}, batch=64, seed=0)
    store.scores.put(study.id, "1:a", {"synflow": 3.0}, batch=32, seed=1)
    store.scores.put(study.id, "1:a", {}, batch=32, seed=1)
    assert store.scores.of(study.id, "1:a") == {"synflow": 3.0, "zen": 2.0}


def test_no_signal_is_an_empty_field_and_ranks_lowest(store: Store, study: StudyRecord) -> None:
    store.scores.put(study.id, "1:a", {"synflow": -math.inf}, batch=64, seed=0)
    store.scores.put(study.id, "1:b", {"synflow": -1e300}, batch=64, seed=0)
    with store._database.read() as connection:
        values = connection.execute(text("SELECT value FROM nasearch_scores ORDER BY key")).scalars().all()
    assert values == [None, -1e300]
    found = store.scores.all(study.id)
    assert sorted(found, key=lambda key: found[key]["synflow"]) == ["1:a", "1:b"]
    assert found["1:a"] == {"synflow": -math.inf}


@pytest.mark.parametrize("bad", [math.nan, math.inf, True, None])
def test_other_scores_that_are_not_finite_stop_at_the_door(
    store: Store, study: StudyRecord, bad: float
) -> None:
    with pytest.raises(MeasurementError, match="zen of 1:a: score is"):
        store.scores.put(study.id, "1:a", {"synflow": 1.0, "zen": bad}, batch=64, seed=0)
    assert store.scores.all(study.id) == {}


def test_scores_belong_to_a_study_and_cost_no_budget(store: Store, study: StudyRecord) -> None:
    other = store.create_study("letters", {})
    store.scores.put(study.id, network().key, {"synflow": 1.0}, batch=64, seed=0)
    assert store.scores.of(other.id, network().key) == {}
    assert (store.budget_used(study.id), store.measurements(study.id)) == (0, [])


def test_a_screen_comes_back_by_place_with_its_scores(store: Store, study: StudyRecord) -> None:
    good, bad = network(16), network(8)
    store.scores.put(study.id, good.key, {"synflow": 2.0}, batch=64, seed=0)
    kept = ScreenedRecord(good.key, good.to_json(), 0, "kept", {"macs": 12})
    out = ScreenedRecord(bad.key, bad.to_json(), 1, "screened_out", {"macs": 9}, reason="no\0 signal")
    store.scores.put_screen(study.id, [out, kept])
    first, second = store.scores.screen(study.id)
    assert (first.key, first.fate, first.values, first.scores) == (
        good.key,
        "kept",
        {"macs": 12},
        {"synflow": 2.0},
    )
    assert first.architecture.key == good.key
    assert (second.fate, second.reason, second.scores) == ("screened_out", "no signal", {})
    store.scores.put_screen(study.id, [kept])
    assert [each.key for each in store.scores.screen(study.id)] == [good.key]
    assert store.budget_used(study.id) == 0
