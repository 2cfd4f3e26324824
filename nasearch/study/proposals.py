"""From the sampler's proposals to a candidate worth training.

A proposal that breaks a limit known before training is refused, one whose network was measured
before is repeated; neither costs budget, and both are told to Optuna, so that its samplers learn.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from nasearch.errors import BuildError, MeasurementError
from nasearch.samplers import make_sampler, trial_seed
from nasearch.space import Architecture, Scalar
from nasearch.store.records import MeasurementRecord, State
from nasearch.study import ledger
from nasearch.study.knowledge import knowledge_of
from nasearch.study.rules import Rules

FREE_PROPOSALS = 20
"""Refused or repeated proposals in a row before a random feasible architecture is put in their place.

Optuna's samplers learn little from refusals: NSGA-II needed 786 of them for 30 feasible trials.
"""
DRAWS = 10_000
"""Random architectures looked at for one that is feasible and new before a space counts as exhausted."""
PATIENCE = 1_000
"""Proposals in a row without a candidate, random ones included, before a study gives up: a latency
limit is only known by measuring, so drawing cannot promise to keep it."""


@dataclass(frozen=True)
class Candidate:
    """A proposal worth training: its trial, its architecture, and what is known of it already.

    Attributes:
        values: of the network, by metric.
        blocks: of single blocks, by name of the limit that bounds them.
    """

    trial: optuna.Trial
    architecture: Architecture
    values: Mapping[str, float]
    blocks: Mapping[str, float]

    @property
    def number(self) -> int:
        """The number of its trial."""
        return int(self.trial.number)


@dataclass(frozen=True)
class _Twin:
    """What there is of a network that is proposed again."""

    number: int
    state: State
    values: Mapping[str, float]


_FATES: Mapping[State, str] = {
    "complete": "was measured before, in",
    "raced_out": "was raced out before, in",
    "failed": "failed before, in",
    "running": "is being measured in",
}


class Proposals:
    """Asks a sampler until it proposes a candidate; settles everything else on the way."""

    def __init__(
        self,
        study: optuna.Study,
        rules: Rules,
        sampler: str,
        seed: int,
        find: Callable[[str], MeasurementRecord | None],
        on_told: Callable[[int], None],
        first: Sequence[Architecture] = (),
        scores: Callable[[str], Mapping[str, float]] = lambda _: {},
        features: Callable[[Architecture], Sequence[float]] | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            study: Optuna's.
            rules: of the study.
            sampler: by name.
            seed: of all proposals.
            find: what was measured of a key.
            on_told: told the number of a trial that has its outcome.
            first: networks that go before the sampler's own proposals, where they are new.
            scores: what was told without training of a key.
            features: numbers that tell the sampler more of a network.
        """
        self._first, self._scores = deque(first), scores
        self._study, self._rules, self._sampler, self._seed = study, rules, sampler, seed
        self._find, self._on_told = find, on_told
        self._knowledge = knowledge_of(rules, features)
        self._idle = self._idle_so_far()
        self._in_flight: dict[str, int] = {}  # key to the number of the trial that measures it
        self._taken_up: set[int] = set()
        # By decisions, not by key: two writings of one network can differ in memory and in their blocks.
        self._refused = {
            frozenset(trial.params.items())
            for trial in study.get_trials(deepcopy=False)
            if ledger.outcome_of(trial) == "refused"
        }

    def next(self) -> Candidate | None:
        """The next candidate, or None when the space has no more that is feasible and new."""
        while self._idle < PATIENCE:
            if self._first and not self._waiting():
                self._enqueue_first()
            elif self._idle >= FREE_PROPOSALS and not self._waiting():
                params = self._draw()
                if params is None:
                    return None
                self._study.enqueue_trial(params)
            candidate = self.settle(self._ask())
            if candidate is not None:
                self._idle = 0
                return candidate
            self._idle += 1
        return None

    def given(self, architecture: Architecture) -> Candidate | None:
        """An architecture that is not of the sampler's choosing as a candidate.

        None if it is measured already or in flight, or breaks a limit.
        """
        if self._find(architecture.key) is not None or architecture.key in self._in_flight:
            return None
        self._study.enqueue_trial(dict(architecture.decisions))
        return self.settle(self._ask())

    def left_waiting(self) -> Candidate | None:
        """A candidate of those that a dead process gave to Optuna and did not begin; None without any."""
        while self._waiting():
            candidate = self.settle(self._ask())
            if candidate is not None:
                return candidate
        return None

    def _enqueue_first(self) -> None:
        """Let the next of the first networks be proposed that nobody has tried."""
        while self._first:
            architecture = self._first.popleft()
            if self._is_new_and_feasible(architecture):
                self._study.enqueue_trial(dict(architecture.decisions))
                return

    def settle(self, trial: optuna.Trial) -> Candidate | None:
        """Complete a trial's decisions; conclude it if it is refused or repeated.

        A candidate is written to the store before it is given out, and is in flight until Optuna is told.
        """
        if trial.number in self._taken_up:  # others may have been settled since it was taken up
            self._taken_up.discard(trial.number)
            self._study.sampler = self._sampler_of(trial.number)
        already = set(trial.params)

        def suggest(name: str, values: Sequence[Scalar]) -> Scalar:
            if name in already:
                self._draw_again(trial, name, values)
            value = trial.suggest_categorical(name, list(values))
            assert value is not None, name
            return value

        rules, architecture = self._rules, self._rules.space.propose(suggest)
        values: dict[str, float] = {}
        blocks: dict[str, float] | None = None
        try:
            values |= rules.costs(architecture)
            blocks = rules.block_costs(architecture)
            broken = rules.broken(values, blocks) or rules.hopeless(architecture)
            twin = None if broken else self._twin_of(architecture.key, trial.number)
            if twin is not None:
                self._repeat(trial, architecture, values, blocks, twin)
                return None
            if not broken:
                values |= rules.measured(architecture)
                broken = rules.broken(values, blocks)
        except (BuildError, MeasurementError) as problem:  # it cannot be built or judged on these data
            broken = [str(problem)]
        ledger.describe(trial, architecture, values, self._scores(architecture.key))
        if broken or blocks is None:
            self._refused.add(frozenset(architecture.decisions))
            self._conclude(trial, "refused", values, blocks, "; ".join(broken))
            return None
        self._in_flight[architecture.key] = trial.number
        ledger.keep(trial)
        return Candidate(trial, architecture, values, blocks)

    def _twin_of(self, key: str, number: int) -> _Twin | None:
        """What another trial has measured of this network, or is just measuring."""
        known = self._find(key)
        if known is not None and known.state != "running":
            mine = known.number == number
            return None if mine else _Twin(known.number, known.state, known.values)
        holder = self._in_flight.get(key, None if known is None else known.number)
        if holder is None or holder == number:
            return None
        held = ledger.find(self._study, holder)
        if held is None or held.state.is_finished():  # nobody measures it any more
            self._in_flight.pop(key, None)
            return None
        return _Twin(holder, "running", {})

    def _draw_again(self, trial: optuna.Trial, name: str, values: Sequence[Scalar]) -> None:
        """Draw what a process that died while proposing drew for this choice, and let it go.

        The choice itself is in the store; without the draw the next ones would come from another place
        of the sampler's random stream than they would have, had the process lived.
        """
        frozen = ledger.find(self._study, trial.number)
        assert frozen is not None
        if "fixed_params" in frozen.system_attrs or name in trial.relative_params:
            return
        distribution = CategoricalDistribution(tuple(values))
        self._study.sampler.sample_independent(self._study, frozen, name, distribution)

    def take_up(self) -> list[optuna.Trial]:
        """The trials that a process left running when it died, by number."""
        trials = []
        for frozen in sorted(ledger.running(self._study), key=lambda trial: trial.number):
            self._study.sampler = self._sampler_of(frozen.number)
            self._taken_up.add(frozen.number)
            trials.append(ledger.taken_up(self._study, frozen))
        return trials

    def _ask(self) -> optuna.Trial:
        self._study.sampler = self._sampler_of(ledger.next_number(self._study))
        return self._study.ask()

    def _sampler_of(self, number: int) -> BaseSampler:
        return make_sampler(self._sampler, self._seed, number, self._knowledge)

    def _waiting(self) -> Sequence[int]:
        states = (TrialState.WAITING,)
        return [trial.number for trial in self._study.get_trials(deepcopy=False, states=states)]

    def _draw(self) -> dict[str, bool | int | float | str] | None:
        """Decisions of a random architecture that keeps what is known by arithmetic and is new."""
        number = len(self._study.get_trials(deepcopy=False))
        generator = random.Random(trial_seed(self._seed, number, stream=1))
        rules, seen = self._rules, set()
        for _ in range(DRAWS):
            architecture = rules.space.sample(generator)
            if architecture.decisions in seen:
                continue
            seen.add(architecture.decisions)
            if self._is_new_and_feasible(architecture):
                return dict(architecture.decisions)
            if len(seen) == rules.space.size:
                break
        return None

    def _is_new_and_feasible(self, architecture: Architecture) -> bool:
        """As far as arithmetic tells."""
        rules = self._rules
        key = architecture.key
        if frozenset(architecture.decisions) in self._refused or self._find(key) or key in self._in_flight:
            return False
        try:
            broken = rules.broken(rules.costs(architecture), rules.block_costs(architecture))
            return not (broken or rules.hopeless(architecture))
        except (BuildError, MeasurementError):
            return False

    def _repeat(
        self,
        trial: optuna.Trial,
        architecture: Architecture,
        costs: Mapping[str, float],
        blocks: Mapping[str, float],
        twin: _Twin,
    ) -> None:
        # One key says one function, parameters and MACs; the memory of this writing of it is its own.
        values = {**twin.values, **costs}
        ledger.describe(trial, architecture, costs, self._scores(architecture.key))
        reason = f"the same network {_FATES[twin.state]} trial {twin.number}"
        self._conclude(trial, "repeated", values, blocks, reason, twin.state)

    def _conclude(
        self,
        trial: optuna.Trial,
        outcome: ledger.Outcome,
        values: Mapping[str, float],
        blocks: Mapping[str, float] | None,
        reason: str,
        twin: State = "complete",
    ) -> None:
        rules = self._rules
        margins = rules.margins(values, blocks)
        ledger.conclude(trial, outcome, values, rules.objectives, margins, reason=reason, twin=twin)
        self._on_told(trial.number)

    def _idle_so_far(self) -> int:
        """Refused and repeated trials at the end of the study, so that a restart changes nothing."""
        idle = 0
        for trial in reversed(self._study.get_trials(deepcopy=False)):
            outcome = ledger.outcome_of(trial)
            if outcome in ("refused", "repeated"):
                idle += 1
            elif trial.state != TrialState.WAITING:
                break
        return idle


class Given:
    """Stands where `Proposals` does, and proposes nothing: architectures that were chosen elsewhere."""

    def __init__(self, proposals: Proposals, architectures: Sequence[Architecture]) -> None:
        self._proposals, self._left = proposals, deque(architectures)

    def next(self) -> Candidate | None:
        """The next of them that is not measured; None when there are no more."""
        candidate = self._proposals.left_waiting()
        while candidate is None and self._left:
            candidate = self._proposals.given(self._left.popleft())
        return candidate

    def settle(self, trial: optuna.Trial) -> Candidate | None:
        """As `Proposals.settle`."""
        return self._proposals.settle(trial)

    def take_up(self) -> list[optuna.Trial]:
        """As `Proposals.take_up`."""
        return self._proposals.take_up()
