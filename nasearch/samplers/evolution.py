"""`ParetoEvolutionSampler`: mutations of the front, without a model."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from nasearch.errors import SettingsError
from nasearch.pareto import crowding, ranks
from nasearch.pareto.objectives import Floats
from nasearch.samplers.domain import Decisions, Domain, TreeDomain
from nasearch.samplers.moves import Rows, cross, mutate
from nasearch.samplers.observed import Observed
from nasearch.samplers.seeded import Knowledge, SeededSampler
from nasearch.space import SearchSpace

TRIES = 50
"""Children that are looked at for one that is allowed and new, before a random network takes their place."""


class ParetoEvolutionSampler(SeededSampler):
    """Proposes changes of the best networks so far. It has no model, so a proposal is cheap.

    Parents are the best `population` of the youngest `age` trials, by non-dominated rank and within a rank by
    crowding, the front always among them; the better of two drawn at random becomes one. Where nothing keeps
    the limits yet, what breaks them least is best. A child is a parent with one decision changed, or a
    structural change of its blocks; more changes and crossovers are there for the asking. What was proposed
    before is not proposed again. Works in any Optuna study.

    Args:
        seed: of all proposals; the same seed, trials and trial number give the same proposal.
        population: networks that parents are chosen from.
        first: random networks that a search begins with.
        age: trials after which a network that is not on the front is no parent any more.
        most_changes: decisions that a mutation changes, from 1 to so many.
        crossed: share of children with two parents.
        moved: share of children with a structural change, where the space has rows of blocks.
        space, allows, identity: as `SurrogateSampler` takes them.

    Source: regularised evolution, Real et al. 2019, with the selection of NSGA-II, Deb et al. 2002.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        population: int = 5,
        first: int = 10,
        age: int = 200,
        most_changes: int = 1,
        crossed: float = 0.0,
        moved: float = 0.1,
        space: str | Path | SearchSpace | None = None,
        allows: Callable[[Mapping[str, Any]], bool] | None = None,
        identity: Callable[[Mapping[str, Any]], Hashable] | None = None,
    ) -> None:
        for name, value in (
            ("population", population),
            ("first", first),
            ("age", age),
            ("most_changes", most_changes),
        ):
            if value < 1:
                raise SettingsError(f"{name} is {value}; expected a whole number of at least 1")
        domain = None if space is None else TreeDomain.of(space)
        super().__init__(seed, Knowledge(domain, {}, allows, identity))
        self._population, self._first, self._age = population, first, age
        self._most_changes, self._crossed, self._moved = most_changes, crossed, moved

    def _propose(
        self, study: optuna.Study, trial: FrozenTrial, domain: Domain, generator: random.Random
    ) -> Decisions:
        observed = self._observe(study, trial, domain)
        seen = self._seen(observed)
        if len(observed.params) + len(observed.pending) < self._first or not observed.params:
            return self._draw_new(domain, generator, seen)
        parents, rows = self._parents(observed), Rows(domain)
        for _ in range(TRIES):
            child = self._child(parents, rows, domain, generator)
            if self._identity(child) not in seen and self._allowed(child):
                return child
        return self._draw_new(domain, generator, seen)

    def _parents(self, observed: Observed) -> list[Mapping[str, Any]]:
        """The best first."""
        feasible = observed.feasible
        # Where nothing keeps the limits yet, what breaks them least is best (Deb et al. 2002, section VI).
        losses = observed.losses if feasible.any() else _violation(observed)[:, None]
        usable = np.flatnonzero(feasible | ~feasible.any())
        rank = ranks(losses[usable])
        young = np.arange(len(usable)) >= len(usable) - self._age
        alive = usable[young | (rank == 0)]
        rank = ranks(losses[alive])
        room = np.zeros(len(alive))
        for each in np.unique(rank):
            room[rank == each] = crowding(losses[alive[rank == each]])
        order = np.lexsort([-room, rank])
        most = max(self._population, int((rank == 0).sum()))
        return [observed.params[alive[i]] for i in order[:most]]

    def _child(
        self, parents: list[Mapping[str, Any]], rows: Rows, domain: Domain, generator: random.Random
    ) -> Decisions:
        def select() -> Mapping[str, Any]:
            return parents[min(generator.randrange(len(parents)) for _ in range(2))]

        kind, parent = generator.random(), select()
        if kind < self._crossed:
            return cross(parent, select(), domain, generator)
        if kind < self._crossed + self._moved and rows:
            return rows.change(parent, generator)
        return mutate(parent, domain, generator, generator.randint(1, self._most_changes))


def _violation(observed: Observed) -> Floats:
    """(trials,): how far limits are broken in all, each in units of its own median."""
    broken = np.zeros(len(observed.params))
    for margins in observed.constraints.values():
        over = np.maximum(margins, 0.0)
        broken += over / (np.median(over[over > 0]) if over.any() else 1.0)
    return broken
