"""How well short trainings rank networks: Kendall's tau with the full training, for the seconds they take.

    python scripts/record_curves.py curves.jsonl full proxy "proxy epochs=3 images=4096" --networks 20
    python scripts/rank_recipes.py curves.jsonl

Reads lines that `record_curves.py` wrote. For each recipe, and each epoch that was validated in it,
prints tau-b with the accuracy after the full training over the networks that have both, its 95 %
bootstrap interval over the networks, and the processor seconds of a training, scaled to the epoch. The
costs stand beside: a proxy that ranks no better than MACs is worth nothing. All accuracies are of the
validation split.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout that this script belongs to

from nasearch.pareto import kendall

Row = dict[str, Any]


@click.command(help=__doc__)
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--truth", default="full", show_default=True, help="Recipe that the others are held against.")
def main(file: Path, truth: str) -> None:
    """Print the table."""
    by_recipe: dict[str, dict[str, Row]] = defaultdict(dict)
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["curve"]:
            by_recipe[row["recipe"]][row["key"]] = row
    final = {key: row["curve"][-1][1] for key, row in by_recipe.pop(truth).items()}
    print("| recipe | epoch | networks | tau | 95 % interval | processor s |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = next(iter(by_recipe.values()))
    for cost in ("macs", "params"):
        keys = [key for key in final if key in rows]
        show(
            cost, "", np.array([rows[key][cost] for key in keys]), np.array([final[key] for key in keys]), ""
        )
    for recipe, rows in by_recipe.items():
        keys = [key for key in final if key in rows]
        goal = np.array([final[key] for key in keys])
        last = rows[keys[0]]["curve"][-1][0]
        for place, (epoch, _) in enumerate(rows[keys[0]]["curve"]):
            reached = np.array([rows[key]["curve"][place][1] for key in keys])
            seconds = np.mean([rows[key]["cpu_seconds"] for key in keys]) * epoch / last
            show(recipe, str(epoch), reached, goal, f"{seconds:.1f}")


def show(recipe: str, epoch: str, reached: np.ndarray, goal: np.ndarray, seconds: str) -> None:
    """A row of the table."""
    found = kendall(reached, goal)
    interval = "too few" if found.low is None else f"{found.low:.2f} to {found.high:.2f}"
    print(f"| {recipe} | {epoch} | {found.n} | {found.value:.2f} | {interval} | {seconds} |")


if __name__ == "__main__":
    main()
