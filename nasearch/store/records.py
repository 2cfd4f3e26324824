"""What the store gives back: frozen rows without a connection behind them. Times are UTC and aware."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from nasearch.space import Architecture

State = Literal["running", "complete", "raced_out", "failed"]
Outcome = Literal["complete", "raced_out", "failed", "refused", "repeated", "running"]
Fate = Literal["kept", "screened_out", "failed"]


@dataclass(frozen=True)
class StudyRecord:
    """A study's name and what never changes about it."""

    id: int
    name: str
    identity: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class RunRecord:
    """One process's time as the owner of a study.

    Attributes:
        ending: `released`, `taken over`, or None while the run lasts.
    """

    id: int
    study_id: int
    owner: str
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None
    ending: str | None

    @property
    def seconds(self) -> float:
        """Of wall clock; of a run that died, or that lasts, up to its last sign of life."""
        end = self.ended_at if self.ending == "released" else self.heartbeat_at
        return ((end or self.heartbeat_at) - self.started_at).total_seconds()


@dataclass(frozen=True)
class DeviceRecord:
    """A device that measured something, as it was described then."""

    id: int
    description: dict[str, Any]
    first_seen_at: datetime


@dataclass(frozen=True)
class CurveRow:
    """One epoch of a proxy training.

    Attributes:
        epoch: counted from 1.
        val_accuracy: fraction in [0, 1].
        seconds: since the training began.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float


@dataclass(frozen=True)
class MeasurementRecord:
    """The proxy's measurement of one architecture in one study.

    Attributes:
        number: of the trial that measured it last.
        architecture_json: text of the very architecture measured; `Architecture.from_json` reads it.
        values: by objective name; empty unless complete. Whole numbers stay whole.
        seconds: of the last attempt; None while it runs.
        reason: why it failed or was stopped before its last epoch, else None.
        attempts: how often it was started, those not counted that were interrupted in good order.
    """

    id: int
    study_id: int
    number: int
    key: str
    architecture_json: str
    state: State
    values: dict[str, float]
    fidelity: dict[str, Any]
    seed: int
    device: dict[str, Any]
    seconds: float | None
    reason: str | None
    attempts: int
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class ReferenceRecord:
    """A known network, measured by the study's proxy beside the candidates.

    Attributes:
        name: of the fixed network; one row a name in a study.
        values: by objective name; empty unless complete.
        seconds, reason, attempts: as in `MeasurementRecord`.
    """

    id: int
    study_id: int
    name: str
    key: str
    architecture_json: str
    state: State
    values: dict[str, float]
    fidelity: dict[str, Any]
    seed: int
    device: dict[str, Any]
    seconds: float | None
    reason: str | None
    attempts: int
    started_at: datetime
    ended_at: datetime | None

    @property
    def architecture(self) -> Architecture:
        """The network that was measured."""
        return Architecture.from_json(self.architecture_json)


@dataclass(frozen=True)
class FinishRecord:
    """One training of a winner and its reading of the test split.

    Attributes:
        number: of the trial that won.
        teacher: number of the trial that taught, None without a teacher.
        test_accuracy: fraction in [0, 1].
        val_accuracy: fraction in [0, 1].
        seconds: teacher and winner together.
        details: whatever else the report tells (recipe, seed, device, versions, files).
    """

    id: int
    study_id: int
    number: int
    key: str
    teacher: int | None
    test_accuracy: float
    val_accuracy: float
    seconds: float
    details: dict[str, Any]
    finished_at: datetime


@dataclass(frozen=True)
class ScreenedRecord:
    """A candidate that a screen looked at; it is no trial unless it was trained afterwards.

    Attributes:
        place: 0 for the most promising.
        fate: `kept` ones go first into training.
        values: its costs by metric.
        scores: by name, more is better; -inf where the network lets no signal through.
        reason: why it was not kept, else None.
    """

    key: str
    architecture_json: str
    place: int
    fate: Fate
    values: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    reason: str | None = None

    @property
    def architecture(self) -> Architecture:
        """The network that was looked at."""
        return Architecture.from_json(self.architecture_json)


@dataclass(frozen=True)
class TrialRecord:
    """A trial as reports and the command line see it: Optuna's part and ours together.

    Attributes:
        scores: without training, by name, more is better; -inf where the network lets no signal through.
        curve: as far as it was trained, also of one that was raced out.
        rungs: (epoch, accuracy) at each rung of the race that it reached.
    """

    number: int
    outcome: Outcome
    key: str
    architecture: Architecture
    values: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None
    reason: str | None = None
    curve: tuple[CurveRow, ...] = ()
    rungs: tuple[tuple[int, float], ...] = ()
