"""What the benchmarks share: intervals, images for both sides, processes, and words on the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy import stats
from torch import Tensor

from nasearch.data import SHARE_SEED, Dataset, stratified_share
from nasearch.measure import describe_device
from nasearch.training import Recipe
from scripts.plain_search import Arrays, Images, Numbers

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Interval:
    """A mean of n values with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.mean:.2f} (95 % interval {self.low:.2f} to {self.high:.2f}, n = {self.n})"


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean and two-sided 95 % interval by Student's t; of one value the interval is unbounded."""
    table = np.asarray(values, dtype=float)
    mean, n = float(table.mean()), len(table)
    if n < 2:
        return Interval(mean, float("-inf"), float("inf"), n)
    half = float(stats.t.ppf(0.975, n - 1) * table.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def ratio_interval(groups: Sequence[Sequence[float]], draws: int = 10_000, seed: int = 0) -> Interval:
    """Geometric mean over groups of ratios, with a 95 % bootstrap interval (percentiles).

    A group is what belongs together, such as the ratios of one network: every group weighs the same, and
    groups are drawn first and then the ratios within each drawn group, since both vary.
    """
    logs = [np.log(np.asarray(group, dtype=float)) for group in groups]
    sizes = np.array([len(group) for group in logs])
    padded = np.array([np.pad(group, (0, sizes.max() - len(group))) for group in logs])
    random, total = np.random.default_rng(seed), np.zeros(draws)
    for _ in logs:
        chosen = random.integers(0, len(logs), draws)
        size = sizes[chosen][:, None]
        within = (random.random((draws, sizes.max())) * size).astype(int)
        counts = np.arange(sizes.max()) < size
        total += (padded[chosen[:, None], within] * counts).sum(axis=1) / size[:, 0]
    means = total / len(logs)
    low, high = np.exp(np.percentile(means, (2.5, 97.5)))
    mean = float(np.exp(np.mean([group.mean() for group in logs])))
    return Interval(mean, float(low), float(high), sum(map(len, logs)))


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(device: str) -> dict[str, Any]:
    """What the numbers hold for."""
    return {**describe_device(device), "cores": usable_cores()}


def machine_line(device: str) -> str:
    """The same in a line."""
    about = machine(device)
    return (
        f"{about['name']}, {about['cores']} core(s), {about['threads']} thread(s) in this process, "
        f"torch {about['torch']}, Python {about['python']}"
    )


def left_out(recipe: Recipe) -> dict[str, object]:
    """What a recipe asks for, beyond its defaults, that the plain script does without."""
    taken = {"name", "images", *(field.name for field in fields(Numbers))}
    return {
        field.name: getattr(recipe, field.name)
        for field in fields(recipe)
        if field.name not in taken and getattr(recipe, field.name) != field.default
    }


def arrays_of(dataset: Dataset, images: int | None) -> Arrays:
    """The same images as `plain_parts`, for `train_plain`."""
    parts = plain_parts(dataset, images)
    return Arrays.of(Images(parts["x_train"], parts["y_train"]), Images(parts["x_val"], parts["y_val"]))


def plain_parts(dataset: Dataset, images: int | None = None) -> dict[str, np.ndarray]:
    """x_train, y_train, x_val and y_val for `plain_search`: pixels (N, H, W) or (N, H, W, C), uint8.

    Args:
        dataset: whose training and validation split are meant.
        images: size of the share of the training split that nasearch's trainings use; None is all of it.
    """
    count = min(images or len(dataset.train), len(dataset.train))
    train = stratified_share(dataset.train, count, SHARE_SEED)
    return {
        "x_train": pixels(train.images),
        "y_train": train.labels.numpy(),
        "x_val": pixels(dataset.val.images),
        "y_val": dataset.val.labels.numpy(),
    }


def pixels(images: Tensor) -> np.ndarray:
    """(N, C, H, W) as the arrays that PIL takes; a single channel has no axis there."""
    held = images.permute(0, 2, 3, 1).contiguous().numpy()
    return held[..., 0] if held.shape[-1] == 1 else held


def set_threads() -> None:
    """Let torch use every core here, whatever the environment says: benchmarks compare default settings."""
    torch.set_num_threads(usable_cores())


def environment(threads: int | None = None) -> dict[str, str]:
    """For a child process: torch's threads as they are by default, or a number of them."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return kept if threads is None else kept | {"OMP_NUM_THREADS": str(threads)}


def nasearch_command(*arguments: str) -> list[str]:
    """`nasearch ARGUMENTS` of this checkout."""
    return [sys.executable, "-c", "from nasearch.cli.main import main; main()", *arguments]


def run_logged(command: Sequence[str], output: Path, threads: int | None = None) -> None:
    """Run a process to its end; what it prints goes to a file.

    Raises:
        ClickException: if it fails; with the end of what it printed.
    """
    with output.open("a", encoding="utf-8") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment(threads), check=False
        )
    if done.returncode:
        tail = "\n".join(output.read_text(encoding="utf-8").splitlines()[-15:])
        raise click.ClickException(f"{' '.join(command[:6])} ... ended with {done.returncode}:\n{tail}")
