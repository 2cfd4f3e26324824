"""Write a network in every asked form, check each, and only then put the files in their place."""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nasearch.deploy.formats import (
    FORMATS,
    available_formats,
    first_line,
    missing_modules,
    seeded_images,
    trace,
    write_onnx,
    write_pt2,
    write_weights,
)
from nasearch.deploy.standalone import as_normalized, standalone_source
from nasearch.deploy.verify import verify
from nasearch.errors import ExportError
from nasearch.nets import Network, Normalized

METADATA = "metadata.json"
FAILED = "failed-export"


@dataclass(frozen=True)
class ExportReport:
    """What was written and how near it is to the original.

    Attributes:
        directory: where the files lie.
        files: all that were written, `metadata.json` last.
        checked: for each format the largest absolute difference of its scores to the original's, on
            seeded random images in batches of 1 and 3, in a fresh process without nasearch.
    """

    directory: Path
    files: tuple[Path, ...]
    checked: dict[str, float]


def export(
    model: Normalized | Network,
    directory: str | Path,
    *,
    input_shape: Sequence[int],
    classes: Sequence[str],
    formats: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ExportReport:
    """Export a trained network; the exported one takes float images in [0, 1] and normalises them itself.

    The files are written aside, checked, and moved in place, over those of an earlier export: a
    directory never holds half of an export. Files of an earlier export of *another* network are
    removed; those of the same network in other formats stay.

    Args:
        model: on any device, in any mode; left as it is. A `Network` without `Normalized` is exported
            as one that takes its images as they are.
        directory: made where it does not exist.
        input_shape: (C, H, W) of one image.
        classes: a name for each output, in order.
        formats: names in `FORMATS`; by default all that this environment can write.
        metadata: facts about the network (study, trial, accuracy, ...) for `metadata.json`; the plain
            ones stand at the head of `model.py` too.

    Raises:
        ExportError: if a format is unknown or lacks its modules, the shape or the classes are not the
            network's, a file cannot be written, or what was written does not give the original's
            scores; in the last case the files are kept in `failed-export` for inspection.
    """
    names = checked_formats(available_formats() if formats is None else formats)
    target = Path(directory)
    shape = tuple(int(size) for size in input_shape)
    original = _prepared(model, shape, classes)
    facts = dict(metadata or {})
    try:
        target.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".export-", dir=target))
    except OSError as problem:
        raise _unwritable(target, problem) from problem
    try:
        _write(original, staging, names, shape, classes, facts)
        try:
            checked = verify(original, staging, names, seeded_images(shape))
        except ExportError as problem:
            kept = _keep_for_inspection(staging, target / FAILED)
            raise ExportError(
                f"{problem}; the files that failed are in {target / FAILED}: {kept}"
            ) from problem
        record = _record(original, names, shape, classes, facts, checked)
        return _publish(staging, target, record, checked)
    except OSError as problem:
        raise _unwritable(target, problem) from problem
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def checked_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """The formats in the order of their table.

    Raises:
        ExportError: if there is none, one is unknown, or a library that it needs is missing.
    """
    accepted = ", ".join(FORMATS)
    if isinstance(formats, str) or not formats:
        raise ExportError(f"formats is {formats!r}; expected some of {accepted}")
    for name in formats:
        if name not in FORMATS:
            raise ExportError(f"format {name!r} is not known; expected one of {accepted}")
        if missing := missing_modules(name):
            raise ExportError(
                f"format {name!r} needs {', '.join(missing)}; install with: pip install 'nasearch[onnx]'"
            )
    return tuple(name for name in FORMATS if name in formats)


def _prepared(model: nn.Module, shape: tuple[int, ...], classes: Sequence[str]) -> Normalized:
    """A copy on the CPU, in eval mode, whose shape and classes are those that were given."""
    normalized = as_normalized(model) if isinstance(model, Network) else model
    if not isinstance(normalized, Normalized) or not isinstance(normalized.network, Network):
        raise ExportError(f"model is a {type(model).__name__}; expected a network that nasearch.build made")
    network = normalized.network
    if len(shape) != 3 or min(shape) < 1 or shape[0] != network.in_channels:
        raise ExportError(f"input_shape is {shape}; expected ({network.in_channels}, height, width)")
    if len(classes) != network.num_classes:
        raise ExportError(f"{len(classes)} classes for a network with {network.num_classes} outputs")
    return copy.deepcopy(normalized).cpu().to(memory_format=torch.contiguous_format).eval()


def _write(
    model: Normalized,
    folder: Path,
    formats: Sequence[str],
    shape: tuple[int, ...],
    classes: Sequence[str],
    metadata: Mapping[str, Any],
) -> None:
    if "module" in formats:
        text = standalone_source(model, shape, classes, metadata)
        (folder / "model.py").write_text(text, encoding="utf-8")
        write_weights(model, folder / "weights.safetensors")
    if "pt2" in formats or "onnx" in formats:
        program = trace(model, shape)
        if "pt2" in formats:
            write_pt2(program, folder / "model.pt2")
        if "onnx" in formats:
            write_onnx(program, folder / "model.onnx")


def _record(
    model: Normalized,
    formats: Sequence[str],
    shape: tuple[int, ...],
    classes: Sequence[str],
    metadata: Mapping[str, Any],
    checked: Mapping[str, float],
) -> dict[str, Any]:
    network = model.network
    assert isinstance(network, Network)
    modules = ["nasearch", "torch", *(each for name in formats for each in FORMATS[name].needs)]
    return dict(metadata) | {
        "input_shape": list(shape),
        "classes": list(classes),
        "architecture": json.loads(network.architecture.to_json()),
        "fingerprint": _fingerprint(model),
        "formats": list(formats),
        "max_abs_difference": dict(checked),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in modules},
    }


def _version(module: str) -> str:
    try:
        return version(module)
    except PackageNotFoundError:  # installed under another name, as onnxruntime-gpu is
        return str(getattr(importlib.import_module(module), "__version__", "unknown"))


def _fingerprint(model: nn.Module) -> str:
    """Equal for networks with equal weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _publish(staging: Path, target: Path, record: dict[str, Any], checked: dict[str, float]) -> ExportReport:
    """Move checked files in place; keep what an earlier export wrote of the same network."""
    earlier = _earlier_record(target)
    stale: set[str] = set()
    if earlier.get("fingerprint") == record["fingerprint"]:
        kept = [name for name in earlier["formats"] if _is_complete(target, name)]
        record["formats"] = [name for name in FORMATS if name in (*kept, *checked)]
        for key in ("max_abs_difference", "versions"):
            record[key] = earlier[key] | record[key]
    elif earlier:
        stale = {file for each in FORMATS.values() for file in each.files}
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n"
    (staging / METADATA).write_text(text, encoding="utf-8")
    written = [file for name in checked for file in FORMATS[name].files]
    for file in stale.difference(written):
        (target / file).unlink(missing_ok=True)
    for file in (*written, METADATA):
        (staging / file).replace(target / file)
    shutil.rmtree(target / FAILED, ignore_errors=True)
    return ExportReport(target, tuple(target / file for file in (*written, METADATA)), checked)


def _is_complete(target: Path, name: str) -> bool:
    return name in FORMATS and all((target / file).is_file() for file in FORMATS[name].files)


def _earlier_record(target: Path) -> dict[str, Any]:
    """The `metadata.json` of an earlier export, empty where there is none that we wrote."""
    try:
        record = json.loads((target / METADATA).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    is_ours = isinstance(record, dict) and {
        "fingerprint",
        "formats",
        "max_abs_difference",
        "versions",
    } <= set(record)
    return record if is_ours else {}


def _keep_for_inspection(staging: Path, place: Path) -> str:
    shutil.rmtree(place, ignore_errors=True)
    staging.rename(place)
    return ", ".join(sorted(file.name for file in place.iterdir()))


def _unwritable(target: Path, problem: OSError) -> ExportError:
    return ExportError(f"{target}: cannot be written ({first_line(problem)}); expected a writable folder")
