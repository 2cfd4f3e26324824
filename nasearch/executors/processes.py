"""Measuring candidates side by side in worker processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError, Pipe
from multiprocessing.connection import Client, Connection, Listener, wait
from pathlib import Path
from typing import Any

from nasearch.data import Dataset
from nasearch.data.host import oom_kills
from nasearch.data.shared import save_dataset
from nasearch.errors import StudyError
from nasearch.executors.job import Death, Done, Executor, Job, OnPoint
from nasearch.executors.task import BEGUN, KEY, READY, Task
from nasearch.training import CurvePoint

MOST_FALSE_STARTS = 3
"""Workers in a row that end by themselves before they begin a job: something is wrong with all of them."""

FAREWELL_S = 10.0
"""A worker that is ending (its memory may be written to the disk) is killed after this long."""


@dataclass(frozen=True)
class Place:
    """Where a worker computes.

    Attributes:
        device: torch device.
        threads: of torch on the processor; 0 leaves them as they are.
        share: of the memory of a GPU.
    """

    device: str = "cpu"
    threads: int = 1
    share: float = 1.0


@dataclass(eq=False)
class _Worker:
    """One process, its place, and what it is doing."""

    name: str
    place: Place
    process: subprocess.Popen[bytes]
    log: Path
    connection: Connection | None = None
    is_ready: bool = False
    job: Job | None = None
    has_begun: bool = False
    since: float = field(default_factory=time.perf_counter)


class Processes(Executor):
    """As many workers as places, each a process of its own that measures a job at a time.

    A worker that dies (killed, segmentation fault, out of memory) costs only its candidate's progress since
    the last checkpoint: the job comes back with `Done.death`, and another worker takes the place.
    """

    def __init__(self, dataset: Dataset, task: Task, places: Sequence[Place]) -> None:
        self._task, self._places = task, tuple(places)
        self._folder = tempfile.TemporaryDirectory(prefix="nasearch-", ignore_cleanup_errors=True)
        self._dataset = Path(self._folder.name) / "dataset.pt"
        save_dataset(dataset, self._dataset)
        self._key = secrets.token_bytes(32)
        self._listener = Listener(authkey=self._key)
        self._arrivals: deque[tuple[str, Connection]] = deque()
        self._bell, self._ring = Pipe(duplex=False)
        self._closed = False
        self._doorman = threading.Thread(target=self._let_in, name="workers", daemon=True)
        self._doorman.start()
        self._queue: deque[Job] = deque()
        self._false_starts = 0
        self._oom_kills = oom_kills()
        self._workers = [self._start(place) for place in self._places]

    @property
    def room(self) -> int:
        """Places without a job, those whose worker is still starting among them."""
        return len(self._places) - len(self._queue) - sum(worker.job is not None for worker in self._workers)

    @property
    def threads(self) -> int | None:
        """Of each worker on the processor."""
        return self._places[0].threads or None

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return tuple(worker.process.pid for worker in self._workers)

    def submit(self, job: Job) -> None:
        """Hand a job to a worker that is ready, or keep it until one is."""
        self._queue.append(job)
        self._assign()

    def wait(self, on_point: OnPoint) -> Done:
        """Until one of the jobs is done; on the way `on_point` decides about the others.

        Raises:
            StudyError: if workers do not come to life; with the last line that one wrote.
        """
        while True:
            done = self._listen(on_point)
            if done is not None:
                return done

    def settle(self) -> None:
        """Until every worker is ready; only while none has a job."""
        while not all(worker.is_ready for worker in self._workers):
            self._listen(_nobody_trains)

    def _listen(self, on_point: OnPoint) -> Done | None:
        """Hear what workers say, for half a second at most; a job that is done, if there is one."""
        sources: dict[Any, _Worker] = {
            worker.connection: worker for worker in self._workers if worker.connection is not None
        }
        # A worker that dies before it has called is not seen by its connection, hence the pause.
        for source in wait([*sources, self._bell], timeout=0.5):
            if source not in sources:
                self._admit()
                continue
            done = self._hear(sources[source], on_point)
            if done is not None:
                return done
        return self._bury(next((each for each in self._workers if _is_lost(each)), None))

    def close(self) -> None:
        """End every worker and remove what they shared."""
        if self._closed:
            return
        self._closed = True
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            _end(worker.process)
            if worker.connection is not None:
                worker.connection.close()
        with Client(self._listener.address, authkey=self._key) as door:
            door.send(None)  # ends the thread that accepts
        self._doorman.join()
        self._listener.close()
        self._bell.close()
        self._ring.close()
        self._folder.cleanup()

    # workers that come and go

    def _start(self, place: Place) -> _Worker:
        name = secrets.token_hex(4)
        log = Path(self._folder.name) / f"{name}.log"
        # -P: a file of the caller's folder must not hide a module
        program = [sys.executable, "-P", "-m", "nasearch.executors.worker"]
        where = [str(self._listener.address), name, str(self._dataset), place.device]
        environment = {**os.environ, KEY: self._key.hex()}
        if place.threads:
            environment["OMP_NUM_THREADS"] = str(place.threads)
        # The caller may have found nasearch through a path that a new interpreter does not know.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*program, *where, str(place.threads), str(place.share)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return _Worker(name, place, process, log)

    def _let_in(self) -> None:
        """Accept workers that call; in a thread, since accepting cannot be waited for with the rest."""
        while True:
            try:
                connection = self._listener.accept()
                name = connection.recv()
            except (OSError, EOFError, AuthenticationError):
                time.sleep(0.05)  # one that died at the door, a stranger, or no descriptor left
                continue
            if name is None:  # the owner itself, closing
                connection.close()
                return
            self._arrivals.append((name, connection))
            self._ring.send(None)

    def _admit(self) -> None:
        """Give a worker that has called its task."""
        self._bell.recv()
        name, connection = self._arrivals.popleft()
        for worker in self._workers:
            if worker.name == name:
                worker.connection = connection
                with contextlib.suppress(OSError):  # its death is seen when it is listened to
                    connection.send(self._task)

    def _hear(self, worker: _Worker, on_point: OnPoint) -> Done | None:
        """Read what a worker says: that it is ready, an epoch, or what became of its job."""
        assert worker.connection is not None
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if said == READY:
            worker.is_ready = True
            self._assign()
        elif said == BEGUN:
            worker.has_begun, self._false_starts = True, 0
        elif isinstance(said, Done):
            worker.job = None
            self._assign()
            return said
        else:
            assert worker.job is not None
            answer = on_point(worker.job, said)
            with contextlib.suppress(OSError):  # its death is seen when it is listened to
                worker.connection.send(answer)
        return None

    def _assign(self) -> None:
        for worker in self._workers:
            if self._queue and worker.is_ready and worker.job is None:
                assert worker.connection is not None
                worker.job, worker.has_begun = self._queue.popleft(), False
                worker.since = time.perf_counter()
                with contextlib.suppress(OSError):  # its death is seen when it is listened to
                    worker.connection.send(worker.job)

    def _bury(self, worker: _Worker | None) -> Done | None:
        """Put another worker in the place of a dead one; its job, if it had one, is done so."""
        if worker is None:
            return None
        if worker.connection is not None:
            worker.connection.close()
        code = _end(worker.process)
        death = self._cause(code)
        how, last = _how_it_ended(code, death), _last_line(worker.log)
        # A worker that somebody kills as it starts says nothing about the next one.
        if not worker.has_begun and death == "crash":
            self._false_starts += 1
            if self._false_starts >= MOST_FALSE_STARTS:
                raise StudyError(f"{MOST_FALSE_STARTS} worker processes died before they began: {how}{last}")
        self._workers[self._workers.index(worker)] = self._start(worker.place)
        if worker.job is None:
            return None
        if not worker.has_begun:
            self._queue.appendleft(worker.job)
            self._assign()
            return None
        seconds = time.perf_counter() - worker.since
        return Done(worker.job, seconds, reason=f"its worker process {how}{last}", death=death)

    def _cause(self, code: int) -> Death:
        """Whose doing the end of a worker with this exit code was."""
        if code not in (-signal.SIGKILL, -signal.SIGTERM):
            return "crash"
        before, self._oom_kills = self._oom_kills, oom_kills()
        return "crash" if code == -signal.SIGKILL and self._oom_kills != before else "kill"


def _nobody_trains(job: Job, point: CurvePoint) -> bool:
    raise AssertionError(f"job {job.number} reached epoch {point.epoch} before the workers had settled")


def _end(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process that is ending; one that does not end is killed."""
    try:
        return process.wait(FAREWELL_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _is_lost(worker: _Worker) -> bool:
    """Whether a worker ended before it ever called."""
    return worker.connection is None and worker.process.poll() is not None


def _how_it_ended(code: int, death: Death) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    if name == "SIGKILL" and death == "crash":
        return "was killed by the system, which was out of memory"
    return f"was ended by signal {-code} ({name})"


def _last_line(log: Path) -> str:
    """What a worker wrote last, behind a colon; empty if it wrote nothing."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f": {lines[-1][:300]}" if lines else ""
