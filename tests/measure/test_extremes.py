"""The edges of a space, against brute force and closed forms."""

from __future__ import annotations

import functools

import pytest

from nasearch import architecture_cost
from nasearch.errors import BuildError
from nasearch.measure import extremes
from nasearch.measure.extremes import cheapest, dearest, walk
from nasearch.pareto import Arithmetic
from nasearch.space import Architecture, Scalar, SearchSpace

SHAPE = (3, 16, 16)
NESTED = """
stem: {kind: conv, channels: [8, 16], stride: [1, 2]}
stages:
  - channels: [8, 16, 24]
    depth: [1, 2]
    block:
      one_of:
        - {kind: conv, kernel: [1, 3]}
        - {kind: depthwise, kernel: [3, 5]}
        - {kind: skip}
head: {kind: linear}
"""
TIED = """
resolution: [8, 16]
width_multiplier: [0.5, 1.0, 2.0]
stem: {kind: conv, channels: [8, 16]}
stages:
  - channels: {same_as: stem.channels}
    share: stage
    depth: [1, 2]
    block: {kind: depthwise, kernel: [3, 5]}
  - {channels: [16, 32], repeat: 2, block: {kind: conv, kernel: [1, 3]}}
"""
METRICS: tuple[Arithmetic, ...] = ("params", "macs", "peak_activation_bytes")


@functools.cache
def everything(text: str) -> set[Architecture]:
    """All architectures, by walking from neighbour to neighbour."""
    space = SearchSpace.parse(text)
    seen = {space.sample(0)}
    edge = list(seen)
    while edge:
        found = {other for each in edge for other in space.neighbors(each)} - seen
        seen |= found
        edge = list(found)
    return seen


@pytest.mark.parametrize("text", [NESTED, TIED])
def test_walking_meets_every_architecture_once(text: str) -> None:
    space = SearchSpace.parse(text)
    met = list(walk(space))
    assert len(met) == len(set(met)) == space.size
    assert set(met) == everything(text)


def test_walking_keeps_what_it_is_given() -> None:
    space = SearchSpace.parse(NESTED)
    kept: dict[str, Scalar] = {"stage1.depth": 2, "stage1.block2.kind": "skip"}
    met = set(walk(space, kept))
    assert met == {each for each in everything(NESTED) if kept.items() <= dict(each.decisions).items()}
    assert len(list(walk(space, kept, most=3))) == 3


@pytest.mark.parametrize("enumerated", [20_000, 0])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("text", [NESTED, TIED])
def test_the_edges_are_those_of_brute_force(text: str, metric: Arithmetic, enumerated: int) -> None:
    space = SearchSpace.parse(text)
    values = [getattr(architecture_cost(each, SHAPE), metric) for each in everything(text)]
    low, high = (edge(space, metric, SHAPE, enumerated=enumerated) for edge in (cheapest, dearest))
    assert getattr(low.cost, metric) == min(values)
    assert getattr(high.cost, metric) == max(values)
    assert low.cost == architecture_cost(low.architecture, SHAPE)
    assert low.exact == high.exact == (enumerated > 0)


def test_every_network_of_a_small_space_is_tried_once() -> None:
    space = SearchSpace.parse(TIED)
    assert cheapest(space, "macs", SHAPE).tried == space.size


def test_descents_meet_the_closed_form_of_a_larger_space() -> None:
    space = SearchSpace.load("nasbench_macro")
    low, high = cheapest(space, "macs", enumerated=0), dearest(space, "macs", enumerated=0)
    assert {value for _, value in low.architecture.decisions} == {"identity"}
    assert {value for _, value in high.architecture.decisions} == {"mb6_k5"}
    assert low.tried < space.size / 4


def test_descents_meet_the_edges_of_the_once_for_all_space() -> None:
    """A deeper stage, a wider window and a larger expansion each cost more, so all three are at one end."""
    space = SearchSpace.load("mobilenetv3")
    ends = {"depth": (2, 4), "kernel": (3, 7), "expand": (3, 6)}
    for k, edge in enumerate((cheapest, dearest)):
        decisions = edge(space, "macs").architecture.decisions
        assert all(value == ends[name.rpartition(".")[2]][k] for name, value in decisions)


def test_descents_leave_a_shape_that_is_best_alone_and_not_together() -> None:
    """One projection to 64 channels costs less than one to 32 and one to 64; the rest is for nothing."""
    stem, projection, classifier = 3 * 16 * 9 + 2 * 16, 16 * 64 + 2 * 64, 64 * 10 + 10
    assert cheapest(SearchSpace.load("mobile"), "params").cost.params == stem + projection + classifier


def test_the_same_call_gives_the_same_network() -> None:
    space = SearchSpace.parse(NESTED)
    assert dearest(space, "params", SHAPE, enumerated=0) == dearest(space, "params", SHAPE, enumerated=0)


def test_networks_that_cannot_be_built_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    space = SearchSpace.parse(NESTED)
    reckon = architecture_cost

    def only_deep(architecture: Architecture, *shape: object) -> object:
        if dict(architecture.decisions)["stage1.depth"] < 2:  # type: ignore[operator]
            raise BuildError("stage1: too shallow")
        return reckon(architecture, *shape)  # type: ignore[arg-type]

    monkeypatch.setattr(extremes, "architecture_cost", only_deep)
    assert dict(cheapest(space, "params", SHAPE).architecture.decisions)["stage1.depth"] == 2


def test_a_space_without_any_network_that_can_be_built_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise BuildError("stage1: too shallow")

    monkeypatch.setattr(extremes, "architecture_cost", never)
    with pytest.raises(BuildError, match="stage1: too shallow"):
        cheapest(SearchSpace.parse(NESTED), "params", SHAPE)
