"""Time what the engine itself spends on a candidate: everything but training and measuring.

    python scripts/bench_overhead.py [--trials 5000] [--at 50,100,1000,5000] [--samplers tpe,nsga2]
        [--sampler-trials 200] [--folder DIR] [--profile FILE]

Runs a study by `Study.run` on an SQLite file with a proxy that answers at once, with an accuracy made from
the network's key and one epoch in its curve. A candidate's time is from one candidate's outcome to the
next one's, refused and repeated proposals between them included. Nothing is left out: the first window
holds the tracing of pieces that `architecture_cost` has not seen before. `--samplers` times other samplers
apart, in studies of their own. With `--profile` the last tenth of the candidates is profiled into a file,
and nothing is judged.

Exits with 1 where the `random` sampler takes 25 ms a candidate or more in the first or the last window, or
the last one takes more than twice what the window at 100 takes.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import optuna
import sqlalchemy

import nasearch as nas
from nasearch.data import Dataset
from nasearch.measure.trained import Fidelity, ProxyResult
from nasearch.space import Architecture
from nasearch.store.records import TrialRecord
from nasearch.study.progress import Standing
from nasearch.study.proxies import trained
from nasearch.training import CurvePoint, Recipe

BOUND_MS = 25.0
GROWTH = 2.0
WINDOW = 50
_STAGE = """
  - channels: [{0}, {1}]
    depth: 1
    stride: {2}
    attention: [none, se]
    block:
      one_of:
        - {{kind: mbconv, kernel: [3, 5], expand: [2, 3]}}
        - {{kind: residual, kernel: [3, 5]}}"""
_STAGES = [(16, 24, 1), (16, 24, 2), (32, 48, 1), (64, 96, 2)]
SPACE = f"""
name: overhead
about: 18 choices that every network has, and up to four more
stem: {{kind: conv, kernel: 3, channels: [8, 16]}}
stages:{"".join(_STAGE.format(*stage) for stage in _STAGES)}
head: {{kind: linear, dropout: [0.0, 0.2]}}
limits: ["macs <= 9M"]
"""


class Clock(nas.Progress):
    """Notes when each measured candidate has its outcome."""

    def __init__(self, on_told: Callable[[int], None]) -> None:
        self.moments: list[tuple[float, float]] = []
        self.proposals = 0
        self._on_told = on_told

    def told(self, trial: TrialRecord, standing: Standing) -> None:
        """One trial more; a moment where it was measured."""
        self.proposals += 1
        if trial.outcome == "complete":
            self.moments.append((time.perf_counter(), time.process_time()))
            self._on_told(len(self.moments))

    def window(self, at: int) -> tuple[list[float], list[float]]:
        """Milliseconds a candidate around number `at`, by the clock and of the processor."""
        times = np.diff(np.array(self.moments), axis=0) * 1e3
        first = min(max(0, at - 1 - WINDOW // 2), max(0, len(times) - WINDOW))
        wall, own = times[first : first + WINDOW].T
        return list(map(float, wall)), list(map(float, own))

    def shown(self, at: int) -> str:
        """A line on that window."""
        wall, own = self.window(at)
        return f"  around candidate {at:>6,}:    {shown(wall)}; processor {statistics.median(own):.1f} ms"


def instant(
    architecture: Architecture,
    dataset: Dataset,
    recipe: Recipe,
    *,
    device: str,
    seed: int,
    on_epoch: Callable[[CurvePoint], bool | None],
    evaluate_at: Collection[int],
    checkpoint: Path | None,
    precision: str,
    weights: Path | None,
) -> ProxyResult:
    """The proxy that answers at once, in the place of `train_proxy`."""
    assert (device, evaluate_at, precision) == ("cpu", (1,), "auto")
    assert checkpoint is not None
    assert weights is None
    accuracy = 0.1 + 0.8 * int(architecture.key.partition(":")[2][:8], 16) / 0xFFFFFFFF
    point = CurvePoint(1, 1.0, 1.0, accuracy, 0.01, 0.0)
    on_epoch(point)
    return ProxyResult(accuracy, (point,), 0.0, Fidelity.of(recipe, dataset), seed)


def run(folder: Path, sampler: str, trials: int, on_told: Callable[[int], None]) -> Clock:
    """Search with a sampler until `trials` distinct networks were measured."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (40, 16, 16, 3), dtype=np.uint8)
    labels = np.repeat(np.arange(2), 20)
    np.savez(folder / "images.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    (folder / "overhead.yaml").write_text(SPACE, encoding="utf-8")
    clock = Clock(on_told)
    # Where the study's bench looks for its proxy: all else is what `nasearch run` does.
    with (
        mock.patch.object(trained, "train_proxy", instant),
        nas.Study.create(
            f"overhead-{sampler}",
            space=folder / "overhead.yaml",
            data=f"npz:{folder / 'images.npz'}",
            sampler=sampler,
            epochs=1,
            storage=f"sqlite:///{folder}/overhead.db",
            device="cpu",
            workers=1,
            out=folder / "out",
        ) as study,
    ):
        study.run(budget=trials, progress=clock)
    return clock


def _ignore(count: int) -> None:
    """Of the samplers beside `random` nothing is profiled."""


def commit_ms(folder: Path) -> list[float]:
    """Milliseconds of a bare durable commit on this disk, as the store makes them."""
    times = []
    connection = sqlite3.connect(folder / "commit.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (a)")
    for number in range(100):
        started = time.perf_counter()
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        times.append((time.perf_counter() - started) * 1e3)
    connection.close()
    return times


def shown(times: Sequence[float]) -> str:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(times, n=4)
    return f"median {median:6.1f} ms  (quartiles {low:.1f} to {high:.1f}, n = {len(times)})"


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(named)} x {named[0]}" if named else platform.processor() or platform.machine()


def main() -> None:
    """Run, report, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=5000, help="candidates, default 5000")
    parser.add_argument("--at", default="50,100,1000,5000", help="where to look, default 50,100,1000,5000")
    parser.add_argument("--samplers", default="", help="others to time apart, such as tpe,nsga2,nsga3,gp")
    parser.add_argument("--sampler-trials", type=int, default=200, help="candidates of those, default 200")
    parser.add_argument("--folder", help="where the databases lie; a temporary folder if not given")
    parser.add_argument("--profile", help="file for the profile of the last tenth of the trials")
    given = parser.parse_args()
    places = [place for place in map(int, given.at.split(",")) if place <= given.trials]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    profile = cProfile.Profile()

    def on_told(count: int) -> None:
        if given.profile and count == given.trials - max(1, given.trials // 10):
            profile.enable()

    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
        print(
            f"{processor()}{load}; Python {platform.python_version()}, optuna {optuna.__version__}, "
            f"SQLAlchemy {sqlalchemy.__version__}, SQLite {sqlite3.sqlite_version}"
        )
        print(f"a bare durable commit here:    {shown(commit_ms(folder))}")
        started = time.perf_counter()
        clock = run(folder, "random", given.trials, on_told)
        profile.disable()
        print(
            f"random, {len(clock.moments):,} candidates of {clock.proposals:,} proposals in "
            f"{time.perf_counter() - started:.0f} s"
        )
        medians = {}
        for place in places:
            medians[place] = statistics.median(clock.window(place)[0])
            print(clock.shown(place))
        for sampler in filter(None, given.samplers.split(",")):
            other = run(folder, sampler, given.sampler_trials, _ignore)
            print(f"{sampler}, {len(other.moments):,} candidates of {other.proposals:,} proposals")
            for place in (place for place in (50, 100, given.sampler_trials) if place <= len(other.moments)):
                print(other.shown(place))
    if given.profile:
        profile.dump_stats(given.profile)
        return
    last = places[-1]
    growth = medians[last] / medians.get(100, medians[places[0]])
    print(f"growth from 100 to {last:,}: {growth:.2f} times; bounds {BOUND_MS:.0f} ms and {GROWTH:.0f} times")
    if max(medians[places[0]], medians[last]) >= BOUND_MS or growth > GROWTH:
        sys.exit(1)


if __name__ == "__main__":
    main()
