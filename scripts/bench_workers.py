"""Measure what workers give, and that killing them breaks nothing.

    python scripts/bench_workers.py --repeats 3
    python scripts/bench_workers.py --kill-every 4

The same study (a space, data, the sampler `random`, no racing: the same candidates every time) is run in turn
by one worker with all cores, one single-threaded worker and two single-threaded workers, each time as a
fresh process of `nasearch run --no-finish` with a fresh database. The time counts from the process's owning
the study, before workers are started, to the end of the last measurement; that of the whole process is
printed beside it.

With `--kill-every` one study runs with two workers, of which one drawn at random is killed (SIGKILL) every so
many seconds. Afterwards the study is checked: the budget is exact, every key is there once and was completed
once, none failed, nothing is left running, and SQLite finds the database whole.
Exits with 1 otherwise.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout that this script belongs to

from nasearch.store import MeasurementRecord, Store
from scripts.bench_tools import (
    environment,
    machine,
    machine_line,
    nasearch_command,
    ratio_interval,
    run_logged,
)

STUDY = "workers"
ALL_CORES, SINGLE, TWO = "one worker, all cores", "one single-threaded worker", "two single-threaded workers"
TARGETS = {ALL_CORES: 1.2, SINGLE: 1.6}


@dataclass(frozen=True)
class Setup:
    """One way to run the study."""

    name: str
    workers: int
    threads: int | None


# Two workers share two cores by themselves, so their threads are left to nasearch.
SETUPS = (Setup(ALL_CORES, 1, None), Setup(SINGLE, 1, 1), Setup(TWO, 2, None))


@dataclass(frozen=True)
class Timing:
    """One run: of the search, and of the process with imports, latencies and report. Seconds."""

    setup: str
    search_seconds: float
    process_seconds: float
    candidates: int


@dataclass(frozen=True)
class Job:
    """What is searched."""

    space: str
    data: str
    budget: int
    epochs: int | None
    images: int | None

    def command(self, folder: Path, workers: int) -> list[str]:
        """The command line of a run in a folder."""
        given = ["--space", self.space, "--data", self.data, "--budget", str(self.budget), "--device", "cpu"]
        given += ["--sampler", "random", "--no-finish", "--study", STUDY, "--out", str(folder / "out")]
        given += ["--storage", f"sqlite:///{database(folder)}"]
        for name in ("epochs", "images"):
            value = getattr(self, name)
            given += [] if value is None else [f"--{name}", str(value)]
        given += ["--workers", str(workers), "--no-racing"]
        return nasearch_command("run", *given)


def database(folder: Path) -> Path:
    """The database of a run in a folder."""
    return folder / "study.db"


# speed


def timed(job: Job, setup: Setup) -> Timing:
    """Run the study once from nothing."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        began = time.perf_counter()
        run_logged(job.command(folder, setup.workers), folder / "log.txt", setup.threads)
        process_seconds = time.perf_counter() - began
        with Store.open(f"sqlite:///{database(folder)}") as store:
            record = store.find_study(STUDY)
            assert record is not None
            measured, run = store.measurements(record.id), store.runs(record.id)[0]
    last = max(entry.ended_at for entry in measured if entry.ended_at is not None)
    return Timing(setup.name, (last - run.started_at).total_seconds(), process_seconds, len(measured))


def summary(timings: Sequence[Timing]) -> list[str]:
    """The lines that are printed in the end."""
    lines = ["| | search s, mean ± sd | whole process s | candidates a minute |", "| --- | --- | --- | --- |"]
    rows = {name: [each for each in timings if each.setup == name] for name in (ALL_CORES, SINGLE, TWO)}
    for name, row in rows.items():
        seconds = [each.search_seconds for each in row]
        sd = np.std(seconds, ddof=1) if len(seconds) > 1 else float("nan")
        whole = np.mean([each.process_seconds for each in row])
        rate = 60 * row[0].candidates / np.mean(seconds)
        lines.append(f"| {name} | {np.mean(seconds):.1f} ± {sd:.1f} | {whole:.1f} | {rate:.1f} |")
    for name, target in TARGETS.items():
        ratios = [
            [one.search_seconds / two.search_seconds] for one, two in zip(rows[name], rows[TWO], strict=True)
        ]
        lines.append(f"{TWO} against {name}: {ratio_interval(ratios).text} times sooner; target {target}")
    return lines


# kills


def workers_of(pid: int) -> list[int]:
    """Process ids of a run's workers: its children that have not ended.

    Raises:
        ClickException: on a system without /proc.
    """
    if not Path("/proc/self/stat").is_file():
        raise click.ClickException("--kill-every reads /proc; expected Linux")
    found: list[int] = []
    # not /proc/PID/task/*/children, which may leave out processes while another one ends
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # pid (name, which may hold anything) state parent ...
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if int(parent) == pid and state not in "ZX":
            found.append(int(folder.name))
    return found


def run_with_kills(job: Job, folder: Path, every_s: float, seed: int, limit_s: float) -> tuple[int, int]:
    """Run the study with two workers and kill one every so often; kills, and the run's exit status."""
    draw, kills, began = random.Random(seed), 0, time.monotonic()
    with (folder / "log.txt").open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            job.command(folder, 2), stdout=out, stderr=subprocess.STDOUT, env=environment()
        )
        try:
            while True:
                try:
                    return kills, process.wait(timeout=every_s)
                except subprocess.TimeoutExpired:
                    found = workers_of(process.pid)
                if time.monotonic() - began > limit_s:
                    raise click.ClickException(
                        f"the run did not end within {limit_s:.0f} s and {kills} kills"
                    )
                if found:
                    victim = draw.choice(found)
                    try:
                        os.kill(victim, signal.SIGKILL)
                    except ProcessLookupError:
                        continue  # it ended by itself in this moment
                    kills += 1
                    print(f"killed worker {victim} after {time.monotonic() - began:.1f} s", flush=True)
        finally:
            process.kill()
            process.wait()


def damages(folder: Path, budget: int) -> list[str]:
    """What is wrong with a study; nothing if it is whole."""
    import optuna

    with Store.open(f"sqlite:///{database(folder)}") as store:
        record = store.find_study(STUDY)
        if record is None:
            return ["there is no study"]
        measured = store.measurements(record.id)
        trials = optuna.load_study(study_name=STUDY, storage=store.optuna).get_trials(deepcopy=False)
    completed = Counter(
        trial.user_attrs["nasearch:key"]
        for trial in trials
        if trial.user_attrs.get("nasearch:outcome") == "complete"
    )
    unfinished = [trial.number for trial in trials if not trial.state.is_finished()]
    connection = sqlite3.connect(database(folder))
    try:
        integrity = connection.execute("PRAGMA integrity_check").fetchall()
    finally:
        connection.close()
    return wrong_with(measured, completed, unfinished, budget) + (
        [] if integrity == [("ok",)] else [f"SQLite: {integrity[:3]}"]
    )


def wrong_with(
    measured: Sequence[MeasurementRecord], completed: Counter[str], unfinished: Sequence[int], budget: int
) -> list[str]:
    """The same from the rows.

    Args:
        measured: our measurements.
        completed: how often Optuna was told that a key is complete.
        unfinished: numbers of Optuna's trials without an end.
        budget: distinct keys that were to be measured.
    """
    found: list[str] = []
    keys = {entry.key for entry in measured}
    if len(measured) != budget or len(keys) != budget:
        found.append(f"{len(measured)} measurements of {len(keys)} keys; expected {budget}")
    found += [f"trial {entry.number} is still running" for entry in measured if entry.state == "running"]
    found += [f"Optuna's trial {number} has no end" for number in unfinished]
    found += [f"trial {entry.number} failed: {entry.reason}" for entry in measured if entry.state == "failed"]
    done = {entry.key for entry in measured if entry.state == "complete"}
    found += [f"{key} was told complete {count} times" for key, count in completed.items() if count > 1]
    found += [f"{key} is complete here and not there" for key in sorted(done ^ set(completed))]
    return found


def kill_and_check(job: Job, every_s: float, seed: int) -> None:
    """Run with kills, check, and exit with 1 where something broke."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        kills, status = run_with_kills(job, folder, every_s, seed, limit_s=3600)
        log = (folder / "log.txt").read_text(encoding="utf-8").splitlines()
        found = damages(folder, job.budget)
    if status:
        found.append(f"the run ended with {status}: {' / '.join(log[-3:])}")
    print(f"{job.budget} candidates, {kills} kills: {'; '.join(found) or 'the study is whole'}")
    if not kills:
        found.append("nothing was killed")
        print("no worker was found to kill")
    if found:
        sys.exit(1)


@click.command(help=__doc__)
@click.option("--space", default="mobile", show_default=True)
@click.option(
    "--data", default="fashion-mnist-12k", show_default=True, help="A name, folder:PATH or npz:FILE."
)
@click.option("--budget", default=50, show_default=True, help="Candidates of the study.")
@click.option("--epochs", type=int, help="Of the proxy recipe; its own if not given.")
@click.option("--images", type=int, help="Of the proxy recipe; its own if not given.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each kind, in turn.")
@click.option("--kill-every", type=float, metavar="SECONDS", help="Kill workers instead of timing them.")
@click.option("--seed", default=0, show_default=True, help="Of the choice of victims.")
@click.option(
    "--quick", is_flag=True, help="Tiny space, 3 candidates, few images: whether it works, no figures."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Keep the timings there.")
def main(
    space: str,
    data: str,
    budget: int,
    epochs: int | None,
    images: int | None,
    repeats: int,
    kill_every: float | None,
    seed: int,
    quick: bool,
    json_file: Path | None,
) -> None:
    """Time in turn, or kill and check."""
    if quick:
        space, budget, epochs, images, repeats = "tiny", 3, 1, 64, 1
    job = Job(space, data, budget, epochs, images)
    print(
        f"{space} on {data}, {budget} candidates; {machine_line('cpu')}; {time.strftime('%Y-%m-%d')}",
        flush=True,
    )
    if kill_every is not None:
        kill_and_check(job, kill_every, seed)
        return
    timings: list[Timing] = []
    for repeat in range(repeats):
        for setup in SETUPS:
            timings.append(timed(job, setup))
            print(f"{repeat + 1}: {setup.name}: {timings[-1].search_seconds:.1f} s", flush=True)
    print("\n".join(summary(timings)))
    if json_file is not None:
        kept = {"machine": machine("cpu"), "timings": [asdict(each) for each in timings]}
        json_file.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
