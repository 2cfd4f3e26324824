"""Compare nasearch's proxy training with the training of a plain script: candidates a minute, and accuracy.

    python scripts/bench_proxy.py
    python scripts/bench_proxy.py --data npz:cifar10.npz --device cuda --json proxy.json

The same random networks of a space, the same images, epochs and seeds, in turn on the same machine:
`plain_search.train_plain` (DataLoader with two workers, torchvision's transforms per sample, float32, AdamW),
then nasearch one candidate at a time with all cores; and after each round of networks a study of the same
networks as `nasearch run` does it by default, its workers side by side, but without racing. All of them
train every epoch; the first two validate at the end only. For the study the time from the first candidate's
start to the last one's end counts; what comes before, a few seconds once in a run, is printed apart. A study
of few networks takes fewer workers than one of many: `--networks` and `--workers` change that.

Prints the ratio of the seconds with a 95 % interval (bootstrap over networks, then seeds) and the difference
in accuracy, nasearch - plain in points (percent), with its 95 % interval by Student's t over the pairs of
network and seed, and over the means of the seeds. The test split is not read.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout that this script belongs to

import nasearch as nas
from nasearch.data import Dataset, load
from nasearch.measure.trained import train_proxy
from nasearch.store import Store
from nasearch.study.proxies.trained import proxy_recipe
from nasearch.study.settings import StudySettings
from nasearch.training import Recipe
from scripts.bench_tools import (
    Interval,
    arrays_of,
    left_out,
    machine,
    machine_line,
    mean_interval,
    ratio_interval,
    set_threads,
)
from scripts.plain_search import Arrays, Numbers, train_plain
from scripts.recipe_tools import networks

TARGET_CPU, TARGET_GPU = 1.6, 10.0
TARGET_POINTS = -0.5


@dataclass(frozen=True)
class Pair:
    """One network with one seed, trained by both."""

    network: int
    seed: int
    plain_seconds: float
    seconds: float
    plain_accuracy: float
    accuracy: float


@dataclass(frozen=True)
class Round:
    """One study of all networks side by side."""

    seed: int
    seconds: float
    starting_seconds: float
    candidates: int


def plain_once(
    architecture: nas.Architecture, arrays: Arrays, recipe: Recipe, seed: int, device: str
) -> tuple[float, float]:
    """Seconds and accuracy of the plain training, from the same initial weights as nasearch's."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    model = nas.build(architecture, num_classes=arrays.classes, in_channels=arrays.shape[0])
    accuracy = train_plain(model, arrays, Numbers.of(recipe.to_dict()), seed, device)
    return time.perf_counter() - began, accuracy


def proxy_once(
    architecture: nas.Architecture,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    device: str,
) -> tuple[float, float]:
    """Seconds and accuracy of nasearch's proxy; both sides validate after the last epoch only."""
    began = time.perf_counter()
    result = train_proxy(
        architecture, dataset, recipe, device=device, seed=seed, evaluate_at=(recipe.epochs,)
    )
    return time.perf_counter() - began, result.accuracy


def pairs(
    chosen: Sequence[nas.Architecture],
    dataset: Dataset,
    arrays: Arrays,
    recipe: Recipe,
    seed: int,
    device: str,
) -> Iterator[Pair]:
    """Train every network with a seed, plain and nasearch in turn."""
    for row, architecture in enumerate(chosen):
        plain_seconds, plain_accuracy = plain_once(architecture, arrays, recipe, seed, device)
        seconds, accuracy = proxy_once(architecture, dataset, recipe, seed, device)
        yield Pair(row, seed, plain_seconds, seconds, plain_accuracy, accuracy)


def side_by_side(
    chosen: Sequence[nas.Architecture],
    space: nas.SearchSpace,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    device: str,
    folder: Path,
    workers: int | None,
) -> Round:
    """Search a study that proposes exactly these networks; without a number of workers by its default."""
    import optuna

    storage = f"sqlite:///{folder}/{seed}.db"
    began = time.time()
    with nas.Study.create(
        "bench",
        space=space,
        data=dataset,
        sampler="random",
        epochs=recipe.epochs,
        images=recipe.images,
        seed=seed,
        storage=storage,
        device=device,
        out=folder,
        racing=False,
        workers=workers,
    ) as study:
        with Store.open(storage) as store:
            trials = optuna.load_study(study_name="bench", storage=store.optuna)
            for architecture in chosen:
                trials.enqueue_trial(dict(architecture.decisions))
        study.run(budget=len(chosen))
    with Store.open(storage) as store:
        record = store.find_study("bench")
        assert record is not None
        measured = [entry for entry in store.measurements(record.id) if entry.ended_at is not None]
    done = {entry.key for entry in measured if entry.state == "complete"}
    if done != {architecture.key for architecture in chosen}:
        reasons = {entry.reason for entry in measured if entry.reason} or "another network was proposed"
        raise click.ClickException(f"the study of seed {seed} did not measure every network: {reasons}")
    # when the first one's training began: a candidate is noted before a worker is there to take it
    first = min(
        entry.ended_at.timestamp() - (entry.seconds or 0.0)
        for entry in measured
        if entry.ended_at is not None
    )
    last = max(entry.ended_at.timestamp() for entry in measured if entry.ended_at is not None)
    return Round(seed, last - first, first - began, len(measured))


def speed(found: Sequence[Pair]) -> Interval:
    """How many times sooner nasearch is, one candidate at a time."""
    groups: dict[int, list[float]] = {}
    for pair in found:
        groups.setdefault(pair.network, []).append(pair.plain_seconds / pair.seconds)
    return ratio_interval(list(groups.values()))


def throughput(found: Sequence[Pair], rounds: Sequence[Round]) -> Interval:
    """How many times as many candidates a minute the study measures as the plain script, by round."""
    plain = {
        each.seed: sum(pair.plain_seconds for pair in found if pair.seed == each.seed) for each in rounds
    }
    return ratio_interval([[plain[each.seed] / each.seconds] for each in rounds])


def accuracy_gap(found: Sequence[Pair]) -> tuple[Interval, Interval]:
    """What nasearch has more than the plain script, in points: over the pairs, and over the seeds' means."""
    gaps: dict[int, list[float]] = {}
    for pair in found:
        gaps.setdefault(pair.seed, []).append(100 * (pair.accuracy - pair.plain_accuracy))
    every = [gap for seed in gaps.values() for gap in seed]
    return mean_interval(every), mean_interval([float(np.mean(seed)) for seed in gaps.values()])


def summary(found: Sequence[Pair], rounds: Sequence[Round], device: str) -> list[str]:
    """The lines that are printed in the end."""
    target = TARGET_CPU if device == "cpu" else TARGET_GPU
    over_pairs, over_seeds = accuracy_gap(found)
    lines = ["| | candidates a minute | seconds a candidate, mean ± sd |", "| --- | --- | --- |"]
    for name, seconds in (
        ("plain script", [pair.plain_seconds for pair in found]),
        ("nasearch, one at a time", [pair.seconds for pair in found]),
        ("nasearch, side by side", [each.seconds / each.candidates for each in rounds]),
    ):
        if seconds:
            sd = np.std(seconds, ddof=1) if len(seconds) > 1 else float("nan")
            lines.append(f"| {name} | {60 / np.mean(seconds):.1f} | {np.mean(seconds):.2f} ± {sd:.2f} |")
    lines.append(f"one at a time: {speed(found).text} times as fast")
    if rounds:
        starting = np.mean([each.starting_seconds for each in rounds])
        lines.append(f"side by side: {throughput(found, rounds).text} times as many; target {target:g}")
        lines.append(f"before the first candidate of a study: {starting:.1f} s, not counted above")
    plain, own = (
        100 * np.mean([getattr(pair, name) for pair in found]) for name in ("plain_accuracy", "accuracy")
    )
    lines.append(f"accuracy: {plain:.2f} % plain, {own:.2f} % nasearch")
    lines.append(f"difference in points: {over_pairs.text} over pairs; {over_seeds.text} over seeds")
    lines.append(f"target: lower bound over pairs above {TARGET_POINTS}")
    return lines


@click.command(help=__doc__)
@click.option("--space", default="mobile", show_default=True)
@click.option(
    "--data", default="fashion-mnist-12k", show_default=True, help="A name, folder:PATH or npz:FILE."
)
@click.option("--networks", "count", default=8, show_default=True, help="Random networks within the limits.")
@click.option("--seeds", default=5, show_default=True, help="Trainings of each network by each side.")
@click.option("--first-seed", default=0, show_default=True)
@click.option("--epochs", type=int, help="Of the proxy recipe; its own if not given.")
@click.option("--images", type=int, help="Of the proxy recipe; its own if not given.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--draw", default=0, show_default=True, help="Seed of the draw of networks.")
@click.option("--workers", type=int, help="Of the studies side by side; nasearch's choice if not given.")
@click.option("--alone", is_flag=True, help="Leave out the studies side by side.")
@click.option(
    "--quick", is_flag=True, help="2 small networks, 2 seeds, 1 epoch: whether it works, no figures."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Keep every pair there.")
def main(
    space: str,
    data: str,
    count: int,
    seeds: int,
    first_seed: int,
    epochs: int | None,
    images: int | None,
    device: str,
    draw: int,
    alone: bool,
    workers: int | None,
    quick: bool,
    json_file: Path | None,
) -> None:
    """Train in turn and print."""
    if quick:
        space, count, seeds, epochs, images = "tiny", 2, 2, 1, images or 64
    set_threads()
    dataset = load(data)
    recipe = proxy_recipe(StudySettings(epochs=epochs, images=images), dataset)
    arrays = arrays_of(dataset, recipe.images)
    searched = nas.SearchSpace.load(space)
    chosen = networks(searched, dataset, count, draw)
    print(
        f"{space} on {data}: {count} networks x {seeds} seeds, "
        f"{recipe.epochs} epochs x {recipe.images} images"
    )
    if left_out(recipe):
        print(f"the plain script does without {left_out(recipe)}")
    print(f"{machine_line(device)}; {time.strftime('%Y-%m-%d')}", flush=True)
    # the first of each kind pays for what is loaded lazily
    plain_once(chosen[0], arrays, recipe, 0, device)
    proxy_once(chosen[0], dataset, recipe, 0, device)
    found: list[Pair] = []
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first_seed, first_seed + seeds):
            for pair in pairs(chosen, dataset, arrays, recipe, seed, device):
                found.append(pair)
                print(
                    f"seed {seed} network {pair.network}: plain {pair.plain_seconds:.2f} s "
                    f"{pair.plain_accuracy:.4f}, nasearch {pair.seconds:.2f} s {pair.accuracy:.4f}",
                    flush=True,
                )
            if not alone:
                each = side_by_side(chosen, searched, dataset, recipe, seed, device, Path(folder), workers)
                rounds.append(each)
                print(f"seed {seed} side by side: {each.candidates} in {each.seconds:.2f} s", flush=True)
    print("\n".join(summary(found, rounds, device)))
    if json_file is not None:
        kept = {
            "machine": machine(device),
            "recipe": recipe.to_dict(),
            "networks": [architecture.label for architecture in chosen],
            "pairs": [asdict(pair) for pair in found],
            "rounds": [asdict(each) for each in rounds],
        }
        json_file.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
