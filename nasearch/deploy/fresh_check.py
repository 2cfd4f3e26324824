"""Run exported files where nasearch does not exist: the program of a fresh process.

    python -I fresh_check.py FOLDER INPUTS OUTPUTS FORMAT...

Reads a list of image batches from INPUTS, runs each format's files in FOLDER on them, and writes to
OUTPUTS a dict from format to its scores, or to the text of the error that it met. It imports nothing
of nasearch, and makes sure that nothing else can.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch


def run_module(folder: Path, batches: list[torch.Tensor]) -> list[torch.Tensor]:
    """Scores of `model.py`, which reads its weights from beside it."""
    spec = importlib.util.spec_from_file_location("model", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules["model"] = module  # dataclasses and pickles look their module up by name
    spec.loader.exec_module(module)
    model = module.load()
    return [model(batch) for batch in batches]


def run_pt2(folder: Path, batches: list[torch.Tensor]) -> list[torch.Tensor]:
    """Scores of `model.pt2`."""
    model = torch.export.load(folder / "model.pt2").module()
    return [model(batch) for batch in batches]


def run_onnx(folder: Path, batches: list[torch.Tensor]) -> list[torch.Tensor]:
    """Scores of `model.onnx` in ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return [torch.from_numpy(session.run(["logits"], {"image": batch.numpy()})[0]) for batch in batches]


RUNNERS: dict[str, Callable[[Path, list[torch.Tensor]], list[torch.Tensor]]] = {
    "module": run_module,
    "pt2": run_pt2,
    "onnx": run_onnx,
}


def main(folder: str, inputs: str, outputs: str, *formats: str) -> None:
    """Run every format; an error of one is its answer and does not keep the others from theirs."""
    sys.modules["nasearch"] = None  # type: ignore[assignment]  # an import of it raises from here on
    batches = cast(list[torch.Tensor], torch.load(inputs, weights_only=True))
    answers: dict[str, list[torch.Tensor] | str] = {}
    for name in formats:
        try:
            with torch.no_grad():
                answers[name] = RUNNERS[name](Path(folder), batches)
        except Exception as problem:  # noqa: BLE001 - whatever the files do wrong is what is asked
            answers[name] = f"{type(problem).__name__}: {problem}"
    torch.save(answers, outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
