"""What a study can tell its sampler before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from nasearch.errors import BuildError, MeasurementError
from nasearch.measure.traits import joined_traits
from nasearch.samplers import Knowledge, TreeDomain
from nasearch.samplers.domain import Suggest
from nasearch.space import Architecture
from nasearch.study.rules import Rules

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
    remembered: dict[tuple[tuple[str, Any], ...], Architecture] = {}
    allowed: dict[tuple[tuple[str, Any], ...], bool] = {}

    def propose(suggest: Suggest) -> Mapping[str, Any]:
        architecture = rules.space.propose(suggest)
        if len(remembered) >= MOST_REMEMBERED:
            remembered.clear()
            allowed.clear()
        remembered[architecture.decisions] = architecture
        return dict(architecture.decisions)

    def architecture_of(decisions: Mapping[str, Any]) -> Architecture:
        found = remembered.get(tuple(decisions.items()))
        return rules.space.decode(decisions) if found is None else found

    def allows(decisions: Mapping[str, Any]) -> bool:
        architecture = architecture_of(decisions)
        if architecture.decisions not in allowed:
            try:
                broken = rules.broken(rules.costs(architecture), rules.block_costs(architecture))
                broken = broken or rules.hopeless(architecture)
            except (BuildError, MeasurementError):
                broken = ["cannot be built"]
            allowed[architecture.decisions] = not broken
        return allowed[architecture.decisions]

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
