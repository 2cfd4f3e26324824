"""What reports are made of: plain values, filled in by whoever has a study.

Accuracies are fractions in [0, 1], times are seconds unless the name says otherwise, and a number that was
not measured is absent or None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from nasearch.pareto import Limit, Objective
from nasearch.report.audit import Audit
from nasearch.report.curves import FrontComparison

REPORT = "report.md"
OUTCOMES = ("complete", "raced_out", "failed", "refused", "repeated", "running")


@dataclass(frozen=True)
class FrontRow:
    """One trial, as tables and pictures see it; on the front or not.

    Attributes:
        number: of the trial in its study.
        label: the network in a few words, such as "3 stages, mbconv k5 e4, 24-40-64".
        values: metric name -> value, for what was measured; objectives and other costs alike.
        scores: without training, by name, more is better; -inf where the network lets no signal through.
        outcome: one of `OUTCOMES`.
        reason: why it was refused, failed or stopped; empty otherwise.
        is_front: not dominated by another complete trial.
        is_knee: chosen from the front by default.
        is_winner: the one that was trained in full; the knee unless another was picked.
        latency_iqr_ms: interquartile range of the latency, beside `values["latency_ms"]`.
        seconds: time the proxy took.
    """

    number: int
    label: str
    values: Mapping[str, float]
    scores: Mapping[str, float] = field(default_factory=dict)
    outcome: str = "complete"
    reason: str = ""
    is_front: bool = False
    is_knee: bool = False
    is_winner: bool = False
    latency_iqr_ms: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class ScreenedRow:
    """A network that a screen looked at without training it.

    Attributes:
        place: 0 for the most promising.
        fate: kept, screened_out or failed.
        values: its costs by metric.
        scores: as in `FrontRow`.
        reason: why it was not kept; empty otherwise.
    """

    place: int
    label: str
    fate: str
    values: Mapping[str, float]
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Reference:
    """A known network beside the front, measured as the trials were; it is none of them.

    Attributes:
        name: such as "resnet18".
        values: metric name -> value; without accuracy where it failed.
        label: the network in a few words.
        reason: why it failed; empty otherwise.
        latency_iqr_ms: as in `FrontRow`.
        seconds: time the proxy took.
    """

    name: str
    values: Mapping[str, float]
    label: str = ""
    reason: str = ""
    latency_iqr_ms: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class FrontPicture:
    """Everything that a picture of a front shows; the same for a file, a page and a terminal.

    Attributes:
        study: name of the study.
        data: name of the data set.
        objectives: in the study's order; accuracy is drawn upwards, costs to the right.
        rows: all trials, in any order. Those without a value for each objective are only counted.
        fidelity: what the proxy spent, such as "2 epochs x 4,096 images at 28x28".
        limits: the study's; the region that breaks one is shaded.
        references: known networks to draw beside the front; those that failed are only named.
        agreement: how well the accuracies order networks, such as "tau with full training +0.71 (95 % +0.40
            to +0.90), n = 12"; empty where it is not to be said.
        kind: whose front it is where a study has two: "confirmed", or "by inherited accuracy".
        wanted: candidates that were to be confirmed when that was asked for last; 0 where none were.
        left: of these, those that still are.
        hypervolume: share of the reference box that the front dominates.
        reference: the box's corner, in the losses' units, one number an objective.
    """

    study: str
    data: str
    objectives: tuple[Objective, ...]
    rows: tuple[FrontRow, ...]
    fidelity: str = ""
    limits: tuple[Limit, ...] = ()
    references: tuple[Reference, ...] = ()
    agreement: str = ""
    kind: str = ""
    wanted: int = 0
    left: int = 0
    hypervolume: float | None = None
    reference: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """The study, and whose front it is where it has two."""
        return f"{self.study}, {self.kind}" if self.kind else self.study

    @property
    def so_far(self) -> str:
        """What is still to come, where a confirming was interrupted; else empty."""
        return (
            f"{self.left} of {self.wanted} still to be confirmed: run goes on with them" if self.left else ""
        )


@dataclass(frozen=True)
class StudySummary:
    """One line of the table of studies.

    Attributes:
        name: of the study.
        space: name of its search space.
        data: name of its data set.
        objectives: names, in order.
        budget_used: distinct architectures whose proxy was started.
        created_at: ISO 8601, UTC.
        best_accuracy: of its complete trials, if any.
        accuracy: what that is called: "accuracy", or such as "inherited_accuracy".
        sibling_of: the study that it belongs to, where it does not stand for itself.
        role: what it is for that study, such as "baseline".
    """

    name: str
    space: str
    data: str
    objectives: tuple[str, ...]
    budget_used: int
    created_at: str
    best_accuracy: float | None = None
    accuracy: str = "accuracy"
    sibling_of: str | None = None
    role: str | None = None


@dataclass(frozen=True)
class DataFacts:
    """The data as the study saw it.

    Attributes:
        name: what was given as `--data`.
        about: one line on origin and licence.
        classes: number of classes.
        input_shape: (channels, height, width).
        train: images the proxies and the winner learn from.
        val: images that accuracies in the search are measured on; split off the training part, stratified.
        test: images read once, by the winner.
        split_seed: seed of the split.
        fingerprint: SHA-256 of pixels, labels and split.
    """

    name: str
    about: str
    classes: int
    input_shape: tuple[int, int, int]
    train: int
    val: int
    test: int
    split_seed: int
    fingerprint: str


@dataclass(frozen=True)
class LatencyFacts:
    """A latency with its doubt: milliseconds for one batch, how often it was timed, where and in what."""

    median_ms: float
    p95_ms: float
    iqr_ms: float
    repeats: int
    batch: int
    runtime: str
    device: str


@dataclass(frozen=True)
class TrainedFacts:
    """One full training: of the winner or of its teacher.

    Attributes:
        number: of the trial whose architecture was trained.
        label: the network in a few words.
        proxy_accuracy: on the validation split, from the search.
        val_accuracy: on the validation split, after this training.
        epochs: trained.
        recipe: what `Recipe.to_dict` gives; printed as it is.
        seconds: time the training took.
        seed: of initialisation and batches.
        start: what the training began with in the place of fresh weights, in words.
        proxy_name: what the proxy's accuracy is.
    """

    number: int
    label: str
    proxy_accuracy: float
    val_accuracy: float
    epochs: int
    recipe: Mapping[str, object]
    seconds: float
    seed: int
    start: str = ""
    proxy_name: str = "validation accuracy by the proxy"


@dataclass(frozen=True)
class ExportedFile:
    """A file of the winner, and how far its outputs were from the original's in a fresh process.

    Attributes:
        path: relative to the folder of the report.
        format: "module", "pt2", "onnx" ...
        size: in bytes.
        max_difference: largest absolute difference of an output; None for files that compute nothing.
    """

    path: PurePath
    format: str
    size: int
    max_difference: float | None = None


@dataclass(frozen=True)
class WinnerFacts:
    """The network that is handed over.

    Attributes:
        trained: its full training.
        why: how it was chosen, such as "knee of the front" or "most accurate with macs <= 5M".
        values: its costs, metric name -> value.
        test_accuracy: on the test split.
        test_images: size of the test split.
        test_readings: how often the test split has been read in this study, this reading included.
        teacher: the network it was distilled from, if any.
        distillation: temperature, weight and the like, as given to the training.
        latency: of the trained network, if measured.
        files: what was exported.
    """

    trained: TrainedFacts
    why: str
    values: Mapping[str, float]
    test_accuracy: float
    test_images: int
    test_readings: int = 1
    teacher: TrainedFacts | None = None
    distillation: Mapping[str, object] = field(default_factory=dict)
    latency: LatencyFacts | None = None
    files: tuple[ExportedFile, ...] = ()


@dataclass(frozen=True)
class StudyReport:
    """All that `report.md` says.

    Attributes:
        picture: the front to choose from: of confirmed candidates where there are some, else of all trials.
        candidates: the front of all trials by the proxy, where `picture` is that of the confirmed.
        data: the data and its splits.
        space: name of the search space.
        space_about: one line on it.
        space_size: number of distinct decisions.
        sampler: by name.
        seed: of the study.
        deterministic: whether threads and precision were fixed so that a second run gives the same numbers.
        recipes: of the trainings that the search rests on, as `Recipe.to_dict` gives them, by what was
            trained: "Proxy", "Supernet", "Confirmed".
        judged: how accuracies of the search were measured, a sentence each.
        device: description: kind, name, threads ...
        versions: library -> version, Python among them.
        budget: asked for.
        spent: distinct architectures whose proxy was started.
        seconds: of wall clock that the search took, over all its runs; None where it is not known.
        confirming_s: likewise, the trainings of confirmed candidates; None where none was.
        winner: None until the study is finished.
        comparisons: with other searches at equal budget.
        audit: how far the proxies agree with full trainings; None where that was not looked at.
        block_limits: bounds of single blocks, in words, such as "stage2.inception.macs <= 2M".
        screened: what a screen looked at before the search; empty without one.
        command: what reproduces it.
        stored_in: URL of the store, without a password.
        created_at: when the report was written, ISO 8601, UTC.
        picture_path: of front.png, relative to the report.
        candidates_path: of the picture of `candidates`, likewise.
        page_path: of front.html, relative to the report.
    """

    picture: FrontPicture
    data: DataFacts
    space: str
    space_about: str
    space_size: int
    sampler: str
    seed: int
    deterministic: bool
    recipes: Mapping[str, Mapping[str, object]]
    device: Mapping[str, object]
    versions: Mapping[str, str]
    budget: int
    spent: int
    seconds: float | None
    command: str
    created_at: str
    winner: WinnerFacts | None = None
    comparisons: tuple[FrontComparison, ...] = ()
    audit: Audit | None = None
    block_limits: tuple[str, ...] = ()
    candidates: FrontPicture | None = None
    confirming_s: float | None = None
    judged: tuple[str, ...] = ()
    screened: tuple[ScreenedRow, ...] = ()
    stored_in: str = ""
    picture_path: str = "front.png"
    candidates_path: str = "candidates.png"
    page_path: str = "front.html"

    @property
    def searched(self) -> FrontPicture:
        """The front of all trials, by what the search went by."""
        return self.pictures[-1]

    @property
    def pictures(self) -> tuple[FrontPicture, ...]:
        """Every front, the one to choose from first."""
        return (self.picture,) if self.candidates is None else (self.picture, self.candidates)
