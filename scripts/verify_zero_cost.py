"""Check how well scores without training rank the cells of NAS-Bench-201, against what is published.

    python scripts/verify_zero_cost.py TABLES IMAGES [--cells N] [--batch N] [--record FILE] [--jobs N]

TABLES is a folder with nasbench201_cifar10.npz (`ops`, `op_names`, `edges`, `c10_test_200`, `naswot_c10`),
IMAGES a file with `x_train` (N, 32, 32, 3) uint8 and `y_train` of CIFAR-10. Random cells are scored on one
batch of real images, and Spearman's rank correlation with the test accuracy after 200 epochs is printed, with
a 95 % bootstrap interval, over all of them and within the best tenth. Scored cells are kept in the record, so
that the same command goes on. Exits with 1 where a score ranks worse than published by more than 0.08 (500
cells of 15,625 have a spread of about 0.03).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nasearch import SearchSpace, build
from nasearch.measure import describe_device
from nasearch.measure.zero_cost import SCORES, aggregates, agreeing, score_architectures, zero_cost_scores
from nasearch.pareto import spearman
from nasearch.space import Architecture

CLASSES = 10
SLACK = 0.08
DEAREST = "grasp"  # a second derivative

# Spearman's rho over all cells and CIFAR-10: Abdelfattah et al. 2021, table 1 and its re-measurement in
# Krishnakumar et al. 2022 (NAS-Bench-Suite-Zero); Li et al. 2023 for ZiCo; Lee & Ham 2024 for AZ-NAS.
PUBLISHED = {
    "synflow": 0.74, "jacov": 0.73, "snip": 0.60, "grad_norm": 0.59, "grasp": 0.51, "fisher": 0.36,
    "naswot": 0.76, "zico": 0.80, "az_nas": 0.89,
}  # fmt: skip

# Of CIFAR-10's training images, for pixels in [0, 1].
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def batch_of(images: Path, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random training images (count, 3, 32, 32), normalised, and their labels."""
    with np.load(images, allow_pickle=False) as data:
        rows = np.random.default_rng(seed).permutation(len(data["x_train"]))[:count]
        pixels, labels = data["x_train"][rows], data["y_train"][rows]
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(figures).view(1, 3, 1, 1) for figures in (MEAN, STD))
    return (scaled - mean) / std, torch.from_numpy(labels.astype(np.int64))


class Table:
    """The table of trained cells, as architectures."""

    def __init__(self, file: Path) -> None:
        with np.load(file, allow_pickle=False) as data:
            self._ops, self._names = data["ops"], [str(name) for name in data["op_names"]]
            self._choices = [f"edge{source}-{target}" for source, target in data["edges"]]
            self.accuracies, self.naswot = data["c10_test_200"], data["naswot_c10"]
        self._space = SearchSpace.load("nasbench201")

    def __len__(self) -> int:
        return len(self._ops)

    def architecture(self, row: int) -> Architecture:
        """The cell of a row."""
        ops = self._ops[row]
        return self._space.decode(
            {choice: self._names[op] for choice, op in zip(self._choices, ops, strict=True)}
        )


def score_row(
    task: tuple[int, list[str]], table: Table, images: Tensor, labels: Tensor, seed: int
) -> tuple[int, dict[str, float]]:
    """A row with its scores; the task is the row and the names that are wanted."""
    row, names = task
    torch.set_num_threads(1)
    (scores,) = score_architectures([table.architecture(row)], images, labels, CLASSES, names, seed=seed)
    return row, scores


def recorded(record: Path, given: dict[str, int]) -> dict[int, dict[str, float]]:
    """What a record holds of the same batch and seed, by row."""
    found: dict[int, dict[str, float]] = {}
    text = record.read_text(encoding="utf-8") if record.is_file() else ""
    for line in text.splitlines():
        if line.endswith("}"):  # a kill cuts the last one
            entry = json.loads(line)
            if entry["given"] == given:
                found.setdefault(entry["row"], {}).update(entry["scores"])
    return found


def score_missing(
    rows: list[int], table: Table, images: Tensor, labels: Tensor, record: Path, jobs: int, seed: int
) -> None:
    """Append to the record what it lacks: for all rows every score but the dearest, then that one."""
    given = {"batch": len(images), "seed": seed}
    with record.open("a", encoding="utf-8") as file, ExitStack() as stack:
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(jobs)) if jobs > 1 else None
        one = partial(score_row, table=table, images=images, labels=labels, seed=seed)
        for names in ([name for name in SCORES if name != DEAREST], [DEAREST]):
            found = recorded(record, given)
            tasks = [(row, [name for name in names if name not in found.get(row, {})]) for row in rows]
            tasks = [(row, missing) for row, missing in tasks if missing]
            for row, scores in map(one, tasks) if pool is None else pool.imap_unordered(one, tasks):
                file.write(json.dumps({"row": row, "given": given, "scores": scores}) + "\n")
                file.flush()


def milliseconds(table: Table, rows: list[int], images: Tensor, labels: Tensor) -> dict[str, float]:
    """Median processor time of each score by itself, and of `all` together, on one thread."""
    torch.set_num_threads(1)
    networks = [build(table.architecture(row), CLASSES) for row in rows]
    took: dict[str, float] = {}
    for name in (*SCORES, "az_nas", "all"):
        names = None if name == "all" else [name]
        times = []
        for network in networks:
            began = time.process_time()  # others on the machine do not count
            zero_cost_scores(network, images, labels, names)
            times.append(1000 * (time.process_time() - began))
        took[name] = float(np.median(times))
    return took


def report(
    columns: dict[str, np.ndarray], accuracies: np.ndarray, took: dict[str, float]
) -> tuple[list[str], list[str]]:
    """The lines of the table, and the names of the scores that miss what is published.

    Args:
        columns: (cells,) of each score, NaN where a cell was not scored.
        accuracies: (cells,).
        took: milliseconds, by score.
    """
    title = f"{'score':17} {'cells':>5} {'rho, all cells':24} {'published':>9} {'required':>8}"
    lines = [f"{title}  {'rho, best tenth':24} {'no signal':>9} {'ms':>6}"]
    missed = []
    for name, column in columns.items():
        known = ~np.isnan(column)
        values, reached = column[known], accuracies[known]
        best = reached >= np.quantile(reached, 0.9)
        over_all, within = spearman(values, reached), spearman(values[best], reached[best])
        published = PUBLISHED.get(name)
        target = f"{published:9.2f} {published - SLACK:8.2f}" if published else " " * 18
        cost = f"{took[name]:6.0f}" if name in took else " " * 6
        silent = f"{int(np.isneginf(values).sum()):9}"
        lines.append(
            f"{name:17} {len(values):5} {over_all.text:24} {target}  {within.text:24} {silent} {cost}"
        )
        if published and over_all.value < published - SLACK:
            missed.append(name)
    return lines, missed


def tell(
    columns: dict[str, np.ndarray], accuracies: np.ndarray, naswot: np.ndarray, took: dict[str, float]
) -> list[str]:
    """Print the table of all scores and their aggregates; the names of those that miss what is published."""
    whole = {name: column for name, column in columns.items() if not np.isnan(column).any()}
    lines, missed = report(columns | aggregates(whole), accuracies, took)
    if took:
        device = describe_device("cpu")
        print(f"ms: median processor time of each score by itself, one thread of {device['name']}, ", end="")
        print(f"torch {device['torch']}; of all together {took['all']:.0f}")
    print("\n".join(lines))
    print(f"ensemble of: {', '.join(agreeing(whole))}")
    known = np.isfinite(naswot) & ~np.isnan(columns["naswot"])
    print(f"the table's own `naswot_c10`, {known.sum()} cells that it has, ranks with", end="")
    for name, column in (
        ("accuracy", accuracies),
        ("jacov", columns["jacov"]),
        ("naswot", columns["naswot"]),
    ):
        print(f" {name} {spearman(naswot[known], column[known]).value:+.2f}", end="")
    print(f"; our naswot of these with accuracy {spearman(columns['naswot'][known], accuracies[known]).text}")
    return missed


def main() -> None:
    """Score, compare and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", type=Path, metavar="TABLES", help="folder of nasbench201_cifar10.npz")
    parser.add_argument("images", type=Path, metavar="IMAGES", help="npz file with CIFAR-10 images")
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0, help="of cells, images and weights")
    parser.add_argument("--record", type=Path, default=Path("zero_cost.jsonl"))
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--timed", type=int, default=9, help="cells that each score is timed on")
    parser.add_argument("--only-report", action="store_true", help="of what the record holds")
    given = parser.parse_args()
    file = given.tables / "nasbench201_cifar10.npz"
    for needed in (file, given.images):
        if not needed.is_file():
            parser.error(f"{needed}: no such file")
    table, (images, labels) = Table(file), batch_of(given.images, given.batch, given.seed)
    rows = np.random.default_rng(given.seed).permutation(len(table))[: given.cells].tolist()
    if not given.only_report:
        score_missing(rows, table, images, labels, given.record, given.jobs, given.seed)
    found = recorded(given.record, {"batch": given.batch, "seed": given.seed})
    rows = [row for row in rows if row in found]
    if not rows:
        parser.error(f"{given.record} holds no cell of this batch and seed")
    columns = {name: np.array([found[row].get(name, np.nan) for row in rows]) for name in SCORES}
    print(f"random cells, one batch of {given.batch} CIFAR-10 images, seed {given.seed}")
    took = milliseconds(table, rows[: given.timed], images, labels) if given.timed else {}
    missed = tell(columns, table.accuracies[rows], table.naswot[rows], took)
    if missed:
        print(f"below what is required: {', '.join(missed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
