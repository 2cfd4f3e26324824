"""What can be decided: of a search space, and of a study of which only trials are known."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial
from scipy import stats

from nasearch.errors import SpaceError
from nasearch.samplers import ParetoEvolutionSampler, TreeDomain
from nasearch.samplers.domain import Condition, SeenDomain, at, draw, holds, is_ordinal, share_of
from nasearch.space import SearchSpace


def nested(trial: Any) -> float:
    """A study with a depth, kinds of blocks, and what single kinds need."""
    depth = trial.suggest_int("depth", 1, 3)
    for block in range(1, depth + 1):
        kind = trial.suggest_categorical(f"block{block}.kind", ["conv", "pool", "skip"])
        if kind != "skip":
            trial.suggest_categorical(f"block{block}.size", [3, 5])
        if kind == "conv":
            trial.suggest_float(f"block{block}.rate", 1e-3, 1.0, log=True)
    if trial.suggest_categorical("head", [True, False]):
        trial.suggest_int("width", 8, 64, step=8)
    trial.suggest_categorical("fixed", ["only"])
    return 0.0


def trials_of(number: int, seed: int = 0) -> list[FrozenTrial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    study.optimize(nested, n_trials=number)
    return study.get_trials()


class Replay:
    """A trial whose values are given; it raises where one is missing or impossible."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given, self.asked = given, set[str]()

    def _suggest(self, name: str, spec: BaseDistribution) -> Any:
        value = self._given[name]
        assert spec._contains(spec.to_internal_repr(value)), (name, value)
        self.asked.add(name)
        return value

    def suggest_categorical(self, name: str, values: Sequence[Any]) -> Any:
        return self._suggest(name, CategoricalDistribution(values))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> Any:
        return self._suggest(name, IntDistribution(low, high, step=step))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> Any:
        return self._suggest(name, FloatDistribution(low, high, log=log))


def test_conditions_are_found_in_trials() -> None:
    domain = SeenDomain(trials_of(80))
    conditions = domain._conditions
    assert conditions["depth"] is conditions["block1.kind"] is conditions["head"] is None
    assert conditions["block2.kind"] == Condition("depth", frozenset({2, 3}))
    assert conditions["block3.kind"] == Condition("depth", frozenset({3}))
    assert conditions["block1.size"] == Condition("block1.kind", frozenset({"conv", "pool"}))
    assert conditions["block3.rate"] == Condition("block3.kind", frozenset({"conv"}))
    assert conditions["width"] == Condition("head", frozenset({True}))
    assert conditions["fixed"] is None  # nothing to decide, yet functions of the parameters may read it
    names = list(domain.distributions)
    for name, condition in conditions.items():
        assert condition is None or names.index(condition.parent) < names.index(name)


def test_draws_and_completions_are_possible() -> None:
    domain, generator = SeenDomain(trials_of(80)), random.Random(1)
    shapes = set()
    for _ in range(2_000):
        drawn = domain.draw(generator)
        replay = Replay(drawn)
        nested(replay)
        assert replay.asked == drawn.keys()
        shapes.add(frozenset(drawn))
        part = {name: value for name, value in drawn.items() if generator.random() < 0.5} | {
            "depth": 2,
            "no": 1,
        }
        whole = domain.complete(part, generator)
        nested(Replay(whole))
        assert whole["depth"] == 2
        assert "no" not in whole
        assert not any(name.startswith("block3") for name in whole)
        assert all(whole[name] == value for name, value in part.items() if name in ("block1.kind", "head"))
    assert len(shapes) == (3 + 3**2 + 3**3) * 2  # conv, pool or skip in each of 1 to 3 blocks; a head or none


def test_what_is_given_and_impossible_is_drawn() -> None:
    domain = SeenDomain(trials_of(40))
    found = domain.complete(
        {"depth": 9, "block1.kind": "conv", "block1.size": 4, "width": 13}, random.Random(0)
    )
    assert found["depth"] in (1, 2, 3)
    assert found["block1.kind"] == "conv"
    assert found["block1.size"] in (3, 5)
    assert found.get("width", 8) % 8 == 0


def test_nothing_seen_nothing_to_decide() -> None:
    domain = SeenDomain([])
    assert (domain.distributions, domain.draw(random.Random(0))) == ({}, {})


def test_a_range_that_grew_is_that_of_the_last_trial() -> None:
    trials = [
        optuna.create_trial(params={"x": 1}, distributions={"x": IntDistribution(0, high)}, value=0.0)
        for high in (2, 5)
    ]
    assert SeenDomain(trials).distributions == {"x": IntDistribution(0, 5)}


def probabilities(space: SearchSpace) -> dict[str, float]:
    """Of every architecture's text where active choices are drawn uniformly: the whole tree walked."""
    found: dict[str, float] = {}
    open_paths: list[tuple[int, ...]] = [()]
    while open_paths:
        path = open_paths.pop()
        sizes: list[int] = []

        def suggest(
            name: str, values: Sequence[Any], path: tuple[int, ...] = path, sizes: list[int] = sizes
        ) -> Any:
            sizes.append(len(values))
            place = len(sizes) - 1
            return values[path[place] if place < len(path) else 0]

        architecture = space.propose(suggest)
        if len(path) == len(sizes):
            found[str(dict(architecture.decisions))] = 1 / float(np.prod(sizes))
        else:
            open_paths += [(*path, k) for k in range(sizes[len(path)])]
    return found


def test_draws_of_a_space_are_distributed_as_its_samples() -> None:
    space = SearchSpace.load("tiny")
    expected = probabilities(space)
    assert len(expected) == space.size == 84
    assert sum(expected.values()) == pytest.approx(1.0)
    domain, generator, number = TreeDomain.of(space), random.Random(0), 6_000
    drawn = Counter(str(domain.draw(generator)) for _ in range(number))
    sampled = Counter(str(dict(space.sample(seed=seed).decisions)) for seed in range(number))
    for counts in (drawn, sampled):
        assert counts.keys() <= expected.keys()
        seen = [counts[text] for text in expected]
        assert stats.chisquare(seen, [number * share for share in expected.values()]).pvalue > 1e-3


def test_a_space_completes_along_its_tree() -> None:
    space = SearchSpace.load("mobile")
    domain, generator = TreeDomain.of(space), random.Random(0)
    assert list(domain.distributions) == [choice.name for choice in space.choices]
    for seed in range(20):
        decisions = dict(space.sample(seed=seed).decisions)
        assert domain.complete(decisions | {"nothing": 1}, generator) == decisions  # a whole one stays
        decisions["stage2.depth"] = 3
        deeper = domain.complete(decisions, generator)
        assert dict(space.decode(deeper).decisions) == deeper
        assert deeper["stage2.depth"] == 3
        assert "stage2.block3.kind" in deeper


SPECS = [
    IntDistribution(0, 10),
    IntDistribution(-4, 4, step=2),
    IntDistribution(1, 100, log=True),
    FloatDistribution(-1, 1),
    FloatDistribution(0, 1, step=0.1),
    FloatDistribution(1e-5, 1, log=True),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_numbers_are_drawn_evenly_from_their_range(spec: IntDistribution | FloatDistribution) -> None:
    generator = random.Random(0)
    values = [draw(spec, generator) for _ in range(2_000)]
    assert all(holds(spec, value) and type(value) is type(spec.low) for value in values)
    assert at(spec, 0.0) == spec.low
    assert at(spec, 1.0) == pytest.approx(spec.high)
    assert share_of(spec, spec.low) == 0.0
    assert share_of(spec, spec.high) == pytest.approx(1.0)
    if spec.step is not None and not spec.log:
        steps = round((spec.high - spec.low) / spec.step) + 1
        counts = Counter(round((value - spec.low) / spec.step) for value in values)
        assert stats.chisquare([counts[k] for k in range(steps)]).pvalue > 1e-3
    elif isinstance(spec, FloatDistribution):
        shares = [share_of(spec, value) for value in values]
        assert stats.kstest(shares, "uniform").pvalue > 1e-3
    else:  # as many below the middle of the logarithm as above: 1 to 7 of 0.5 to 100.5
        share = np.log(7.5 / 0.5) / np.log(100.5 / 0.5)
        assert np.mean([value <= 7 for value in values]) == pytest.approx(share, abs=0.04)


def test_which_values_belong_to_a_distribution() -> None:
    assert holds(CategoricalDistribution(("a", None, 2)), None)
    assert not holds(CategoricalDistribution(("a", 2)), "b")
    assert holds(IntDistribution(0, 4, step=2), 2)
    for wrong in (1, 6, "2", None):
        assert not holds(IntDistribution(0, 4, step=2), wrong)


@pytest.mark.parametrize(
    ("values", "ordinal"),
    [((1, 2), True), ((0.5, 1), True), ((True, False), False), ((1, "a"), False), ((1, None), False)],
)
def test_numbers_are_ordinal_and_bools_are_not(values: tuple[Any, ...], ordinal: bool) -> None:
    assert is_ordinal(CategoricalDistribution(values)) is ordinal
    assert not is_ordinal(IntDistribution(0, 1))


def test_the_name_of_a_space_stands_for_it() -> None:
    named, given = TreeDomain.of("tiny"), TreeDomain.of(SearchSpace.load("tiny"))
    assert named.distributions == given.distributions
    assert named.draw(random.Random(3)) == given.draw(random.Random(3))
    with pytest.raises(SpaceError, match="no search space 'tinny'; did you mean tiny"):
        ParetoEvolutionSampler(space="tinny")
