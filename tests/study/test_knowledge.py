"""What a study tells its sampler is what it will measure; its own samplers waste nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import nasearch as nas
from nasearch.samplers import Knowledge
from nasearch.study import Study
from nasearch.study.knowledge import knowledge_of
from nasearch.study.opening import make_rules

Make = Callable[..., Study]
SIDE, CLASSES = 8, 3


def told_of(study: Study) -> Knowledge:
    return knowledge_of(make_rules(study))


def test_costs_are_those_of_the_network(make_study: Make) -> None:
    study = make_study(objectives=["accuracy", "macs", "params", "latency_ms"])
    knowledge = told_of(study)
    assert list(knowledge.known) == [1, 2]  # a latency is known by measuring alone
    for seed in range(12):
        architecture = study.space.sample(seed=seed)
        exact = nas.architecture_cost(architecture, input_shape=(1, SIDE, SIDE), num_classes=CLASSES)
        params = dict(architecture.decisions)
        assert knowledge.known[1](params) == exact.macs
        assert knowledge.known[2](params) == exact.params


def test_limits_are_kept_or_broken_as_the_costs_say(make_study: Make) -> None:
    allows = told_of(make_study(limits=["params <= 1500", "macs <= 12k"])).allows
    assert allows is not None
    space, verdicts = nas.SearchSpace.load("tiny"), set()
    for seed in range(40):
        architecture = space.sample(seed=seed)
        exact = nas.architecture_cost(architecture, input_shape=(1, SIDE, SIDE), num_classes=CLASSES)
        expected = exact.params <= 1500 and exact.macs <= 12_000
        for _ in range(2):  # reckoned, and remembered
            assert allows(dict(architecture.decisions)) is expected
        verdicts.add(expected)
    assert verdicts == {True, False}


def test_networks_are_one_where_their_keys_are(make_study: Make) -> None:
    knowledge, space = told_of(make_study()), nas.SearchSpace.load("tiny")
    assert knowledge.identity is not None
    assert knowledge.domain is not None
    for seed in range(20):
        architecture = space.sample(seed=seed)
        assert knowledge.identity(dict(architecture.decisions)) == architecture.key
        backwards = dict(reversed(architecture.decisions))
        assert knowledge.identity(backwards) == architecture.key
    assert list(knowledge.domain.distributions) == [choice.name for choice in space.choices]


def test_memory_is_bounded(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting changes nothing but time."""
    import random

    monkeypatch.setattr("nasearch.study.knowledge.MOST_REMEMBERED", 3)
    knowledge = told_of(make_study(limits=["params <= 1500"]))
    assert knowledge.domain is not None
    assert knowledge.allows is not None
    assert knowledge.identity is not None
    drawn = [knowledge.domain.draw(random.Random(seed)) for seed in range(12)]
    space = nas.SearchSpace.load("tiny")
    for decisions in drawn:
        assert knowledge.identity(decisions) == space.decode(decisions).key
        exact = nas.architecture_cost(
            space.decode(decisions), input_shape=(1, SIDE, SIDE), num_classes=CLASSES
        )
        assert knowledge.allows(decisions) is (exact.params <= 1500)


@pytest.mark.parametrize("sampler", ["surrogate", "evolution", "local"])
def test_own_samplers_propose_what_is_allowed_and_new(make_study: Make, sampler: str) -> None:
    study = make_study(sampler=sampler, limits=["params <= 1500"], racing=False)
    study.run(budget=14)
    assert study.outcomes() == {"complete": 14}  # nothing refused, nothing repeated
    assert all(trial.values["params"] <= 1500 for trial in study.trials())
    assert len({trial.key for trial in study.trials()}) == 14


@pytest.mark.parametrize("sampler", ["surrogate", "evolution"])
def test_resumed_is_never_stopped(make_study: Make, sampler: str) -> None:
    given = {"sampler": sampler, "deterministic": True, "racing": False}
    whole, parts = make_study("whole", **given), make_study("parts", **given)
    whole.run(budget=14)
    for budget in (3, 11, 14):
        parts.run(budget=budget)
    assert [trial.key for trial in parts.trials()] == [trial.key for trial in whole.trials()]
