"""A small study written by hand: six trials, of which four are on the front."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from nasearch.pareto import parse_limits, parse_objectives
from nasearch.report.content import (
    DataFacts,
    ExportedFile,
    FrontPicture,
    FrontRow,
    LatencyFacts,
    Reference,
    StudyReport,
    TrainedFacts,
    WinnerFacts,
)

ROWS = (
    FrontRow(0, "3 stages, mbconv k3 e4", {"accuracy": 0.60, "macs": 200_000}, is_front=True, seconds=4.0),
    FrontRow(
        1,
        "3 stages, mbconv k5 e4 [se]",
        {
            "accuracy": 0.86,
            "macs": 1_240_000,
            "params": 52_300,
            "peak_activation_bytes": 256_000,
            "latency_ms": 1.312,
        },
        is_front=True,
        is_knee=True,
        is_winner=True,
        latency_iqr_ms=0.1,
        seconds=75.0,
    ),
    FrontRow(2, "residual k3", {"accuracy": 0.70, "macs": 2_000_000}, seconds=8.0),
    FrontRow(3, "residual k5", {"accuracy": 0.88, "macs": 3_000_000}, is_front=True, seconds=8.0),
    FrontRow(4, "inception", {"accuracy": 0.89, "macs": 8_000_000}, is_front=True, seconds=9.0),
    FrontRow(
        5,
        "mbconv k7",
        {"macs": 900_000},
        outcome="failed",
        reason="diverged at epoch 1, step 37: loss is nan",
    ),
    FrontRow(
        6, "wide", {"macs": 20_000_000}, outcome="refused", reason="macs is 20 M, the limit is macs <= 9M"
    ),
)
PICTURE = FrontPicture(
    study="tiny-fashion",
    data="fashion-mnist-12k",
    objectives=parse_objectives(["accuracy", "macs"]),
    rows=ROWS,
    fidelity="2 epochs x 4,096 images at 28x28",
    limits=parse_limits(["macs <= 9M"]),
    references=(
        Reference("resnet-8", {"accuracy": 0.85, "macs": 4_000_000}, "3x residual", seconds=9.0),
        Reference("giant", {}, reason="RuntimeError: out of memory"),
    ),
    hypervolume=0.8123,
    reference=(1.0, 9_000_000.0),
)
THREE = replace(PICTURE, objectives=parse_objectives(["accuracy", "macs", "params"]))
THREE = replace(
    THREE, rows=tuple(replace(row, values={"params": row.values["macs"] / 20, **row.values}) for row in ROWS)
)
ONE = replace(PICTURE, objectives=parse_objectives(["accuracy"]))
COSTS = replace(THREE, objectives=parse_objectives(["params", "macs"]))
EMPTY = replace(PICTURE, rows=())
SINGLE = replace(PICTURE, rows=ROWS[1:2], references=(), limits=())
PICTURES = {"two": PICTURE, "three": THREE, "one": ONE, "costs": COSTS, "empty": EMPTY, "single": SINGLE}

RECIPE = {"epochs": 2, "batch_size": 128, "lr": 0.003}
WINNER = WinnerFacts(
    trained=TrainedFacts(
        1, "3 stages, mbconv k5 e4 [se]", 0.86, 0.9012, 30, {"epochs": 30, "lr": 0.002}, 95.2, 7
    ),
    why="knee of the front",
    values={"params": 52_300, "macs": 1_240_123},
    test_accuracy=0.8987,
    test_images=2000,
    teacher=TrainedFacts(4, "inception", 0.89, 0.915, 20, {"epochs": 20, "lr": 0.001}, 61.0, 8),
    distillation={"temperature": 4, "alpha": 0.5},
    latency=LatencyFacts(1.312, 1.9, 0.1, 300, 1, "onnxruntime 1.31.1 CPU, 1 thread", "x86-64, 2 cores"),
    files=(
        ExportedFile(PurePosixPath("winner/model.py"), "module", 5300, 0.0),
        ExportedFile(PurePosixPath("winner/model.onnx"), "onnx", 212_000, 3.1e-6),
        ExportedFile(PurePosixPath("winner/metadata.json"), "metadata", 900),
    ),
)
REPORT = StudyReport(
    picture=PICTURE,
    data=DataFacts(
        "fashion-mnist-12k", "Fashion-MNIST, MIT", 10, (1, 28, 28), 8000, 2000, 2001, 11, "ab12" * 16
    ),
    space="tiny",
    space_about="for tests",
    space_size=1944,
    sampler="tpe",
    seed=42,
    deterministic=False,
    recipes={"Proxy": RECIPE},
    judged=("Accuracy in the search: on the validation split, after the last epoch.",),
    device={"kind": "cpu", "threads": 2},
    versions={"python": "3.11.2", "torch": "2.15.0", "nasearch": "0.1.0"},
    budget=50,
    spent=6,
    seconds=372.0,
    command="nasearch run --space tiny --seed 42",
    created_at="2026-01-02T03:04:05Z",
    winner=WINNER,
    stored_in="sqlite:///studies/nasearch.db",
)
