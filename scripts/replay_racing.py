"""Replay recorded learning curves with racing on and off, in random orders.

    python scripts/record_curves.py curves.jsonl "proxy" --networks 160
    python scripts/replay_racing.py curves.jsonl

Each order draws candidates without replacement, as a random search would. Without racing every one is
trained to the top; with it the study's own rules (`nasearch.study.race`) decide, candidate after
candidate, on what the earlier ones showed. Prints the share of the epochs that racing spends, and the
difference of the final fronts' hypervolumes, relative to racing off: mean over the orders with its 95 %
interval, and the worst orders. The reference point is the error of guessing and the dearest network of
the file, as in a study without limits; a tighter one, 30 % error, is printed beside it, since it shows
losses at the top more sharply.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from nasearch.pareto import hypervolume, parse_objectives
from nasearch.study.race import Race, rungs_of

OBJECTIVES = parse_objectives(["accuracy", "macs"])


def volume(rows: list[tuple[float, float]], corner: tuple[float, float]) -> float:
    """Hypervolume of (accuracy, MACs) rows."""
    return hypervolume([(1 - accuracy, macs) for accuracy, macs in rows], corner)


def race_through(
    curves: list[tuple[dict[int, float], float]], rungs: tuple[int, ...]
) -> tuple[list[tuple[float, float]], int]:
    """Race candidates one after another: rows of those that reached the top, and the epochs spent."""
    race, finished, spent = Race(rungs, OBJECTIVES), [], 0
    for curve, macs in curves:
        values, seen = {"macs": macs}, {}
        for rung in rungs:
            seen[rung] = curve[rung]
            if not race.judge(values, seen).goes_on:
                break
        spent += max(seen)
        if rungs[-1] in seen:
            finished.append((seen[rungs[-1]], macs))
        race.note({**values, "accuracy": seen[rungs[-1]]} if rungs[-1] in seen else values, seen)
    return finished, spent


@click.command(help=__doc__)
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", help="Of the curves to replay; the file's first if not given.")
@click.option("--budget", default=50, show_default=True, help="Candidates of a search.")
@click.option("--orders", default=400, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--classes", default=10, show_default=True)
def main(file: Path, recipe: str | None, budget: int, orders: int, seed: int, classes: int) -> None:
    """Replay and print."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    recipe = recipe or rows[0]["recipe"]
    rows = [row for row in rows if row["recipe"] == recipe and row["curve"]]
    curves = [({int(epoch): value for epoch, value in row["curve"]}, float(row["macs"])) for row in rows]
    top = max(curves[0][0])
    rungs = rungs_of(top)
    dearest = max(macs for _, macs in curves)
    corners = {"guessing": (1 - 1 / classes, dearest), "30 % error": (0.3, dearest)}
    generator = np.random.default_rng(seed)
    shares: list[float] = []
    gaps: dict[str, list[float]] = {name: [] for name in corners}
    for _ in range(orders):
        order = [curves[i] for i in generator.permutation(len(curves))[:budget]]
        finished, spent = race_through(order, rungs)
        shares.append(spent / (top * len(order)))
        for name, corner in corners.items():
            whole = volume([(curve[top], macs) for curve, macs in order], corner)
            gaps[name].append(volume(finished, corner) / whole - 1)
    print(f"{len(curves)} curves of {recipe!r}, rungs {rungs}, {orders} orders of {budget} candidates")
    low, high = np.quantile(shares, [0.025, 0.975])
    print(f"epochs spent: {np.mean(shares):.3f} of racing off (95 % of the orders {low:.3f} to {high:.3f})")
    for name, gap in gaps.items():
        error = np.std(gap, ddof=1) / np.sqrt(orders)
        mean, worst = float(np.mean(gap)), float(np.quantile(gap, 0.05))
        print(
            f"hypervolume, reference {name}: {mean:+.4f} (95 % interval of the mean "
            f"{mean - 1.96 * error:+.4f} to {mean + 1.96 * error:+.4f}; 5 % of the orders below {worst:+.4f})"
        )


if __name__ == "__main__":
    main()
