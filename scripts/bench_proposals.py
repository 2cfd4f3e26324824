"""Time one proposal of the surrogate sampler in a study, as `nasearch run` makes it.

    python scripts/bench_proposals.py [SPACE...] [--trials 20] [--proposals 6]

Each proposal is made by a new sampler, which knows of the space what a study tells it: exact costs, keys,
topology. Accuracies are made from the MACs and the network's key. The first proposal meets most of the
space's blocks for the first time. Processor time is beside the clock's, for machines that are busy.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import create_trial

import nasearch as nas
from nasearch.samplers import make_sampler
from nasearch.study.knowledge import knowledge_of
from nasearch.study.opening import make_rules
from scripts.bench_tools import machine_line


def proposals(name: str, trials: int, count: int, storage: str) -> list[tuple[float, float]]:
    """(seconds by the clock, seconds of the processor) of each proposal after so many trials."""
    study = nas.Study.create(
        f"proposals-{name}",
        space=nas.SearchSpace.load(name),
        data="fashion-mnist-12k",
        objectives=["accuracy", "macs"],
        storage=storage,
    )
    rules = make_rules(study)
    knowledge = knowledge_of(rules)
    assert knowledge.domain is not None
    specs = knowledge.domain.distributions
    asked = optuna.create_study(directions=["maximize", "minimize"])

    def values(architecture: nas.Architecture) -> tuple[float, float]:
        macs = rules.costs(architecture)["macs"]
        return 0.4 + 0.04 * math.log(macs) - 0.1 * random.Random(architecture.key).random(), macs

    generator = random.Random(0)
    for _ in range(trials):
        architecture = rules.space.sample(generator)
        params = dict(architecture.decisions)
        own = {each: specs[each] for each in params}
        asked.add_trial(create_trial(params=params, distributions=own, values=values(architecture)))
    seconds = []
    for number in range(trials, trials + count):
        asked.sampler = make_sampler("surrogate", 0, number, knowledge)
        clock, used = time.perf_counter(), time.process_time()
        trial = asked.ask()
        suggest: Any = trial.suggest_categorical
        architecture = rules.space.propose(suggest)
        seconds.append((time.perf_counter() - clock, time.process_time() - used))
        asked.tell(trial, values(architecture))
    return seconds


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spaces", nargs="*", default=["nasbench201", "darts", "mobile"], metavar="SPACE")
    parser.add_argument("--trials", type=int, default=20, help="trials so far, default 20")
    parser.add_argument("--proposals", type=int, default=6, help="of each space, default 6")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(machine_line("cpu"))
    print(f"after {given.trials} trials, {given.proposals} proposals; seconds\n")
    print(
        f"{'space':16}{'first':>8}{'median':>8}{'most':>8}  processor: {'first':>6}{'median':>8}{'most':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in given.spaces:
            storage = f"sqlite:///{Path(folder) / name}.db"
            columns = list(zip(*proposals(name, given.trials, given.proposals, storage), strict=True))
            clock, used = ((each[0], statistics.median(each), max(each)) for each in columns)
            print(
                f"{name:16}"
                + "".join(f"{value:8.2f}" for value in clock)
                + "  "
                + " " * 11
                + f"{used[0]:6.2f}"
                + "".join(f"{value:8.2f}" for value in used[1:]),
                flush=True,
            )


if __name__ == "__main__":
    main()
