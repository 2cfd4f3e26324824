"""Proposals while other candidates are in flight, and what becomes of candidates that are raced out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from nasearch.executors import InProcess
from nasearch.store import CurveRow
from nasearch.store.records import MeasurementRecord
from nasearch.study import Study, ledger
from nasearch.study.opening import make_rules
from nasearch.study.proposals import Candidate, Proposals

Make = Callable[..., Study]
LIMIT = "params <= 10M"  # which every network keeps


def proposals_of(study: Study) -> Proposals:
    """As a run makes them; what the store knows is asked each time."""

    def find(key: str) -> MeasurementRecord | None:
        return study._store.measurement(study._record.id, key)

    return Proposals(study._optuna, make_rules(study), "random", study.seed, find, lambda number: None)


def begin(study: Study, candidate: Candidate) -> int:
    return study._store.start_measurement(
        study._record.id, candidate.number, candidate.architecture, 0, {}, {"kind": "cpu"}
    )


def conclude(study: Study, candidate: Candidate, outcome: ledger.Outcome, **given: Any) -> None:
    rules = make_rules(study)
    values = {**candidate.values, **given.pop("values", {})}
    margins = rules.margins(values, candidate.blocks)
    ledger.conclude(candidate.trial, outcome, values, rules.objectives, margins, **given)


def propose_again(study: Study, proposals: Proposals, candidate: Candidate) -> FrozenTrial | Candidate:
    """What becomes of the same decisions in another trial."""
    study._optuna.enqueue_trial(dict(candidate.architecture.decisions))
    trial = study._optuna.ask()
    found = proposals.settle(trial)
    return found or study._optuna.get_trials(deepcopy=False)[trial.number]


def test_a_network_in_flight_is_not_given_out_twice(make_study: Make) -> None:
    study = make_study(limits=[LIMIT])
    proposals = proposals_of(study)
    first = proposals.next()
    assert first is not None
    for begun in (False, True):  # the store does not know of it yet, and then it does
        if begun:
            measurement = begin(study, first)
        told = propose_again(study, proposals, first)
        assert isinstance(told, FrozenTrial)
        assert told.state == TrialState.PRUNED
        assert told.user_attrs[ledger.OUTCOME] == "repeated"
        assert told.user_attrs[ledger.REASON] == "the same network is being measured in trial 0"
        assert told.constraints.keys() == {LIMIT}
    study._store.complete_measurement(measurement, {**first.values, "accuracy": 0.5}, 1.0)
    conclude(study, first, "complete", values={"accuracy": 0.5})
    told = propose_again(study, proposals, first)
    assert isinstance(told, FrozenTrial)
    assert (told.state, told.values) == (TrialState.COMPLETE, [0.5, first.values["macs"]])
    assert told.user_attrs[ledger.REASON] == "the same network was measured before, in trial 0"
    assert study.spent == 1


def test_a_network_whose_trial_was_ended_without_a_measurement_is_free_again(make_study: Make) -> None:
    study = make_study()
    proposals = proposals_of(study)
    first = proposals.next()
    assert first is not None
    begin(study, first)  # and nobody goes on with it: somebody ends its trial by hand
    study._optuna.tell(first.number, state=TrialState.FAIL)
    again = propose_again(study, proposals, first)
    assert isinstance(again, Candidate)
    assert again.architecture == first.architecture


def test_one_raced_out_shows_how_far_it_came_and_is_not_tried_again(make_study: Make) -> None:
    study = make_study(limits=[LIMIT])
    proposals = proposals_of(study)
    candidate = proposals.next()
    assert candidate is not None
    measurement = begin(study, candidate)
    curve = tuple(CurveRow(epoch, 1.0, 1.0, 0.1 * epoch, 0.01, 1.0 * epoch) for epoch in (1, 3))
    for row in curve:
        study._store.add_curve_point(measurement, row)
    study._store.race_out_measurement(measurement, "cannot reach the front", 3.0)
    rungs = ledger.rungs_in(curve)
    conclude(study, candidate, "raced_out", reason="cannot reach the front", extra={ledger.RUNGS: rungs})
    told = study._optuna.get_trials()[candidate.number]
    assert (told.state, told.values) == (TrialState.PRUNED, None)
    assert told.constraints.keys() == {LIMIT}
    assert told.user_attrs["nasearch:rungs"] == [[1, 0.1], [3, pytest.approx(0.3)]]
    for trial in (study.trial(candidate.number), study.trials(curves=True)[candidate.number]):
        assert (trial.outcome, trial.reason) == ("raced_out", "cannot reach the front")
        assert trial.values == candidate.values  # its costs, and no accuracy
        assert trial.curve == curve
        assert trial.rungs == ((1, curve[0].val_accuracy), (3, curve[1].val_accuracy))
        assert trial.seconds == 3.0
    assert (study.spent, study.outcomes(), study.front()) == (1, {"raced_out": 1}, ())

    again = propose_again(study, proposals, candidate)
    assert isinstance(again, FrozenTrial)
    assert again.state == TrialState.PRUNED
    assert again.user_attrs[ledger.OUTCOME] == "repeated"
    assert again.user_attrs[ledger.REASON] == "the same network was raced out before, in trial 0"
    assert again.constraints.keys() == {LIMIT}


def test_several_left_behind_each_go_on_as_their_own_sampler_would(make_study: Make) -> None:
    whole = make_study("whole")
    given = [proposals_of(whole).next() for _ in range(3)]
    left = make_study("left")
    for _ in range(3):
        left._optuna.ask()
    proposals = proposals_of(left)
    settled = [proposals.settle(trial) for trial in proposals.take_up()]
    keys = [candidate.architecture.key for candidate in settled if candidate is not None]
    assert keys == [candidate.architecture.key for candidate in given if candidate is not None]
    assert len(keys) == 3


class Died(BaseException):
    """Stands for a kill; nothing in the code under test catches it."""


def test_as_a_candidate_is_measured_its_trial_is_whole_for_every_program(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: InProcess, job: object, on_epoch: object) -> None:
        raise Died

    study = make_study(limits=[LIMIT])
    monkeypatch.setattr(InProcess, "measure", die)
    with pytest.raises(Died):
        study.run(budget=1)
    storage = optuna.storages.RDBStorage(study._store.url)
    [trial] = optuna.load_study(study_name="s", storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    [measured] = study._store.measurements(study._record.id)
    assert trial.state == TrialState.RUNNING
    assert trial.params == dict(study.space.encode(study.trial(0).architecture))
    assert trial.user_attrs[ledger.KEY] == measured.key
    assert trial.user_attrs[ledger.ARCHITECTURE] == measured.architecture_json
    assert trial.user_attrs["macs"] == study.trial(0).values["macs"]


CELLS = """\
name: cells
stem: {kind: conv, kernel: 3, channels: 4}
cell: {nodes: 3, ops: [none, skip_connect]}
stacks:
  - {channels: 4, cells: 1}
head: {kind: linear}
"""


def test_a_network_without_a_path_to_its_output_is_refused(make_study: Make, tmp_path: Path) -> None:
    file = tmp_path / "cells.yaml"
    file.write_text(CELLS)
    study = make_study(space=file)
    proposals = proposals_of(study)
    verdicts = {}
    for ops in product(("none", "skip_connect"), repeat=3):
        study._optuna.enqueue_trial(dict(zip(("edge0-1", "edge0-2", "edge1-2"), ops, strict=True)))
        trial = study._optuna.ask()
        proposals.settle(trial)
        told = study._optuna.get_trials(deepcopy=False)[trial.number]
        first, straight, second = (op != "none" for op in ops)
        verdicts[told.user_attrs.get(ledger.OUTCOME)] = told.user_attrs.get(ledger.REASON)
        assert (told.user_attrs.get(ledger.OUTCOME) == "refused") is not (straight or (first and second))
    assert "no path leads from the image to the output" in str(verdicts["refused"])
    assert study.spent == 0
