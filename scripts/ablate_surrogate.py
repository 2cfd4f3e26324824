"""What each part of the surrogate sampler is worth: searches of a table without it, at equal budget.

    python scripts/ablate_surrogate.py nasbench201_cifar10.npz --seeds 20 --budget 100

Every variant searches the table with the same seeds. Printed are the share of the true front's hypervolume
after 25, 50 and 100 networks, the standard error over seeds, and the paired difference to the whole sampler
with its 95 % interval. Each search is a line of the record, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np
import optuna

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout that this script belongs to

from nasearch.measure.table import load_table
from nasearch.pareto.objectives import Floats
from nasearch.samplers import Knowledge, SurrogateSampler, belief, choose, embedding, proposal, surrogate
from nasearch.samplers.belief import Normal
from nasearch.samplers.domain import Decisions
from nasearch.study.bench_problem import Problem, make_problem
from nasearch.study.bench_search import run_sampler
from scripts.bench_tools import machine_line

AT = (25, 50, 100)
MACHINE = machine_line("cpu")


@contextmanager
def patched(owner: object, name: str, value: object) -> Iterator[None]:
    """An attribute with another value for a while."""
    with mock.patch.object(owner, name, value):
        yield


def informed(change: Callable[[Knowledge], Knowledge], **options: Any) -> Callable[..., SurrogateSampler]:
    """How a sampler is made that knows something else."""
    return lambda seed, known: SurrogateSampler(seed, **options).informed(change(known))


def makers(make: Callable[..., SurrogateSampler]) -> Any:
    """The table of samplers with another surrogate."""
    return mock.patch.dict(choose.MAKERS, {"surrogate": make})


def without_costs(known: Knowledge) -> Knowledge:
    """Costs are learnt like the accuracy."""
    return replace(known, known={})


def without_traits(known: Knowledge) -> Knowledge:
    """Nothing is known of how networks hang together."""
    return replace(known, traits=None)


def chance(self: SurrogateSampler, *given: Any) -> Decisions:
    """A first design of random draws."""
    domain, _, seen, _, generator = given
    return self._draw_new(domain, generator, seen)


def thompson(self: Normal, levels: Floats) -> Floats:
    """Gains of one draw from each network's posterior in the place of their expectation."""
    draws = np.random.default_rng(abs(hash(self.mean.tobytes())) % 2**32).standard_normal(len(self.mean))
    loss = self._shift + np.exp(self.mean + self.deviation * draws)
    return np.asarray(np.maximum(levels - loss[:, None], 0.0), dtype=np.float64)


def certain(self: Normal, levels: Floats) -> Floats:
    """Gains as if the expectation were sure."""
    return np.asarray(np.maximum(levels - (self._shift + np.exp(self.mean))[:, None], 0.0), dtype=np.float64)


WITH_COSTS = proposal.Axis.__call__


def without_costs_in_kernel(axis: proposal.Axis, numbers: Floats) -> Floats:
    """No coordinate of a cost; traits, which have no logarithmic axis, stay."""
    return np.zeros((len(numbers), 0)) if axis._logs.any() else WITH_COSTS(axis, numbers)


VARIANTS: dict[str, Callable[[], Any]] = {
    "whole": lambda: patched(surrogate, "FIRST", surrogate.FIRST),
    "costs not known": lambda: makers(informed(without_costs)),
    "no traits in the kernel": lambda: makers(informed(without_traits)),
    "random first design": lambda: patched(SurrogateSampler, "_spread", chance),
    "first design of 5": lambda: patched(surrogate, "FIRST", 5),
    "first design of 20": lambda: patched(surrogate, "FIRST", 20),
    "no counts in the kernel": lambda: patched(embedding, "MOST_COUNTS", 0),
    "no costs in the kernel": lambda: patched(proposal.Axis, "__call__", without_costs_in_kernel),
    "plain axis of the error": lambda: patched(belief, "HEADROOM", 1e4),
    "Thompson draws": lambda: patched(Normal, "gains", thompson),
    "no doubt (means alone)": lambda: patched(Normal, "gains", certain),
    "no second round": lambda: patched(surrogate, "NEAR", 0),
}


def curves(problem: Problem, name: str, seeds: int, budget: int, record: Path) -> Floats:
    """(seeds, budget) scores of a variant; those that the record has are not searched again."""
    known: dict[tuple[str, int], list[float]] = {}
    if record.exists():
        for line in record.read_text().splitlines():
            row: Mapping[str, Any] = json.loads(line)
            known[row["variant"], row["seed"]] = row["curve"]
    for seed in range(seeds):
        if len(known.get((name, seed), ())) < budget:
            with VARIANTS[name]():
                run = run_sampler(problem, "surrogate", seed, budget)
            known[name, seed] = [float(value) for value in run.score]
            with record.open("a") as file:
                file.write(json.dumps({"variant": name, "seed": seed, "curve": known[name, seed]}) + "\n")
    return np.array([known[name, seed][:budget] for seed in range(seeds)])


@click.command(help=__doc__, context_settings={"max_content_width": 100})
@click.argument("table", type=click.Path(exists=True, dir_okay=False))
@click.option("--seeds", default=20, show_default=True)
@click.option("--budget", default=100, show_default=True)
@click.option(
    "--record", type=click.Path(path_type=Path), help="studies/ablation-<table>.jsonl if not given."
)
def main(table: str, seeds: int, budget: int, record: Path | None) -> None:
    """Run the variants and print the table."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    record = record or Path("studies") / f"ablation-{Path(table).stem}.jsonl"
    record.parent.mkdir(parents=True, exist_ok=True)
    problem = make_problem(load_table(table))
    at = [number for number in AT if number <= budget]
    print(f"{Path(table).name}: {seeds} seeds, share of the true front's hypervolume; {machine_line('cpu')}")
    print(f"{'variant':<26}" + "".join(f"{f'@{n}':>16}" for n in at) + f"{f'difference @{at[-1]}':>34}")
    whole: Floats | None = None
    for name in VARIANTS:
        found = curves(problem, name, seeds, budget, record)
        whole = found if whole is None else whole
        cells = []
        for number in at:
            scores = found[:, number - 1]
            cells.append(f"{scores.mean():.4f} ±{scores.std(ddof=1) / np.sqrt(seeds):.4f}")
        difference = found[:, at[-1] - 1] - whole[:, at[-1] - 1]
        draws = np.random.default_rng(0).choice(difference, (2000, seeds)).mean(axis=1)
        low, high = np.quantile(draws, (0.025, 0.975))
        text = "" if name == "whole" else f"{difference.mean():+.4f} ({low:+.4f} to {high:+.4f})"
        print(f"{name:<26}" + "".join(f"{cell:>16}" for cell in cells) + f"{text:>34}", flush=True)


if __name__ == "__main__":
    main()
