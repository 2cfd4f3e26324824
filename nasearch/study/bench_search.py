"""One search on a table of trained networks, and its score after each network."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.trial import TrialState

from nasearch.errors import TableError
from nasearch.pareto import hypervolume, judged_hypervolume_curve, losses
from nasearch.pareto.objectives import Floats
from nasearch.samplers import make_sampler, trial_seed
from nasearch.space import Scalar
from nasearch.study.bench_files import Run
from nasearch.study.bench_problem import Problem
from nasearch.study.proposals import FREE_PROPOSALS


def run_sampler(problem: Problem, sampler: str, seed: int, budget: int) -> Run:
    """Search a table with a sampler, as a study with that seed would.

    A network that is proposed again is told with its values and costs nothing, one that the table lacks is
    told as pruned and costs nothing; after `FREE_PROPOSALS` of those in a row a random network takes their
    place that was not seen before. With `count_repeats` repeats are trials like others.

    Args:
        problem: the table and the objectives.
        sampler: by name.
        seed: of the search.
        budget: networks to measure.
    """
    table, knowledge = problem.table, problem.knowledge()
    study = optuna.create_study(
        directions=[objective.direction for objective in problem.objectives],
        sampler=make_sampler("random", seed, 0, knowledge),  # every trial gets its own
    )
    rows: list[int] = []
    repeats: list[int] = []
    seconds: list[float] = []
    seen: set[int] = set()
    idle = again = number = 0
    spent = 0.0
    goal = problem.goal(budget)
    while len(rows) < goal:
        if idle >= FREE_PROPOSALS:
            study.enqueue_trial(_unseen(problem, seen, trial_seed(seed, number, stream=1)))
        started = time.perf_counter()
        study.sampler = make_sampler(sampler, seed, number, knowledge)
        trial = study.ask()
        row = table.find(table.propose(_suggest(trial)))
        number += 1
        if row is None or not problem.is_allowed(row):
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, problem.values[row].tolist())
        spent += time.perf_counter() - started
        if row in seen:
            again += 1
        if row is None or not problem.is_allowed(row) or (row in seen and not problem.count_repeats):
            idle += 1
            continue
        idle = 0
        seen.add(row)
        rows.append(row)
        repeats.append(again)
        seconds.append(spent)
    return Run(
        sampler,
        seed,
        tuple(rows),
        score_curve(problem, rows),
        _test_curve(problem, rows),
        np.array(repeats),
        np.array(seconds),
    )


def _suggest(trial: optuna.Trial) -> Callable[[str, Sequence[Scalar]], Scalar]:
    def suggest(name: str, values: Sequence[Scalar]) -> Scalar:
        value = trial.suggest_categorical(name, list(values))
        assert value is not None, name
        return value

    return suggest


def _unseen(problem: Problem, seen: set[int], seed: int) -> dict[str, Scalar]:
    generator = random.Random(seed)
    left = [row for row in range(len(problem.table)) if row not in seen and problem.is_allowed(row)]
    if not left:
        raise TableError(f"{problem.table.source}: all {len(seen):,} networks that can be searched were")
    return problem.table.params(generator.choice(left))


def score_curve(problem: Problem, rows: Sequence[int]) -> Floats:
    """How well a search stands after each network.

    With several objectives the hypervolume of the front that it sees, by the judge's values, as a share of
    that of the whole table's front. With accuracy alone the regret: by how many points the network that looks
    best to it is less accurate, by the judge, than the best of the table.

    Returns:
        (networks,) float64.
    """
    chosen = list(rows)
    observed = losses(problem.values[chosen], problem.objectives)
    judged = problem.judged[chosen]
    if not problem.is_single:
        whole = hypervolume(problem.judged, problem.reference)
        return np.asarray(judged_hypervolume_curve(observed, judged, problem.reference) / whole)
    best = float(problem.judged.min())
    return np.asarray(100 * (judged[_incumbents(observed), 0] - best))


def _test_curve(problem: Problem, rows: Sequence[int]) -> Floats | None:
    """Test accuracy of the network that looks most accurate so far; None where the table has none."""
    if not problem.table.roles.test:
        return None
    column = [objective.name for objective in problem.objectives].index("accuracy")
    observed = losses(problem.values[list(rows)], problem.objectives)[:, [column]]
    return problem.table.accuracy("test")[list(rows)][_incumbents(observed)]


def _incumbents(observed: Floats) -> list[int]:
    """For each place in a search, the first of those up to it with the least loss (networks, 1)."""
    found: list[int] = []
    for i, loss in enumerate(observed[:, 0]):
        found.append(i if not found or loss < observed[found[-1], 0] else found[-1])
    return found
