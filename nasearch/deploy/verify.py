"""Compare exported files with the network they came from, in a process that knows nothing of nasearch."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from nasearch.deploy.formats import FORMATS
from nasearch.errors import ExportError

TIMEOUT_S = 600
_PROGRAM = Path(__file__).with_name("fresh_check.py")

Answer = list[Tensor] | str


def run_elsewhere(folder: Path, formats: Sequence[str], batches: Sequence[Tensor]) -> dict[str, Answer]:
    """What exported files give in a fresh, isolated process (`python -I`) without nasearch.

    Args:
        folder: holds the files of the formats.
        formats: names in `FORMATS`.
        batches: images, each (N, C, H, W).

    Returns:
        For each format its scores, one (N, classes) tensor a batch, or the text of its error.

    Raises:
        ExportError: if the process itself does not end well.
    """
    with tempfile.TemporaryDirectory(prefix="nasearch-check-") as scratch:
        inputs, outputs = Path(scratch, "inputs.pt"), Path(scratch, "outputs.pt")
        torch.save(list(batches), inputs)
        command = [sys.executable, "-I", "-B", _PROGRAM, folder.resolve(), inputs, outputs, *formats]
        try:
            done = subprocess.run(
                [str(word) for word in command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise ExportError(f"a fresh process could not check the files: {problem}") from problem
        if done.returncode != 0:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise ExportError(
                f"a fresh process that checked the files ended with code {done.returncode}: {last}"
            )
        answers: dict[str, Answer] = torch.load(outputs, weights_only=True)
        return answers


def verify(
    model: nn.Module, folder: Path, formats: Sequence[str], batches: Sequence[Tensor]
) -> dict[str, float]:
    """The largest difference between each format's scores and the network's own.

    Args:
        model: the original, on the CPU and in eval mode.
        folder: holds the files of the formats.
        formats: names in `FORMATS`.
        batches: images, each (N, C, H, W).

    Raises:
        ExportError: if a format does not run, or differs by more than its tolerance.
    """
    with torch.no_grad():
        expected = [model(batch) for batch in batches]
    if not all(scores.isfinite().all() for scores in expected):
        raise ExportError("the network's own scores are not finite; expected a network that was trained")
    scale = max(float(scores.abs().max()) for scores in expected)
    differences = {}
    for name, answer in run_elsewhere(folder, formats, batches).items():
        if isinstance(answer, str):
            raise ExportError(f"{name}: does not run without nasearch: {' '.join(answer.split())[:300]}")
        difference = max(_difference(got, want) for got, want in zip(answer, expected, strict=True))
        # Written so that a difference that is NaN is refused.
        if not difference <= FORMATS[name].tolerance * scale:
            raise ExportError(
                f"{name}: scores differ from the original's by {difference:.3g}; expected at most "
                f"{FORMATS[name].tolerance:g} of the largest score {scale:.3g}"
            )
        differences[name] = difference
    return differences


def _difference(got: Tensor, want: Tensor) -> float:
    if got.shape != want.shape:
        raise ExportError(f"scores have shape {tuple(got.shape)}; expected {tuple(want.shape)}")
    return float((got - want).abs().max())
