"""What our samplers have in common: seeds that depend on the trial alone, and a domain."""

from __future__ import annotations

import random
import threading
import zlib
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from nasearch.samplers.domain import Decisions, Domain, SeenDomain, draw
from nasearch.samplers.kept import Kept
from nasearch.samplers.observed import RUNGS, Observed, observe

ATTEMPTS = 2_000
"""Draws that are looked at for one that is allowed and new, before a proposal is made all the same."""

MOST_IN_FLIGHT = 256
"""Proposals that a sampler remembers until their trials have the parameters; more do not run side by side."""

_TURN = threading.RLock()  # of a module, not of a sampler, which then can be copied and pickled


@dataclass(frozen=True)
class Knowledge:
    """What a study knows of its search, for samplers that can use it.

    Attributes:
        domain: all choices; without it they are learnt from the trials.
        known: by index of an objective, decisions to its exact value, in the objective's own direction.
        allows: whether decisions keep every limit that is known before training.
        identity: equal for decisions that mean one network; without it, of equal decisions alone.
        traits: decisions to numbers that say more of the network than its single choices do, always as many.
        features: decisions to numbers that may tell more of a network, such as zero-cost scores; dear, so
            they are asked for a few networks a proposal.
        kept: what was worked out of finished trials; samplers that are made anew for each trial share it.
    """

    domain: Domain | None = None
    known: Mapping[int, Callable[[Mapping[str, Any]], float]] = field(default_factory=dict)
    allows: Callable[[Mapping[str, Any]], bool] | None = None
    identity: Callable[[Mapping[str, Any]], Hashable] | None = None
    traits: Callable[[Mapping[str, Any]], Sequence[float]] | None = None
    features: Callable[[Mapping[str, Any]], Sequence[float]] | None = None
    kept: Kept = field(default_factory=Kept, compare=False, repr=False)


class SeededSampler(BaseSampler):
    """A sampler whose proposals depend on the trials so far, its seed and the trial's number alone.

    So a study that is taken up again, or whose trials run side by side, needs no state of it. Threads propose
    one after another, and see what was proposed to the others before Optuna has written it down.

    Args:
        seed: of all proposals; None for another one each time.
        knowledge: of the search.
    """

    def __init__(self, seed: int | None, knowledge: Knowledge) -> None:
        self._entropy = seed if seed is not None else int(np.random.SeedSequence().generate_state(1)[0])
        self._fixed = seed is not None
        self._knowledge = knowledge
        self._proposed: dict[tuple[str, int], Decisions] = {}

    def informed(self, knowledge: Knowledge) -> Self:
        """This sampler, told what a study knows in the place of what it was made with."""
        self._knowledge = knowledge
        return self

    def reseed_rng(self) -> None:
        """Take another seed, unless one was given: then trials that run side by side differ by number."""
        if not self._fixed:
            self._entropy = int(np.random.SeedSequence().generate_state(1)[0])

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every choice that is known, whether it will be active or not."""
        return dict(self._domain(study).distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Decisions of one network; choices that turn out to be active besides are drawn independently."""
        with _TURN:
            domain = self._domain(study)
            if not domain.distributions:
                return {}
            decisions = self._propose(study, trial, domain, self._generator(trial.number))
            self._proposed[study.study_name, trial.number] = decisions
            while len(self._proposed) > MOST_IN_FLIGHT:
                del self._proposed[next(iter(self._proposed))]
        # Who wraps a sampler may ask for fewer choices, as Optuna's PartialFixedSampler does.
        return {name: value for name, value in decisions.items() if name in search_space}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A uniform draw."""
        return draw(param_distribution, self._generator(trial.number, param_name))

    @abstractmethod
    def _propose(
        self, study: optuna.Study, trial: FrozenTrial, domain: Domain, generator: random.Random
    ) -> Decisions:
        """Decisions for a trial that has just begun."""

    def _generator(self, number: int, name: str = "") -> random.Random:
        words = np.random.SeedSequence([self._entropy, number, zlib.crc32(name.encode())]).generate_state(4)
        return random.Random(int.from_bytes(words.tobytes(), "little"))

    def _domain(self, study: optuna.Study) -> Domain:
        if self._knowledge.domain is not None:
            return self._knowledge.domain
        # One that failed, or was refused or pruned at once, may lack parameters that it would have come to.
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        trials = study.get_trials(deepcopy=False, states=states)
        return SeenDomain([trial for trial in trials if trial.params and _is_whole(trial)])

    def _observe(
        self, study: optuna.Study, trial: FrozenTrial, domain: Domain, unknown: int | None = None
    ) -> Observed:
        """What the study has seen; of trials that lack parameters only what can be told of whole networks.

        A trial that runs gets its parameters one by one: until it has all, it counts with what was proposed
        to it, or else completed by chance. One that ended before it had all does not count.
        """

        def complete(other: FrozenTrial) -> Mapping[str, Any]:
            if _is_whole(other):
                return other.params
            proposed = self._proposed.get((study.study_name, other.number), {})
            known = proposed | other.params if other.state == TrialState.RUNNING else other.params
            whole = domain.complete(known, random.Random(other.number))
            if other.state == TrialState.RUNNING:
                return whole if known else {}
            return other.params if whole.keys() <= other.params.keys() else {}

        kept, is_fixed = self._knowledge.kept, domain is self._knowledge.domain

        def completed(other: FrozenTrial) -> Mapping[str, Any]:
            if not (is_fixed and other.state.is_finished()):
                return complete(other)
            return kept.of("complete", other.params, lambda _: complete(other))

        known = {
            index: lambda params, name=("known", index), value=value: kept.of(name, params, value)
            for index, value in self._knowledge.known.items()
        }
        return observe(study, trial.number, completed, unknown, known)

    def _seen(self, observed: Observed) -> set[Hashable]:
        """The identities of all that was proposed before."""
        finished = {
            self._knowledge.kept.of("identity", params, self._identity) for params in observed.finished
        }
        return finished | {self._identity(params) for params in observed.pending}

    def _identity(self, decisions: Mapping[str, Any]) -> Hashable:
        identity = self._knowledge.identity
        return frozenset(decisions.items()) if identity is None else identity(decisions)

    def _allowed(self, decisions: Mapping[str, Any]) -> bool:
        return self._knowledge.allows is None or self._knowledge.allows(decisions)

    def _draw_new(self, domain: Domain, generator: random.Random, seen: set[Hashable]) -> Decisions:
        """A random network that is allowed and new; after `ATTEMPTS` one that is allowed at least, or any."""
        fallback = None
        for _ in range(ATTEMPTS):
            decisions = domain.draw(generator)
            if self._allowed(decisions):
                if self._identity(decisions) not in seen:
                    return decisions
                fallback = decisions
        return fallback if fallback is not None else domain.draw(generator)


def _is_whole(trial: FrozenTrial) -> bool:
    """Whether a trial surely has all its parameters: it was measured, to the end or for a while."""
    measured = RUNGS in trial.user_attrs or bool(trial.intermediate_values)
    return trial.state == TrialState.COMPLETE or (trial.state == TrialState.PRUNED and measured)
