"""Small changes of a network: single decisions, and whole blocks inserted, removed and swapped."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from nasearch.samplers.domain import Decisions, Domain, at, is_ordinal, share_of

STEP = 0.2
"""Standard deviation of a change of a continuous choice, as a share of its range."""


def mutate(parent: Mapping[str, Any], domain: Domain, generator: random.Random, changes: int) -> Decisions:
    """Change some decisions of a network; what a change opens is drawn, what it closes is dropped.

    Args:
        parent: decisions of a network of the domain.
        domain: what can be decided.
        generator: is drawn from.
        changes: number of decisions to change.
    """
    child = dict(parent)
    specs = domain.distributions
    open_ones = [name for name in child if name in specs and not specs[name].single()]
    for name in generator.sample(open_ones, min(changes, len(open_ones))):
        child[name] = _other(child[name], name, domain, generator)
    return domain.complete(child, generator)


def _other(value: Any, name: str, domain: Domain, generator: random.Random) -> Any:
    """Another value of a choice: among numbers as often a neighbour as any, else any."""
    spec = domain.distributions[name]
    if not isinstance(spec, CategoricalDistribution):
        return _moved(value, spec, generator)
    values = list(spec.choices)
    if is_ordinal(spec) and generator.random() < 0.5:
        values.sort()
        place = values.index(value)
        return generator.choice(values[max(place - 1, 0) : place] + values[place + 1 : place + 2])
    return generator.choice([other for other in values if other != value])


def _moved(value: Any, spec: BaseDistribution, generator: random.Random) -> Any:
    """Another number of a range, most likely a near one: where there are few the next is near enough."""
    assert isinstance(spec, IntDistribution | FloatDistribution)
    width = STEP if spec.step is None else max(STEP, spec.step / (spec.high - spec.low))
    while True:
        other = at(spec, min(max(generator.gauss(share_of(spec, value), width), 0.0), 1.0))
        if other != value:
            return other


def cross(
    parent: Mapping[str, Any], other: Mapping[str, Any], domain: Domain, generator: random.Random
) -> Decisions:
    """A child of two networks: each decision of one parent or the other's (uniform crossover)."""
    mixed = {
        name: other[name] if name in other and generator.random() < 0.5 else value
        for name, value in {**other, **parent}.items()
    }
    return domain.complete(mixed, generator)


class Rows:
    """Choices whose names differ in one number alone, such as `stage1.block2.kind`: rows of blocks.

    The rows of a search space are what its structural changes work on. Where a row has a choice of its
    length beside it (`stage1.depth` for `stage1.block...`), inserting and removing change that too.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        rows: dict[str, dict[int, dict[str, str]]] = {}
        for name in domain.distributions:
            for match in _splits(name):
                head, number, tail = match
                rows.setdefault(head, {}).setdefault(number, {})[tail] = name
        self._rows = {head: row for head, row in rows.items() if len(row) > 1 and self._alike(row)}

    def _alike(self, row: Mapping[int, Mapping[str, str]]) -> bool:
        """Whether the blocks of a row have at least one choice in common, with the same values."""
        first, *others = row.values()
        specs = self._domain.distributions
        return any(
            all(tail in other and specs[other[tail]] == specs[name] for other in others)
            for tail, name in first.items()
        )

    def __bool__(self) -> bool:
        """Whether there is a row at all."""
        return bool(self._rows)

    def change(self, parent: Mapping[str, Any], generator: random.Random) -> Decisions:
        """Swap two blocks of a row, insert one, or remove one; there must be a row."""
        child = dict(parent)
        head = generator.choice(list(self._rows))
        row = self._rows[head]
        here = sorted(
            number for number, block in row.items() if any(name in child for name in block.values())
        )
        move = generator.choice(("swap", "insert", "remove"))
        if move == "swap" and len(here) > 1:
            one, two = generator.sample(here, 2)
            self._put(child, row[one], self._taken(parent, row[two]))
            self._put(child, row[two], self._taken(parent, row[one]))
        elif move != "swap" and here:
            place = generator.choice(here)
            step = 1 if move == "insert" else -1
            self._shift(child, parent, row, place, step)
            self._lengthen(child, head, step)
        return self._domain.complete(child, generator)

    def _shift(
        self,
        child: Decisions,
        parent: Mapping[str, Any],
        row: Mapping[int, Mapping[str, str]],
        place: int,
        step: int,
    ) -> None:
        """Move the blocks from a place on; the place itself is left open by an insertion."""
        for number, block in row.items():
            source = number - step
            if number == place and step > 0:
                self._put(child, block, {})
            elif number >= place and source in row:
                self._put(child, block, self._taken(parent, row[source]))

    def _lengthen(self, child: Decisions, head: str, step: int) -> None:
        """Change a row's length by one, where it is a choice and allows that."""
        stage = head.rpartition(".")[0]
        name = f"{stage}.depth" if stage else "depth"
        spec = self._domain.distributions.get(name)
        if name in child and isinstance(spec, CategoricalDistribution):
            length = child[name] + step
            if length in spec.choices:
                child[name] = length

    def _taken(self, parent: Mapping[str, Any], block: Mapping[str, str]) -> Decisions:
        """A block's decisions, by what follows the number in their names."""
        return {tail: parent[name] for tail, name in block.items() if name in parent}

    def _put(self, child: Decisions, block: Mapping[str, str], decisions: Mapping[str, Any]) -> None:
        for tail, name in block.items():
            child.pop(name, None)
            if tail in decisions:
                child[name] = decisions[tail]


def _splits(name: str) -> list[tuple[str, int, str]]:
    """Every way to read a name as head, number, tail."""
    return [
        (name[: match.start()], int(match[0]), name[match.end() :]) for match in re.finditer(r"\d+", name)
    ]
