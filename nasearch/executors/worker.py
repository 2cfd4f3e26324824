"""A worker process: `python -m nasearch.executors.worker ADDRESS`, started by `Processes`.

It is a program of its own and not a fork or a copy of the caller's main module, so that a search can be
started from any script, notebook or thread. It asks its owner for a task and then for jobs, one by one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from pathlib import Path

from nasearch.executors.task import BEGUN, KEY, READY, Task

OWNER_POLL_S = 1.0
"""A worker outlives its owner by this long."""


def main(address: str, name: str, dataset: str, device: str, threads: int, share: float) -> None:
    """Serve one owner until it goes.

    Args:
        address: where the owner listens.
        name: by which it knows this worker.
        dataset: file of `save_dataset`, mapped into memory, so that workers share its pages.
        device: torch device of this worker.
        threads: of torch; 0 leaves them as they are.
        share: of the memory of a GPU that this worker may use.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's, who then ends its workers
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    connection = Client(address, authkey=bytes.fromhex(os.environ.pop(KEY)))
    try:
        connection.send(name)
        _serve(connection, connection.recv(), Path(dataset), device, threads, share)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the owner has gone, and with it whoever could use a result


def _serve(connection: Connection, task: Task, file: Path, device: str, threads: int, share: float) -> None:
    """Measure one job after another."""
    import torch

    from nasearch.data.shared import load_dataset
    from nasearch.executors.job import Job, measured
    from nasearch.measure.trained import ProxyResult, train_proxy
    from nasearch.space.plugins import load_plugins
    from nasearch.training import CurvePoint, Recipe

    if threads:
        torch.set_num_threads(threads)
    if torch.device(device).type == "cuda" and share < 1:
        torch.cuda.set_per_process_memory_fraction(share, torch.device(device))
    load_plugins(*task.plugins)
    dataset, recipe = load_dataset(file), Recipe.from_dict(task.recipe)

    def proxy(job: Job, on_point: Callable[[CurvePoint], bool | None]) -> ProxyResult:
        return train_proxy(
            job.architecture,
            dataset,
            recipe,
            device=device,
            seed=job.seed,
            on_epoch=on_point,
            evaluate_at=task.evaluate_at,
            checkpoint=job.checkpoint,
            precision=task.precision,
            weights=job.weights,
        )

    def on_point(_: Job, point: CurvePoint) -> bool:
        connection.send(point)
        return bool(connection.recv())

    connection.send(READY)
    while True:
        job = connection.recv()
        connection.send(BEGUN)
        connection.send(measured(proxy, job, on_point))


def _end_with(owner: int) -> None:
    """End this process soon after its owner has ended, however that happened."""
    while os.getppid() == owner:
        time.sleep(OWNER_POLL_S)
    os._exit(0)  # in the middle of a training there is nobody to raise to


if __name__ == "__main__":
    _, *where, threads, share = sys.argv
    main(where[0], where[1], where[2], where[3], int(threads), float(share))
