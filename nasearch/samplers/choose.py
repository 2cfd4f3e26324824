"""A sampler by name, made anew for every trial."""

from __future__ import annotations

import warnings
from collections.abc import Callable

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
from nasearch.samplers.evolution import ParetoEvolutionSampler
from nasearch.samplers.names import POPULATION
from nasearch.samplers.seeded import Knowledge
from nasearch.samplers.surrogate import SurrogateSampler

MAKERS: dict[str, Callable[[int, Knowledge], BaseSampler]] = {
    "surrogate": lambda seed, known: SurrogateSampler(seed).informed(known),
    "evolution": lambda seed, known: ParetoEvolutionSampler(seed).informed(known),
    "local": lambda seed, known: ParetoEvolutionSampler(
        seed, population=1, most_changes=1, crossed=0.0, moved=0.0
    ).informed(known),
    "random": lambda seed, _: RandomSampler(seed=seed),
    "tpe": lambda seed, _: TPESampler(seed=seed),
    "nsga2": lambda seed, _: NSGAIISampler(seed=seed, population_size=POPULATION),
    "nsga3": lambda seed, _: NSGAIIISampler(seed=seed, population_size=POPULATION),
    "gp": lambda seed, _: GPSampler(seed=seed, warn_independent_sampling=False),
}
"""How each of `SAMPLERS` is made: a seed, and what the study knows; Optuna's have no use for that."""


def make_sampler(name: str, seed: int, number: int, knowledge: Knowledge | None = None) -> BaseSampler:
    """A new sampler for one trial of a study.

    One that lives on would give other proposals after a restart (Optuna's Gaussian process keeps
    its kernels), so each trial has its own, seeded by the study's seed and the trial's number.

    Args:
        name: one of `SAMPLERS`.
        seed: of the study.
        number: of the trial.
        knowledge: of the study, for the samplers that use it.

    Raises:
        SettingsError: if there is no sampler of that name.
    """
    if name not in MAKERS:
        raise SettingsError(f"sampler is {name!r}; expected one of {', '.join(MAKERS)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # NSGA-III has been experimental for years
        return MAKERS[name](trial_seed(seed, number), knowledge or Knowledge())


def trial_seed(seed: int, number: int, stream: int = 0) -> int:
    """A 32-bit seed for a trial; `stream` separates independent uses within it."""
    return int(np.random.SeedSequence([seed, number, stream]).generate_state(1)[0])
