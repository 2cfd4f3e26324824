from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from nasearch.errors import StoreError
from nasearch.space import Architecture, Block, Head
from nasearch.store import Store, StudyRecord
from nasearch.store.processes import ProcessIdentity, life, this_process
from nasearch.store.tables import RUNS

PROGRAM = Path(__file__).parents[1] / "support" / "store_process.py"


def spawn(task: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), task, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def pretend(store: Store, **columns: object) -> None:
    """Change the live run, as if another process had written it."""
    with store._database.write() as connection:
        connection.execute(update(RUNS).where(RUNS.c.ended_at.is_(None)).values(**columns))


def test_one_owner_at_a_time(store: Store, study: StudyRecord) -> None:
    lease = store.acquire_lease(study.id, "nasearch run")
    with pytest.raises(
        StoreError, match=f"'digits' is being run by process {os.getpid()} on .*nasearch run;"
    ):
        store.acquire_lease(study.id, "second")
    lease.release()
    lease.release()
    with store.acquire_lease(study.id, "second"):
        other = store.create_study("letters", {})
        store.acquire_lease(other.id, "elsewhere").release()
    assert [(run.owner, run.ending) for run in store.runs(study.id)] == [
        ("nasearch run", "released"),
        ("second", "released"),
    ]


def test_no_such_study(store: Store) -> None:
    with pytest.raises(StoreError, match="no study has the id 77"):
        store.acquire_lease(77, "run")


def test_a_beat_is_a_sign_of_life(store: Store, study: StudyRecord) -> None:
    lease = store.acquire_lease(study.id, "run")
    pretend(store, heartbeat_at=datetime.now(UTC) - timedelta(hours=1))
    lease.beat()
    assert datetime.now(UTC) - store.runs(study.id)[0].heartbeat_at < timedelta(seconds=10)
    lease.release()
    with pytest.raises(StoreError, match="no longer owns its study"):
        lease.beat()
    assert lease.lost


def test_the_thread_beats_and_ends(store: Store, study: StudyRecord) -> None:
    lease = store.acquire_lease(study.id, "run")
    first = store.runs(study.id)[0].heartbeat_at
    lease.keep_beating(every_s=0.02)
    deadline = time.monotonic() + 10
    while store.runs(study.id)[0].heartbeat_at == first and time.monotonic() < deadline:
        time.sleep(0.02)
    assert store.runs(study.id)[0].heartbeat_at > first
    lease.release()
    last = store.runs(study.id)[0].heartbeat_at
    time.sleep(0.1)
    assert store.runs(study.id)[0].heartbeat_at == last


def test_another_host_is_taken_over_when_silent(store: Store, study: StudyRecord) -> None:
    lease = store.acquire_lease(study.id, "far away")
    pretend(store, host="elsewhere", heartbeat_at=datetime.now(UTC) - timedelta(seconds=50))
    with pytest.raises(StoreError, match=r"on elsewhere \(far away; last sign of life 5\d s ago\)"):
        store.acquire_lease(study.id, "here")
    pretend(store, heartbeat_at=datetime.now(UTC) - timedelta(seconds=61))
    here = store.acquire_lease(study.id, "here")
    with pytest.raises(StoreError, match="no longer owns"):
        lease.beat()
    lease.release()  # must not end the other's run
    here.beat()
    assert [run.ending for run in store.runs(study.id)] == ["taken over", None]


def test_a_live_process_here_keeps_its_study_however_silent(store: Store, study: StudyRecord) -> None:
    store.acquire_lease(study.id, "suspended")
    pretend(store, heartbeat_at=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(StoreError, match="being run by process"):
        store.acquire_lease(study.id, "second")


def test_a_pid_given_out_again_does_not_keep_a_study(store: Store, study: StudyRecord) -> None:
    if not this_process().began:
        pytest.skip("this system does not tell when a process began")
    store.acquire_lease(study.id, "before")
    pretend(store, process="1")
    store.acquire_lease(study.id, "after").release()


def test_writes_of_a_run_taken_over_are_refused(store: Store, study: StudyRecord) -> None:
    lease = store.acquire_lease(study.id, "far away")
    pretend(store, host="elsewhere")
    store.acquire_lease(study.id, "here", stale_after_s=0.0)
    network = Architecture((Block("stem", "conv", 8),), Head())
    with pytest.raises(StoreError, match="does not own study"):
        store.start_measurement(study.id, 0, network, 0, {}, {}, lease.run_id)
    assert store.budget_used(study.id) == 0


def test_a_killed_owner_is_taken_over_at_once(store: Store, study: StudyRecord, url: str) -> None:
    owner = spawn("race", url)
    assert line_of(owner) == "ready"
    tell(owner)
    assert line_of(owner) == "won"
    with pytest.raises(StoreError, match=f"process {owner.pid} "):
        store.acquire_lease(study.id, "second")
    owner.send_signal(signal.SIGKILL)
    # Before its parent has asked for it the dead process still has its pid, as a zombie.
    deadline = time.monotonic() + 10
    while life(_identity(store, study)) == "alive" and time.monotonic() < deadline:
        time.sleep(0.01)
    store.acquire_lease(study.id, "second").release()
    owner.communicate()
    assert [run.ending for run in store.runs(study.id)] == ["taken over", "released"]


def _identity(store: Store, study: StudyRecord) -> ProcessIdentity:
    me, run = this_process(), store.runs(study.id)[-1]
    return ProcessIdentity(run.host, run.pid, me.place, "")


@pytest.mark.parametrize("after_a_death", [False, True])
def test_of_racing_processes_one_wins(
    store: Store, study: StudyRecord, url: str, after_a_death: bool
) -> None:
    if after_a_death:
        store.acquire_lease(study.id, "dead")
        pretend(store, pid=2**22 + 1)  # above the largest pid of a 64-bit Linux
    racers = [spawn("race", url) for _ in range(2)]
    assert [line_of(racer) for racer in racers] == ["ready"] * 2
    for racer in racers:
        tell(racer)
    results = [line_of(racer) for racer in racers]
    for racer in racers:
        racer.communicate()
    assert sorted(result.split()[0] for result in results) == ["lost", "won"]
    winner = racers[[result == "won" for result in results].index(True)]
    assert all(f"process {winner.pid} " in result for result in results if result != "won")


def test_processes_elsewhere_cannot_be_judged() -> None:
    me = this_process()
    assert life(me) == "alive"
    assert life(ProcessIdentity("elsewhere", me.pid, me.place, me.began)) == "unknown"
    assert life(ProcessIdentity(me.host, me.pid, "another boot", me.began)) == "unknown"
    assert life(ProcessIdentity(me.host, 2**22 + 1, me.place, "")) == "dead"


def test_a_beat_soon_after_another_writes_nothing_and_still_finds_a_lost_lease(
    store: Store, study: StudyRecord
) -> None:
    lease = store.acquire_lease(study.id, "nasearch run")
    first = store.runs(study.id)[0].heartbeat_at
    lease.beat()
    assert store.runs(study.id)[0].heartbeat_at == first
    pretend(store, ended_at=datetime.now(UTC), ending="taken over")
    with pytest.raises(StoreError, match="no longer owns"):
        lease.beat()
    assert lease.lost
