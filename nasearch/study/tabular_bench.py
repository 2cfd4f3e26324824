"""Samplers on a table of trained networks: what each would have found, without a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna

from nasearch.errors import SettingsError
from nasearch.measure.table import Table, load_table
from nasearch.report.sampler_comparison import SamplerComparison, SamplerFacts, compare_samplers
from nasearch.samplers import SAMPLERS, make_sampler
from nasearch.study.bench_files import BenchFiles, Run
from nasearch.study.bench_problem import Problem, corner_text, make_problem
from nasearch.study.bench_search import run_sampler
from nasearch.study.environment import versions

CHECKPOINTS = (25, 50, 100, 200)
"""Numbers of networks after which samplers are compared, as far as the budget goes."""

OnRun = Callable[[Run, int, int], None]
"""Told of each run that is there: the run, how many are done, how many there will be."""


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
    corner = corner_text(problem.objectives, problem.reference)
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
