"""Objectives, limits, dominance, hypervolume and selection: pure functions over arrays, no torch."""

from __future__ import annotations

from nasearch.pareto.curves import hypervolume_curve, judged_hypervolume_curve
from nasearch.pareto.dominance import crowding, front, ranks
from nasearch.pareto.hypervolume import hypervolume
from nasearch.pareto.limits import Limit, parse_limit, parse_limits
from nasearch.pareto.objectives import (
    OBJECTIVES,
    Objective,
    find_objective,
    finite_values,
    losses,
    parse_objectives,
)
from nasearch.pareto.selection import best_under, knee

__all__ = [
    "OBJECTIVES",
    "Limit",
    "Objective",
    "best_under",
    "crowding",
    "find_objective",
    "finite_values",
    "front",
    "hypervolume",
    "hypervolume_curve",
    "judged_hypervolume_curve",
    "knee",
    "losses",
    "parse_limit",
    "parse_limits",
    "parse_objectives",
    "ranks",
]
