"""Distances between networks as the embedding promises them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from nasearch.samplers import embedding
from nasearch.samplers.embedding import Embedding


def squared_distances(spec: BaseDistribution, values: Sequence[Any]) -> np.ndarray:
    """Of networks with one choice; `...` stands for one that is inactive."""
    points = [{} if value is ... else {"x": value} for value in values]
    rows = Embedding({"x": spec}).choices(points)
    return np.asarray(((rows[:, None] - rows[None]) ** 2).sum(axis=2))


@pytest.mark.parametrize("values", [("conv", "skip", "pool"), (True, False), ("a", 1, None), (True, 2, 3.0)])
def test_any_two_nominal_values_and_none_at_all_are_one_apart(values: tuple[Any, ...]) -> None:
    """A bool is no number here, whatever Python says."""
    table = squared_distances(CategoricalDistribution(values), [*values, ...])
    np.testing.assert_allclose(table, 1 - np.eye(len(values) + 1), atol=1e-12)


@pytest.mark.parametrize("values", [(3, 5, 7), (7, 3, 5), (0.0, 0.2), (1, 2.5, 100, 1000, -3), (4,)])
def test_ordinal_values_lie_as_far_apart_as_in_their_order(values: tuple[float, ...]) -> None:
    table = squared_distances(CategoricalDistribution(values), [*values, ...])
    order = sorted(values)
    for (i, one), (j, other) in itertools.product(enumerate(values), repeat=2):
        steps = abs(order.index(one) - order.index(other))
        assert table[i, j] == pytest.approx(steps / max(len(values) - 1, 1))
    if len(values) > 1:
        np.testing.assert_allclose(table[-1, :-1], 1.0)


def test_numbers_lie_in_their_range() -> None:
    steps = squared_distances(IntDistribution(2, 10), [2, 4, 10])
    assert steps[0, 1] == pytest.approx((2 / 8) ** 2)
    assert steps[0, 2] == pytest.approx(1.0)
    logs = squared_distances(FloatDistribution(1e-4, 1.0, log=True), [1e-4, 1e-2, 1.0, ...])
    assert logs[0, 1] == pytest.approx(0.25)
    assert logs[0, 2] == pytest.approx(1.0)
    # an inactive number is as far from the ends as they are from one another, and near to none between
    np.testing.assert_allclose(logs[3], [1.0, 0.75, 1.0, 0.0])
    whole = squared_distances(IntDistribution(1, 64, log=True), [1, 8, 64])
    assert whole[0, 1] == pytest.approx(0.25)


def test_each_choice_has_its_own_coordinates() -> None:
    specs = {
        "op": CategoricalDistribution(("a", "b", "c")),
        "width": CategoricalDistribution((8, 16, 32)),
        "rate": FloatDistribution(0, 2),
    }
    space = Embedding(specs)
    one, other = {"op": "a", "width": 8, "rate": 0.5}, {"op": "c", "width": 16}
    rows = space.choices([one, other])
    assert rows.shape[1] == len(space.blocks)
    apart = np.bincount(space.blocks, (rows[0] - rows[1]) ** 2)
    np.testing.assert_allclose(apart, [1.0, 0.5, 0.25**2 + 0.75])


def test_very_many_choices_share_length_scales() -> None:
    kernels, ops = CategoricalDistribution((3, 5)), CategoricalDistribution(("a", "b"))
    few = {f"k{i}": kernels for i in range(32)}
    assert set(Embedding(few).blocks) == set(range(32))
    many = {f"{name}{i}": spec for i in range(20) for name, spec in (("k", kernels), ("o", ops))}
    space = Embedding(many)
    assert set(space.blocks) == {0, 1}
    rows = space.choices([dict.fromkeys(many, None) | {n: s.choices[0] for n, s in many.items()}] * 2)
    assert rows.shape == (2, len(space.blocks))


def test_counts_of_choices_with_the_same_values() -> None:
    ops = CategoricalDistribution(("conv", "pool"))
    specs: dict[str, BaseDistribution] = {f"edge{i}": ops for i in range(4)}
    specs |= {
        "width": CategoricalDistribution((8, 16)),
        "x": FloatDistribution(0, 1),
        "y": FloatDistribution(0, 1),
    }
    counts = Embedding(specs).counts(
        [
            {"edge0": "conv", "edge1": "conv", "edge2": "pool", "edge3": "conv", "width": 8},
            {"edge0": "pool", "x": 0.5},
            {},
        ]
    )
    # alone in its group, a choice says all by itself; ranges have no values to count
    np.testing.assert_allclose(counts * math.sqrt(4), [[3, 1], [0, 1], [0, 0]])


def test_no_more_counts_than_are_good() -> None:
    specs: dict[str, BaseDistribution] = {
        f"{group}{i}": CategoricalDistribution(tuple(f"{group}{k}" for k in range(10)))
        for group, size in (("a", 2), ("b", 5), ("c", 3))
        for i in range(size)
    }
    everywhere = [{name: spec.choices[k] for name, spec in specs.items()} for k in range(10)]  # type: ignore[attr-defined]
    counts = Embedding(specs).counts(everywhere)
    assert counts.shape[1] == embedding.MOST_COUNTS == 24
    np.testing.assert_allclose(
        counts.sum(axis=0), [*[math.sqrt(5)] * 10, *[math.sqrt(3)] * 10, *[math.sqrt(2)] * 4]
    )


def test_no_choices_at_all() -> None:
    assert Embedding({}).choices([{}, {}]).shape == (2, 0)
    assert Embedding({}).counts([{}, {}]).shape == (2, 0)
