"""The models behind one proposal of the surrogate sampler, and what they expect of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr

from nasearch.pareto import crowding, front, ranks
from nasearch.pareto.boxes import free_boxes
from nasearch.pareto.objectives import Floats
from nasearch.samplers.belief import Belief, Certain, LossModel, expected_gain
from nasearch.samplers.embedding import Embedding
from nasearch.samplers.gaussian_process import MOST_FITTED, Component, GaussianProcess
from nasearch.samplers.observed import Observed
from nasearch.samplers.seeded import Knowledge

MOST_SEEN = 500
"""Trials that the model uses at most: the best ranks, and of the rest the newest."""

MOST_ON_FRONT = {1: 500, 2: 500, 3: 60, 4: 30}
"""Points of the front that gains are reckoned with, by number of objectives: boxes are many there."""

ROOM = 0.1
"""How far the reference lies beyond the front's worst in an unknown objective, as a share of its range."""

Networks = Sequence[Mapping[str, Any]]


class Proposal:
    """What is believed of a study's objectives after its trials so far.

    Args:
        embedding: of the choices.
        observed: the trials so far, one at least measured.
        knowledge: functions of the known objectives, and of traits where there are any.
        signs: (objectives,), what turns values into losses.
        unknown: the objective whose forecasts have variances.
        pool: networks that may be proposed; how dear networks get is seen from them too.
        reference: (objectives,) losses, the worst that counts; from front and pool if not given.
        features: of the trials, (trials, features), where they are to be part of the model.
    """

    def __init__(
        self,
        embedding: Embedding,
        observed: Observed,
        knowledge: Knowledge,
        signs: Floats,
        unknown: int,
        pool: Networks,
        reference: Floats | None = None,
        features: Floats | None = None,
    ) -> None:
        self._given = (embedding, observed, knowledge, signs, unknown, pool)
        self._embedding, self._known, self._signs = embedding, knowledge.known, signs
        self._exact = sorted(self._known)
        order = _order(observed)
        kept = np.sort(order[:MOST_SEEN])
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        fitted = np.flatnonzero(place[kept] < MOST_FITTED)
        losses, variances = observed.losses[kept], observed.variances[kept]
        costs = losses[:, self._exact]
        self._cost_axis = Axis(costs)
        self._feature_axis = None if features is None else Axis(features[kept], logarithms=False)
        networks = [observed.params[i] for i in kept]
        self._traits = knowledge.traits
        self._trait_axis = None if self._traits is None else Axis(self._traits_of(networks), logarithms=False)
        parts = self._components(networks, costs, None if features is None else features[kept])
        self._models = {
            j: LossModel(parts, losses[:, j], variances if j == unknown else np.zeros(len(kept)), fitted)
            for j in range(len(signs))
            if j not in self._known
        }
        self._limits = [Margin(parts, margins[kept], fitted) for margins in observed.constraints.values()]
        there = losses[observed.measured[kept] & observed.feasible[kept]]
        if observed.pending and features is None:  # of networks in flight no features are asked for
            there = np.vstack([there, self._expected(observed.pending)])
        if reference is None:
            dear = np.vstack([costs, self._costs_of(pool)])
            costs_to_come = [j for j in self._models if j != unknown]
            reference = _reference(there if len(there) else losses, losses, self._exact, dear, costs_to_come)
        self._reference = reference
        self._boxes = free_boxes(_thinned(there), reference)

    def with_features(self, features: Floats) -> Proposal:
        """The same with more known of the trials.

        Args:
            features: (trials, features); NaN where they were not asked for.
        """
        informed = Proposal(*self._given, self._reference, features)
        informed._boxes = self._boxes  # with what is in flight
        return informed

    def gains(self, networks: Networks, features: Floats | None = None) -> Floats:
        """(networks,): expected gain in hypervolume, times the probability to keep limits that are modelled.

        Args:
            networks: to be compared.
            features: (networks, features), if the model has them.
        """
        costs = self._costs_of(networks)
        points = [part.points for part in self._components(networks, costs, features)]
        beliefs: list[Belief] = [
            self._models[j].predict(points) if j in self._models else Certain(costs[:, self._exact.index(j)])
            for j in range(len(self._signs))
        ]
        gains = expected_gain(beliefs, *self._boxes)
        for limit in self._limits:
            gains = gains * limit.kept(points)
        return gains

    def _expected(self, networks: Networks) -> Floats:
        """(networks, objectives): the losses that are expected of networks in flight."""
        costs = self._costs_of(networks)
        points = [part.points for part in self._components(networks, costs, None)]
        columns = [
            self._models[j].median(points) if j in self._models else costs[:, self._exact.index(j)]
            for j in range(len(self._signs))
        ]
        return np.stack(columns, axis=1)

    def _costs_of(self, networks: Networks) -> Floats:
        """(networks, known objectives) losses."""
        rows = [[self._signs[j] * self._known[j](each) for j in self._exact] for each in networks]
        return np.array(rows, dtype=np.float64).reshape(len(networks), len(self._exact))

    def _traits_of(self, networks: Networks) -> Floats:
        """(networks, traits)."""
        assert self._traits is not None
        return np.array([self._traits(each) for each in networks], dtype=np.float64)

    def _components(self, networks: Networks, costs: Floats, features: Floats | None) -> list[Component]:
        """The kernel: single choices, and beside them counts, known objectives, traits and features."""
        columns = [self._embedding.counts(networks), self._cost_axis(costs)]
        if self._trait_axis is not None and networks:
            columns.append(self._trait_axis(self._traits_of(networks)))
        if self._feature_axis is not None:
            assert features is not None
            columns.append(self._feature_axis(features))
        whole = np.concatenate(columns, axis=1)
        return [
            Component(self._embedding.choices(networks), self._embedding.blocks),
            Component(whole, np.arange(whole.shape[1])),
        ]


class Axis:
    """Numbers as coordinates: standardised, on a logarithmic axis where all are positive; NaN is the mean.

    Args:
        seen: (trials, numbers).
        logarithms: whether to take them at all.
    """

    def __init__(self, seen: Floats, *, logarithms: bool = True) -> None:
        self._logs = (seen > 0).all(axis=0) & logarithms
        axis = self._axis(seen)
        there = np.isfinite(axis)
        number = np.maximum(there.sum(axis=0), 1)
        self._mean = np.where(there, axis, 0.0).sum(axis=0) / number
        self._deviation = np.sqrt((np.where(there, axis - self._mean, 0.0) ** 2).sum(axis=0) / number)
        self._deviation[self._deviation == 0] = 1.0

    def __call__(self, numbers: Floats) -> Floats:
        """(networks, numbers)."""
        axis = (self._axis(numbers) - self._mean) / self._deviation
        return np.where(np.isfinite(axis), axis, 0.0)

    def _axis(self, numbers: Floats) -> Floats:
        safe = np.where(self._logs, np.maximum(numbers, np.finfo(np.float64).tiny), 1.0)
        return np.where(self._logs, np.log(safe), numbers)


class Margin:
    """A limit that is known afterwards only, by a Gaussian process of how far it is broken.

    Args:
        parts: of the kernel, at the networks seen.
        margins: (trials,), how far the limit is broken; <= 0 is kept.
        fitted: as `GaussianProcess` says.
    """

    def __init__(self, parts: Sequence[Component], margins: Floats, fitted: np.ndarray) -> None:
        self._scale = float(np.median(np.abs(margins))) or float(np.abs(margins).max()) or 1.0
        broken = bool((margins > 0).any())
        self._process = GaussianProcess(parts, self._axis(margins), fitted=fitted) if broken else None

    def kept(self, points: Sequence[Floats]) -> Floats:
        """(networks,): the probability that the limit is kept."""
        if self._process is None:
            return np.ones(len(points[0]))
        mean, deviation = self._process.predict(points)
        return np.asarray(ndtr(-mean / deviation), dtype=np.float64)

    def _axis(self, margins: Floats) -> Floats:
        return np.asarray(np.arcsinh(margins / self._scale), dtype=np.float64)  # 0 stays


def _order(observed: Observed) -> np.ndarray:
    """Trials, the most instructive first: those that are measured by rank, then the newest."""
    return np.lexsort([-np.arange(len(observed.params)), ranks(observed.losses), ~observed.measured])


def _reference(
    losses: Floats, seen: Floats, known: Sequence[int], dear: Floats, measured: Sequence[int]
) -> Floats:
    """A little beyond the worst of the front; in a cost, at the dearest network there is.

    The worst error of a front says where errors stop to matter. The dearest network of a front does not say
    the like of costs: a dearer one that nobody has tried can be the most accurate of all.

    Args:
        losses: (trials, objectives) of those that can be on the front.
        seen: (trials, objectives) of all.
        known: objectives that are.
        dear: (networks, known objectives) of all networks in sight.
        measured: costs that are known by measuring alone, so that only those of `seen` are.
    """
    edge = losses[front(losses)]
    worst = edge.max(axis=0)
    span = worst - edge.min(axis=0)
    span = np.where(span > 0, span, seen.max(axis=0) - seen.min(axis=0))
    span = np.where(span > 0, span, np.maximum(np.abs(worst), 1.0))
    worst = worst + ROOM * span
    worst[known] = dear.max(axis=0)
    worst[measured] = seen[:, measured].max(axis=0)
    return np.asarray(worst, dtype=np.float64)


def _thinned(losses: Floats) -> Floats:
    """The front, without the points that stand closest where it has too many."""
    edge = np.unique(losses[front(losses)], axis=0) if len(losses) else losses
    most = MOST_ON_FRONT.get(edge.shape[1], min(MOST_ON_FRONT.values()))
    return edge if len(edge) <= most else edge[np.argsort(-crowding(edge), kind="stable")[:most]]
