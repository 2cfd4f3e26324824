"""Small problems for samplers: what they ask, and what is true of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from nasearch.samplers import ParetoEvolutionSampler, SurrogateSampler, TreeDomain
from nasearch.samplers.seeded import Knowledge, SeededSampler

Params = Mapping[str, Any]
OWN: dict[str, Callable[..., SeededSampler]] = {
    "surrogate": SurrogateSampler,
    "evolution": ParetoEvolutionSampler,
}

EDGES = 6
OPS = ("none", "skip", "conv1", "conv3")
GAINS = {"none": 0.0, "skip": 0.3, "conv1": 0.7, "conv3": 1.0}
COSTS = {"none": 0.0, "skip": 0.0, "conv1": 2.0, "conv3": 9.0}


def ask_cell(trial: Any) -> Params:
    """A cell of 4^6 networks."""
    return {f"edge{i}": trial.suggest_categorical(f"edge{i}", OPS) for i in range(EDGES)}


def accuracy(params: Params) -> float:
    """Each edge helps, the later ones less."""
    return sum(GAINS[params[f"edge{i}"]] / (1 + i) for i in range(EDGES))


def cost(params: Params) -> float:
    return sum(COSTS[params[f"edge{i}"]] for i in range(EDGES))


def cell_study(sampler: BaseSampler, directions: Sequence[str] = ("maximize", "minimize")) -> optuna.Study:
    return optuna.create_study(directions=list(directions), sampler=sampler)  # type: ignore[arg-type]  # words


def measure_cell(trial: optuna.Trial) -> tuple[float, float]:
    params = ask_cell(trial)
    return accuracy(params), cost(params)


def cell_domain() -> TreeDomain:
    choices = {f"edge{i}": OPS for i in range(EDGES)}
    return TreeDomain(choices, lambda suggest: {name: suggest(name, ops) for name, ops in choices.items()})


def knowing(sampler: SeededSampler, **given: Any) -> SeededSampler:
    """A sampler that knows the cell's choices from the start, and what else is given."""
    return sampler.informed(Knowledge(cell_domain(), **given))


def ask_nested(trial: Any) -> Params:
    """Blocks of a depth, with decisions of their own; 3 + 9 + 27 shapes, times the sizes."""
    found: dict[str, Any] = {"depth": trial.suggest_categorical("depth", [1, 2, 3])}
    for block in range(1, found["depth"] + 1):
        kind = found[f"block{block}.kind"] = trial.suggest_categorical(
            f"block{block}.kind", ["conv", "skip", "pool"]
        )
        if kind == "conv":
            found[f"block{block}.size"] = trial.suggest_int(f"block{block}.size", 1, 4)
    return found


def proposals_of(study: optuna.Study) -> list[Params]:
    return [trial.params for trial in study.get_trials(deepcopy=False)]


def distinct(study: optuna.Study) -> int:
    return len({frozenset(params.items()) for params in proposals_of(study)})


def copy_of(study: optuna.Study, sampler: BaseSampler) -> optuna.Study:
    """The same trials in another study in memory."""
    other = optuna.create_study(directions=study.directions, sampler=sampler)
    other.add_trials(study.get_trials())
    assert all(trial.state == TrialState.COMPLETE for trial in other.get_trials(deepcopy=False))
    return other
