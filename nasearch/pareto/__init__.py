"""Objectives, limits, dominance, hypervolume and selection: pure functions over arrays, no torch."""

from __future__ import annotations

from nasearch.pareto.agreement import DRAWS, LEAST_NETWORKS, Agreement, kendall, partial_kendall, spearman
from nasearch.pareto.box import ROOM, reference_corner
from nasearch.pareto.curve_draws import curve_draws, noisy_shares
from nasearch.pareto.curves import hypervolume_curve, judged_hypervolume_curve
from nasearch.pareto.dominance import crowding, front, ranks
from nasearch.pareto.hypervolume import hypervolume
from nasearch.pareto.limits import Limit, parse_limit, parse_limits
from nasearch.pareto.objectives import (
    ARITHMETIC,
    OBJECTIVES,
    Arithmetic,
    Objective,
    find_objective,
    finite_values,
    losses,
    parse_objectives,
)
from nasearch.pareto.selection import best_under, knee

__all__ = [
    "ARITHMETIC",
    "DRAWS",
    "LEAST_NETWORKS",
    "OBJECTIVES",
    "ROOM",
    "Agreement",
    "Arithmetic",
    "Limit",
    "Objective",
    "best_under",
    "crowding",
    "curve_draws",
    "find_objective",
    "finite_values",
    "front",
    "hypervolume",
    "hypervolume_curve",
    "judged_hypervolume_curve",
    "kendall",
    "knee",
    "losses",
    "noisy_shares",
    "parse_limit",
    "parse_limits",
    "parse_objectives",
    "partial_kendall",
    "ranks",
    "reference_corner",
    "spearman",
]
