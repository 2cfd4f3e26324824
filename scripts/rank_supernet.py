"""How well a supernet ranks the networks of its space, against a table or against trainings of their own.

    python scripts/rank_supernet.py FOLDER --space nasbench201 --data npz:cifar10_small.npz --val-share 0.1 \
        --table nasbench201_cifar10.npz --column c10_test_200 --beside supernet_oneshot_c10
    python scripts/record_curves.py curves.jsonl proxy --networks 60
    python scripts/rank_supernet.py FOLDER --space mobile --data fashion-mnist-12k --trained curves.jsonl

Trains the supernet, judges random networks by the weights that they inherit, on the validation split,
and prints Kendall's tau-b with what the networks reach: overall, and the partial tau with MACs held fixed,
each with a 95 % bootstrap interval over the networks. The cross-entropy (less is better), MACs, parameters
and further columns of the table stand beside. With `--trained` the networks are those that the file holds,
and what they reach is the last accuracy of the recipe there.

Everything is kept in FOLDER, so that the same command goes on. Seconds are wall-clock; those of the
processor stand beside, which other work on the machine disturbs little.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout that this script belongs to

from nasearch import Architecture, SearchSpace, Supernet, architecture_cost
from nasearch.data import Dataset, load
from nasearch.measure import describe_device
from nasearch.measure.extremes import cheapest, dearest
from nasearch.measure.table import load_table
from nasearch.pareto import kendall, partial_kendall
from nasearch.training import RECIPES, Recipe
from nasearch.training.batches import TrainingData
from nasearch.training.supernet import SupernetPoint, inherited, train_supernet
from scripts.recipe_tools import networks, variant

CPU = torch.device("cpu")
ENUMERATED = 500
"""Networks of a space up to which its ends are looked for among all, as studies do."""


@dataclass(frozen=True)
class Truth:
    """What networks reach by themselves.

    Attributes:
        architectures: the networks, each once.
        reached: (networks,) accuracies.
        about: where they are from.
        beside: further columns by name, (networks,) each.
    """

    architectures: list[Architecture]
    reached: np.ndarray
    about: str
    beside: dict[str, np.ndarray]


def from_table(
    space: SearchSpace, dataset: Dataset, file: Path, column: str, beside: tuple[str, ...], count: int
) -> Truth:
    """Random networks of a space and their rows in a table.

    Raises:
        KeyError: for a column that the table lacks, or a network without a row.
    """
    table = load_table(file)
    architectures = networks(space, dataset, count)
    rows = []
    for each in architectures:
        row = table.find(dict(each.decisions))
        if row is None:
            raise KeyError(f"{file}: no row of {each.label}")
        rows.append(row)
    columns = {name: table.columns[name][rows] for name in (column, *beside)}
    return Truth(architectures, columns.pop(column), f"{column} of {file.name}", columns)


def from_trainings(space: SearchSpace, dataset: Dataset, file: Path, recipe: str, count: int) -> Truth:
    """Those of the networks that `record_curves.py` drew that have been trained by a recipe."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["recipe"] == recipe and row["space"] == space.name and row["curve"]:
            found[row["key"]] = row["curve"][-1][1]
    trained = [each for each in networks(space, dataset, count) if each.key in found]
    reached = np.array([found[each.key] for each in trained])
    return Truth(trained, reached, f"trainings by the recipe {recipe}, validation accuracy", {})


@dataclass(frozen=True)
class Record:
    """Lines of JSON that are kept."""

    file: Path

    def read(self) -> Iterator[dict[str, Any]]:
        """Every whole line."""
        text = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        for line in text.splitlines():
            if line.endswith("}"):  # a kill cuts the last one
                yield json.loads(line)

    def add(self, row: dict[str, Any]) -> None:
        """One more line."""
        before = self.file.read_bytes() if self.file.exists() else b""
        is_whole = not before or before.endswith(b"\n")  # a kill may have cut the last line
        with self.file.open("a", encoding="utf-8") as out:
            out.write(("" if is_whole else "\n") + json.dumps(row) + "\n")


def claim(folder: Path, given: dict[str, Any]) -> None:
    """Note whose supernet a folder holds.

    Raises:
        UsageError: if it is another one's.
    """
    record = Record(folder / "given.jsonl")
    for known in record.read():
        if known != given:
            raise click.UsageError(
                f"{folder} holds another supernet; expected the settings in {record.file}, or a new folder"
            )
        return
    record.add(given)


def clock() -> Callable[[], float]:
    """Processor seconds since the last call."""
    last = time.process_time()

    def lap() -> float:
        nonlocal last
        before, last = last, time.process_time()
        return last - before

    return lap


def trained_supernet(
    space: SearchSpace, dataset: Dataset, recipe: Recipe, folder: Path, seed: int, precision: str
) -> Supernet:
    """The supernet after the last epoch, taken up where the folder has it; each epoch is recorded there."""
    torch.manual_seed(seed)
    supernet = Supernet(space, dataset.num_classes, dataset.in_channels)
    ends = [
        find(space, "params", dataset.input_shape, dataset.num_classes, enumerated=ENUMERATED).architecture
        for find in (dearest, cheapest)
    ]
    record, lap = Record(folder / "epochs.jsonl"), clock()

    def on_epoch(point: SupernetPoint) -> None:
        record.add({"epoch": point.epoch, "seconds": point.seconds, "cpu_seconds": lap()})
        print(
            f"epoch {point.epoch}/{recipe.epochs}: loss {point.train_loss:.3f}, largest "
            f"{point.largest_accuracy:.3f}, {point.seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )

    train_supernet(
        supernet,
        dataset,
        recipe,
        largest=ends[0],
        smallest=ends[1],
        seed=seed,
        precision=precision,
        on_epoch=on_epoch,
        checkpoint=folder / "supernet.pt",
    )
    return supernet


def judged(
    supernet: Supernet, architectures: list[Architecture], data: TrainingData, record: Record
) -> np.ndarray:
    """(networks, 2) inherited accuracies and cross-entropies, those that the record lacks judged now."""
    known = {row["key"]: (row["accuracy"], row["loss"]) for row in record.read()}
    lap = clock()
    for architecture in architectures:
        if architecture.key not in known:
            began = time.perf_counter()
            accuracy, loss = inherited(supernet, architecture, data)
            seconds = time.perf_counter() - began
            found = {"accuracy": accuracy, "loss": loss, "seconds": seconds, "cpu_seconds": lap()}
            record.add({"key": architecture.key, **found})
            known[architecture.key] = accuracy, loss
    return np.array([known[each.key] for each in architectures])


def spent(record: Record) -> tuple[int, float, float]:
    """Lines, wall-clock and processor seconds; the wall-clock of a training counts up by itself."""
    rows = list(record.read())
    counts_up = bool(rows) and "epoch" in rows[0]
    wall = max((row["seconds"] for row in rows), default=0.0)
    if not counts_up:
        wall = sum(row["seconds"] for row in rows)
    return len(rows), wall, sum(row["cpu_seconds"] for row in rows)


def table_of(columns: dict[str, np.ndarray], reached: np.ndarray) -> list[str]:
    """A line for each column (networks,): tau with what networks reach, and the partial tau given MACs."""
    lines = [f"{'ranked by':24} {'tau (95 %)':26} {'partial tau given MACs (95 %)':30} {'tau with MACs':>13}"]
    for name, column in columns.items():
        partial = "" if name == "macs" else partial_kendall(column, reached, columns["macs"]).text
        with_macs = kendall(column, columns["macs"]).value
        lines.append(f"{name:24} {kendall(column, reached).text:26} {partial:30} {with_macs:13.2f}")
    return lines


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--space", "space_name", default="nasbench201", show_default=True)
@click.option("--data", "data_name", default="fashion-mnist-12k", show_default=True)
@click.option("--val-share", default=0.2, show_default=True)
@click.option("--side", type=int, help="Pixels to which images are scaled; not at all if not given.")
@click.option(
    "--recipe", "text", default="supernet", show_default=True, help="With changes: supernet epochs=20."
)
@click.option("--precision", default="float32", show_default=True)
@click.option("--networks", "count", default=200, show_default=True, help="Random networks that are judged.")
@click.option("--seed", default=0, show_default=True, help="Of the supernet and its training.")
@click.option("--threads", default=1, show_default=True)
@click.option("--table", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--column", default="c10_test_200", show_default=True, help="Of the table: what networks reach."
)
@click.option("--beside", multiple=True, help="Further columns of the table to rank by.")
@click.option("--trained", type=click.Path(exists=True, path_type=Path), help="Of record_curves.py.")
@click.option(
    "--by", default="proxy", show_default=True, help="Recipe in that file that networks are held against."
)
def main(
    folder: Path,
    space_name: str,
    data_name: str,
    val_share: float,
    side: int | None,
    text: str,
    precision: str,
    count: int,
    seed: int,
    threads: int,
    table: Path | None,
    column: str,
    beside: tuple[str, ...],
    trained: Path | None,
    by: str,
) -> None:
    """Train, judge, compare."""
    if (table is None) == (trained is None):
        raise click.UsageError("expected either --table or --trained")
    torch.set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    space, dataset = SearchSpace.load(space_name), load(data_name, val_share=val_share, image_size=side)
    name, _, changes = text.partition(" ")
    recipe = variant(RECIPES[name], changes)
    given = {"space": space.text, "data": dataset.fingerprint, "recipe": recipe.to_dict()}
    claim(folder, {**given, "precision": precision, "seed": seed})
    if table is not None:
        truth = from_table(space, dataset, table, column, beside, count)
    else:
        assert trained is not None
        truth = from_trainings(space, dataset, trained, by, count)
    supernet = trained_supernet(space, dataset, recipe, folder, seed, precision)
    data = TrainingData(dataset, recipe, CPU, seed)
    accuracies, losses = judged(supernet, truth.architectures, data, Record(folder / "inherited.jsonl")).T
    costs = [
        architecture_cost(each, dataset.input_shape, dataset.num_classes) for each in truth.architectures
    ]
    columns = {
        "inherited accuracy": accuracies,
        "inherited cross-entropy": -losses,
        "macs": np.array([cost.macs for cost in costs], dtype=float),
        "params": np.array([cost.params for cost in costs], dtype=float),
        **truth.beside,
    }
    device = describe_device("cpu")
    height, width = dataset.input_shape[1:]
    least, most = accuracies.min(), accuracies.max()
    print(f"{space.name}; {dataset.about}")
    print(f"{len(dataset.train):,} images to learn, {len(dataset.val):,} to judge, {height}x{width}")
    print(f"recipe {text}, {precision}, seed {seed}")
    print(f"{threads} threads of {device['name']}, torch {device['torch']}")
    for what, file in (("training: epochs", "epochs"), ("judging: networks", "inherited")):
        n, wall, processor = spent(Record(folder / f"{file}.jsonl"))
        print(f"{what} {n}, {wall:.0f} s, of the processor {processor:.0f} s")
    print(f"inherited accuracy {least:.3f} to {most:.3f}, mean {accuracies.mean():.3f}")
    print(f"against {truth.about}, {len(truth.architectures)} random networks\n")
    print("\n".join(table_of(columns, truth.reached)))


if __name__ == "__main__":
    main()
