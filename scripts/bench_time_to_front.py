"""How much sooner nasearch has the front that a plain script has after 50 candidates.

    python scripts/bench_time_to_front.py --seeds 3 --json front.json

For each seed, one after the other on the same machine: `plain_search.py` (a plain Optuna study, default
sampler, every candidate trained to the end) and `nasearch run --no-finish` with its defaults (workers,
racing), as processes of their own, over the same space, images, objectives and proxy recipe. Wall-clock runs
from the start of the process, imports and start of workers included, to the end of each measurement.

Then one neutral judge: every network that was ever on the front that its own search saw is trained once by
`plain_search.train_plain` on the whole training split, by the numbers of the full recipe with
`--judge-epochs` and a seed of its own. The hypervolume of a search at a moment is that of its front of then
with the judge's accuracies and MACs, as a share of the box up to the error of guessing and the space's limit
of MACs. The target is the plain script's after its last candidate. If nasearch ends below it, the same study
goes on with half the budget more, up to three times the budget. The test split is not read.

Printed are the seconds at which each first reaches the target, their ratio (plain / nasearch, with a
bootstrap interval over seeds), and the same from when on each stays there. Each phase's result lies in the
work folder and is used again if it is complete, so an interrupted benchmark goes on where it was; a search
that was cut off begins anew, since its clock stood still meanwhile.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout that this script belongs to

import nasearch as nas
from nasearch.data import Dataset, load
from nasearch.store import Store
from nasearch.study.folders import OWNER
from nasearch.study.proxies.trained import proxy_recipe
from nasearch.study.settings import StudySettings
from nasearch.training import RECIPES, Recipe
from scripts.bench_tools import (
    ROOT,
    arrays_of,
    left_out,
    machine,
    machine_line,
    nasearch_command,
    plain_parts,
    ratio_interval,
    run_logged,
    set_threads,
)
from scripts.front_curves import (
    Event,
    Span,
    elapsed,
    first_reach,
    judged_curve,
    observed_fronts,
    reached_for_good,
)
from scripts.plain_search import Numbers, train_plain

TARGET = 5.0
STUDY = "front"
JUDGE_SEED = 777_000
MOST_BUDGETS = 3


@dataclass(frozen=True)
class Plan:
    """What is compared, the same for both searches."""

    space: str
    data: str
    budget: int
    epochs: int | None
    images: int | None
    device: str
    judge_epochs: int
    judge_images: int | None
    work: Path

    def settings(self, seed: int) -> StudySettings:
        """Those of the study."""
        return StudySettings(
            space=self.space, data=self.data, epochs=self.epochs, images=self.images, seed=seed
        )


@dataclass(frozen=True)
class Outcome:
    """One seed: seconds to the target, of each search, and both curves."""

    seed: int
    target: float
    plain_total: float
    plain_first: float
    plain_for_good: float
    first: float | None
    for_good: float | None
    final: float
    final_at_budget: float
    candidates: int
    judged: int
    plain_curve: list[tuple[float, float]]
    curve: list[tuple[float, float]]


# the two searches


def plain_events(plan: Plan, dataset: Dataset, recipe: Recipe, seed: int) -> list[Event]:
    """What the plain script measured; it is run if its log is not complete."""
    log, arrays = plan.work / f"plain-{seed}.jsonl", plan.work / f"arrays-{seed}.npz"
    if not (log.exists() and '"done"' in log.read_text(encoding="utf-8")):
        np.savez(arrays, **plain_parts(dataset, recipe.images))  # type: ignore[arg-type]
        numbers = json.dumps(asdict(Numbers.of(recipe.to_dict())))
        command = [sys.executable, str(ROOT / "scripts" / "plain_search.py"), str(arrays), str(log)]
        command += ["--space", plan.space, "--budget", str(plan.budget), "--recipe", numbers]
        command += ["--seed", str(seed), "--device", plan.device, "--began", str(time.time())]
        run_logged(command, plan.work / f"plain-{seed}.log")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [
        Event(row["seconds"], row["key"], row["architecture"], row["accuracy"], row["macs"])
        for row in rows
        if "key" in row
    ]


def search_on(plan: Plan, seed: int, budget: int) -> None:
    """Run the study of a seed up to a budget, unless it has that already; its processes' times are kept."""
    file = plan.work / f"nasearch-{seed}.spans.jsonl"
    rows = read_lines(file)
    if rows and "ended" not in rows[-1]:
        # the process was cut off at an unknown time
        owner = plan.work / f"nasearch-{seed}" / OWNER  # of a study that is gone with its database
        for part in (file, owner, *plan.work.glob(f"nasearch-{seed}.db*")):
            part.unlink(missing_ok=True)
        rows = []
    if any(row.get("budget", 0) >= budget for row in rows):
        return
    command = nasearch_command(
        "run", "--space", plan.space, "--data", plan.data, "--seed", str(seed), "--budget", str(budget)
    )
    command += ["--storage", storage_of(plan, seed), "--study", STUDY, "--no-finish"]
    command += ["--device", plan.device, "--out", str(plan.work / f"nasearch-{seed}")]
    for name in ("epochs", "images"):
        value = getattr(plan, name)
        command += [] if value is None else [f"--{name}", str(value)]
    append_line(file, {"began": time.time()})
    run_logged(command, plan.work / f"nasearch-{seed}.log")
    append_line(file, {"budget": budget, "ended": time.time()})


def spans_of(plan: Plan, seed: int) -> list[Span]:
    """The processes that worked on a seed's study, all of which came to their end."""
    rows = read_lines(plan.work / f"nasearch-{seed}.spans.jsonl")
    return [Span(row["began"], end["ended"]) for row, end in zip(rows[::2], rows[1::2], strict=True)]


def nasearch_events(plan: Plan, seed: int) -> list[Event]:
    """What the study measured to the end; raced-out candidates are never on its front."""
    spans = spans_of(plan, seed)
    with Store.open(storage_of(plan, seed)) as store:
        record = store.find_study(STUDY)
        assert record is not None
        measured = store.measurements(record.id)
    return [
        Event(
            elapsed(entry.ended_at.timestamp(), spans),
            entry.key,
            entry.architecture_json,
            entry.values["accuracy"],
            entry.values["macs"],
        )
        for entry in measured
        if entry.state == "complete" and entry.ended_at is not None
    ]


def storage_of(plan: Plan, seed: int) -> str:
    """URL of a seed's study."""
    return f"sqlite:///{plan.work}/nasearch-{seed}.db"


# the judge


def judge(
    plan: Plan, dataset: Dataset, seed: int, networks: dict[str, str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Accuracy and MACs of networks by key, trained where the work folder does not know them yet.

    Args:
        plan: with the judge's epochs.
        dataset: split by this seed.
        seed: of both searches.
        networks: text of each network by key.
    """
    file = plan.work / f"judged-{seed}.jsonl"
    known = {row["key"]: row["accuracy"] for row in read_lines(file)}
    arrays = arrays_of(dataset, plan.judge_images)
    full = dataclasses.replace(RECIPES["full"], epochs=plan.judge_epochs)
    numbers, macs = Numbers.of(full.to_dict()), {}
    missing = len(networks.keys() - known.keys())
    for key, text in networks.items():
        architecture = nas.Architecture.from_json(text)
        cost = nas.architecture_cost(architecture, dataset.input_shape, dataset.num_classes)
        macs[key] = float(cost.macs)
        if key in known:
            continue
        torch.manual_seed(JUDGE_SEED + seed)
        model = nas.build(architecture, num_classes=dataset.num_classes, in_channels=dataset.in_channels)
        known[key] = train_plain(model, arrays, numbers, JUDGE_SEED + seed, plan.device)
        append_line(file, {"key": key, "accuracy": known[key]})
        missing -= 1
        print(f"  judged {architecture.label[:60]}: {known[key]:.4f}; {missing} left", flush=True)
    return known, macs


def macs_limit(space: nas.SearchSpace, macs: Iterable[float]) -> float:
    """The space's upper limit of MACs; in a space without, a little more than the dearest network has."""
    limits = [limit for limit in nas.pareto.parse_limits(space.limits) if limit.metric == "macs"]
    bounds = [limit.bound for limit in limits if limit.allows(0)]
    return min(bounds) if bounds else 1.1 * max(macs)


# one seed


def compare(plan: Plan, seed: int) -> Outcome:
    """Search by both, judge, and go on until nasearch is at the target."""
    dataset = load(plan.data, seed=seed)
    recipe = proxy_recipe(plan.settings(seed), dataset)
    without = f", without {left_out(recipe)}" if left_out(recipe) else ""
    print(f"seed {seed}: plain script, {plan.budget} candidates{without}", flush=True)
    plain = plain_events(plan, dataset, recipe, seed)
    space, budget = nas.SearchSpace.load(plan.space), plan.budget
    while True:
        print(f"seed {seed}: nasearch run --budget {budget}", flush=True)
        search_on(plan, seed, budget)
        outcome = judged_outcome(plan, seed, dataset, space, plain, nasearch_events(plan, seed))
        if outcome.first is not None or budget >= MOST_BUDGETS * plan.budget:
            return outcome
        budget = min(budget + max(1, plan.budget // 2), MOST_BUDGETS * plan.budget)


def judged_outcome(
    plan: Plan,
    seed: int,
    dataset: Dataset,
    space: nas.SearchSpace,
    plain: Sequence[Event],
    own: Sequence[Event],
) -> Outcome:
    """What the judge says of both logs."""
    plain_moments, moments = observed_fronts(plain), observed_fronts(own)
    texts = {event.key: event.architecture_json for event in (*plain, *own)}
    on_fronts = frozenset().union(*(moment.keys for moment in (*plain_moments, *moments)))
    accuracy, macs = judge(plan, dataset, seed, {key: texts[key] for key in sorted(on_fronts)})
    reference = (1 - 1 / dataset.num_classes, macs_limit(space, macs.values()))
    plain_curve = judged_curve(plain_moments, accuracy, macs, reference)
    curve = judged_curve(moments, accuracy, macs, reference)
    target, first_run = plain_curve[-1][1], spans_of(plan, seed)[0]
    plain_first, plain_for_good = first_reach(plain_curve, target), reached_for_good(plain_curve, target)
    assert plain_first is not None
    assert plain_for_good is not None
    return Outcome(
        seed=seed,
        target=target,
        plain_total=plain_curve[-1][0],
        plain_first=plain_first,
        plain_for_good=plain_for_good,
        first=first_reach(curve, target),
        for_good=reached_for_good(curve, target),
        final=curve[-1][1],
        final_at_budget=[value for seconds, value in curve if seconds <= first_run.ended - first_run.began][
            -1
        ],
        candidates=len(curve),
        judged=len(on_fronts),
        plain_curve=plain_curve,
        curve=curve,
    )


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The lines that are printed in the end."""
    titles = (
        "seed", "target", "plain first, for good, in all (s)", "nasearch first, for good (s)", "ratio",
        "nasearch at the same budget, in the end", "candidates completed", "judged",
    )  # fmt: skip
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for each in outcomes:
        ratio = "not reached" if each.first is None else f"{each.plain_first / each.first:.1f}"
        own = ", ".join("-" if value is None else f"{value:.0f}" for value in (each.first, each.for_good))
        lines.append(
            f"| {each.seed} | {each.target:.4f} | {each.plain_first:.0f}, {each.plain_for_good:.0f}, "
            f"{each.plain_total:.0f} | {own} | {ratio} "
            f"| {each.final_at_budget:.4f}, {each.final:.4f} | {each.candidates} "
            f"| {each.judged} |"
        )
    for words, ratios in (
        ("first at the target", [each.plain_first / each.first for each in outcomes if each.first]),
        ("there for good", [each.plain_for_good / each.for_good for each in outcomes if each.for_good]),
        (
            "all of the plain script / first",
            [each.plain_total / each.first for each in outcomes if each.first],
        ),
    ):
        if ratios:
            lines.append(f"{words}: {ratio_interval([[ratio] for ratio in ratios]).text} times sooner")
    missed = sum(each.first is None for each in outcomes)
    lines.append(f"target {TARGET:g} times; not reached in {missed} of {len(outcomes)} seeds")
    return lines


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of JSON of a file, none if it is not there."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def append_line(file: Path, row: dict[str, Any]) -> None:
    """Add a line of JSON."""
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def check_plan(plan: Plan) -> None:
    """Refuse a work folder that holds another comparison.

    Raises:
        ClickException: naming the file that says which.
    """
    file = plan.work / "plan.json"
    now = json.dumps({**asdict(plan), "work": None}, indent=1)
    if file.exists() and file.read_text(encoding="utf-8") != now:
        raise click.ClickException(f"{file} is of another comparison; expected --work with another folder")
    file.write_text(now, encoding="utf-8")


@click.command(help=__doc__)
@click.option("--space", default="mobile", show_default=True)
@click.option(
    "--data", default="fashion-mnist-12k", show_default=True, help="A name, folder:PATH or npz:FILE."
)
@click.option("--budget", default=50, show_default=True, help="Candidates of the plain script.")
@click.option(
    "--seeds", default=1, show_default=True, help="Repeats, each with splits and searches of its own."
)
@click.option("--first-seed", default=0, show_default=True)
@click.option("--epochs", type=int, help="Of the proxy recipe; its own if not given.")
@click.option("--images", type=int, help="Of the proxy recipe; its own if not given.")
@click.option("--judge-epochs", default=6, show_default=True)
@click.option("--judge-images", type=int, help="Training images of the judge; all if not given.")
@click.option("--device", default="cpu", show_default=True)
@click.option(
    "--work", type=click.Path(path_type=Path), default=Path("studies/time-to-front"), show_default=True,
    help="Folder of the phases' results.",
)  # fmt: skip
@click.option(
    "--quick", is_flag=True, help="Tiny space, 3 candidates, few images: whether it works, no figures."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Keep the curves there.")
def main(
    space: str,
    data: str,
    budget: int,
    seeds: int,
    first_seed: int,
    epochs: int | None,
    images: int | None,
    judge_epochs: int,
    judge_images: int | None,
    device: str,
    work: Path,
    quick: bool,
    json_file: Path | None,
) -> None:
    """Run every phase that is missing and print."""
    if quick:
        space, budget, epochs, images, judge_epochs, judge_images = "tiny", 3, 1, 64, 1, 128
    plan = Plan(space, data, budget, epochs, images, device, judge_epochs, judge_images, work.resolve())
    plan.work.mkdir(parents=True, exist_ok=True)
    check_plan(plan)
    set_threads()
    print(
        f"{space} on {data}, budget {budget}; {machine_line(device)}; {time.strftime('%Y-%m-%d')}", flush=True
    )
    outcomes = [compare(plan, seed) for seed in range(first_seed, first_seed + seeds)]
    print("\n".join(summary(outcomes)))
    if json_file is not None:
        kept = {"machine": machine(device), "outcomes": [asdict(each) for each in outcomes]}
        json_file.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
