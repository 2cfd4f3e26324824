"""Time what our samplers spend on a proposal, and the Pareto mathematics behind them.

    python scripts/bench_samplers.py [--samplers surrogate,evolution] [--trials 100,500,2000] [--choices 20]
        [--repeats 5] [--points 100000] [--seed 0]

A proposal is timed in a plain Optuna study in memory with two objectives, the second one known, whose trials
are random ones: from `study.ask()` to the last of its choices. The study is the same for every repeat; its
trial is told as failed afterwards. Half of the choices are among names, half among numbers. Then front,
ranks and hypervolume of random points with two and three objectives, as many as `--points` says: on a
sphere's surface, where all of them are on the front, and in a cube, where few are.

Exits with 1 where a proposal takes 0.5 s or more in the median at 500 trials, or one of the Pareto functions
a second or more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from nasearch.pareto import front, hypervolume, ranks
from nasearch.samplers import ParetoEvolutionSampler, SurrogateSampler
from scripts.bench_tools import machine_line

BOUND_S, AT_TRIALS = 0.5, 500
PARETO_BOUND_S = 1.0
NAMES = CategoricalDistribution(("conv", "mbconv", "pool", "skip"))
NUMBERS = CategoricalDistribution((1, 3, 5, 7))

MAKERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "surrogate": lambda seed: SurrogateSampler(seed=seed, known={1: cost}),
    "evolution": lambda seed: ParetoEvolutionSampler(seed=seed),
}


def cost(params: Mapping[str, Any]) -> float:
    """A cost that grows with every number and depends on every name."""
    return sum(value if isinstance(value, int) else len(value) for value in params.values())


def study_of(sampler: BaseSampler, choices: int, trials: int, seed: int) -> optuna.Study:
    """A study in memory with random trials."""
    specs: dict[str, CategoricalDistribution] = {
        f"choice{i}": NUMBERS if i % 2 else NAMES for i in range(choices)
    }
    generator = np.random.default_rng(seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    drawn = []
    for _ in range(trials):
        params = {name: spec.choices[generator.integers(4)] for name, spec in specs.items()}
        accuracy = 1 - np.exp(-cost(params) / 40) + 0.02 * generator.standard_normal()
        drawn.append(
            optuna.create_trial(
                params=params, distributions=dict(specs), values=[float(accuracy), cost(params)]
            )
        )
    study.add_trials(drawn)
    return study


def proposal_seconds(study: optuna.Study, choices: int, repeats: int) -> list[float]:
    """Seconds from the question to the last choice, for each repeat; one before them is not counted."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        trial = study.ask()
        for i in range(choices):
            trial.suggest_categorical(f"choice{i}", NUMBERS.choices if i % 2 else NAMES.choices)
        times.append(time.perf_counter() - started)
        study.tell(trial, state=TrialState.FAIL)
    return times[1:]


def pareto_points(shape: str, points: int, objectives: int, seed: int) -> np.ndarray:
    """(points, objectives) in the unit cube: anywhere, or all on the front."""
    table = np.random.default_rng(seed).random((points, objectives))
    if shape == "sphere":
        table = 1 - table / np.linalg.norm(table, axis=1, keepdims=True)
    return table


def seconds_of(work: Callable[[], object], repeats: int) -> list[float]:
    """Of each repeat."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times


def shown(times: Sequence[float]) -> str:
    """Median, range and number."""
    middle = statistics.median(times)
    return f"median {middle:.4f} s (from {min(times):.4f} to {max(times):.4f}, n = {len(times)})"


def main() -> None:
    """Time, print, judge."""
    parser = argparse.ArgumentParser(description="What our samplers and the Pareto mathematics take.")
    parser.add_argument("--samplers", default=",".join(MAKERS), help="which of ours")
    parser.add_argument("--trials", default="100,500,2000", help="trials of the study, for each timing")
    parser.add_argument("--choices", type=int, default=20, help="of a network")
    parser.add_argument("--repeats", type=int, default=5, help="of each timing")
    parser.add_argument("--points", type=int, default=100_000, help="for the Pareto mathematics; 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="of everything")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(machine_line("cpu"))
    slow = False
    for name in filter(None, given.samplers.split(",")):
        for trials in map(int, given.trials.split(",")):
            study = study_of(MAKERS[name](given.seed), given.choices, trials, given.seed)
            times = proposal_seconds(study, given.choices, given.repeats)
            print(f"{name}, {given.choices} choices, {trials:,} trials: {shown(times)}", flush=True)
            slow |= trials == AT_TRIALS and statistics.median(times) >= BOUND_S
    for shape in ("cube", "sphere") if given.points else ():
        for objectives in (2, 3):
            table = pareto_points(shape, given.points, objectives, given.seed)
            work: Mapping[str, Callable[[np.ndarray], object]] = {
                "front": front,
                "ranks": ranks,
                "hypervolume": lambda table: hypervolume(table, np.ones(table.shape[1])),
            }
            for name, function in work.items():
                times = seconds_of(partial(function, table), given.repeats)
                print(
                    f"{name}, {shape}, {given.points:,} points, {objectives} objectives: {shown(times)}",
                    flush=True,
                )
                slow |= statistics.median(times) >= PARETO_BOUND_S
    if slow:
        sys.exit(1)


if __name__ == "__main__":
    main()
