"""Samplers on a table of trained networks: what each would have found, without a training."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import TrialState

from nasearch.errors import SelectionError, SettingsError, TableError
from nasearch.measure.table import Table, load_table
from nasearch.measure.table.table import BY_ARITHMETIC, with_computed_costs
from nasearch.pareto import (
    Objective,
    hypervolume,
    judged_hypervolume_curve,
    losses,
    parse_limit,
    parse_objectives,
)
from nasearch.pareto.objectives import Floats
from nasearch.report.formatting import metric
from nasearch.report.sampler_comparison import SamplerComparison, SamplerFacts, compare_samplers
from nasearch.samplers import SAMPLERS, Knowledge, TreeDomain, make_sampler, trial_seed
from nasearch.space import Scalar
from nasearch.study.bench_files import BenchFiles, Run
from nasearch.study.environment import versions
from nasearch.study.proposals import FREE_PROPOSALS

WORST_ACCURACY = 0.70
"""The corner of the box unless another is given: networks below this accuracy count nothing."""

CHECKPOINTS = (25, 50, 100, 200)
"""Numbers of networks after which samplers are compared, as far as the budget goes."""

OnRun = Callable[[Run, int, int], None]
"""Told of each run that is there: the run, how many are done, how many there will be."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A search on a table.

    Attributes:
        table: of trained networks.
        objectives: in order, accuracy among them.
        values: (rows, objectives) as a search observes them, in the objectives' units.
        judged: (rows, objectives) losses by which what was found is judged.
        reference: (objectives,) the worst loss that counts.
        known: indexes of the objectives that samplers may know exactly.
        count_repeats: whether a network that is proposed again spends budget, as in a plain Optuna study.
    """

    table: Table
    objectives: tuple[Objective, ...]
    values: Floats
    judged: Floats
    reference: Floats
    known: tuple[int, ...]
    count_repeats: bool = False

    @property
    def is_single(self) -> bool:
        """Whether accuracy is the only objective: what counts is then the regret, not a front."""
        return len(self.objectives) == 1

    @property
    def score(self) -> str:
        """Name of what samplers are compared by."""
        return "regret" if self.is_single else "hypervolume"

    def goal(self, budget: int) -> int:
        """How many networks a search of that budget measures."""
        return budget if self.count_repeats else min(budget, len(self.table))

    def knowledge(self) -> Knowledge:
        """What its samplers may know."""
        table = self.table

        def value(index: int, params: Mapping[str, Scalar]) -> float:
            row = table.find(params)
            if row is None:
                raise TableError(f"{table.source}: no network with {dict(params)}")
            return float(self.values[row, index])

        def exact(index: int) -> Callable[[Mapping[str, Scalar]], float]:
            return lambda params: value(index, params)

        known = {index: exact(index) for index in self.known}
        choices = {choice.name: choice.values for choice in table.choices}
        domain = TreeDomain(choices, table.propose)
        return Knowledge(
            domain, known, None if table.is_complete else lambda params: table.find(params) is not None
        )

    def identity(self) -> dict[str, object]:
        """What must be equal for two runs to be of one bench; plain data."""
        roles = self.table.roles
        costs = [objective.name for objective in self.objectives if objective.is_cost]
        return {
            "table": self.table.fingerprint,
            "objectives": [objective.name for objective in self.objectives],
            "observe": list(roles.observe),
            "judge": list(roles.judge),
            "test": list(roles.test),
            "costs": {name: roles.costs[name].column for name in costs},
            "reference": self.reference.tolist(),
            "known": [self.objectives[index].name for index in self.known],
            "count_repeats": self.count_repeats,
        }


@dataclass(frozen=True)
class Bench:
    """What samplers did on a table.

    Attributes:
        problem: that they searched.
        runs: by sampler, in the order asked for; one a seed.
        comparison: means, ranks and paired tests.
        files: that were written.
    """

    problem: Problem
    runs: Mapping[str, tuple[Run, ...]]
    comparison: SamplerComparison
    files: tuple[Path, ...] = ()

    @property
    def facts(self) -> dict[str, SamplerFacts]:
        """What searching took, by sampler."""
        return {name: _facts(self.problem, runs) for name, runs in self.runs.items()}


def make_problem(
    table: Table,
    objectives: Sequence[str] = ("accuracy", "macs"),
    *,
    reference: Sequence[str] = (),
    known: Sequence[str] | None = None,
    count_repeats: bool = False,
) -> Problem:
    """A search on a table.

    Args:
        table: of trained networks.
        objectives: accuracy, and costs that the table has or that its space gives.
        reference: the worst that counts, such as "accuracy >= 70%" or "macs <= 100M". What is not said: an
            accuracy of 70 %, or the table's median where that is lower, and the largest of each cost.
        known: costs that samplers may know before a network is measured; params, macs and
            peak_activation_bytes, which need no device, unless given.
        count_repeats: whether a network that is proposed again spends budget.

    Raises:
        SettingsError: if accuracy is no objective, or a known cost is none of them.
        SelectionError: if an objective or a reference cannot be read.
        TableError: if the table lacks a column, or nothing in it is within the reference.
    """
    found = parse_objectives(objectives)
    names = [objective.name for objective in found]
    if "accuracy" not in names:
        raise SettingsError(f"objectives are {', '.join(names)}; expected accuracy among them")
    if known is None:
        known = [name for name in names if name in BY_ARITHMETIC]
    for name in known:
        if name not in names or name == "accuracy":
            costs = ", ".join(name for name in names if name != "accuracy") or "none"
            raise SettingsError(f"known is {name!r}; expected costs among the objectives: {costs}")
    table = with_computed_costs(table, names)
    judged = losses(table.values(found, "judge"), found)
    corner = _corner(found, judged, reference)
    if len(found) > 1 and hypervolume(judged, corner) == 0:
        raise TableError(
            f"{table.source}: no network is within the reference {_corner_text(found, corner)}; "
            "give a worse one with --reference"
        )
    indexes = tuple(names.index(name) for name in known)
    return Problem(table, found, table.values(found), judged, corner, indexes, count_repeats)


def _corner(objectives: Sequence[Objective], judged: Floats, reference: Sequence[str]) -> Floats:
    """The reference point, in losses."""
    corner: Floats = judged.max(axis=0)
    for i, objective in enumerate(objectives):
        if not objective.is_cost:
            corner[i] = max(1 - WORST_ACCURACY, float(np.median(judged[:, i])))
    places = {objective.name: i for i, objective in enumerate(objectives)}
    for text in reference:
        limit = parse_limit(text)
        if limit.metric not in places:
            raise SelectionError(f"reference {text!r}: expected one of the objectives {', '.join(places)}")
        objective = objectives[places[limit.metric]]
        if (limit.relation == "<=") != objective.is_cost:
            accepted = f"{limit.metric} {'<=' if objective.is_cost else '>='} {text.split()[-1]}"
            raise SelectionError(f"reference {text!r}: the worst that counts; expected {accepted!r}")
        corner[places[limit.metric]] = limit.bound if objective.is_cost else 1 - limit.bound
    return corner


def _corner_text(objectives: Sequence[Objective], corner: Floats) -> str:
    return ", ".join(
        f"{each.name} <= {metric(each.name, loss)}"
        if each.is_cost
        else f"{each.name} >= {metric(each.name, 1 - loss)}"
        for each, loss in zip(objectives, corner, strict=True)
    )


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
            study.enqueue_trial(_unseen(table, seen, trial_seed(seed, number, stream=1)))
        started = time.perf_counter()
        study.sampler = make_sampler(sampler, seed, number, knowledge)
        trial = study.ask()
        row = table.find(table.propose(_suggest(trial)))
        number += 1
        if row is None:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, problem.values[row].tolist())
        spent += time.perf_counter() - started
        if row in seen:
            again += 1
        if row is None or (row in seen and not problem.count_repeats):
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


def _unseen(table: Table, seen: set[int], seed: int) -> dict[str, Scalar]:
    generator = random.Random(seed)
    return table.params(generator.choice([row for row in range(len(table)) if row not in seen]))


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


def checkpoints(budget: int) -> tuple[int, ...]:
    """Where samplers are compared: `CHECKPOINTS` up to the budget, and the budget."""
    return (*(n for n in CHECKPOINTS if n < budget), budget)


def bench_table(
    table: str | Path | Table,
    samplers: Sequence[str] = ("surrogate", "random", "tpe"),
    *,
    budget: int = 100,
    seeds: int = 20,
    objectives: Sequence[str] = ("accuracy", "macs"),
    observe: Sequence[str] = (),
    judge: Sequence[str] = (),
    test: Sequence[str] = (),
    latency_column: str | None = None,
    reference: Sequence[str] = (),
    known: Sequence[str] | None = None,
    count_repeats: bool = False,
    jobs: int = 1,
    out: str | Path | None = None,
    fresh: bool = False,
    on_run: OnRun | None = None,
) -> Bench:
    """Compare samplers on a table of trained networks at equal budget.

    Args:
        table: a file as `load_table` takes it, or a table.
        samplers: names; `gp:3` runs that one with 3 seeds.
        budget: distinct networks that each search measures.
        seeds: searches of each sampler, with the seeds 0, 1 and so on.
        objectives: accuracy, and costs that the table has or that its space gives.
        observe: columns of the accuracy that samplers see, their mean if they are several; the table's own
            if none is given, like judge and test.
        judge: columns of the accuracy that what was found is judged by.
        test: columns of the accuracy on a test split, for the report.
        latency_column: what `latency_ms` is, where it is an objective.
        reference: the worst that counts, as in `make_problem`.
        known: costs that samplers may know before a network is measured, as in `make_problem`.
        count_repeats: whether a network that is proposed again spends budget.
        jobs: processes that search side by side.
        out: folder for curves.csv, curves.png and bench.json; nothing is written if none is given. Searches
            that it has already are not run again.
        fresh: whether what the folder has is thrown away.
        on_run: told of each search.

    Raises:
        SettingsError: for a sampler that does not exist, or a folder with another bench.
        TableError: if the table cannot be read or lacks a column.
    """
    loaded = table if isinstance(table, Table) else load_table(table)
    loaded = loaded.with_roles(observe=observe, judge=judge, test=test, latency=latency_column)
    wanted = _wanted(samplers, seeds)
    for name, value in (("budget", budget), ("seeds", seeds), ("jobs", jobs)):
        if value < 1:
            raise SettingsError(f"{name} is {value}; expected a whole number of at least 1")
    problem = make_problem(loaded, objectives, reference=reference, known=known, count_repeats=count_repeats)
    files = None if out is None else BenchFiles(Path(out), problem.score)
    goal = problem.goal(budget)
    done: dict[tuple[str, int], Run] = {}
    if files is not None:
        kept = files.open(problem.identity(), fresh=fresh)
        done = {key: run.first(goal) for key, run in kept.items() if len(run.rows) >= goal}
    pairs = [(name, seed) for name, count in wanted.items() for seed in range(count)]
    here = [pair for pair in pairs if pair in done]
    for i, pair in enumerate(here):
        if on_run is not None:
            on_run(done[pair], i + 1, len(pairs))

    def note(run: Run) -> None:
        done[run.sampler, run.seed] = run
        if files is not None:
            files.append(run)
        if on_run is not None:
            on_run(run, sum(pair in done for pair in pairs), len(pairs))

    _run_all(problem, [pair for pair in pairs if pair not in done], budget, jobs, note)
    runs = {name: tuple(done[name, seed] for seed in range(count)) for name, count in wanted.items()}
    comparison = compare_samplers(
        {name: {run.seed: run.score for run in theirs} for name, theirs in runs.items()},
        checkpoints(goal),
        higher_is_better=not problem.is_single,
    )
    bench = Bench(problem, runs, comparison)
    return (
        bench
        if files is None
        else replace(bench, files=files.finish(bench_json(bench), bench_picture(bench)))
    )


def _wanted(samplers: Sequence[str], seeds: int) -> dict[str, int]:
    """Number of seeds by name of the sampler, from texts such as `tpe` and `gp:3`."""
    wanted: dict[str, int] = {}
    for text in samplers:
        name, colon, count = text.partition(":")
        if name not in SAMPLERS:
            make_sampler(name, 0, 0)  # says which there are
        if colon and not (count.isdecimal() and int(count) >= 1):
            raise SettingsError(
                f"sampler {text!r}: seeds are {count!r}; expected a whole number of at least 1"
            )
        if name in wanted:
            raise SettingsError(f"sampler {name!r} stands twice; expected each name once")
        wanted[name] = int(count) if colon else seeds
    if not wanted:
        raise SettingsError(f"samplers is empty; expected some of {', '.join(SAMPLERS)}")
    return wanted


_shared: list[Problem] = []  # of a worker process: sent once, not with every search


def _begin(problem: Problem) -> None:
    import torch

    torch.set_num_threads(1)  # as many processes as cores are at work
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _shared[:] = [problem]


def _in_worker(sampler: str, seed: int, budget: int) -> Run:
    return run_sampler(_shared[0], sampler, seed, budget)


def _run_all(
    problem: Problem,
    pairs: Sequence[tuple[str, int]],
    budget: int,
    jobs: int,
    note: Callable[[Run], None],
) -> None:
    """Every search, each noted as it ends."""
    if jobs == 1 or len(pairs) <= 1:
        for sampler, seed in pairs:
            note(run_sampler(problem, sampler, seed, budget))
        return
    with ProcessPoolExecutor(
        min(jobs, len(pairs)), mp_context=get_context("spawn"), initializer=_begin, initargs=(problem,)
    ) as pool:
        futures = [pool.submit(_in_worker, sampler, seed, budget) for sampler, seed in pairs]
        try:
            for future in as_completed(futures):
                note(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def bench_json(bench: Bench) -> dict[str, object]:
    """What a bench found, as plain data."""
    problem = bench.problem
    return {
        "table": problem.table.name,
        "networks": len(problem.table),
        **{key: value for key, value in problem.identity().items() if key != "table"},
        "fingerprint": problem.table.fingerprint,
        "score": problem.score,
        **bench.comparison.to_dict(),
        "samplers": {name: asdict(facts) for name, facts in bench.facts.items()},
        "versions": versions(),
    }


def _facts(problem: Problem, runs: Sequence[Run]) -> SamplerFacts:
    tests = [run.test[-1] for run in runs if run.test is not None] if problem.is_single else []
    return SamplerFacts(
        seconds_per_network=float(np.mean([run.seconds[-1] / len(run.rows) for run in runs])),
        repeats=float(np.mean([run.repeats[-1] for run in runs])),
        test_accuracy=float(np.mean(tests)) if tests else None,
    )


def bench_lines(bench: Bench) -> list[str]:
    """What was compared, in words."""
    problem = bench.problem
    table, roles = problem.table, problem.table.roles
    seen, judges = ", ".join(roles.observe), ", ".join(roles.judge)
    accuracy = f"accuracy is {seen}" + ("" if seen == judges else f", judged by {judges}")
    costs = ", ".join(
        f"{objective.name} is {roles.costs[objective.name].column}"
        for objective in problem.objectives
        if objective.is_cost
    )
    corner = _corner_text(problem.objectives, problem.reference)
    known = ", ".join(problem.objectives[index].name for index in problem.known) or "none"
    score = (
        "score: regret in points of accuracy"
        if problem.is_single
        else f"score: share of the true front's hypervolume, of {corner}"
    )
    return [
        f"{table.name}: {len(table):,} networks; {accuracy}" + (f"; {costs}" if costs else ""),
        f"{score}; costs known before measuring: {known}",
    ]


def bench_picture(bench: Bench) -> bytes:
    """The curves as PNG: the mean of each sampler and its standard error."""
    from nasearch.report.bench_plot import curves_png

    names = ", ".join(objective.name for objective in bench.problem.objectives)
    return curves_png(
        {name: np.stack([run.score for run in runs]) for name, runs in bench.runs.items()},
        f"{bench.problem.table.name}: {names}",
        higher_is_better=bench.comparison.higher_is_better,
    )
