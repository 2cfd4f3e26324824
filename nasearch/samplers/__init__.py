"""Optuna samplers: which ones a study can use by name, and how each trial gets its own."""

from __future__ import annotations

from nasearch.samplers.choose import SAMPLERS, SamplerChoice, make_sampler, trial_seed

__all__ = ["SAMPLERS", "SamplerChoice", "make_sampler", "trial_seed"]
