"""What a study can tell its sampler before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from nasearch.errors import BuildError, MeasurementError
from nasearch.measure.traits import joined_traits
from nasearch.samplers import Knowledge, TreeDomain
from nasearch.samplers.domain import Suggest
from nasearch.space import Architecture
from nasearch.study.rules import Rules

T = TypeVar("T")

MOST_REMEMBERED = 20_000
"""Architectures kept by their decisions: a few proposals' worth, each of about a thousand."""


def knowledge_of(
    rules: Rules, features: Callable[[Architecture], Sequence[float]] | None = None
) -> Knowledge:
    """What samplers may know of a study: its choices, and each network's exact costs, limits, key, topology.

    A network that cannot be built for the data, or of which nothing can come, is one that is not allowed.
    Latency is not known before it is measured.

    Args:
        rules: of the study.
        features: numbers that may tell more of a network.
    """
    # A proposal asks for the same networks again and again: as children, as parents, as trials of the past.
    rules = replace(rules, costs=_once(rules.costs), topology=_once(rules.topology))
    remembered: dict[tuple[tuple[str, Any], ...], Architecture] = {}

    def remember(architecture: Architecture) -> Architecture:
        if len(remembered) >= MOST_REMEMBERED:
            remembered.clear()
        return remembered.setdefault(architecture.decisions, architecture)

    def propose(suggest: Suggest) -> Mapping[str, Any]:
        return dict(remember(rules.space.propose(suggest)).decisions)

    def architecture_of(decisions: Mapping[str, Any]) -> Architecture:
        found = remembered.get(tuple(decisions.items()))
        return remember(rules.space.decode(decisions)) if found is None else found

    @_once
    def is_allowed(architecture: Architecture) -> bool:
        try:
            broken = rules.broken(rules.costs(architecture), rules.block_costs(architecture))
            return not (broken or rules.hopeless(architecture))
        except (BuildError, MeasurementError):
            return False

    def allows(decisions: Mapping[str, Any]) -> bool:
        return is_allowed(architecture_of(decisions))

    def identity(decisions: Mapping[str, Any]) -> Hashable:
        return architecture_of(decisions).key

    def exact(name: str) -> Any:
        def value(decisions: Mapping[str, Any]) -> float:
            # Also of networks that break a limit: Optuna's samplers may have proposed them earlier.
            return float(rules.costs(architecture_of(decisions))[name])

        return value

    objectives = {objective.name for objective in rules.objectives}

    def traits(decisions: Mapping[str, Any]) -> tuple[float, ...]:
        architecture = architecture_of(decisions)
        costs = rules.costs(architecture)
        others = [value for name, value in costs.items() if name not in objectives]
        return joined_traits(rules.topology(architecture), others)

    known = {
        index: exact(objective.name)
        for index, objective in enumerate(rules.objectives)
        if objective.is_cost and objective.name != "latency_ms"
    }
    choices = {choice.name: choice.values for choice in rules.space.choices}
    told = None if features is None else lambda decisions: features(architecture_of(decisions))
    return Knowledge(TreeDomain(choices, propose), known, allows, identity, traits, told)


def _once(judge: Callable[[Architecture], T]) -> Callable[[Architecture], T]:
    """The same, asked once of each network of one space."""
    known: dict[tuple[tuple[str, Any], ...], T] = {}

    def remembering(architecture: Architecture) -> T:
        found = known.get(architecture.decisions)
        if found is None:
            if len(known) >= MOST_REMEMBERED:
                known.clear()
            found = known[architecture.decisions] = judge(architecture)
        return found

    return remembering
