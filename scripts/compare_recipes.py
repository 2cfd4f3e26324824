"""Compare variants of a training recipe by validation accuracy; the test split is not read.

    python scripts/compare_recipes.py proxy "" epochs=1 "batch_size=64" "crop_padding=2 flip=true"

Each variant is a text of changes to the recipe's fields, "" for the recipe as it is. Every variant trains the
same random networks of a space with the same seeds, in turn. Prints a table: mean accuracy and its standard
deviation over networks and seeds, the mean difference to the first variant with its standard error over the
pairs, and seconds a training.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout that this script belongs to

from nasearch import SearchSpace
from nasearch.data import load
from nasearch.measure import describe_device
from nasearch.measure.trained import train_proxy
from nasearch.training import RECIPES
from scripts.recipe_tools import networks, variant


@click.command(help=__doc__)
@click.argument("recipe", type=click.Choice(sorted(RECIPES)))
@click.argument("changes", nargs=-1, required=True)
@click.option("--space", default="mobile", show_default=True)
@click.option("--data", default="fashion-mnist-12k", show_default=True)
@click.option("--networks", "count", default=4, show_default=True, help="Random networks of the space.")
@click.option("--seeds", default=2, show_default=True, help="Trainings of each network.")
@click.option("--device", default="cpu", show_default=True)
def main(
    recipe: str, changes: tuple[str, ...], space: str, data: str, count: int, seeds: int, device: str
) -> None:
    """Train every variant and print the table."""
    dataset = load(data)
    chosen = networks(SearchSpace.load(space), dataset, count)
    recipes = [variant(RECIPES[recipe], text) for text in changes]
    accuracies = np.zeros((len(recipes), count * seeds))
    seconds = np.zeros_like(accuracies)
    for column, (architecture, seed) in enumerate(product(chosen, range(seeds))):
        for row, each in enumerate(recipes):
            result = train_proxy(architecture, dataset, each, device=device, seed=seed)
            accuracies[row, column], seconds[row, column] = result.accuracy, result.seconds
    about = describe_device(device)
    print(f"{recipe} on {data}: {count} networks of {space} x {seeds} seeds, {about['name']}, ", end="")
    print(f"{torch.get_num_threads()} thread(s), torch {torch.__version__}")
    print("| change | accuracy | sd | against the first | s |")
    print("| --- | --- | --- | --- | --- |")
    for row, text in enumerate(changes):
        gap = accuracies[row] - accuracies[0]
        error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else float("nan")
        against = f"{gap.mean():+.3f} ± {error:.3f}" if row else ""
        print(
            f"| {text or 'as it is'} | {accuracies[row].mean():.3f} | {accuracies[row].std(ddof=1):.3f} "
            f"| {against} | {seconds[row].mean():.1f} |"
        )


if __name__ == "__main__":
    main()
