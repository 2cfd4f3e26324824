"""What counts as budget, and what becomes of refused, repeated and failed candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState

from nasearch.errors import SettingsError, StudyError
from nasearch.executors import Done, InProcess, Job
from nasearch.measure import architecture_cost
from nasearch.nets.blocks.pooling import Skip
from nasearch.space import SearchSpace
from nasearch.study import Progress, Study

Make = Callable[..., Study]

FOUR = """
stem: {kind: conv, channels: 4, stride: 2}
stages:
  - {channels: [4, 8], block: {one_of: [{kind: conv}, {kind: skip}]}}
"""
# Four decisions; skip at width 4 is the identity, so all four networks differ.


def optuna_trials(study: Study) -> list[optuna.trial.FrozenTrial]:
    loaded = optuna.load_study(study_name=study.name, storage=study._store.optuna)
    return loaded.get_trials(deepcopy=False)


def test_budget_counts_distinct_trained_networks(make_study: Make) -> None:
    study = make_study()
    summary = study.run(budget=4)
    assert (summary.stopped, summary.standing.spent, study.spent) == ("budget", 4, 4)
    trained = [trial for trial in study.trials() if trial.outcome == "complete"]
    assert len({trial.key for trial in trained}) == 4
    assert all(0 <= trial.values["accuracy"] <= 1 for trial in trained)
    for trial in trained:
        cost = architecture_cost(trial.architecture, (1, 8, 8), 3)
        assert (trial.values["params"], trial.values["macs"]) == (cost.params, cost.macs)


def test_the_same_budget_again_does_nothing_and_a_larger_one_goes_on(make_study: Make) -> None:
    study = make_study()
    study.run(budget=2)
    before = [trial.number for trial in study.trials()]
    study.run(budget=2)
    assert [trial.number for trial in study.trials()] == before
    again = make_study()
    again.run(budget=3)
    assert again.spent == 3


def test_an_exhausted_space_stops_and_says_so(make_study: Make) -> None:
    study = make_study(space=SearchSpace.parse(FOUR, "four"))
    summary = study.run(budget=50)
    assert (summary.stopped, study.spent) == ("exhausted", 4)
    assert len({trial.key for trial in study.trials() if trial.outcome == "complete"}) == 4
    repeated = [trial for trial in study.trials() if trial.outcome == "repeated"]
    assert len(repeated) == summary.outcomes["repeated"] >= 20
    first = {trial.key: trial for trial in reversed(study.trials()) if trial.outcome == "complete"}
    for trial in repeated:
        assert trial.values["accuracy"] == first[trial.key].values["accuracy"]
        assert trial.reason == f"the same network was measured before, in trial {first[trial.key].number}"
    assert all(trial.state == TrialState.COMPLETE for trial in optuna_trials(study))


def test_refused_candidates_are_pruned_with_their_margin_and_cost_no_budget(make_study: Make) -> None:
    costs = [architecture_cost(SearchSpace.load("tiny").sample(i), (1, 8, 8), 3).params for i in range(50)]
    bound = sorted(costs)[10]
    study = make_study(limits=[f"params <= {bound}"])
    study.run(budget=3)
    assert study.spent == 3
    by_number = {trial.number: trial for trial in optuna_trials(study)}
    refused = [trial for trial in study.trials() if trial.outcome == "refused"]
    assert refused
    for trial in refused:
        frozen = by_number[trial.number]
        assert frozen.state == TrialState.PRUNED
        assert frozen.values is None
        assert frozen.constraints == {study.limits[0].text: pytest.approx(trial.values["params"] / bound - 1)}
        assert f"params is {trial.values['params']:g}" in (trial.reason or "")
    for trial in study.front():
        assert trial.values["params"] <= bound
        assert by_number[trial.number].constraints[study.limits[0].text] <= 0


def test_every_limit_is_set_on_every_trial(make_study: Make) -> None:
    study = make_study(limits=["params <= 400", "macs <= 1M", "accuracy >= 1%"])
    study.run(budget=2)
    assert {frozenset(trial.constraints) for trial in optuna_trials(study)} == {
        frozenset({"params <= 400", "macs <= 1M", "accuracy >= 1%"})
    }


def test_after_twenty_refusals_in_a_row_a_feasible_architecture_is_drawn(make_study: Make) -> None:
    # One network in 84 keeps the limit, so chance alone would need far more proposals.
    space = SearchSpace.load("tiny")
    smallest = min(architecture_cost(space.sample(i), (1, 8, 8), 3).params for i in range(500))
    study = make_study(limits=[f"params <= {smallest}"])
    study.run(budget=1)
    outcomes = [trial.outcome for trial in study.trials()]
    assert outcomes.count("complete") == 1
    assert len(outcomes) <= 21


def test_no_architecture_keeps_the_limit(make_study: Make) -> None:
    study = make_study(limits=["params <= 1"])
    summary = study.run(budget=3)
    assert (summary.stopped, study.spent, study.front()) == ("exhausted", 0, ())
    with pytest.raises(StudyError, match="has no complete trial that keeps its limits; run it further"):
        study.winner()


def test_a_candidate_that_breaks_fails_alone_and_is_not_tried_again(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Skip, x: object) -> object:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] not enough memory\nsecond line")

    study = make_study(space=SearchSpace.parse(FOUR, "four"))
    # Costs are taken on the meta device before any training; break the training alone.
    for seed in range(20):
        architecture_cost(study.space.sample(seed), study.input_shape, 3)
    monkeypatch.setattr(Skip, "forward", broken)
    summary = study.run(budget=50)
    failed = [trial for trial in study.trials() if trial.outcome == "failed"]
    assert summary.standing.spent == 4
    assert len(failed) == 2
    for trial in failed:
        assert trial.reason is not None
        assert trial.reason.startswith("out of memory on cpu in training, even with")
    assert sum(trial.outcome == "complete" for trial in study.trials()) == 2
    states = Counter(trial.state for trial in optuna_trials(study))
    repeated_failures = [trial for trial in study.trials() if "failed before" in (trial.reason or "")]
    assert states[TrialState.FAIL] == 2 + len(repeated_failures)


def test_a_candidate_that_cannot_be_judged_is_refused_with_its_reason(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Study, architecture: object) -> object:
        raise RuntimeError("out of memory\nsecond line")

    monkeypatch.setattr(Study, "latency", broken)
    study = make_study(space=SearchSpace.parse(FOUR, "four"), objectives=["accuracy", "latency_ms"])
    summary = study.run(budget=2)
    assert (summary.stopped, study.spent) == ("exhausted", 0)
    assert {trial.outcome for trial in study.trials()} == {"refused"}
    assert study.trial(0).reason == "cannot be judged: RuntimeError: out of memory"


def test_ten_equal_failures_in_a_row_end_the_run(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: InProcess, job: Job, on_epoch: object) -> Done:
        return Done(job, 0.1, reason="CUDA error: device-side assert triggered")

    monkeypatch.setattr(InProcess, "measure", broken)
    study = make_study()
    with pytest.raises(StudyError, match=r"the last 10 candidates failed alike: CUDA error.* run again"):
        study.run(budget=50)
    assert study.spent == 10


def test_trials_tell_the_dashboard_what_they_are(make_study: Make) -> None:
    study = make_study()
    study.run(budget=1)
    (frozen,) = optuna_trials(study)
    trial = study.trial(0)
    assert frozen.user_attrs["nasearch:outcome"] == "complete"
    assert frozen.user_attrs["nasearch:key"] == trial.key
    assert frozen.user_attrs["nasearch:label"] == trial.architecture.label
    assert frozen.user_attrs["macs"] == trial.values["macs"]
    assert frozen.values == [trial.values["accuracy"], trial.values["macs"]]
    assert frozen.params == dict(trial.architecture.decisions)
    assert len(trial.curve) == 1


def test_time_stops_the_search_between_candidates(make_study: Make) -> None:
    study = make_study()
    summary = study.run(budget=50, time_s=0.0)
    assert (summary.stopped, study.spent) == ("time", 0)


def test_the_front_has_each_network_once_and_nothing_dominated(make_study: Make) -> None:
    study = make_study()
    study.run(budget=8)
    front = study.front()
    values = [(trial.values["accuracy"], trial.values["macs"]) for trial in front]
    every = [
        (trial.values["accuracy"], trial.values["macs"])
        for trial in study.trials()
        if trial.outcome == "complete"
    ]
    for accuracy, macs in values:
        assert not any(a >= accuracy and m <= macs and (a, m) != (accuracy, macs) for a, m in every)
    assert len({trial.key for trial in front}) == len(front)
    assert [macs for _, macs in values] == sorted(macs for _, macs in values)
    assert study.knee() in front


@pytest.mark.parametrize("sampler", ["surrogate", "evolution", "local", "tpe", "nsga2", "nsga3", "gp"])
def test_every_sampler_runs_with_limits_and_conditional_choices(make_study: Make, sampler: str) -> None:
    study = make_study(sampler=sampler, limits=["params <= 1500"])
    study.run(budget=12)  # TPE and the Gaussian process draw at random for their first ten
    assert study.spent == 12


def test_progress_hears_of_everything(make_study: Make) -> None:
    heard: list[str] = []

    class Ear(Progress):
        def started(self, study: str, standing: object) -> None:
            heard.append("started")

        def candidate(self, number: int, label: str) -> None:
            heard.append("candidate")

        def epoch(self, number: int, point: object, epochs: int) -> None:
            heard.append("epoch")

        def told(self, trial: object, standing: object) -> None:
            heard.append("told")

        def finished(self, summary: object) -> None:
            heard.append("finished")

    make_study(epochs=2).run(budget=1, progress=Ear())
    assert heard == ["started", "candidate", "epoch", "epoch", "told", "finished"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"sampler": "tpee"}, SettingsError, "sampler is 'tpee'; expected one of surrogate, "),
        ({"objectives": ["macs"]}, SettingsError, "objectives are macs; expected accuracy among them"),
        ({"images": 10_000}, SettingsError, r"images is 10000; .* has 48 training images"),
        ({"epochs": 0}, SettingsError, "epochs is 0; expected a whole number of at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    make_study: Make, given: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_study(**given)


CELL = """
stem: {kind: conv, channels: 4}
cell: {nodes: 4, ops: [none, skip_connect, avg_pool_3x3]}
stacks: [{channels: 4, cells: 1}]
"""
NOTHING = {f"edge{edge}": "none" for edge in ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")}
# Nodes 1 and 2 are zero in the second writing, so it is the same network; adding their zeros takes room.
ONE_POOL = {**NOTHING, "edge0-3": "avg_pool_3x3"}
POOL_AND_ZEROS = {**ONE_POOL, "edge1-3": "skip_connect", "edge2-3": "skip_connect"}


def test_two_writings_of_a_network_share_the_accuracy_and_keep_their_own_memory(make_study: Make) -> None:
    space = SearchSpace.parse(CELL, "cell")
    first, second = space.decode(ONE_POOL), space.decode(POOL_AND_ZEROS)
    assert first.key == second.key
    peaks = [architecture_cost(each, (1, 8, 8), 3).peak_activation_bytes for each in (first, second)]
    assert peaks[0] < peaks[1]
    study = make_study(space=space)
    for params in (ONE_POOL, POOL_AND_ZEROS):
        study._optuna.enqueue_trial(params)
    study.run(budget=2)
    one, other = study.trials()[:2]
    assert (one.outcome, other.outcome) == ("complete", "repeated")
    assert one.values["accuracy"] == other.values["accuracy"]
    assert [trial.values["peak_activation_bytes"] for trial in (one, other)] == peaks


def test_a_limit_refuses_the_writing_that_breaks_it_and_no_other(make_study: Make) -> None:
    space = SearchSpace.parse(CELL, "cell")
    bound = architecture_cost(space.decode(ONE_POOL), (1, 8, 8), 3).peak_activation_bytes
    study = make_study(space=space, limits=[f"peak_activation_bytes <= {bound}"])
    for params in (POOL_AND_ZEROS, ONE_POOL):
        study._optuna.enqueue_trial(params)
    study.run(budget=1)
    assert [trial.outcome for trial in study.trials()[:2]] == ["refused", "complete"]
