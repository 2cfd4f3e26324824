"""Mutations change what they say, and structural moves do to a row of blocks what a person would expect."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from nasearch.samplers import TreeDomain
from nasearch.samplers.domain import SeenDomain
from nasearch.samplers.moves import Rows, cross, mutate
from nasearch.space import SearchSpace

ROW = """
name: row
stem: {kind: conv, kernel: 3, channels: 8}
stages:
  - channels: 8
    depth: [1, 2, 3, 4]
    block:
      one_of:
        - {kind: conv, kernel: [1, 3, 5]}
        - {kind: depthwise, kernel: [3, 5, 7]}
        - {kind: max_pool}
        - {kind: avg_pool}
head: {kind: linear}
"""
FLAT = TreeDomain(
    names := {f"edge{i}": ("a", "b", "c") for i in range(6)} | {"width": (8, 16, 32, 64, 128)},
    lambda suggest: {name: suggest(name, values) for name, values in names.items()},
)


def blocks_of(decisions: Mapping[str, Any]) -> list[tuple[tuple[str, Any], ...]]:
    """The row of blocks as a list, each block by its own decisions."""
    row = []
    for number in range(1, decisions["stage1.depth"] + 1):
        head = f"stage1.block{number}."
        row.append(tuple((name[len(head) :], v) for name, v in decisions.items() if name.startswith(head)))
    return row


@pytest.mark.parametrize("changes", [1, 2, 5, 7])
def test_a_mutation_changes_so_many_decisions(changes: int) -> None:
    generator = random.Random(changes)
    touched: set[str] = set()
    for _ in range(100):
        parent = FLAT.draw(generator)
        before = dict(parent)
        child = mutate(parent, FLAT, generator, changes)
        assert parent == before
        different = {name for name in names if child[name] != parent[name]}
        assert len(different) == changes
        touched |= different
    assert touched == names.keys()
    assert len([name for name, v in mutate(parent, FLAT, generator, 99).items() if v != parent[name]]) == 7


def test_numbers_go_half_the_time_to_a_neighbour() -> None:
    generator, parent = random.Random(0), {name: values[2] for name, values in names.items()}
    moved = [mutate(parent, FLAT, generator, 7)["width"] for _ in range(4_000)]
    seen = Counter(moved)
    # a half of a half, and a quarter of the other half
    for width, share in ((16, 0.375), (64, 0.375), (8, 0.125), (128, 0.125)):
        assert seen[width] / len(moved) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    "spec",
    [
        IntDistribution(0, 1),
        IntDistribution(1, 2, log=True),
        IntDistribution(0, 100),
        FloatDistribution(0, 1),
        FloatDistribution(0, 1, step=0.5),
        FloatDistribution(1e-4, 1, log=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("end", ["low", "high"])
def test_numbers_of_a_range_change_too(spec: IntDistribution | FloatDistribution, end: str) -> None:
    """Also at its ends, and where it holds two values."""
    value = getattr(spec, end)
    trial = optuna.create_trial(params={"x": value}, distributions={"x": spec}, value=0.0)
    domain, generator = SeenDomain([trial]), random.Random(0)
    children = [mutate({"x": value}, domain, generator, 1)["x"] for _ in range(50)]
    assert all(child != value and spec._contains(child) for child in children)


def test_choices_with_one_value_are_left_alone() -> None:
    values: dict[str, tuple[Any, ...]] = {"only": ("a",), "x": (1, 2)}
    domain = TreeDomain(values, lambda suggest: {name: suggest(name, each) for name, each in values.items()})
    child = mutate({"only": "a", "x": 1}, domain, random.Random(0), 2)
    assert child == {"only": "a", "x": 2}


def test_mutations_and_crossovers_of_a_space_are_its_own() -> None:
    space = SearchSpace.load("mobile")
    domain, generator = TreeDomain.of(space), random.Random(0)
    for seed in range(60):
        parent, other = (dict(space.sample(seed=2 * seed + k).decisions) for k in (0, 1))
        child = mutate(parent, domain, generator, 1)
        assert dict(space.decode(child).decisions) == child
        changed = [name for name in parent if name in child and child[name] != parent[name]]
        assert len(changed) == 1
        mixed = cross(parent, other, domain, generator)
        assert dict(space.decode(mixed).decisions) == mixed
        assert all(v in (parent.get(n), other.get(n)) for n, v in mixed.items() if n in parent or n in other)


def test_a_child_of_two_has_about_half_of_each() -> None:
    generator = random.Random(0)
    one, other = ({name: values[k] for name, values in names.items()} for k in (0, 1))
    shares = [sum(v == one[n] for n, v in cross(one, other, FLAT, generator).items()) for _ in range(500)]
    assert sum(shares) / len(shares) == pytest.approx(3.5, abs=0.2)
    assert cross(one, one, FLAT, generator) == one


def test_blocks_are_swapped_inserted_and_removed() -> None:
    space = SearchSpace.parse(ROW, "row")
    domain, generator = TreeDomain.of(space), random.Random(0)
    rows = Rows(domain)
    assert rows
    found: Counter[str] = Counter()
    for seed in range(400):
        parent = dict(space.sample(seed=seed).decisions)
        before = dict(parent)
        child = rows.change(parent, generator)
        assert parent == before
        assert dict(space.decode(child).decisions) == child
        old, new = blocks_of(parent), blocks_of(child)
        places = range(len(new))
        if len(new) == len(old) + 1:
            assert any(new[:k] + new[k + 1 :] == old for k in places)
            found["inserted"] += 1
        elif len(new) == len(old) - 1:
            assert any(old[:k] + old[k + 1 :] == new for k in range(len(old)))
            found["removed"] += 1
        elif sorted(new) == sorted(old) and sum(a != b for a, b in zip(old, new, strict=True)) in (0, 2):
            found["swapped"] += 1
        else:  # a full row loses its last block to the new one, and the only block makes room for another
            assert len(old) in (1, 4)
            assert any(new[:k] + new[k + 1 :] == old[:-1] for k in places)
            found["replaced"] += 1
    assert found.keys() == {"inserted", "removed", "swapped", "replaced"}
    assert all(count > 20 for count in found.values())


@pytest.mark.parametrize("name", ["tiny", "mobile", "nasbench201", "nasbench_macro", "hybrid", "darts"])
def test_structural_moves_stay_inside_every_space(name: str) -> None:
    space = SearchSpace.load(name)
    domain, generator = TreeDomain.of(space), random.Random(1)
    rows, different = Rows(domain), 0
    assert rows
    for seed in range(40):
        parent = dict(space.sample(seed=seed).decisions)
        child = rows.change(parent, generator)
        assert dict(space.decode(child).decisions) == child
        different += child != parent
    assert different > 10


def test_blocks_of_a_study_that_only_trials_tell_of() -> None:
    def objective(trial: optuna.Trial) -> float:
        for number in range(trial.suggest_categorical("depth", [1, 2, 3])):
            trial.suggest_categorical(f"layer{number}", ["a", "b", "c", "d"])
        return 0.0

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=40)
    domain, generator = SeenDomain(study.get_trials()), random.Random(0)
    rows, lengths = Rows(domain), Counter[int]()
    for _ in range(100):
        child = rows.change({"depth": 2, "layer0": "a", "layer1": "b"}, generator)
        layers = [child[name] for name in child if name != "depth"]
        assert child.keys() == {"depth", *(f"layer{i}" for i in range(child["depth"]))}
        if len(layers) == 1:
            assert layers in (["a"], ["b"])
        elif len(layers) == 2:
            assert sorted(layers) == ["a", "b"]
        else:
            assert any(layers[:k] + layers[k + 1 :] == ["a", "b"] for k in range(3))
        lengths[len(layers)] += 1
    assert min(lengths[1], lengths[2], lengths[3]) > 20


@pytest.mark.parametrize(
    "distributions",
    [
        {"kind": CategoricalDistribution(("a", "b")), "rate": FloatDistribution(0, 1)},
        {"lr1": FloatDistribution(0, 1), "width2": CategoricalDistribution((8, 16))},
        {"conv1": CategoricalDistribution((1, 2)), "conv2": CategoricalDistribution(("x", "y"))},  # not alike
    ],
)
def test_spaces_without_rows(distributions: dict[str, Any]) -> None:
    params = {name: getattr(spec, "choices", [0.5])[0] for name, spec in distributions.items()}
    trial = optuna.create_trial(params=params, distributions=distributions, value=0.0)
    assert not Rows(SeenDomain([trial]))
