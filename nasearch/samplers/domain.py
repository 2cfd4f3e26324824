"""Which decisions can be made, and which of them follow from others.

A `Domain` is all that a sampler knows of a search space. One of a `SearchSpace` knows everything; one of
an ordinary Optuna study has only seen trials, and finds out from them which parameters there are and on which
values of others they depend.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from nasearch.space import SearchSpace

Decisions: TypeAlias = dict[str, Any]
"""Names of active choices and their values."""


class Domain(ABC):
    """The choices of a search, and how a part of their decisions is completed."""

    distributions: Mapping[str, BaseDistribution]
    """Every choice that can become active, in the order in which they are asked."""

    @abstractmethod
    def complete(self, given: Mapping[str, Any], generator: random.Random) -> Decisions:
        """Decide every active choice: as given where that is possible, else by a uniform draw.

        What is given for choices that do not become active is left out.
        """

    def draw(self, generator: random.Random) -> Decisions:
        """Decisions whose active choices are drawn uniformly, one after another."""
        return self.complete({}, generator)


Suggest: TypeAlias = Callable[[str, Sequence[Any]], Any]
"""Name and values of a choice to one of the values."""


class TreeDomain(Domain):
    """Choices of which all is known.

    Args:
        choices: names and values of every choice, in the order in which they are asked.
        propose: asks `suggest(name, values)` for each active choice, and gives the decisions back.
    """

    def __init__(
        self, choices: Mapping[str, Sequence[Any]], propose: Callable[[Suggest], Mapping[str, Any]]
    ) -> None:
        self.distributions = {
            name: CategoricalDistribution(tuple(values)) for name, values in choices.items()
        }
        self._propose = propose

    @classmethod
    def of(cls, space: str | Path | SearchSpace) -> TreeDomain:
        """All choices of a search space, or of one that `SearchSpace.load` reads; errors as there."""
        space = SearchSpace.of(space)
        choices = {choice.name: choice.values for choice in space.choices}
        return cls(choices, lambda suggest: dict(space.propose(suggest).decisions))

    def complete(self, given: Mapping[str, Any], generator: random.Random) -> Decisions:
        """As `Domain` says, along the tree."""

        def decide(name: str, values: Sequence[Any]) -> Any:
            value = given.get(name)
            return value if value in values else generator.choice(values)

        return dict(self._propose(decide))


@dataclass(frozen=True)
class Condition:
    """A choice is active where another one is, and has one of these values."""

    parent: str
    values: frozenset[Any]


class SeenDomain(Domain):
    """The parameters that the trials of an Optuna study have had.

    A parameter that some trials lack depends on another one, if the values of that one tell without
    exception where it stands; of several such the last asked before it is taken. Where there is none it
    counts as active always, which costs nothing but a value that nobody asks for.

    Args:
        trials: finished ones with all their parameters.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        found: dict[str, BaseDistribution] = {}
        before: dict[str, dict[str, None]] = {}
        for trial in trials:
            names = list(trial.params)
            for place, name in enumerate(names):
                earlier = before.setdefault(name, {})
                for other in names[:place]:
                    earlier.setdefault(other)
            found |= trial.distributions
        self.distributions = _parents_first(found, before)
        self._conditions = {
            name: _condition(name, [other for other in self.distributions if other in before[name]], trials)
            for name in self.distributions
        }

    def complete(self, given: Mapping[str, Any], generator: random.Random) -> Decisions:
        """As `Domain` says, along the conditions that were found."""
        decisions: Decisions = {}
        for name, spec in self.distributions.items():
            condition = self._conditions[name]
            if condition is not None and decisions.get(condition.parent) not in condition.values:
                continue
            decisions[name] = (
                given[name] if name in given and holds(spec, given[name]) else draw(spec, generator)
            )
        return decisions


def _parents_first(
    found: Mapping[str, BaseDistribution], before: Mapping[str, Mapping[str, None]]
) -> dict[str, BaseDistribution]:
    """The parameters, each after those that were asked before it, as far as trials agree on that."""
    order: dict[str, BaseDistribution] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        for other in before[name]:
            if other in found and other not in order and other not in above:
                visit(other, above | {name})
        order.setdefault(name, found[name])

    for name in found:
        visit(name, frozenset())
    return order


def _condition(name: str, earlier: Sequence[str], trials: Sequence[FrozenTrial]) -> Condition | None:
    having = [trial.params for trial in trials if name in trial.params]
    lacking = [trial.params for trial in trials if name not in trial.params]
    if not lacking:
        return None
    for parent in reversed(earlier):
        if all(parent in params for params in having):
            values = frozenset(params[parent] for params in having)
            if not any(parent in params and params[parent] in values for params in lacking):
                return Condition(parent, values)
    return None


def holds(spec: BaseDistribution, value: Any) -> bool:
    """Whether a value is one of a distribution's."""
    if isinstance(spec, CategoricalDistribution):
        return value in spec.choices
    return isinstance(value, (int, float)) and spec._contains(spec.to_internal_repr(value))


def draw(spec: BaseDistribution, generator: random.Random) -> Any:
    """A uniform draw, on a logarithmic axis where the distribution has one."""
    if isinstance(spec, CategoricalDistribution):
        return generator.choice(spec.choices)
    return at(spec, generator.random())


def at(spec: BaseDistribution, share: float) -> Any:
    """The value at a share, in [0, 1], of a numeric distribution's range; whole and stepped where it is."""
    assert isinstance(spec, IntDistribution | FloatDistribution)
    low, high, step = spec.low, spec.high, spec.step
    if step is not None and not spec.log:
        steps = round((high - low) / step)
        value = low + step * min(int(share * (steps + 1)), steps)
    elif spec.log:
        margin = 0.5 if isinstance(spec, IntDistribution) else 0.0
        start, end = np.log(low - margin), np.log(high + margin)
        value = float(np.exp(start + share * (end - start)))
    else:
        value = low + share * (high - low)
    if isinstance(spec, IntDistribution):
        value = round(value)
    return type(low)(min(max(value, low), high))


def share_of(spec: BaseDistribution, value: Any) -> float:
    """Where in a numeric distribution's range a value lies, in [0, 1]; on its logarithm where it has one."""
    assert isinstance(spec, IntDistribution | FloatDistribution)
    low, high, value = (float(each) for each in (spec.low, spec.high, value))
    if spec.log:
        low, high, value = np.log(low), np.log(high), np.log(value)
    return float((value - low) / (high - low)) if high > low else 0.0


def is_ordinal(spec: BaseDistribution) -> bool:
    """Whether a categorical choice is among numbers, whose order says something."""
    return isinstance(spec, CategoricalDistribution) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in spec.choices
    )
