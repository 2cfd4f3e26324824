"""A training's state after an epoch: in memory, and in a file that a later process takes up."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FORMAT = 1
State = dict[str, Any]


def held(value: Any, device: str | torch.device | None = None) -> Any:
    """A copy of nested dicts and lists with every tensor copied, to a device if one is given."""
    if isinstance(value, Tensor):
        copy = value.detach().to(device) if device is not None else value.detach()
        # strides are kept: in another layout sums would be added in another order
        return copy.clone() if copy.data_ptr() == value.data_ptr() else copy
    if isinstance(value, Mapping):
        return {key: held(inner, device) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [held(inner, device) for inner in value]
    return value


def belongs_to(model: nn.Module, **what: object) -> str:
    """One text for all that must be equal before a checkpoint fits: the network's shapes, and JSON values."""
    shapes = [[name, list(value.shape), str(value.dtype)] for name, value in model.state_dict().items()]
    text = json.dumps({"format": FORMAT, "shapes": shapes, **what}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write(path: Path, state: State) -> None:
    """Write a state; whoever reads the path finds the old file or the new one, whole.

    Raises:
        OSError, RuntimeError: if it cannot be written.
    """
    # of processes that were killed as they wrote; who lives and loses its part can only not write this epoch
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        left.unlink(missing_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave the new name with no contents
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path, fits: str) -> tuple[State | None, str]:
    """The state of a file, and nothing; or None, and why it cannot be taken up."""
    if not path.exists():
        return None, ""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        owner = state["belongs_to"]
    except Exception as problem:  # noqa: BLE001  # of a damaged file torch, zipfile and pickle raise anything
        return None, f"ignored, for it cannot be read: {type(problem).__name__}"
    if owner != fits:
        return None, "ignored, for it is of another training"
    return dict(state), ""
