"""`SurrogateSampler`: a model of what is not known before training, exact values of what is."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import optuna
from scipy.special import ndtr

from nasearch.errors import SettingsError
from nasearch.pareto import crowding, front, ranks
from nasearch.pareto.boxes import free_boxes
from nasearch.pareto.objectives import Floats
from nasearch.samplers.belief import Belief, Certain, LossModel, expected_gain
from nasearch.samplers.domain import Decisions, Domain
from nasearch.samplers.embedding import Embedding
from nasearch.samplers.gaussian_process import MOST_FITTED, Component, GaussianProcess
from nasearch.samplers.moves import Rows, cross, mutate
from nasearch.samplers.observed import Observed, observe, signs_of
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

MOST_SEEN = 500
"""Trials that the model uses at most: the best ranks, and of the rest the newest."""

MOST_ON_FRONT = {1: 500, 2: 500, 3: 60, 4: 30}
"""Points of the front that expected gains are reckoned with, by number of objectives: boxes are many there."""

ROOM = 0.1
"""How far the reference point lies beyond the worst of the front, as a share of the front's range."""


class SurrogateSampler(SeededSampler):
    """Proposes the network that is expected to enlarge the front's hypervolume most.

    The objectives that are not known before training are modelled by Gaussian processes over the choices,
    their counts and the known objectives; the known ones are exact. A random draw, mutations and crossovers of
    the front are compared; the first `FIRST` networks are spread over the known costs and the choices. Trials
    that a race has stopped count with what they foretell. What is running is taken to turn out as expected,
    so that workers side by side get different networks. Works in any Optuna study: single- or
    multi-objective, with conditional parameters and constraints.

    Args:
        seed: of all proposals; the same seed, trials and trial number give the same proposal.
        known: index of an objective to a function of the parameters that gives its exact value, in the
            objective's own direction.
        features: a function of the parameters to numbers that may tell more, such as zero-cost scores; asked
            for at most `FINALISTS` networks a proposal.
        space: the search space, if the study's parameters are its choices; else they are learnt from trials.
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
        features: Callable[[Mapping[str, Any]], Sequence[float]] | None = None,
        space: SearchSpace | None = None,
        allows: Callable[[Mapping[str, Any]], bool] | None = None,
        identity: Callable[[Mapping[str, Any]], Hashable] | None = None,
        reference: Sequence[float] | None = None,
    ) -> None:
        super().__init__(seed, Knowledge(space, dict(known or {}), allows, identity))
        self._known = dict(known or {})
        self._features = features
        self._reference = reference

    def _propose(
        self, study: optuna.Study, number: int, domain: Domain, generator: random.Random
    ) -> Decisions:
        signs = signs_of(study)
        unknown = self._check(len(signs))
        observed = observe(study, number, unknown, self._known)
        seen = {self._identity(params) for params in (*observed.finished, *observed.pending)}
        if len(observed.params) + len(observed.pending) < FIRST or not observed.measured.any():
            return self._spread(domain, observed, seen, signs, generator)
        pool = self._pool(domain, observed, seen, generator)
        if not pool:
            return self._draw_new(domain, generator, seen)
        proposal = Proposal(domain, observed, self._known, signs, unknown, self._reference)
        gains = proposal.gains(pool)
        best = [pool[i] for i in np.argsort(-gains, kind="stable")[:FINALISTS]]
        taken = seen | {self._identity(each) for each in pool}
        near = self._fresh((mutate(generator.choice(best), domain, generator, 1) for _ in range(NEAR)), taken)
        if not near:
            return best[0]
        closer = proposal.gains(near)
        return near[int(np.argmax(closer))] if closer.max() > gains.max() else best[0]

    def _check(self, objectives: int) -> int:
        """The first objective that is not known."""
        for index in self._known:
            if not 0 <= index < objectives:
                raise SettingsError(
                    f"known has objective {index}; expected indexes from 0 to {objectives - 1}, "
                    "those of the study's objectives"
                )
        if self._reference is not None and len(self._reference) != objectives:
            raise SettingsError(
                f"reference has {len(self._reference)} values; expected {objectives}, one for each objective"
            )
        return next((j for j in range(objectives) if j not in self._known), 0)

    def _spread(
        self,
        domain: Domain,
        observed: Observed,
        seen: set[Hashable],
        signs: Floats,
        generator: random.Random,
    ) -> Decisions:
        """The next network of the first design: of the emptiest part of the costs, the farthest from all others.

        The known objective is cut into as many parts as the design has networks, each with equally many random
        draws, the cheapest and the dearest part first.
        """
        drawn = [domain.draw(generator) for _ in range(DRAWN)]
        there = [*observed.finished, *observed.pending]
        fresh = [each for each in drawn if self._identity(each) not in seen and self._allowed(each)]
        if not fresh:
            return self._draw_new(domain, generator, seen)
        if self._known:
            index = min(self._known)
            cost = self._known[index]
            part = _emptiest(
                signs[index] * np.array([cost(each) for each in fresh]),
                signs[index] * np.array([cost(each) for each in there]),
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
        """Networks worth comparing: changes of the front, crossovers, and random draws; all new and allowed."""
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
            identity = self._identity(child)
            if identity not in seen and identity not in found and self._allowed(child):
                found[identity] = child
        return list(found.values())


CROSSED, MOVED = 0.1, 0.1
"""Shares of the changes of the front that are crossovers and structural moves."""


class Proposal:
    """The models of one proposal, and the network that they prefer.

    Args:
        domain: the choices.
        observed: the trials so far.
        known: functions of the known objectives.
        signs: (objectives,), what turns values into losses.
        unknown: the objective whose forecasts have variances.
        reference: as `SurrogateSampler` says.
    """

    def __init__(
        self,
        domain: Domain,
        observed: Observed,
        known: Mapping[int, Callable[[Mapping[str, Any]], float]],
        signs: Floats,
        unknown: int,
        reference: Sequence[float] | None,
    ) -> None:
        self._known, self._signs, self._unknown = known, signs, unknown
        self._embedding = Embedding(domain.distributions)
        order = _order(observed)
        kept = np.sort(order[:MOST_SEEN])
        self._params = [observed.params[i] for i in kept]
        self._losses, self._variances = observed.losses[kept], observed.variances[kept]
        self._measured, feasible = observed.measured[kept], observed.feasible[kept]
        self._fitted = np.sort(np.argsort(np.argsort(order)[kept])[:MOST_FITTED])
        self._costs = Costs(self._losses[:, sorted(known)])
        parts = self._components(self._params, self._losses[:, sorted(known)])
        self._models = {
            j: LossModel(
                parts,
                self._losses[:, j],
                self._variances if j == unknown else np.zeros(len(kept)),
                self._fitted,
            )
            for j in range(len(signs))
            if j not in known
        }
        self._limits = [
            Margin(parts, margins[kept], self._fitted) for margins in observed.constraints.values()
        ]
        there = self._losses[self._measured & feasible]
        if observed.pending:
            there = np.vstack([there, self._expected(list(observed.pending))])
        self._reference = (
            _reference(there if len(there) else self._losses, self._losses, sorted(known))
            if reference is None
            else signs * np.asarray(reference, dtype=np.float64)
        )
        self._boxes = free_boxes(_thinned(there), self._reference)

    def gains(self, pool: Sequence[Decisions]) -> Floats:
        """(networks,): expected gain in hypervolume, times the probability to keep limits that are modelled."""
        costs, points = self._points(pool)
        beliefs: list[Belief] = []
        for j in range(len(self._signs)):
            if j in self._models:
                beliefs.append(self._models[j].predict(points))
            else:
                beliefs.append(Certain(costs[:, sorted(self._known).index(j)]))
        gains = expected_gain(beliefs, *self._boxes)
        for limit in self._limits:
            gains = gains * limit.kept(points)
        return gains

    def _points(self, pool: Sequence[Decisions]) -> tuple[Floats, list[Floats]]:
        costs = np.array(
            [[self._signs[j] * self._known[j](each) for j in sorted(self._known)] for each in pool]
        ).reshape(len(pool), len(self._known))
        return costs, [part.points for part in self._components(pool, costs)]

    def _expected(self, pending: Sequence[Mapping[str, Any]]) -> Floats:
        """(networks, objectives): what is expected of networks in flight."""
        costs, points = self._points([dict(each) for each in pending])
        table = np.empty((len(pending), len(self._signs)))
        for j in range(len(self._signs)):
            if j in self._models:
                table[:, j] = self._models[j].median(points)
            else:
                table[:, j] = costs[:, sorted(self._known).index(j)]
        return table

    def _components(self, points: Sequence[Mapping[str, Any]], costs: Floats) -> list[Component]:
        """The kernel: single choices, and beside them counts and known objectives."""
        whole = np.concatenate([self._embedding.counts(points), self._costs(costs)], axis=1)
        return [
            Component(self._embedding.choices(points), self._embedding.blocks),
            Component(whole, np.arange(whole.shape[1])),
        ]


class Costs:
    """Known losses as coordinates: standardised, on a logarithmic axis where all are positive.

    Args:
        seen: (trials, known objectives).
    """

    def __init__(self, seen: Floats) -> None:
        self._logs = (seen > 0).all(axis=0) if len(seen) else np.zeros(seen.shape[1], dtype=np.bool_)
        axis = self._axis(seen)
        self._mean, self._deviation = axis.mean(axis=0), axis.std(axis=0)
        self._deviation[self._deviation == 0] = 1.0

    def __call__(self, costs: Floats) -> Floats:
        """(networks, known objectives)."""
        return (self._axis(costs) - self._mean) / self._deviation

    def _axis(self, costs: Floats) -> Floats:
        safe = np.maximum(costs, np.finfo(np.float64).tiny)
        return np.where(self._logs, np.log(np.where(self._logs, safe, 1.0)), costs)


class Margin:
    """A limit that is only known afterwards, by a Gaussian process of how far it is broken."""

    def __init__(self, parts: Sequence[Component], margins: Floats, fitted: np.ndarray) -> None:
        self._always = bool((margins <= 0).all())
        scale = float(np.median(np.abs(margins))) or float(np.abs(margins).max()) or 1.0
        self._scale = scale
        self._process = None if self._always else GaussianProcess(parts, self._axis(margins), fitted=fitted)

    def kept(self, points: Sequence[Floats]) -> Floats:
        """(networks,): the probability that the limit is kept."""
        if self._process is None:
            return np.ones(len(points[0]))
        mean, deviation = self._process.predict(points)
        return np.asarray(ndtr(-mean / deviation), dtype=np.float64)

    def _axis(self, margins: Floats) -> Floats:
        return np.asarray(np.arcsinh(margins / self._scale), dtype=np.float64)  # 0 stays 0, far away is near


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
    return [
        int(i)
        for i in parts[
            min(range(len(parts)), key=lambda k: (filled[k], k not in (0, last), generator.random()))
        ]
    ]


def _order(observed: Observed) -> np.ndarray:
    """Trials, the most instructive first: those that are measured by rank, then the newest."""
    number = len(observed.params)
    return np.lexsort([-np.arange(number), ranks(observed.losses), ~observed.measured])


def _reference(losses: Floats, seen: Floats, known: Sequence[int]) -> Floats:
    """A little beyond the worst of the front; in a known objective, beyond the worst of all that was seen.

    What is unknown is rarely worse on purpose. What is known is a cost, and the dearest networks can be the best.
    """
    edge = losses[front(losses)]
    worst, best = edge.max(axis=0), edge.min(axis=0)
    worst[known] = seen[:, known].max(axis=0)
    best[known] = seen[:, known].min(axis=0)
    span = worst - best
    alone = span == 0
    span[alone] = (seen.max(axis=0) - seen.min(axis=0))[alone]
    span[span == 0] = np.maximum(np.abs(worst), 1.0)[span == 0]
    return np.asarray(worst + ROOM * span, dtype=np.float64)


def _thinned(losses: Floats) -> Floats:
    """The front, without the points that stand closest where it has too many."""
    edge = np.unique(losses[front(losses)], axis=0) if len(losses) else losses
    most = MOST_ON_FRONT.get(edge.shape[1], min(MOST_ON_FRONT.values()))
    return edge if len(edge) <= most else edge[np.argsort(-crowding(edge), kind="stable")[:most]]
