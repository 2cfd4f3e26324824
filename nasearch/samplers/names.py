"""The samplers by name, without Optuna: what help texts and settings need."""

from __future__ import annotations

from dataclasses import dataclass

POPULATION = 20
"""Of NSGA-II and III; Optuna's default of 50 would make a study of 50 candidates a random search."""


@dataclass(frozen=True)
class SamplerChoice:
    """A sampler that a study can name.

    Attributes:
        about: what it is, in a line.
        races: whether candidates race by default: it learns from stopped ones too, or from none at all.
        begins: networks of a screen that are trained before its own proposals; None for all that are kept.
    """

    about: str
    races: bool = False
    begins: int | None = 10


SAMPLERS: dict[str, SamplerChoice] = {
    "surrogate": SamplerChoice("a Gaussian process of the accuracy beside exact costs", races=True),
    "evolution": SamplerChoice("changes of the front and of the ranks behind it", begins=20),
    "local": SamplerChoice("local search: one decision of a network of the front changed"),
    "random": SamplerChoice("uniform draws of the active choices", races=True, begins=None),
    "tpe": SamplerChoice("tree-structured Parzen estimator", races=True),
    "nsga2": SamplerChoice(f"NSGA-II, a genetic algorithm, population {POPULATION}", begins=POPULATION),
    "nsga3": SamplerChoice(
        f"NSGA-III, for three objectives and more, population {POPULATION}", begins=POPULATION
    ),
    "gp": SamplerChoice(
        "Optuna's Gaussian process; sees only choices that every trial has, the rest are drawn at random"
    ),
}
