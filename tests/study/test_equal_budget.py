"""Two studies at equal budget, with measurements written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from nasearch.errors import StudyError
from nasearch.space import Architecture
from nasearch.study import Study
from nasearch.study.equal_budget import compare_fronts

Make = Callable[..., Study]
Row = tuple[float, float] | str
"""Accuracy and MACs, or why there is nothing."""


def fill(study: Study, rows: Sequence[Row], *, start: int = 0, sampler: str = "tpe") -> Study:
    """Write measurements of different networks, the first that of place `start` in a fixed order."""
    found: dict[str, Architecture] = {}
    seed = 0
    while len(found) < start + len(rows):
        architecture = study.space.sample(seed)
        found.setdefault(architecture.key, architecture)
        seed += 1
    store, study_id = study._store, study._record.id
    for number, (row, architecture) in enumerate(
        zip(rows, list(found.values())[start:], strict=True), start=study.spent
    ):
        row_id = store.start_measurement(study_id, number, architecture, 0, {}, {})
        if row == "raced out":
            store.race_out_measurement(row_id, "slow", 1.0)
        elif row == "failed":
            store.fail_measurement(row_id, "diverged", 1.0)
        elif not isinstance(row, str):
            store.complete_measurement(row_id, {"accuracy": row[0], "macs": row[1]}, 1.0)
    study._optuna.set_user_attr("nasearch:samplers", [sampler])
    return study


def test_hand_reckoned(make_study: Make) -> None:
    """Three classes: guessing errs in 2/3. The third of `a` is beyond the budget of `b`."""
    a = fill(make_study("a"), [(0.5, 10.0), "raced out", (0.9, 5.0)])
    b = fill(make_study("b"), [(0.8, 20.0), (0.9, 40.0)], start=3, sampler="nsga2")
    found = compare_fronts(a, b)
    assert (found.budget, found.counts, found.images) == (2, (1, 2), (12, 12))
    assert found.reference == pytest.approx((2 / 3, 1.1 * 40))
    box = 2 / 3 * 44
    assert found.first.seen == pytest.approx([1 / 6 * 34 / box] * 2)
    assert found.second.seen == pytest.approx(
        [(2 / 3 - 0.2) * 24 / box, ((2 / 3 - 0.2) * 24 + 0.1 * 4) / box]
    )
    assert (found.first.raced_out, found.first.failed, found.first.spent) == (1, 0, 3)
    assert (found.first.reached_other, found.second.reached_other) == (None, 1)
    assert (found.first.sampler, found.second.sampler) == ("tpe", "nsga2")
    assert not found.first.is_any_order
    assert found.unlike == ()
    for i in range(2):
        assert found.second.low[i] < found.second.high[i]
        assert found.low[i] <= found.difference[i] <= found.high[i]
        assert found.difference[i] == pytest.approx(found.first.corrected[i] - found.second.corrected[i])
    # One candidate alone: nothing is chosen, so the noise has no side; 300 draws of a deviation of .14 x 34.
    assert found.first.corrected[0] == pytest.approx(found.first.seen[0], abs=0.04)


def test_the_same_draws_again(make_study: Make) -> None:
    a = fill(make_study("a"), [(0.5, 10.0), (0.6, 20.0)])
    b = fill(make_study("b"), [(0.8, 20.0), "failed"], start=2)
    assert compare_fronts(a, b) == compare_fronts(a, b)
    assert compare_fronts(a, b, seed=1).low != compare_fronts(a, b).low


def test_a_measurement_that_both_share_has_the_same_noise(make_study: Make) -> None:
    """So two equal searches differ by nothing at all, however few the images."""
    rows: list[Row] = [(0.5, 10.0), (0.6, 20.0), (0.7, 15.0)]
    same = compare_fronts(fill(make_study("a"), rows), fill(make_study("b"), rows))
    assert same.difference == same.low == same.high == (0.0, 0.0, 0.0)
    assert same.first.low[-1] < same.first.high[-1]
    assert same.first.reached_other == same.second.reached_other == 3
    other = compare_fronts(fill(make_study("c"), rows, start=9), fill(make_study("d"), rows))
    assert other.low[-1] < 0 < other.high[-1]


def test_chance_may_come_in_any_order_but_not_in_a_race(make_study: Make) -> None:
    """At one candidate of (1, .5, .34): the mean of all three is what any order gives; no noise at 100 %."""
    rows: list[Row] = [(1.0, 10.0), (1.0, 20.0), (1.0, 30.0)]
    a = fill(make_study("a"), rows, sampler="random")
    b = fill(make_study("b"), [*rows[:2], "raced out"], start=3, sampler="random")
    found = compare_fronts(a, b, draws=3000)
    assert (found.first.is_any_order, found.second.is_any_order) == (True, False)
    assert found.first.seen[0] == pytest.approx(23 / 33)
    assert found.first.corrected[0] == pytest.approx((23 + 13 + 3) / 3 / 33, abs=0.01)
    assert found.first.low[0] == pytest.approx(3 / 33)
    assert found.first.high[0] == found.first.low[2] == pytest.approx(23 / 33)
    assert found.second.low == found.second.high == pytest.approx([23 / 33] * 3)


def test_many_candidates_have_few_counts_and_every_one_is_seen(make_study: Make) -> None:
    a = fill(make_study("a"), [(0.5, 10.0 + i) for i in range(45)])
    found = compare_fronts(a, fill(make_study("b"), [(0.6, 10.0 + i) for i in range(45)], start=5), draws=20)
    assert len(found.counts) == 20
    assert (found.counts[0], found.budget, len(found.first.seen)) == (1, 45, 45)


def test_one_objective(make_study: Make) -> None:
    """Hypervolume is then how far the error is below guessing's, as a share of it."""
    a = fill(make_study("a", objectives=["accuracy"]), [(0.5, 1.0), (0.6, 9.0)])
    b = fill(make_study("b", objectives=["accuracy"]), [(0.4, 1.0), (0.3, 9.0)], start=2)
    found = compare_fronts(a, b)
    assert found.first.seen == pytest.approx([(2 / 3 - 0.5) / (2 / 3), (2 / 3 - 0.4) / (2 / 3)])
    assert found.reference == pytest.approx((2 / 3,))


def test_what_breaks_a_limit_counts_as_spent_and_adds_nothing(make_study: Make) -> None:
    a = fill(make_study("a", limits=["macs <= 25"]), [(0.5, 10.0), (0.9, 30.0)])
    b = fill(make_study("b"), [(0.5, 20.0), "running"], start=2)
    found = compare_fronts(a, b)
    assert found.reference[1] == pytest.approx(1.1 * 20)
    assert found.first.seen[0] == found.first.seen[1]
    assert found.unlike == ("limits",)


def test_other_seeds_are_other_images_and_that_is_said(make_study: Make) -> None:
    rows: list[Row] = [(0.5, 10.0)]
    found = compare_fronts(fill(make_study("a"), rows), fill(make_study("b", seed=1), rows))
    assert found.unlike == ("seed",)
    assert found.low[0] < 0 < found.high[0]  # no noise is shared


def test_what_does_not_compare_is_refused(make_study: Make) -> None:
    a = fill(make_study("a"), [(0.5, 10.0)])
    with pytest.raises(StudyError, match="'a' and 'b' differ in objectives; expected two of the same data"):
        compare_fronts(a, make_study("b", objectives=["accuracy", "params"]))
    with pytest.raises(StudyError, match="'c' has no candidate yet"):
        compare_fronts(a, make_study("c"))
    with pytest.raises(StudyError, match="'d' and 'e' have no complete candidate"):
        compare_fronts(fill(make_study("d"), ["failed"]), fill(make_study("e"), ["raced out"]))


def test_a_study_that_does_not_note_its_images_reads_its_data(make_study: Make) -> None:
    a, b = fill(make_study("a"), [(0.5, 10.0)]), fill(make_study("b"), [(0.5, 10.0)])
    del a.identity.found["val_images"]  # type: ignore[attr-defined]
    assert compare_fronts(a, b).images == (12, 12)
