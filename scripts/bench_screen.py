"""What a screen and zero-cost features are worth to a search, on the table of NAS-Bench-201.

    python scripts/bench_screen.py TABLES IMAGES [--cells N] [--screen N] [--seeds N] [--budget N]

TABLES and IMAGES as in verify_zero_cost.py. `--cells` random cells are scored on a batch of real images (a
record keeps the scores, so that the same command goes on); a screen of each seed looks at `--screen` of them.
Accuracies come from the table. A variant is a sampler, with `+screen` or `+features` behind it; printed is
the share of the true front's hypervolume at 10, 25, 50 and 100 networks: mean and standard error over seeds,
and the paired difference to the sampler alone with its 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import torch

from nasearch.measure import describe_device
from nasearch.measure.table import load_table
from nasearch.measure.zero_cost import score_architectures
from nasearch.measure.zero_cost.promise import SCREEN_SCORES, by_promise
from nasearch.samplers import SAMPLERS, Knowledge, make_sampler
from nasearch.study.bench_problem import Problem, make_problem
from nasearch.study.bench_search import score_curve
from nasearch.study.screening import SHARE
from scripts.verify_zero_cost import CLASSES, Table, batch_of, recorded

CHECKPOINTS = (10, 25, 50, 100)
VARIANTS = ("random", "random+screen", "surrogate", "surrogate+screen", "tpe", "tpe+screen")


class Scored:
    """Scores of cells by row, made where the record lacks them."""

    def __init__(self, tables: Path, images: Path, record: Path, batch: int) -> None:
        self._cells = Table(tables / "nasbench201_cifar10.npz")
        self._images, self._labels = batch_of(images, batch)
        self._record, self._given = record, {"batch": batch, "seed": 0}
        self._keys: dict[str, dict[str, float]] = {}
        self.rows: dict[int, dict[str, float]] = {}
        for row, scores in recorded(record, self._given).items():
            if set(SCREEN_SCORES) <= set(scores):
                self._take(row, {name: scores[name] for name in SCREEN_SCORES})

    def __call__(self, row: int) -> dict[str, float]:
        """The scores of a row."""
        if row not in self.rows:
            architecture = self._cells.architecture(row)
            scores = self._keys.get(architecture.key)
            if scores is None:
                (scores,) = score_architectures(
                    [architecture], self._images, self._labels, CLASSES, SCREEN_SCORES
                )
            self._take(row, scores)
            with self._record.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"row": row, "given": self._given, "scores": scores}) + "\n")
        return self.rows[row]

    def _take(self, row: int, scores: dict[str, float]) -> None:
        self.rows[row] = scores
        self._keys[self._cells.architecture(row).key] = scores

    def feature(self, row: int) -> list[float]:
        """As a study tells them to its sampler: no signal is the lowest score there is."""
        lowest = {
            name: min(scores[name] for scores in self.rows.values() if scores[name] > -math.inf)
            for name in SCREEN_SCORES
        }
        return [max(value, lowest[name]) for name, value in self(row).items()]


def screened(problem: Problem, scored: Scored, pool: Sequence[int], begins: int | None) -> list[int]:
    """The rows that a screen of these rows keeps, in their order."""
    columns = {name: [scored(row)[name] for row in pool] for name in SCREEN_SCORES}
    order = by_promise(columns, problem.values[list(pool), 1:])
    most = max(1, math.floor(SHARE * len(pool)))
    kept = [pool[i] for i in order[: most if begins is None else min(most, begins)]]
    return [row for row in kept if -math.inf not in scored(row).values()]


def search(
    problem: Problem, knowledge: Knowledge, scored: Scored, variant: str, seed: int, budget: int, looked: int
) -> list[float]:
    """The hypervolume at each checkpoint."""
    sampler, _, extra = variant.partition("+")
    table = problem.table
    first: list[int] = []
    if extra == "screen":
        rows = np.random.default_rng(1000 + seed).choice(sorted(scored.rows), looked, replace=False)
        first = screened(problem, scored, rows.tolist(), SAMPLERS[sampler].begins)

    def features(params: Mapping[str, object]) -> list[float]:
        row = table.find(params)  # type: ignore[arg-type]
        assert row is not None
        return scored.feature(row)

    if extra == "features":
        knowledge = replace(knowledge, features=features)
    study = optuna.create_study(directions=["maximize", "minimize"])
    found: list[int] = []
    number = 0
    while len(found) < budget:
        if first:
            study.enqueue_trial(table.params(first.pop(0)))
        study.sampler = make_sampler(sampler, seed, number, knowledge)
        trial = study.ask()
        row = table.find(table.propose(lambda name, values, t=trial: t.suggest_categorical(name, values)))  # type: ignore[misc]
        number += 1
        assert row is not None
        study.tell(trial, problem.values[row].tolist())
        if row not in found:
            found.append(row)
    curve = score_curve(problem, found)
    return [float(curve[count - 1]) for count in CHECKPOINTS if count <= budget]


def difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Mean of the paired difference, with percentiles of its bootstrap."""
    gap = ours - theirs
    drawn = gap[np.random.default_rng(0).integers(0, len(gap), (10_000, len(gap)))].mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return f"{gap.mean():+.4f} ({low:+.4f} to {high:+.4f})"


def main() -> None:
    """Score, search and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", type=Path, metavar="TABLES", help="folder of nasbench201_cifar10.npz")
    parser.add_argument("images", type=Path, metavar="IMAGES", help="npz file with CIFAR-10 images")
    parser.add_argument("--cells", type=int, default=800, help="random cells to score")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--screen", type=int, default=400, help="of those, how many a screen looks at")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--variant", action="append", help="repeatable; those of a screen if not given")
    parser.add_argument("--record", type=Path, default=Path("screen.jsonl"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = load_table(given.tables / "nasbench201_cifar10.npz")
    problem = make_problem(table)
    knowledge = problem.knowledge()
    scored = Scored(given.tables, given.images, given.record, given.batch)
    for row in np.random.default_rng(0).permutation(len(table))[: given.cells].tolist():
        scored(row)
    device = describe_device("cpu")
    print(f"{device['name']}, torch {device['torch']}; {len(scored.rows)} cells scored by ", end="")
    print(f"{', '.join(SCREEN_SCORES)}, batch {given.batch}; screens of {given.screen}; {given.seeds} seeds")
    reached: dict[str, np.ndarray] = {}
    for variant in given.variant or VARIANTS:
        began = time.monotonic()
        curves = [
            search(problem, knowledge, scored, variant, seed, given.budget, given.screen)
            for seed in range(given.seeds)
        ]
        reached[variant] = np.array(curves)
        mean, spread = reached[variant].mean(0), reached[variant].std(0, ddof=1) / math.sqrt(given.seeds)
        text = " ".join(f"{m:.4f} ±{s:.4f}" for m, s in zip(mean, spread, strict=True))
        alone = reached.get(variant.partition("+")[0])
        if "+" in variant and alone is not None:
            gaps = [difference(reached[variant][:, i], alone[:, i]) for i in range(len(mean))]
            text += "  difference " + " ".join(gaps)
        print(f"{variant:20} {text}  {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
