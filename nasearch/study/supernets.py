"""The supernet of a study that judges by inherited weights: trained once, kept in the study's folder.

The study notes its fingerprint, so that accuracies of two supernets are never mixed: where the file is gone
or another, the study does not go on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import torch
from safetensors.torch import load_file, save_file

from nasearch.errors import StudyError, TrainingError
from nasearch.measure.extremes import cheapest, dearest
from nasearch.nets import Supernet
from nasearch.report.formatting import duration, percent
from nasearch.space import Architecture
from nasearch.study.progress import Progress
from nasearch.study.siblings import owner_directory
from nasearch.training import Recipe, global_generators_kept
from nasearch.training.memory import does_not_fit, free_memory, is_out_of_memory
from nasearch.training.supernet import SupernetPoint, SupernetResult, train_supernet

if TYPE_CHECKING:
    from nasearch.study.parts import Parts
    from nasearch.study.study import Study

NOTE = "nasearch:supernet"
"""Attribute of Optuna's study: what is known of its supernet."""
ENUMERATED = 500
"""Networks of a space up to which the largest and the smallest are looked for among all."""
EVERY_KIND = 3
"""Steps after which the largest network has learnt alone and has taught, in their shares of a training."""
TIMED_STEPS = 6
"""Further steps, which tell what an image takes; a multiple of the former."""


@dataclass(frozen=True)
class Note:
    """What a study notes of its supernet.

    Attributes:
        epochs: of its training; fixed before it begins.
        file: its weights, an absolute path; empty while it is trained.
        fingerprint: of the weights; empty likewise.
        seconds: of its training.
        largest_accuracy, smallest_accuracy: inherited, of the space's ends; fractions in [0, 1].
    """

    epochs: int
    file: str = ""
    fingerprint: str = ""
    seconds: float = 0.0
    largest_accuracy: float = 0.0
    smallest_accuracy: float = 0.0


def file_of(study: Study) -> Path:
    """Where the supernet of a study is written: another file for each study of a folder."""
    return study.directory / f"supernet-{study._mark}.safetensors"


def note_of(study: Parts) -> Note | None:
    """What is noted of the supernet that a study judges by; a baseline has that of its study."""
    attributes: Mapping[str, Any] = study._optuna.user_attrs
    kin = study.identity.kinship
    if kin is not None and kin.role == "baseline":
        with study._store.guard():
            owner = optuna.load_study(storage=study._store.optuna, study_name=kin.of)
            attributes = owner.user_attrs
    found = attributes.get(NOTE)
    return None if found is None else Note(**found)


def trained(study: Parts) -> Note:
    """The note of a supernet that is trained.

    Raises:
        StudyError: if there is none yet, or the study judges by other means.
    """
    if study.identity.fixed["proxy"] != "inherited":
        raise StudyError(
            f"study {study.name!r} has no supernet, for its proxy is {study.settings.proxy}; "
            "expected a study with proxy inherited"
        )
    note = note_of(study)
    if note is None or not note.fingerprint:
        raise StudyError(f"study {study.name!r} has no supernet yet; run it first")
    return note


def recipe_of(study: Study, epochs: int) -> Recipe:
    """The recipe of a study's supernet with so many epochs."""
    values = {**study.identity.fixed["supernet"], "epochs": epochs}
    del values["time_s"]
    return Recipe.from_dict(values)


def load(study: Parts) -> Supernet:
    """The trained supernet of a study, on the CPU.

    Raises:
        StudyError: if its file is gone or another one; with what to do.
    """
    note = trained(study)
    file = _file_of(study, note)
    supernet = _blank(study)
    supernet.load_state_dict(load_file(file))
    return supernet.eval()


def is_here(study: Study) -> bool:
    """Whether the trained supernet of a study can be read."""
    note = note_of(study)
    return note is not None and bool(note.fingerprint) and _find(study, note) is not None


def prepare(study: Study, progress: Progress) -> None:
    """Train the supernet of a study unless it is there, by the process that owns the study.

    A training that was stopped goes on after its last epoch.

    Raises:
        StudyError: if candidates were judged by one that is gone or another.
        TrainingError: if the training diverges, or the weights cannot be written.
        OutOfMemory: if it does not fit the device.
    """
    note = note_of(study)
    kin = study.identity.kinship
    if note is not None and note.fingerprint and (study.spent or kin is not None or _find(study, note)):
        _file_of(study, note)
        return
    if kin is not None:
        raise StudyError(f"study {kin.of!r} has no supernet yet; run it before its {kin.role}")
    _train(study, progress)


def _blank(study: Parts) -> Supernet:
    """One with fresh weights, the same ones for a seed."""
    with global_generators_kept(torch.device("cpu")):
        torch.manual_seed(study.seed)
        return Supernet(study.space, len(study.classes), study.input_shape[0])


def _ends(study: Study) -> tuple[Architecture, Architecture]:
    """The largest network of a space, which teaches the others, and the smallest."""
    shape, classes = study.input_shape, len(study.classes)
    most, least = (
        find(study.space, "params", shape, classes, enumerated=ENUMERATED) for find in (dearest, cheapest)
    )
    return most.architecture, least.architecture


def _train(study: Study, progress: Progress) -> None:
    """Train it, write its weights and note them."""
    ends = _ends(study)
    note = note_of(study)
    if note is None or note.fingerprint:
        note = Note(_epochs(study, ends, progress))
        study._optuna.set_user_attr(NOTE, dataclasses.asdict(note))
    recipe, file = recipe_of(study, note.epochs), file_of(study)
    checkpoint = file.with_suffix(".checkpoint")
    try:
        study.directory.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise _unwritable(study.directory, problem) from problem
    progress.stage("supernet", recipe.epochs)
    supernet = _blank(study)

    def on_epoch(point: SupernetPoint) -> None:
        progress.supernet_epoch(point, recipe.epochs)

    def on_fact(fact: str) -> None:
        progress.message(f"the supernet's checkpoint {fact}")

    result = _trained(
        study, supernet, recipe, ends, on_epoch=on_epoch, checkpoint=checkpoint, on_fact=on_fact
    )
    if "accumulation" in result.facts:
        parts = result.facts["accumulation"]
        progress.message(f"batches of the supernet did not fit {study.device} whole: {parts} parts of each")
    last = result.curve[-1]
    part = file.with_suffix(".part")
    try:
        save_file({name: value.cpu().contiguous() for name, value in supernet.state_dict().items()}, part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        fingerprint = _fingerprint(part)
        part.replace(file)
    except OSError as problem:
        raise _unwritable(file, problem) from problem
    note = Note(
        note.epochs,
        str(file.resolve()),
        fingerprint,
        result.seconds,
        last.largest_accuracy,
        last.smallest_accuracy,
    )
    study._optuna.set_user_attr(NOTE, dataclasses.asdict(note))
    checkpoint.unlink(missing_ok=True)
    progress.stage_done("supernet")
    progress.message(
        f"supernet trained in {duration(result.seconds)}: inherited accuracy {percent(last.largest_accuracy)}"
        f" of its largest network, {percent(last.smallest_accuracy)} of its smallest"
    )


def _trained(
    study: Study,
    supernet: Supernet,
    recipe: Recipe,
    ends: tuple[Architecture, Architecture],
    **watched: Any,
) -> SupernetResult:
    precision = study.settings.computes_in
    device = torch.device(study.device)
    try:
        return train_supernet(
            supernet,
            study.dataset,
            recipe,
            largest=ends[0],
            smallest=ends[1],
            device=device,
            seed=study.seed,
            precision="float32" if precision == "auto" else precision,
            **watched,
        )
    except (RuntimeError, MemoryError) as problem:
        if not is_out_of_memory(problem):
            raise
    free_memory(device)  # after the problem and its frames are gone
    raise does_not_fit(device, recipe.batch_size, study.input_shape, "the training of the supernet")


def _epochs(study: Study, ends: tuple[Architecture, Architecture], progress: Progress) -> int:
    """As many epochs as were asked for, or as there is time for by a few timed steps."""
    asked = study.identity.fixed["supernet"]
    if asked["time_s"] is None:
        return int(asked["epochs"])
    recipe = recipe_of(study, 1)
    images = min(recipe.images or len(study.dataset.train), len(study.dataset.train))
    few, more = (min(images, recipe.batch_size * steps) for steps in (EVERY_KIND, EVERY_KIND + TIMED_STEPS))
    supernet = _blank(study)
    _trained(study, supernet, dataclasses.replace(recipe, images=few), ends)  # kernels are chosen
    took = [
        _trained(study, supernet, dataclasses.replace(recipe, images=count), ends).seconds
        for count in (few, more)
    ]
    image_s = max(took[1] - took[0], 0.0) / max(more - few, 1)
    epoch_s = max(image_s * images + max(took[0] - image_s * few, 0.0), 1e-6)
    epochs = max(int(asked["time_s"] / epoch_s), 1)
    progress.message(f"an epoch of the supernet takes about {duration(epoch_s)}: {epochs} in the time given")
    return epochs


def _find(study: Parts, note: Note) -> Path | None:
    """The file with the noted weights, where it was written or in the folder of the study that trained it."""
    for file in (Path(note.file), _moved(study, note)):
        if file.is_file() and _fingerprint(file) == note.fingerprint:
            return file
    return None


def _moved(study: Parts, note: Note) -> Path:
    """Where the file is after the folder of the study that trained it has moved."""
    return owner_directory(study) / Path(note.file).name


def _file_of(study: Parts, note: Note) -> Path:
    file = _find(study, note)
    if file is not None:
        return file
    wrong = "is another one now" if Path(note.file).is_file() else "is gone"
    kin = study.identity.kinship
    owner = study.name if kin is None else kin.of
    moved = _moved(study, note)
    other = "" if moved.resolve() == Path(note.file) else f" or at {moved}"
    raise StudyError(
        f"the supernet of study {owner!r}, {note.file}, {wrong}; accuracies inherited from two supernets"
        f" do not compare: put the file with the fingerprint {note.fingerprint[:16]} back there{other}, "
        "or start with --fresh"
    )


def _fingerprint(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _unwritable(place: Path, problem: OSError) -> TrainingError:
    return TrainingError(f"{place}: {problem.strerror or problem}; expected a folder that can be written")
