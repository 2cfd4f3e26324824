"""Workers: candidates trained by processes of their own, which may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

import nasearch.executors.processes as processes
from nasearch.data import Dataset, load
from nasearch.errors import StudyError
from nasearch.executors import Job, Place, Processes, Task
from nasearch.measure.trained import train_proxy
from nasearch.space import SearchSpace
from nasearch.training import CurvePoint, Recipe
from tests.study.conftest import write_images

RECIPE = Recipe("short", epochs=3, images=None, batch_size=8, mixup_share=0.0, cutmix_share=0.0)
TASK = Task(recipe=RECIPE.to_dict(), evaluate_at=(1, 3), precision="float32")

pytestmark = pytest.mark.slow  # each worker imports torch


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(f"npz:{write_images(tmp_path_factory.mktemp('data') / 'stripes.npz')}")


@pytest.fixture(scope="module")
def pool(dataset: Dataset) -> Iterator[Processes]:
    with Processes(dataset, TASK, [Place(), Place()]) as executor:
        yield executor


def job(number: int, checkpoint: Path | None = None) -> Job:
    return Job(number, SearchSpace.load("tiny").sample(number), seed=number, checkpoint=checkpoint)


def always(job: Job, point: CurvePoint) -> bool:
    return True


def test_two_jobs_side_by_side_give_what_they_give_alone(pool: Processes, dataset: Dataset) -> None:
    assert pool.room == 2
    for number in (1, 2):
        pool.submit(job(number))
    assert pool.room == 0
    seen: list[tuple[int | None, int]] = []

    def watch(job: Job, point: CurvePoint) -> bool:
        seen.append((job.number, point.epoch))
        return True

    done = {each.job.seed: each for each in (pool.wait(watch), pool.wait(watch))}
    assert set(done) == {1, 2}
    assert sorted(seen) == [(1, 1), (1, 3), (2, 1), (2, 3)]
    for number, each in done.items():
        assert each.result is not None
        alone = train_proxy(
            job(number).architecture, dataset, RECIPE, seed=number, evaluate_at=(1, 3), precision="float32"
        )
        assert each.result.accuracy == alone.accuracy
        assert [point.val_loss for point in each.result.curve] == [point.val_loss for point in alone.curve]


def test_a_job_that_is_told_to_stop_stops_there(pool: Processes) -> None:
    pool.submit(job(3))
    done = pool.wait(lambda job, point: False)
    assert done.result is not None
    assert done.result.stopped
    assert [point.epoch for point in done.result.curve] == [1]


def test_an_error_of_the_watcher_is_the_callers_and_no_candidates(dataset: Dataset) -> None:
    def broken(job: Job, point: CurvePoint) -> bool:
        raise StudyError("the store is gone")

    with Processes(dataset, TASK, [Place()]) as executor:
        executor.submit(job(4))
        with pytest.raises(StudyError, match="the store is gone"):
            executor.wait(broken)


def test_a_killed_worker_costs_its_job_alone_and_is_replaced(pool: Processes) -> None:
    pool.submit(job(5))
    victims: list[int] = []

    def kill(job: Job, point: CurvePoint) -> bool:
        if not victims:
            victims.extend(pool.pids)
            for pid in pool.pids:
                os.kill(pid, signal.SIGKILL)
        return True

    done = pool.wait(kill)
    assert done.death == "kill"
    assert done.result is None
    assert done.reason is not None
    assert "signal 9 (SIGKILL)" in done.reason
    pool.submit(done.job)
    again = pool.wait(always)
    assert again.result is not None
    assert not set(victims) & set(pool.pids)


def test_a_worker_that_the_system_killed_for_want_of_memory_has_its_job_to_blame(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(job: Job, point: CurvePoint) -> bool:
        monkeypatch.setattr(processes, "oom_kills", count(10**6).__next__)  # one more for each death
        os.kill(executor.pids[0], signal.SIGKILL)
        return True

    # Workers of its own: they keep the last count, which here is none of this machine.
    with Processes(dataset, TASK, [Place()]) as executor:
        executor.submit(job(8))
        done = executor.wait(kill)
    assert done.death == "crash"
    assert done.reason is not None
    assert done.reason.startswith("its worker process was killed by the system, which was out of memory")


def test_a_killed_training_goes_on_from_its_checkpoint(
    pool: Processes, dataset: Dataset, tmp_path: Path
) -> None:
    work = job(6, tmp_path / "t.pt")
    pool.submit(work)
    epochs: list[int] = []

    def kill_at_the_end(job: Job, point: CurvePoint) -> bool:
        epochs.append(point.epoch)
        if epochs == [1, 3]:
            for pid in pool.pids:
                os.kill(pid, signal.SIGKILL)
        return True

    assert pool.wait(kill_at_the_end).death == "kill"
    assert work.checkpoint is not None
    assert work.checkpoint.exists()
    pool.submit(work)
    done = pool.wait(kill_at_the_end)
    assert done.result is not None
    assert epochs == [1, 3, 3]  # the first epoch is not trained again, and the last is told again
    whole = train_proxy(work.architecture, dataset, RECIPE, seed=6, evaluate_at=(1, 3), precision="float32")
    assert done.result.accuracy == whole.accuracy
    assert [point.val_loss for point in done.result.curve] == [point.val_loss for point in whole.curve]


def test_workers_that_never_come_to_life_end_the_run_with_their_last_words(dataset: Dataset) -> None:
    task = Task(recipe={**RECIPE.to_dict(), "epochs": 0}, evaluate_at=(1,))
    with Processes(dataset, task, [Place()]) as executor:
        executor.submit(job(7))
        with pytest.raises(StudyError, match=r"3 worker processes died before they began.*epochs is 0"):
            executor.wait(always)


def test_nothing_is_left_running(dataset: Dataset) -> None:
    executor = Processes(dataset, TASK, [Place()])
    pids = executor.pids
    executor.close()
    executor.close()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


ORPHAN = """
import sys, time
from nasearch.data import load
from nasearch.executors import Place, Processes, Task
from nasearch.training import RECIPES

executor = Processes(load("npz:" + sys.argv[1]), Task(RECIPES["proxy"].to_dict(), (1,)), [Place()])
print(executor.pids[0], flush=True)
time.sleep(60)
"""


def test_workers_end_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    file = write_images(tmp_path / "stripes.npz")
    command = [sys.executable, "-c", ORPHAN, str(file)]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    time.sleep(1)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
