"""Train random networks of a space by several recipes and keep every learning curve, as lines of JSON.

    python scripts/record_curves.py curves.jsonl full "proxy epochs=3" --networks 40

A recipe is the name of a built-in one, followed by changes of its fields. Every recipe trains the same
networks, which are drawn once by seed and keep the space's limits, each as a study of seed 0 would train
it. Validation accuracy is read at the rungs that a study would race over; the test split is not touched.
Runs on as many single-threaded processes as asked for. What stands in the file already is not trained
again, so a run can be interrupted and taken up, and a larger `--networks` adds to it. Seconds are of
processor time, which other work on the machine disturbs little.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from pathlib import Path

import click
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout that this script belongs to

from nasearch import Architecture, SearchSpace, architecture_cost
from nasearch.data import load
from nasearch.errors import TrainingError
from nasearch.measure.trained import train_proxy
from nasearch.study.race import rungs_of
from nasearch.study.search import training_seed
from nasearch.training import RECIPES, Recipe
from scripts.recipe_tools import networks, variant


def recipe_of(text: str) -> Recipe:
    """The recipe of a text such as `proxy epochs=9 flip=true`."""
    name, _, changes = text.partition(" ")
    return variant(RECIPES[name], changes)


def record(job: tuple[str, str, str, int, str]) -> str:
    """Train one network by one recipe; a line of JSON."""
    torch.set_num_threads(1)
    data, space, recipe_text, seed, architecture_text = job
    dataset, architecture = load(data), Architecture.from_json(architecture_text)
    cost = architecture_cost(architecture, dataset.input_shape, dataset.num_classes)
    began = time.process_time()
    try:
        recipe = recipe_of(recipe_text)
        result = train_proxy(
            architecture,
            dataset,
            recipe,
            seed=training_seed(seed, architecture.key),
            evaluate_at=rungs_of(recipe.epochs),
        )
        curve, problem = [[point.epoch, point.val_accuracy] for point in result.curve], None
    except TrainingError as error:
        curve, problem = [], str(error)
    return json.dumps(
        {
            "data": data,
            "space": space,
            "recipe": recipe_text,
            "seed": seed,
            "key": architecture.key,
            "label": architecture.label,
            "params": cost.params,
            "macs": cost.macs,
            "curve": curve,
            "problem": problem,
            "cpu_seconds": round(time.process_time() - began, 3),
        }
    )


@click.command(help=__doc__)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("recipes", nargs=-1, required=True)
@click.option("--space", default="mobile", show_default=True)
@click.option("--data", default="fashion-mnist-12k", show_default=True)
@click.option("--networks", "count", default=40, show_default=True, help="Random networks of the space.")
@click.option("--seed", default=0, show_default=True, help="Of trainings, as a study's seed.")
@click.option("--draw", default=0, show_default=True, help="Seed of the draw of networks.")
@click.option("--processes", default=2, show_default=True)
def main(
    file: Path,
    recipes: tuple[str, ...],
    space: str,
    data: str,
    count: int,
    seed: int,
    draw: int,
    processes: int,
) -> None:
    """Record what is missing."""
    for text in recipes:
        recipe_of(text)  # a mistake shows before the first hour
    known = set()
    if file.exists():
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        known = {(row["recipe"], row["key"], row["seed"]) for row in rows}
    chosen = networks(SearchSpace.load(space), load(data), count, draw)
    jobs = [
        (data, space, text, seed, architecture.to_json())
        for text in recipes
        for architecture in chosen
        if (text, architecture.key, seed) not in known
    ]
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool, file.open("a", encoding="utf-8") as out:
        for done, line in enumerate(pool.imap_unordered(record, jobs), 1):
            out.write(line + "\n")
            out.flush()
            row = json.loads(line)
            print(
                f"[{done}/{len(jobs)}] {row['recipe']}: {row['label'][:50]} {row['curve'][-1:]}", flush=True
            )


if __name__ == "__main__":
    main()
