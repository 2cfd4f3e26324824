"""The samplers that a study can name, each made anew for every trial."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)

from nasearch.errors import SettingsError

POPULATION = 20  # Optuna's default of 50 would make a study of 50 candidates a random search


@dataclass(frozen=True)
class SamplerChoice:
    """A sampler by name: how to make it, and what it is."""

    make: Callable[[int], BaseSampler]
    about: str


SAMPLERS: dict[str, SamplerChoice] = {
    "random": SamplerChoice(lambda seed: RandomSampler(seed=seed), "uniform draws of the active choices"),
    "tpe": SamplerChoice(lambda seed: TPESampler(seed=seed), "tree-structured Parzen estimator"),
    "nsga2": SamplerChoice(
        lambda seed: NSGAIISampler(seed=seed, population_size=POPULATION),
        f"NSGA-II, a genetic algorithm, population {POPULATION}",
    ),
    "nsga3": SamplerChoice(
        lambda seed: NSGAIIISampler(seed=seed, population_size=POPULATION),
        f"NSGA-III, for three objectives and more, population {POPULATION}",
    ),
    "gp": SamplerChoice(
        lambda seed: GPSampler(seed=seed, warn_independent_sampling=False),
        "Gaussian process; sees only choices that every trial has, the rest are drawn at random",
    ),
}


def make_sampler(name: str, seed: int, number: int) -> BaseSampler:
    """A new sampler for one trial of a study.

    One that lives on would give other proposals after a restart (Optuna's Gaussian process keeps
    its kernels), so each trial has its own, seeded by the study's seed and the trial's number.

    Raises:
        SettingsError: if there is no sampler of that name.
    """
    if name not in SAMPLERS:
        raise SettingsError(f"sampler is {name!r}; expected one of {', '.join(SAMPLERS)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # NSGA-III has been experimental for years
        return SAMPLERS[name].make(trial_seed(seed, number))


def trial_seed(seed: int, number: int, stream: int = 0) -> int:
    """A 32-bit seed for a trial; `stream` separates independent uses within it."""
    return int(np.random.SeedSequence([seed, number, stream]).generate_state(1)[0])
