"""Optuna samplers: those of our own, which ones a study can use by name, and how each trial gets its own.

Optuna is imported with the first name that needs it; `SAMPLERS` does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nasearch.samplers.names import SAMPLERS, SamplerChoice

if TYPE_CHECKING:
    from nasearch.samplers.choose import make_sampler, trial_seed
    from nasearch.samplers.domain import Domain, TreeDomain
    from nasearch.samplers.evolution import ParetoEvolutionSampler
    from nasearch.samplers.seeded import Knowledge
    from nasearch.samplers.surrogate import SurrogateSampler

_HOMES = {
    "Domain": "domain",
    "Knowledge": "seeded",
    "ParetoEvolutionSampler": "evolution",
    "SurrogateSampler": "surrogate",
    "TreeDomain": "domain",
    "make_sampler": "choose",
    "trial_seed": "choose",
}

__all__ = [
    "SAMPLERS",
    "Domain",
    "Knowledge",
    "ParetoEvolutionSampler",
    "SamplerChoice",
    "SurrogateSampler",
    "TreeDomain",
    "make_sampler",
    "trial_seed",
]


def __getattr__(name: str) -> object:
    """Import a name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
