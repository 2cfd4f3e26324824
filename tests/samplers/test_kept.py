"""What is kept of finished trials."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nasearch import SearchSpace
from nasearch.samplers import Knowledge, ParetoEvolutionSampler, TreeDomain
from nasearch.samplers.kept import Kept


def test_a_value_is_made_once_for_each_object_and_name() -> None:
    kept, asked = Kept(), []

    def size(params: Mapping[str, Any]) -> int:
        asked.append(params)
        return len(params)

    first, twin = {"a": 1}, {"a": 1}
    assert [kept.of("size", first, size) for _ in range(3)] == [1, 1, 1]
    assert len(asked) == 1
    assert kept.of("size", twin, size) == 1
    assert len(asked) == 2
    assert kept.of("sum", first, lambda params: sum(params.values())) == 1


@pytest.mark.parametrize("made", [copy.deepcopy, lambda kept: pickle.loads(pickle.dumps(kept))])
def test_a_copy_begins_empty(made: Any) -> None:
    kept, params = Kept(), {"a": 1}
    kept.of("x", params, lambda _: "old")
    assert made(kept).of("x", params, lambda _: "new") == "new"


def test_a_finished_trial_is_worked_out_once_however_many_proposals_follow() -> None:
    """A sampler is made anew for each trial and proposes as one does that keeps nothing."""
    space = SearchSpace.load("tiny")
    asked = {"known": 0, "identity": 0}

    def knowledge() -> Knowledge:
        def macs(params: Mapping[str, Any]) -> float:
            asked["known"] += 1
            return float(len(str(params)))

        def identity(params: Mapping[str, Any]) -> str:
            asked["identity"] += 1
            return space.decode(params).key

        return Knowledge(TreeDomain.of(space), {1: macs}, None, identity)

    def suggest(trial: optuna.Trial, name: str, values: Sequence[Any]) -> Any:
        return trial.suggest_categorical(name, list(values))

    def proposals(shared: bool) -> list[dict[str, Any]]:
        study = optuna.create_study(directions=["maximize", "minimize"])
        knows, found = knowledge(), []
        for number in range(30):
            knows = knows if shared else knowledge()
            study.sampler = ParetoEvolutionSampler(seed=1).informed(knows)
            trial = study.ask()
            found.append(dict(space.propose(partial(suggest, trial)).decisions))
            if number % 5:
                study.tell(trial, [0.1 * (number % 7), 1.0])
            else:
                study.tell(trial, state=TrialState.FAIL)
        return found

    with_memory = proposals(shared=True)
    few = dict(asked)
    asked.update(known=0, identity=0)
    assert proposals(shared=False) == with_memory
    assert few["known"] == 24 - (29 % 5 != 0)  # the complete trials before the last proposal, once each
    assert asked["known"] > 5 * few["known"]
    assert few["identity"] < asked["identity"] / 2
