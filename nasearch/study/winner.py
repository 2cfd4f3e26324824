"""From the front to a trained, tested and exported network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from nasearch.deploy import ExportReport
from nasearch.deploy import export as write_export
from nasearch.errors import StudyError, TrainingError
from nasearch.measure import describe_device
from nasearch.nets import Network, Normalized, build
from nasearch.store.records import FinishRecord, TrialRecord
from nasearch.study.choosing import by_number, choose, teacher_of, why
from nasearch.study.confirming import still_to_confirm
from nasearch.study.environment import versions
from nasearch.study.given import Start, long_recipe
from nasearch.study.parts import FINISHED
from nasearch.study.progress import Progress
from nasearch.study.proxies.names import accuracy_of
from nasearch.study.search import training_seed
from nasearch.training import (
    Distillation,
    Recipe,
    evaluate,
    global_generators_kept,
    train,
)

if TYPE_CHECKING:
    from nasearch.study.study import Study


@dataclass(frozen=True)
class Finished:
    """A trained winner and what was written of its training."""

    model: Normalized
    record: FinishRecord


@dataclass(frozen=True)
class Trained:
    """One network after its full training.

    Attributes:
        facts: number, label, proxy_accuracy, val_accuracy, epochs, recipe, seconds and seed, as the
            report's `TrainedFacts` has them.
    """

    network: Network
    facts: dict[str, Any]


def finish(
    study: Study,
    pick: str | None,
    number: int | None,
    epochs: int | None,
    progress: Progress,
    *,
    recipe_name: str | None = None,
    taught: bool | None = None,
) -> Finished:
    """Train the winner, taught by the most accurate other network, and read the test split once.

    Arguments and errors as in the `Study`; what is None is as the study's settings say.
    """
    winner = choose(study, pick or study.settings.pick) if number is None else by_number(study, number)
    left, wanted = still_to_confirm(study) if number is None else (0, 0)
    if left:
        progress.message(f"{left} of {wanted} still to be confirmed: the winner is chosen among the others")
    if "accuracy" not in winner.values:
        raise StudyError(
            f"trial {winner.number} of {study.name!r} is {winner.outcome}; expected a complete one"
        )
    epochs = study.settings.winner_epochs if epochs is None else epochs
    recipe = long_recipe(recipe_name or study.settings.finishes_by, study.dataset, epochs)
    taught = study.settings.teaches if taught is None else taught
    taught_by = teacher_of(study, winner) if taught else None
    distillation = Distillation() if taught_by is not None else None
    training = {
        "key": winner.key,
        "teacher": taught_by.key if taught_by is not None else None,
        "recipe": recipe.to_dict(),
        "distillation": asdict(distillation) if distillation is not None else {},
        "seed": study.seed,
        "threads": study.threads,
        "data": study.identity.fixed["data_fingerprint"],
    }
    start = study.proxy.start(study)
    if start is not None:
        training["start"] = start.text
    earlier = _finished_before(study, training)
    if earlier is None and start is not None and not study.proxy.has_start(study):
        progress.message(f"{start.text} are gone or others now: teacher and winner begin with fresh weights")
        start = None
        del training["start"]
        earlier = _finished_before(study, training)
    if earlier is not None:
        progress.message(f"trial {winner.number} was finished before; its weights are read back")
        study._optuna.set_user_attr(FINISHED, earlier.record.id)
        return earlier

    teacher = None
    if taught_by is not None:
        own = {**training, "key": taught_by.key, "teacher": None, "distillation": {}}
        teacher = _trained(study, taught_by, "teacher", recipe, own, start, None, None, progress)
    mentor = teacher.network if teacher is not None else None
    student = _trained(study, winner, "winner", recipe, training, start, mentor, distillation, progress)
    on_device = student.network.to(study.device)
    test_accuracy, _ = evaluate(on_device, study.dataset.test, study.dataset, study.device)
    record = study._store.add_finish(
        study._record.id,
        winner.number,
        winner.key,
        test_accuracy=test_accuracy,
        val_accuracy=student.facts["val_accuracy"],
        seconds=student.facts["seconds"] + (teacher.facts["seconds"] if teacher else 0.0),
        teacher=taught_by.number if taught_by else None,
        details={
            "why": why(study, number, pick or study.settings.pick),
            "weights": str(_weights_place(study, training).resolve()),
            "training": training,
            "winner": student.facts,
            "teacher": teacher.facts if teacher else None,
            "distillation": training["distillation"],
            "test_images": len(study.dataset.test),
            "device": describe_device(study.device),
            "versions": versions(),
        },
    )
    study._optuna.set_user_attr(FINISHED, record.id)
    return Finished(_as_model(study, student.network), record)


def _trained(
    study: Study,
    trial: TrialRecord,
    role: str,
    recipe: Recipe,
    training: Mapping[str, Any],
    start: Start | None,
    teacher: Network | None,
    distillation: Distillation | None,
    progress: Progress,
) -> Trained:
    """Train a network by the full recipe; what was trained in the same way before is read back."""
    place = _weights_place(study, training)
    seed = training_seed(study.seed, trial.key)
    with global_generators_kept(torch.device(study.device)):
        torch.manual_seed(seed)
        network = build(trial.architecture, len(study.classes), study.input_shape[0])
    if place.exists():
        network.load_state_dict(load_file(place))
        return Trained(network.eval(), json.loads(place.with_suffix(".json").read_text(encoding="utf-8")))
    if start is not None:
        network.load_state_dict(start.weights(trial.architecture))
    progress.stage(f"{role}, trial {trial.number}", recipe.epochs)
    checkpoint = place.with_suffix(".checkpoint")
    result = train(
        network,
        study.dataset,
        recipe,
        device=study.device,
        seed=seed,
        teacher=teacher,
        distillation=distillation,
        on_epoch=partial(_forward, progress, recipe.epochs),
        checkpoint=_writable(checkpoint),
        precision=study.settings.computes_in,
    )
    network = network.cpu().eval()
    facts = {
        "number": trial.number,
        "label": trial.architecture.label,
        "proxy_accuracy": trial.values["accuracy"],
        "val_accuracy": result.accuracy,
        "epochs": result.epochs,
        "recipe": recipe.to_dict(),
        "seconds": result.seconds,
        "seed": seed,
        **({"start": start.text} if start is not None else {}),
        **({} if study.proxy.trains else {"proxy_name": _proxy_name(study, trial)}),
    }
    try:
        place.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
        part = place.with_suffix(".part")
        save_file(_contiguous(network), part)
        part.replace(place)  # whole or not at all: the weights' presence says that the training ended
        checkpoint.unlink(missing_ok=True)
    except OSError as problem:
        raise _no_folder(place.parent, problem) from problem
    progress.stage_done(role)
    return Trained(network, facts)


def _proxy_name(study: Study, trial: TrialRecord) -> str:
    """What the accuracy of a trial that was chosen is, in a study whose proxy trains nothing."""
    is_confirmed = trial.key in {each.key for each in study.confirmed()}
    return "confirmed accuracy" if is_confirmed else accuracy_of(study.settings.proxy).replace("_", " ")


def _writable(file: Path) -> Path:
    """The file, its folder made.

    Raises:
        TrainingError: if it cannot be made: better said before the training than after it.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise _no_folder(file.parent, problem) from problem
    return file


def _no_folder(folder: Path, problem: OSError) -> TrainingError:
    return TrainingError(f"{folder}: {problem.strerror or problem}; expected a folder that can be written")


def _forward(progress: Progress, epochs: int, point: Any) -> None:
    progress.stage_epoch(point, epochs)


def _contiguous(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


def _weights_place(study: Study, training: Mapping[str, Any]) -> Path:
    text = json.dumps(training, sort_keys=True)
    return study.directory / "trained" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.safetensors"


def _finished_before(study: Study, training: Mapping[str, Any]) -> Finished | None:
    """The latest finish by the very same training whose weights are still there."""
    same = [record for record in study.finishes if record.details.get("training") == training]
    return _read_back(study, same[-1]) if same else None


def _read_back(study: Study, record: FinishRecord) -> Finished | None:
    """A finished network from its weights; None where they are gone."""
    place = Path(record.details["weights"])
    if not place.exists():
        return None
    architecture = study.trial(record.number).architecture
    network = build(architecture, len(study.classes), study.input_shape[0], own_weights=False)
    network.load_state_dict(load_file(place))
    return Finished(_as_model(study, network), record)


def _as_model(study: Study, network: Network) -> Normalized:
    dataset = study.dataset
    return Normalized(network.cpu(), dataset.mean, dataset.std).eval()


def _name_of_data(data: str) -> str:
    """What data are called in a file that is handed on: of a folder its name, whatever lies above it."""
    scheme, colon, path = data.partition(":")
    return f"{scheme}:{Path(path).name}" if colon else data


def export(
    study: Study,
    directory: str | Path | None,
    formats: Sequence[str] | None,
    number: int | None,
    progress: Progress,
) -> ExportReport:
    """Export what was finished last, or a trial by number; finish it first if that was not done."""
    earlier = study.finishes
    if number is not None:
        earlier = [record for record in earlier if record.key == study.trial(number).key]
    finished = _read_back(study, earlier[-1]) if earlier else None
    finished = finished or finish(study, None, number, None, progress)
    record = finished.record
    if directory is None:
        directory = study.directory / ("winner" if number is None else f"trial{number}")
    trial = study.trial(record.number)
    metadata = {
        "study": study.name,
        "trial": record.number,
        "architecture": trial.architecture.label,
        "key": record.key,
        "data": _name_of_data(study.identity.found["data"]),
        "test accuracy": round(record.test_accuracy, 4),
        "validation accuracy": round(record.val_accuracy, 4),
        "macs": trial.values["macs"],
        "trained from": record.details["winner"].get("start", "fresh weights"),
    }
    return write_export(
        finished.model,
        directory,
        input_shape=study.input_shape,
        classes=study.classes,
        formats=formats or study.settings.formats,
        metadata=metadata,
    )
