"""Scores without training: one batch, a few passes, and a rank that is worth something, though not much."""

from __future__ import annotations

from nasearch.measure.zero_cost.aggregate import aggregates, agreeing, rank_aggregate
from nasearch.measure.zero_cost.score import score_architectures, zero_cost_scores
from nasearch.measure.zero_cost.table import SCORES, Score

__all__ = [
    "SCORES",
    "Score",
    "aggregates",
    "agreeing",
    "rank_aggregate",
    "score_architectures",
    "zero_cost_scores",
]
