"""`SurrogateSampler`: a model of what is not known before training, exact values of what is."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from threadpoolctl import ThreadpoolController

from nasearch.errors import SettingsError
from nasearch.pareto import front
from nasearch.pareto.objectives import Floats
from nasearch.samplers.domain import Decisions, Domain, TreeDomain
from nasearch.samplers.embedding import Embedding
from nasearch.samplers.moves import Rows, cross, mutate
from nasearch.samplers.observed import Observed, signs_of
from nasearch.samplers.proposal import Proposal
from nasearch.samplers.seeded import Knowledge, SeededSampler
from nasearch.space import SearchSpace

FIRST = 10
"""Networks of the first design."""

DRAWN = 600
"""Random networks that a network of the first design is chosen from."""

POOL = 900
"""Networks that are compared for a proposal: a third random draws, the others changes of the front."""

FINALISTS, NEAR = 16, 300
"""The best of the pool, and how many changes of them are compared as well."""

CROSSED, MOVED = 0.1, 0.1
"""Shares of the changes of the front that are crossovers and structural moves."""

FEATURES = "nasearch:features"
"""System attribute of a trial: what the optional function told of its network."""


class SurrogateSampler(SeededSampler):
    """Proposes the network that is expected to enlarge the front's hypervolume most.

    The objectives that are not known before training are modelled by Gaussian processes over the choices,
    their counts, the known objectives and the network's traits; the known ones are exact. Random draws,
    mutations and crossovers of the front are compared; the first `FIRST` networks are spread over the known
    costs and the choices. Trials that a race has stopped count with what they foretell. What is running is
    taken to turn out as expected, so that workers side by side get different networks. Works in any Optuna
    study: single- or multi-objective, with conditional parameters and constraints.

    Args:
        seed: of all proposals; the same seed, trials and trial number give the same proposal.
        known: index of an objective to a function of the parameters that gives its exact value, in the
            objective's own direction.
        traits: a function of the parameters to numbers that are known of a network without training, such as
            its depth; cheap, since it is asked of every network that is compared.
        features: a function of the parameters to numbers that may tell more and take longer, such as
            zero-cost scores; asked for at most `FINALISTS` networks a proposal.
        space: the search space, or its name or path, if the study's parameters are its choices; else they are
            learnt from trials.
        allows: whether parameters keep every limit that is known before training; others are not proposed.
        identity: equal for parameters that mean one network, which is not proposed twice.
        reference: worst values that count, one for each objective, in its own direction; from the front if
            not given.

    Source: expected hypervolume improvement, Emmerich, Yang and Deutz 2016; exact objectives beside modelled
        ones are ours.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        known: Mapping[int, Callable[[Mapping[str, Any]], float]] | None = None,
        traits: Callable[[Mapping[str, Any]], Sequence[float]] | None = None,
        features: Callable[[Mapping[str, Any]], Sequence[float]] | None = None,
        space: str | Path | SearchSpace | None = None,
        allows: Callable[[Mapping[str, Any]], bool] | None = None,
        identity: Callable[[Mapping[str, Any]], Hashable] | None = None,
        reference: Sequence[float] | None = None,
    ) -> None:
        domain = None if space is None else TreeDomain.of(space)
        super().__init__(seed, Knowledge(domain, dict(known or {}), allows, identity, traits, features))
        self._reference = reference

    def _propose(
        self, study: optuna.Study, trial: FrozenTrial, domain: Domain, generator: random.Random
    ) -> Decisions:
        # Matrices of a few hundred rows gain nothing from a second thread; beside busy workers, threads that
        # wait for one another make a proposal many times as long.
        with _controller().limit(limits=1, user_api="blas"):
            return self._modelled(study, trial, domain, generator)

    def _modelled(
        self, study: optuna.Study, trial: FrozenTrial, domain: Domain, generator: random.Random
    ) -> Decisions:
        signs = signs_of(study)
        unknown = self._check(len(signs))
        observed = self._observe(study, trial, domain, unknown)
        seen = self._seen(observed)
        if len(observed.params) + len(observed.pending) < FIRST or not observed.measured.any():
            chosen = self._spread(domain, observed, seen, signs, generator)
            return chosen if self._knowledge.features is None else self._noted(study, trial, chosen)
        pool = self._pool(domain, observed, seen, generator)
        if not pool:
            return self._draw_new(domain, generator, seen)
        reference = None if self._reference is None else signs * np.asarray(self._reference, dtype=np.float64)
        proposal = Proposal(
            Embedding(domain.distributions), observed, self._knowledge, signs, unknown, pool, reference
        )
        pool, gains = _finalists(pool, proposal.gains(pool))
        near = (mutate(generator.choice(pool), domain, generator, 1) for _ in range(NEAR))
        fresh = self._fresh(near, seen | {self._identity(each) for each in pool})
        if fresh:
            pool, gains = _finalists([*pool, *fresh], np.concatenate([gains, proposal.gains(fresh)]))
        features = self._knowledge.features
        if features is None:
            return pool[0]
        told = np.array([features(each) for each in pool], dtype=np.float64)
        noted = [_noted_features(attributes, told.shape[1]) for attributes in observed.attributes]
        informed = proposal.with_features(np.array(noted, dtype=np.float64))
        best = int(np.argmax(informed.gains(pool, told)))
        return self._noted(study, trial, pool[best], told[best])

    def _noted(
        self, study: optuna.Study, trial: FrozenTrial, decisions: Decisions, told: Floats | None = None
    ) -> Decisions:
        """The decisions, their features kept with the trial so that nobody has to ask for them again."""
        features = self._knowledge.features
        assert features is not None
        values = features(decisions) if told is None else told
        study._storage.set_trial_system_attr(trial._trial_id, FEATURES, [float(value) for value in values])
        return decisions

    def _check(self, objectives: int) -> int:
        """The first objective that is not known."""
        for index in self._knowledge.known:
            if not 0 <= index < objectives:
                raise SettingsError(
                    f"known has objective {index}; expected indexes from 0 to {objectives - 1}, "
                    "those of the study's objectives"
                )
        if self._reference is not None and len(self._reference) != objectives:
            raise SettingsError(
                f"reference has {len(self._reference)} values; expected {objectives}, one for each objective"
            )
        return next((j for j in range(objectives) if j not in self._knowledge.known), 0)

    def _spread(
        self,
        domain: Domain,
        observed: Observed,
        seen: set[Hashable],
        signs: Floats,
        generator: random.Random,
    ) -> Decisions:
        """The next network of the first design: in the emptiest part of the costs, the farthest from others.

        The known objective is cut into as many parts as the design has networks, each with equally many
        random draws, the cheapest and the dearest part first.
        """
        drawn = [domain.draw(generator) for _ in range(DRAWN)]
        blind = [each for each in drawn if not self._foreseen(each)]
        if blind:  # taking such a branch once shows what follows from it
            return generator.choice(blind)
        there = [*observed.finished, *observed.pending]
        fresh = [each for each in drawn if self._identity(each) not in seen and self._allowed(each)]
        if not fresh:
            return self._draw_new(domain, generator, seen)
        if self._knowledge.known:
            index = min(self._knowledge.known)
            cost = self._knowledge.known[index]
            part = _emptiest(
                signs[index] * np.array([cost(each) for each in fresh]),
                # of a network that cannot be built nobody knows a cost
                signs[index] * np.array([cost(each) for each in there if self._allowed(each)]),
                generator,
            )
            fresh = [fresh[i] for i in part]
        if not there:
            return generator.choice(fresh)
        embedding = Embedding(domain.distributions)
        rows, others = embedding.choices(fresh), embedding.choices(there)
        nearest = np.array([((others - row) ** 2).sum(axis=1).min() for row in rows])
        best = np.flatnonzero(nearest >= nearest.max() - 1e-9)
        return fresh[generator.choice(best.tolist())]

    def _pool(
        self, domain: Domain, observed: Observed, seen: set[Hashable], generator: random.Random
    ) -> list[Decisions]:
        """Networks worth comparing: changes of the front and random draws; all new and allowed."""
        feasible = observed.feasible & observed.measured
        chosen = np.flatnonzero(feasible if feasible.any() else observed.measured)
        parents = [observed.params[i] for i in chosen[front(observed.losses[chosen])]]
        rows = Rows(domain)

        def children() -> Iterator[Decisions]:
            for turn in range(POOL):
                kind, parent = generator.random(), generator.choice(parents)
                if turn % 3 == 0:
                    yield domain.draw(generator)
                elif kind < CROSSED:
                    yield cross(parent, generator.choice(parents), domain, generator)
                elif kind < CROSSED + MOVED and rows:
                    yield rows.change(parent, generator)
                else:
                    yield mutate(parent, domain, generator, 1 + (generator.random() < 0.5))

        return self._fresh(children(), seen)

    def _fresh(self, children: Iterable[Decisions], seen: Set[Hashable]) -> list[Decisions]:
        """Those that are new and allowed, each once."""
        found: dict[Hashable, Decisions] = {}
        for child in children:
            if not self._foreseen(child):
                continue
            identity = self._identity(child)
            if identity not in seen and identity not in found and self._allowed(child):
                found[identity] = child
        return list(found.values())

    def _foreseen(self, decisions: Mapping[str, Any]) -> bool:
        """Whether the given functions can tell of these decisions.

        Where the choices are learnt from trials, a branch that no trial has taken lacks parameters that
        the functions may ask for.
        """
        if self._knowledge.domain is not None:
            return True
        try:
            self._identity(decisions)
            self._allowed(decisions)
            for value in self._knowledge.known.values():
                value(decisions)
            if self._knowledge.traits is not None:
                self._knowledge.traits(decisions)
        except KeyError:
            return False
        return True


@cache
def _controller() -> ThreadpoolController:
    """Of the libraries that are loaded by now; finding them takes milliseconds, so it is done once."""
    return ThreadpoolController()


def _emptiest(drawn: Floats, there: Floats, generator: random.Random) -> list[int]:
    """Which draws lie in that part of the cost axis that has the fewest networks yet, the ends first.

    The axis is cut into `FIRST` parts with equally many draws; one among equal costs counts for the part that
    needs it most.
    """
    order = sorted(range(len(drawn)), key=lambda i: (drawn[i], generator.random()))
    parts = [list(part) for part in np.array_split(np.array(order), min(FIRST, len(drawn)))]
    last = len(parts) - 1
    filled = [0] * len(parts)
    edges = [(drawn[part[0]], drawn[part[-1]]) for part in parts]
    for cost in there:
        fits = [k for k, (low, high) in enumerate(edges) if low <= cost <= high]
        above = [k for k, (low, _) in enumerate(edges) if cost < low]
        filled[min(fits or above or [last], key=lambda k: filled[k])] += 1
    rank = {k: (filled[k], k not in (0, last), generator.random()) for k in range(len(parts))}
    return [int(i) for i in parts[min(rank, key=lambda k: rank[k])]]


def _finalists(pool: list[Decisions], gains: Floats) -> tuple[list[Decisions], Floats]:
    """The best and their gains, the best first; equal ones in their order."""
    order = np.argsort(-gains, kind="stable")[:FINALISTS]
    return [pool[i] for i in order], gains[order]


def _noted_features(attributes: Mapping[str, Any], number: int) -> list[float]:
    """What is kept of a trial's features; NaN where nothing is."""
    values = attributes.get(FEATURES, ())
    return list(values) if len(values) == number else [np.nan] * number
