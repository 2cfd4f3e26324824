"""The search itself: ask, build, measure, record, tell; and taking up what a dead run left behind."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from nasearch.errors import MeasurementError, StoreError, StudyError
from nasearch.executors import Death, Done, Executor, Job
from nasearch.store import Store
from nasearch.store.leases import Lease
from nasearch.store.records import CurveRow
from nasearch.study import ledger
from nasearch.study.progress import Progress, Stopped
from nasearch.study.proposals import Candidate, Given, Proposals
from nasearch.study.race import GO_ON, Race, Verdict
from nasearch.study.rules import Rules
from nasearch.training import CurvePoint

MOST_ATTEMPTS = 3
"""A candidate that was in flight at this many deaths of the process is taken for their cause."""

MOST_DEATHS: Mapping[Death, int] = {"crash": 2, "kill": 10}
"""Deaths of its worker, with no validated epoch between, after which a candidate is taken for their cause.

Who kills may have a reason that the system does not tell (a watchdog, a daemon that frees memory), so that
kills have an end, too.
"""

MOST_FAILURES = 10
"""Failures in a row for one and the same reason that end a run: a broken device would spend the budget."""


@dataclass(frozen=True)
class Bench:
    """What measuring a candidate needs: executor, recipe length, and words for the store.

    Attributes:
        fidelity: what a measurement stands for; asked when one begins, for a supernet's is known only then.
        checkpoints: folder for the trainings in flight; None keeps none.
        start: folder with the weights that trainings begin with, by `start_name`; fresh ones without.
        quiet: whether a proposal is timed, so that nothing may be trained beside it.
        accuracy: what the accuracies are called where people see them.
    """

    executor: Executor
    epochs: int
    fidelity: Callable[[], Mapping[str, Any]]
    device: Mapping[str, Any]
    checkpoints: Path | None = None
    start: Path | None = None
    quiet: bool = False
    accuracy: str = "accuracy"


@dataclass
class Flight:
    """A candidate that is being measured.

    Attributes:
        measurement: its row in the store.
        curve: (epoch, accuracy) of what was validated.
        verdict: the race's last word on it.
        deaths: of its workers since the last validated epoch, by how they died.
    """

    candidate: Candidate
    measurement: int
    job: Job
    curve: dict[int, float] = field(default_factory=dict)
    verdict: Verdict = GO_ON
    deaths: Counter[Death] = field(default_factory=Counter)

    @property
    def is_the_cause(self) -> bool:
        """Whether it is taken for the cause of its workers' deaths."""
        return any(self.deaths[death] >= most for death, most in MOST_DEATHS.items())


class Search:
    """One run of a study by the process that owns it."""

    def __init__(
        self,
        store: Store,
        study_id: int,
        lease: Lease,
        proposals: Proposals | Given,
        bench: Bench,
        rules: Rules,
        race: Race,
        seed: int,
        progress: Progress,
        on_told: Callable[[int], None],
    ) -> None:
        self._store, self._study_id, self._lease = store, study_id, lease
        self._proposals, self._bench, self._executor = proposals, bench, bench.executor
        self._rules, self._race, self._seed = rules, race, seed
        self._progress, self._on_told = progress, on_told
        self._failures: list[str] = []
        self._flights: dict[int, Flight] = {}
        self._waiting: deque[Candidate] = deque()
        self._spent = store.budget_used(study_id)
        self._is_exhausted = False

    @property
    def spent(self) -> int:
        """Distinct architectures whose proxy was started, in this run or an earlier one."""
        return self._spent

    def run(self, budget: int, time_s: float | None) -> Stopped:
        """Take up what is in flight, then measure new candidates until the budget or time is spent."""
        until = None if time_s is None else time.monotonic() + time_s
        for trial in self._proposals.take_up():
            self._take_up(trial)
        self._sweep()
        try:
            while True:
                stopped = self._fill(budget, until)
                if not self._flights:
                    return stopped
                self._land(self._executor.wait(self._on_point))
        except (Exception, KeyboardInterrupt):
            # A Ctrl-C, a full disk or a lost lease is no fault of the candidates in flight.
            with suppress(StoreError):
                for flight in self._flights.values():
                    self._store.interrupt_measurement(flight.measurement)
            raise

    def _fill(self, budget: int, until: float | None) -> Stopped:
        """Start candidates while there is room; why no further one was started."""
        room = self._executor.room
        if self._bench.quiet:
            room = 0 if self._flights else room
            if room:
                self._executor.settle()  # a worker that starts would disturb the timing
        jobs: list[Job] = []
        stopped: Stopped = "budget"
        while len(jobs) < room:
            if self._waiting:
                candidate: Candidate | None = self._waiting.popleft()
            elif self._spent >= budget:
                break
            elif until is not None and time.monotonic() >= until:
                stopped = "time"
                break
            else:
                candidate = None if self._is_exhausted else self._proposals.next()
            if candidate is None:
                self._is_exhausted, stopped = True, "exhausted"
                break
            jobs.append(self._enrol(candidate))
            if not self._bench.quiet:
                self._executor.submit(jobs[-1])
        if self._bench.quiet:
            for job in jobs:
                self._executor.submit(job)
        return stopped

    def _take_up(self, trial: optuna.Trial) -> None:
        """Finish a trial that a dead run left running, under its number.

        Ours is written before Optuna is told: a complete measurement only has to be told, one that
        was running is measured on from its checkpoint.
        """
        candidate = self._proposals.settle(trial)
        if candidate is None:
            return
        known = self._store.measurement(self._study_id, candidate.architecture.key)
        if known is not None and known.state != "running":
            self._tell(candidate)
        elif known is not None and known.attempts >= MOST_ATTEMPTS:
            reason = f"the process died {known.attempts} times while this network was measured"
            self._store.fail_measurement(known.id, reason, 0.0)
            self._tell(candidate)
        elif known is not None and not (verdict := self._last_verdict(candidate)).goes_on:
            # its process died between the verdict and its record; stopping is for ever
            self._store.race_out_measurement(known.id, verdict.reason, 0.0)
            self._tell(candidate)
        else:
            self._progress.message(f"taking up trial {candidate.number} again")
            self._waiting.append(candidate)

    def _last_verdict(self, candidate: Candidate) -> Verdict:
        """What the race says of a candidate where a dead run left it."""
        points = self._store.curve(self._study_id, candidate.architecture.key)
        curve = {point.epoch: point.val_accuracy for point in points}
        return self._race.judge(candidate.values, curve) if curve else GO_ON

    def _sweep(self) -> None:
        """Remove checkpoints that nobody will take up."""
        wanted = {self._checkpoint(candidate.number) for candidate in self._waiting}
        for file in self._bench.checkpoints.iterdir() if self._bench.checkpoints is not None else ():
            if file not in wanted:
                file.unlink(missing_ok=True)

    def _checkpoint(self, number: int) -> Path | None:
        folder = self._bench.checkpoints
        return None if folder is None else folder / f"trial{number}.pt"

    def _enrol(self, candidate: Candidate) -> Job:
        """Note that a candidate's measurement begins, or goes on."""
        architecture, bench = candidate.architecture, self._bench
        file = self._checkpoint(candidate.number)
        start = None if bench.start is None else bench.start / start_name(architecture.key)
        job = Job(candidate.number, architecture, training_seed(self._seed, architecture.key), file, start)
        goes_on = file is not None and file.exists()
        is_new = self._store.measurement(self._study_id, architecture.key) is None
        self._progress.candidate(candidate.number, architecture.label)
        measurement = self._store.start_measurement(
            self._study_id,
            candidate.number,
            architecture,
            job.seed,
            bench.fidelity(),
            bench.device,
            self._lease.run_id,
            keep_curve=goes_on,
        )
        flight = Flight(candidate, measurement, job)
        if goes_on:
            points = self._store.curve(self._study_id, architecture.key)
            flight.curve = {point.epoch: point.val_accuracy for point in points}
        self._flights[candidate.number] = flight
        self._spent += is_new
        return job

    def _on_point(self, job: Job, point: CurvePoint) -> bool:
        """Keep a validated epoch, and ask the race whether the candidate goes on."""
        assert job.number is not None
        flight = self._flights[job.number]
        self._store.add_curve_point(flight.measurement, CurveRow(**asdict(point)))
        self._progress.epoch(job.number, point, self._bench.epochs)
        if point.epoch > max(flight.curve, default=0):
            flight.deaths.clear()
        # A training whose checkpoint did not fit began anew: what it had shown beyond this epoch is void.
        flight.curve = {epoch: value for epoch, value in flight.curve.items() if epoch < point.epoch}
        flight.curve[point.epoch] = point.val_accuracy
        flight.verdict = self._race.judge(flight.candidate.values, flight.curve)
        return flight.verdict.goes_on

    def _land(self, done: Done) -> None:
        """Record what became of a candidate and tell Optuna; one whose worker died flies once more."""
        assert done.job.number is not None
        flight = self._flights[done.job.number]
        if done.death is not None:
            flight.deaths[done.death] += 1
        if done.death is not None and flight.verdict.goes_on and not flight.is_the_cause:
            self._progress.message(f"trial {done.job.number} is taken up again: {done.reason}")
            self._executor.submit(done.job)
            return
        del self._flights[done.job.number]
        reason = self._record(flight, done)
        self._tell(flight.candidate, done.result.facts if done.result is not None else {})
        if done.job.checkpoint is not None:
            done.job.checkpoint.unlink(missing_ok=True)
        self._failures = [*self._failures, reason] if reason is not None else []
        if len(self._failures) >= MOST_FAILURES and len(set(self._failures[-MOST_FAILURES:])) == 1:
            raise StudyError(
                f"the last {MOST_FAILURES} candidates failed alike: {reason}; what was measured is kept: "
                "look for the cause (device, memory, a block of your own) and run again"
            )

    def _record(self, flight: Flight, done: Done) -> str | None:
        """Write a measurement's end; the reason if it is a failure."""
        self._lease.beat()  # raises where another process has taken the study over meanwhile
        reason = done.reason
        if not flight.verdict.goes_on:  # also where its worker died after it was told
            self._store.race_out_measurement(flight.measurement, flight.verdict.reason, done.seconds)
            return None
        if done.death is not None:
            reason = f"{done.reason}, {flight.deaths.total()} times without a validated epoch between"
        elif done.result is not None:
            values = {**flight.candidate.values, "accuracy": done.result.accuracy}
            try:
                self._store.complete_measurement(flight.measurement, values, done.seconds)
            except MeasurementError as problem:  # not finite: no measurement, but an outcome
                reason = str(problem)
        if reason is not None:
            self._store.fail_measurement(flight.measurement, reason, done.seconds)
        return reason

    def _tell(self, candidate: Candidate, facts: Mapping[str, object] | None = None) -> None:
        """Tell Optuna what our measurement says and how the training was carried out, and the race."""
        known = self._store.measurement(self._study_id, candidate.architecture.key)
        assert known is not None
        assert known.state != "running"
        points = self._store.curve(self._study_id, candidate.architecture.key)
        curve = {point.epoch: point.val_accuracy for point in points}
        outcome: ledger.Outcome = known.state
        values = {**known.values, **candidate.values}
        margins = self._rules.margins(values, candidate.blocks)
        extra = {
            "seconds": known.seconds,
            self._bench.accuracy: values.get("accuracy"),
            ledger.RUNGS: ledger.rungs_in(points) or None,
            ledger.TRAINING: dict(facts) if facts else None,
        }
        ledger.conclude(
            candidate.trial,
            outcome,
            values,
            self._rules.objectives,
            margins,
            reason=known.reason,
            extra=extra,
        )
        if outcome != "failed":
            self._race.note(values, curve)
        self._on_told(candidate.number)


def start_name(key: str) -> str:
    """The file in `Bench.start` of an architecture's weights."""
    return f"{key.replace(':', '-')}.safetensors"


def training_seed(seed: int, key: str) -> int:
    """The seed of an architecture's training, the same wherever in a study it turns up."""
    digits = int(key.partition(":")[2][:16], 16)
    return int(np.random.SeedSequence([seed, digits]).generate_state(1)[0])
