"""What judging by a supernet's weights is worth: candidates a second, kills, and fronts after equal time.

    python scripts/bench_inherited.py [PART...] [--budget N] [--seeds N] [--supernet-epochs N] ...

PARTS are speed, kills and fronts; all of them if none is named. `--help` lists the options.

- speed: random networks of the space judged one after another by the weights of an untrained supernet,
  which costs what a trained one does: candidates a second.
- kills: a study of `--budget` candidates is killed (SIGKILL) in the supernet's training, and after a tenth
  and a half of its candidates, and run again each time. It ends with an error unless the budget is exact,
  every network was judged once and the supernet was not trained again. Says what a candidate takes from the
  one before it, and how much of that is judging.
- fronts: for each seed such a study, confirmed, and a study of the trained proxy that gets as many seconds.
  The shares of the box (error of guessing; bound, or dearest of both, of a cost) that their fronts dominate
  are printed whichever is ahead. Confirmed networks begin with inherited weights, so that their accuracies
  hold more training than those of the other study.

At full size (`--budget 2000 --seeds 3`) it takes hours on two cores. What was begun in the folder goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch

from nasearch import SearchSpace, Supernet, architecture_cost
from nasearch.measure.inherited import InheritedFidelity, Judge
from nasearch.pareto import hypervolume, losses, reference_corner
from nasearch.store.records import TrialRecord
from nasearch.study import Study, StudySettings, supernets
from nasearch.study.opening import load_data
from nasearch.training import find_recipe

PARTS = ("speed", "kills", "fronts")
RUN = """
import sys
from nasearch.study import Progress, Study, StudySettings

class Words(Progress):
    def stage_epoch(self, point, epochs):
        print("epoch", flush=True)
    def told(self, trial, standing):
        print("told", standing.spent, flush=True)

with Study.from_settings(StudySettings.load(sys.argv[1])) as study:
    study.run(progress=Words())
"""


def speed(settings: StudySettings, count: int) -> None:
    """Print candidates a second."""
    dataset, space = load_data(settings), SearchSpace.load(settings.space)
    torch.manual_seed(0)
    supernet = Supernet(space, dataset.num_classes, dataset.in_channels)
    _, height, width = dataset.input_shape
    fidelity = InheritedFidelity("untrained", 0, (height, width))
    judge = Judge(supernet, dataset, find_recipe("supernet"), settings.device, fidelity)
    candidates = [space.sample(seed) for seed in range(count + 3)]
    for each in candidates[count:]:
        judge.judge(each)
    seconds = [judge.judge(each).seconds for each in candidates[:count]]
    macs = [
        architecture_cost(each, dataset.input_shape, dataset.num_classes).macs for each in candidates[:count]
    ]
    quartiles = statistics.quantiles(seconds, n=4)
    print(
        f"speed: {count} random networks of {space.name}, {statistics.mean(macs) / 1e6:.1f}M MACs each, "
        f"on {len(dataset.val):,} images of {height}x{width}: {count / sum(seconds):.2f} a second "
        f"(median {quartiles[1]:.3f} s, quartiles {quartiles[0]:.3f} and {quartiles[2]:.3f} s)",
        flush=True,
    )


def kills(settings: StudySettings, folder: Path) -> None:
    """Kill a study on its way, and check what it has in the end; of one that is done, what it has kept."""
    file = folder / "kills.yaml"
    file.write_text(settings.to_yaml(), encoding="utf-8")
    began = time.perf_counter()
    for word, number in (("epoch", 1), ("told", settings.budget // 10), ("told", settings.budget // 2)):
        process = subprocess.Popen([sys.executable, "-c", RUN, str(file)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            said, _, spent = line.strip().partition(" ")
            if said == word and (said == "epoch" or int(spent) >= number):
                break
        else:  # it had come further before
            assert process.wait() == 0, process.returncode
            print(f"kills: ended without {word} {number}", flush=True)
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        print(f"kills: killed at {word} {number}, {time.perf_counter() - began:.0f} s", flush=True)
    with Study.load(settings.study, storage=settings.storage) as study:
        before = _digest(supernets.trained(study))
    told: list[float] = []
    with subprocess.Popen([sys.executable, "-c", RUN, str(file)], stdout=subprocess.PIPE, text=True) as last:
        assert last.stdout is not None
        for line in last.stdout:
            assert not line.startswith("epoch"), "the supernet was trained again"
            told.append(time.perf_counter())
    assert last.returncode == 0, last.returncode
    with Study.load(settings.study, storage=settings.storage, device=settings.device) as study:
        records = study._store.measurements(study._record.id)
        keys, prints = {record.key for record in records}, {record.fidelity["supernet"] for record in records}
        outcomes, note = study.outcomes(), supernets.trained(study)
    assert len(records) == len(keys) == settings.budget, (len(records), len(keys))
    assert len(prints) == 1, prints
    assert _digest(note) == before
    seconds = [record.seconds or 0.0 for record in records]
    if len(told) > 1:
        gap = statistics.median(later - earlier for earlier, later in pairwise(told))
        judging = statistics.median(seconds[-len(told) :])
        took = f"in the last run a candidate took {gap:.3f} s, {judging:.3f} s of it judging"
        n = len(told)
    else:  # all were judged before
        took, n = f"judging one took {statistics.median(seconds):.3f} s", len(seconds)
    print(
        f"kills: {settings.budget} networks judged once each by one supernet, {outcomes}; {took} "
        f"(medians, n = {n})",
        flush=True,
    )


def _digest(note: supernets.Note) -> str:
    return hashlib.sha256(Path(note.file).read_bytes()).hexdigest()


def fronts(inherited: StudySettings, trained: StudySettings) -> tuple[float, float]:
    """The shares that both fronts dominate; the trained study gets the seconds that the other took."""
    with Study.from_settings(inherited) as study:
        study.run()
        confirmed = study.confirmed()
        sibling = f"{study.name}.confirmed"
        seconds = _worked(study)
        with Study.load(sibling, storage=inherited.storage) as own:
            seconds += _worked(own)
        objectives, limits, classes = study.objectives, study.limits, len(study.classes)
    with Study.from_settings(trained) as other:
        left = seconds - _worked(other)
        if left > 0:
            other.run(budget=10**6, time_s=left)
        theirs = other.front()
        spent = other.spent
    bounds = {limit.metric: limit.bound for limit in limits if limit.relation == "<="}
    both = [*confirmed, *theirs]
    dearest = {
        each.name: bounds.get(each.name, max(trial.values[each.name] for trial in both))
        for each in objectives
        if each.is_cost
    }
    corner = reference_corner(objectives, dearest, classes)

    def share(trials: Sequence[TrialRecord]) -> float:
        rows = [[trial.values[each.name] for each in objectives] for trial in trials]
        box = 1.0
        for length in corner:
            box *= length
        return hypervolume(losses(rows, objectives), corner) / box

    ours, against = share(confirmed), share(theirs)
    print(
        f"fronts: seed {inherited.seed}, {seconds:.0f} s each: confirmed {ours:.4f} ({len(confirmed)} of "
        f"{inherited.budget} judged), trained proxy {against:.4f} ({spent} candidates), "
        f"difference {ours - against:+.4f}",
        flush=True,
    )
    return ours, against


def _worked(study: Study) -> float:
    """Seconds of all runs of a study."""
    runs = study._store.runs(study._record.id)
    return sum(((run.ended_at or run.heartbeat_at) - run.started_at).total_seconds() for run in runs)


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    parser.add_argument("--space", default="mobile")
    parser.add_argument("--data", default="fashion-mnist-12k")
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--supernet-epochs", type=int)
    parser.add_argument("--confirm", type=int, default=10)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("studies/bench-inherited"))
    given = parser.parse_args()
    for part in given.parts:
        if part not in PARTS:
            parser.error(f"part is {part!r}; expected some of {', '.join(PARTS)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, "
        f"{torch.get_num_threads()} threads of torch, torch {torch.__version__}, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )

    def settings(name: str, seed: int, proxy: str) -> StudySettings:
        is_inherited = proxy == "inherited"
        return StudySettings(
            space=given.space,
            data=given.data,
            proxy=proxy,
            seed=seed,
            epochs=given.epochs,
            supernet_epochs=given.supernet_epochs if is_inherited else None,
            confirm=given.confirm if is_inherited and name != "kills" else 0,
            budget=given.budget,
            study=name,
            device=given.device,
            storage=f"sqlite:///{(given.folder / 'bench.db').resolve()}",
            out=str((given.folder / name).resolve()),
        )

    if "speed" in given.parts:
        speed(settings("speed", 0, "inherited"), given.candidates)
    if "kills" in given.parts:
        kills(settings("kills", 0, "inherited"), given.folder)
    if "fronts" in given.parts:
        pairs = []
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            ours = settings(f"inherited{seed}", seed, "inherited")
            pairs.append(fronts(ours, settings(f"trained{seed}", seed, "trained")))
        means = [statistics.mean(column) for column in zip(*pairs, strict=True)]
        ahead = sum(own > other for own, other in pairs)
        print(
            f"fronts: {len(pairs)} seeds: confirmed {means[0]:.4f}, trained proxy {means[1]:.4f}; the "
            f"first is ahead in {ahead}"
        )


if __name__ == "__main__":
    main()
