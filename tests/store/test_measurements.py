from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from nasearch.errors import MeasurementError, StoreError
from nasearch.space import Architecture, Block, Head
from nasearch.store import CurveRow, Store, StudyRecord

FIDELITY = {"epochs": 2, "images": 4096}
DEVICE = {"kind": "cpu", "threads": 1}


def network(width: int = 8) -> Architecture:
    return Architecture((Block("stem", "conv", width),), Head(), (("stem.channels", width),))


def begin(store: Store, study: StudyRecord, number: int = 0, width: int = 8, **changed: Any) -> int:
    given: dict[str, Any] = {"seed": 7, "fidelity": FIDELITY, "device": DEVICE} | changed
    return store.start_measurement(study.id, number, network(width), **given)


def point(epoch: int) -> CurveRow:
    return CurveRow(epoch, 2.0 / epoch, 2.5 / epoch, 0.25 * epoch, 0.01, 1.5 * epoch)


def test_a_measurement_comes_back_as_it_was_written(store: Store, study: StudyRecord) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    values = {"accuracy": 0.1 + 0.2, "macs": 3_000_000_000_001, "latency_ms": 1e-300}
    store.complete_measurement(begin(store, study, number=4, seed=2**63 - 1), values, 12.5)
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert found.values == values
    assert type(found.values["macs"]) is int
    assert (found.number, found.key, found.state, found.attempts) == (4, network().key, "complete", 1)
    assert (found.seed, found.fidelity, found.device) == (2**63 - 1, FIDELITY, DEVICE)
    assert (found.seconds, found.reason) == (12.5, None)
    assert found.architecture_json == network().to_json()
    assert Architecture.from_json(found.architecture_json).key == found.key
    assert found.ended_at is not None
    assert before < found.started_at <= found.ended_at <= datetime.now(UTC)
    assert store.measurements(study.id) == [found]


def test_no_measurement_is_none(store: Store, study: StudyRecord) -> None:
    assert store.measurement(study.id, network().key) is None
    assert store.measurements(study.id) == []
    assert store.curve(study.id, network().key) == ()
    assert store.budget_used(study.id) == 0


def test_running_measurement_has_no_values_yet(store: Store, study: StudyRecord) -> None:
    begin(store, study)
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert (found.state, found.values, found.seconds, found.ended_at) == ("running", {}, None, None)


def test_a_failure_keeps_its_reason_and_counts(store: Store, study: StudyRecord) -> None:
    store.fail_measurement(begin(store, study), "loss is nan\0 at step 37", 0.5)
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert (found.state, found.reason, found.seconds) == ("failed", "loss is nan at step 37", 0.5)
    assert store.budget_used(study.id) == 1


def test_starting_again_is_one_more_attempt_and_one_budget(store: Store, study: StudyRecord) -> None:
    first = begin(store, study, number=3)
    store.add_curve_point(first, point(1))
    store.add_curve_point(first, point(2))
    second = begin(store, study, number=5, seed=8, device={"kind": "cuda"})
    assert second == first
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert (found.attempts, found.number, found.seed, found.device) == (2, 5, 8, {"kind": "cuda"})
    assert store.curve(study.id, network().key) == ()  # the killed attempt's epochs are not the new one's
    assert store.budget_used(study.id) == 1


def test_a_failed_one_may_be_started_again(store: Store, study: StudyRecord) -> None:
    store.fail_measurement(begin(store, study), "worker died", 0.5)
    store.complete_measurement(begin(store, study), {"accuracy": 0.5}, 1.0)
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert (found.state, found.attempts, found.reason) == ("complete", 2, None)


def test_a_complete_one_is_never_measured_twice(store: Store, study: StudyRecord) -> None:
    measurement = begin(store, study, number=2)
    store.complete_measurement(measurement, {"accuracy": 0.5}, 1.0)
    with pytest.raises(StoreError, match=r"already measured \(trial 2\)"):
        begin(store, study, number=9)
    with pytest.raises(StoreError, match="is complete; expected a running one"):
        store.complete_measurement(measurement, {"accuracy": 0.9}, 1.0)
    with pytest.raises(StoreError, match="is complete; expected a running one"):
        store.fail_measurement(measurement, "late", 1.0)
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert found.values == {"accuracy": 0.5}


def test_unknown_measurement_cannot_end(store: Store) -> None:
    with pytest.raises(StoreError, match="measurement 99 is unknown"):
        store.complete_measurement(99, {"accuracy": 0.5}, 1.0)


def test_a_number_measures_one_architecture(store: Store, study: StudyRecord) -> None:
    begin(store, study, number=1, width=8)
    with pytest.raises(StoreError, match=f"trial 1 measures architecture {network(8).key} already"):
        begin(store, study, number=1, width=16)
    assert store.budget_used(study.id) == 1


def test_studies_do_not_see_each_other(store: Store, study: StudyRecord) -> None:
    other = store.create_study("other", {})
    store.complete_measurement(begin(store, study), {"accuracy": 0.5}, 1.0)
    assert store.measurement(other.id, network().key) is None
    begin(store, other)
    assert store.budget_used(study.id) == store.budget_used(other.id) == 1


def test_same_key_keeps_the_decisions_that_were_measured(store: Store, study: StudyRecord) -> None:
    """Two architectures of one key are one network; each study keeps the one it has built."""
    other = store.create_study("other", {})
    renamed = replace(network(), decisions=(("width", 8),))
    assert renamed.key == network().key
    begin(store, study)
    store.start_measurement(other.id, 0, renamed, 7, FIDELITY, DEVICE)
    bodies = [store.measurements(s.id)[0].architecture_json for s in (study, other)]
    assert bodies == [network().to_json(), renamed.to_json()]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan"), None, "0.5", True])
def test_a_bad_value_writes_nothing(store: Store, study: StudyRecord, bad: Any) -> None:
    measurement = begin(store, study)
    with pytest.raises(MeasurementError, match=r"accuracy is .*; expected finite numbers"):
        store.complete_measurement(measurement, {"macs": 1, "accuracy": bad}, 1.0)
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert (found.state, found.values) == ("running", {})


def test_numpy_numbers_become_plain(store: Store, study: StudyRecord) -> None:
    values: dict[str, Any] = {"accuracy": np.float32(0.5), "macs": np.int64(3)}
    store.complete_measurement(begin(store, study), values, 1.0)
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert {name: type(value) for name, value in found.values.items()} == {"accuracy": float, "macs": int}


def test_bad_epochs_devices_and_seeds_write_nothing(store: Store, study: StudyRecord) -> None:
    measurement = begin(store, study)
    with pytest.raises(MeasurementError, match="epoch 1: val_loss is nan"):
        store.add_curve_point(measurement, replace(point(1), val_loss=math.nan))
    assert store.curve(study.id, network().key) == ()
    with pytest.raises(MeasurementError, match="device of trial 1"):
        begin(store, study, number=1, width=16, device={"speed": math.inf})
    with pytest.raises(MeasurementError, match="fidelity of trial 1"):
        begin(store, study, number=1, width=16, fidelity={"of": object()})
    with pytest.raises(MeasurementError, match="seed is -1"):
        begin(store, study, number=1, width=16, seed=-1)
    assert store.budget_used(study.id) == 1


def test_curves_are_in_order_and_an_epoch_is_written_once(store: Store, study: StudyRecord) -> None:
    measurement = begin(store, study)
    for epoch in (2, 1, 3, 2):
        store.add_curve_point(measurement, point(epoch))
    better = replace(point(3), val_accuracy=0.9)
    store.add_curve_point(measurement, better)
    assert store.curve(study.id, network().key) == (point(1), point(2), better)
    assert store.curves(study.id) == {network().key: (point(1), point(2), better)}


def test_an_epoch_of_no_measurement_is_refused(store: Store) -> None:
    """Foreign keys are enforced, which SQLite does only when asked on every connection."""
    with pytest.raises(StoreError, match=r"(?i)foreign key"):
        store.add_curve_point(12345, point(1))


def test_devices_are_kept_once(store: Store, study: StudyRecord) -> None:
    begin(store, study, number=0, width=8, device={"a": 1, "b": 2})
    begin(store, study, number=1, width=16, device={"b": 2, "a": 1})
    begin(store, study, number=2, width=24, device={"a": 1, "b": 3})
    assert [device.description for device in store.devices()] == [{"a": 1, "b": 2}, {"a": 1, "b": 3}]


def test_measurements_come_by_trial_number(store: Store, study: StudyRecord) -> None:
    for number, width in ((5, 8), (1, 16), (3, 24)):
        begin(store, study, number=number, width=width)
    assert [found.number for found in store.measurements(study.id)] == [1, 3, 5]


def test_latency_of_an_architecture_never_trained(store: Store, study: StudyRecord) -> None:
    assert store.latency(study.id, "1:abc") is None
    store.put_latency(study.id, "1:abc", {"median_ms": 1.5, "runtime": "eager torch"})
    store.put_latency(study.id, "1:abc", {"median_ms": 1.25, "runtime": "onnxruntime"})
    store.put_latency(study.id, "1:def", {"median_ms": 3.0})
    assert store.latency(study.id, "1:abc") == {"median_ms": 1.25, "runtime": "onnxruntime"}
    assert store.latencies(study.id).keys() == {"1:abc", "1:def"}
    with pytest.raises(MeasurementError, match="latency of 1:abc"):
        store.put_latency(study.id, "1:abc", {"median_ms": math.nan})


def test_every_reading_of_the_test_split_is_kept(store: Store, study: StudyRecord) -> None:
    first = store.add_finish(
        study.id, 3, "1:abc", test_accuracy=0.91, val_accuracy=0.92, seconds=60.0, details={"seed": 0}
    )
    second = store.add_finish(
        study.id, 3, "1:abc", test_accuracy=0.9, val_accuracy=0.93, seconds=61.0, teacher=7
    )
    assert store.finishes(study.id) == [first, second]
    assert (first.teacher, second.teacher, first.details) == (None, 7, {"seed": 0})
    with pytest.raises(MeasurementError, match="finish of trial 3: test_accuracy is nan"):
        store.add_finish(study.id, 3, "1:abc", test_accuracy=math.nan, val_accuracy=0.9, seconds=1.0)


def test_a_candidate_raced_out_keeps_its_curve_and_reason_and_counts(
    store: Store, study: StudyRecord
) -> None:
    measurement = begin(store, study)
    store.add_curve_point(measurement, point(1))
    store.race_out_measurement(measurement, "could not reach the front at epoch 1", 2.5)
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert (found.state, found.values, found.seconds) == ("raced_out", {}, 2.5)
    assert found.reason == "could not reach the front at epoch 1"
    assert store.curve(study.id, network().key) == (point(1),)
    assert store.budget_used(study.id) == 1
    with pytest.raises(StoreError, match=r"was raced out \(trial 0\)"):
        begin(store, study, number=1)
    with pytest.raises(StoreError, match="is raced_out; expected a running one"):
        store.complete_measurement(measurement, {"accuracy": 0.5}, 1.0)


def test_one_that_goes_on_from_a_checkpoint_keeps_its_curve(store: Store, study: StudyRecord) -> None:
    store.add_curve_point(begin(store, study), point(1))
    again = begin(store, study, keep_curve=True)
    store.add_curve_point(again, point(2))
    assert store.curve(study.id, network().key) == (point(1), point(2))
    found = store.measurement(study.id, network().key)
    assert found is not None
    assert found.attempts == 2
    begin(store, study)
    assert store.curve(study.id, network().key) == ()


def test_one_view_of_all_that_was_measured(store: Store, study: StudyRecord) -> None:
    key = network().key
    assert store.measured(study.id, key) == (None, None, ())
    measurement = begin(store, study)
    store.add_curve_point(measurement, point(1))
    store.put_latency(study.id, key, {"median_ms": 1.5})
    store.complete_measurement(measurement, {"accuracy": 0.5}, 1.0)
    begin(store, study, number=1, width=16)
    assert store.measured(study.id, key) == (
        store.measurement(study.id, key),
        {"median_ms": 1.5},
        (point(1),),
    )
