"""What store tests run in processes of their own: `python store_process.py TASK URL ...`.

Each task prints a line for what it has done, so that the parent knows how far it came.
"""

from __future__ import annotations

import sys
import time

import optuna

from nasearch.errors import StoreError
from nasearch.space import Architecture, Block, Head
from nasearch.store import CurveRow, Store
from nasearch.store.trial_storage import TrialStorage

EPOCHS = 3


def network(number: int) -> Architecture:
    """A different network for every number."""
    return Architecture((Block("stem", "conv", 8 + number),), Head())


def accuracy(number: int, epoch: int) -> float:
    """What the made-up training of a network reaches."""
    return (number % 50) / 100 + epoch / 10


def point(number: int, epoch: int) -> CurveRow:
    """An epoch of the made-up training."""
    return CurveRow(epoch, 1.0 / epoch, 2.0 / epoch, accuracy(number, epoch), 0.01, float(epoch))


def say(text: str) -> None:
    """Tell the parent."""
    print(text, flush=True)


def open_only(url: str) -> None:
    """Open, when the parent says so, and note a study."""
    say("ready")
    name = sys.stdin.readline().strip()
    with Store.open(url) as store:
        store.create_study(name, {})
        optuna.create_study(study_name=name, storage=store.optuna)
    say("opened")


def race(url: str) -> None:
    """Try to own study 1, when the parent says so; hold it until told to end."""
    with Store.open(url) as store:
        say("ready")
        sys.stdin.readline()
        try:
            store.acquire_lease(1, "racer")
        except StoreError as problem:
            say(f"lost {problem}")
            return
        say("won")
        sys.stdin.readline()


def search(url: str) -> None:
    """Measure networks for ever, in the documented order."""
    with Store.open(url) as store:
        found = store.find_study("digits") or store.create_study("digits", {})
        study = optuna.create_study(
            study_name="digits", storage=store.optuna, direction="maximize", load_if_exists=True
        )
        lease = store.acquire_lease(found.id, "search")
        say("owns")
        while True:
            trial = study.ask()
            number = trial.number
            args = (network(number), number, {"epochs": EPOCHS}, {"kind": "cpu"}, lease.run_id)
            measurement = store.start_measurement(found.id, number, *args)
            for epoch in range(1, EPOCHS + 1):
                store.add_curve_point(measurement, point(number, epoch))
            store.complete_measurement(measurement, {"accuracy": accuracy(number, EPOCHS)}, 1.0)
            say(f"stored {number}")
            study.tell(trial, accuracy(number, EPOCHS))
            say(f"told {number}")


def write_on(url: str) -> None:
    """Start and complete as fast as possible: most kills fall into a write."""
    with Store.open(url) as store:
        found = store.find_study("fast") or store.create_study("fast", {})
        lease = store.acquire_lease(found.id, "fast")
        number = store.budget_used(found.id)
        say("owns")
        while True:
            measurement = store.start_measurement(found.id, number, network(number), 0, {}, {}, lease.run_id)
            store.complete_measurement(measurement, {"accuracy": accuracy(number, 1)}, 1.0)
            number += 1


def decided(url: str) -> optuna.Trial:
    """A trial of study "s" with twenty choices, an attribute and a constraint."""
    store = Store.open(url)
    study = optuna.create_study(study_name="s", storage=store.optuna, load_if_exists=True)
    trial = study.ask()
    for number in range(20):
        distribution = optuna.distributions.CategoricalDistribution([0, 1, 2])
        store.optuna.set_trial_param(trial._trial_id, f"c{number}", number % 3, distribution)
    trial.set_user_attr("label", "whole")
    trial.set_constraint("params <= 1", 0.5)
    return trial


def flushed(url: str) -> None:
    """Decide a trial, flush it, and wait to be killed."""
    trial = decided(url)
    assert isinstance(trial.storage, TrialStorage)
    trial.storage.flush(trial._trial_id)
    say("ready")
    time.sleep(60)


def unflushed(url: str) -> None:
    """Decide a trial and wait to be killed."""
    decided(url)
    say("ready")
    time.sleep(60)


def main() -> None:
    """Do the task of the first argument on the URL of the second."""
    task, url = sys.argv[1:]
    tasks = {"open": open_only, "race": race, "search": search, "write": write_on}
    tasks |= {"flushed": flushed, "unflushed": unflushed}
    started = time.monotonic()
    tasks[task](url)
    say(f"done in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
