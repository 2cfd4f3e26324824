"""What an owner and its workers agree on."""

from __future__ import annotations

from dataclasses import dataclass

KEY = "NASEARCH_WORKER_KEY"
"""Environment variable with the hexadecimal secret that opens the connection."""

READY = "ready"
"""What a worker says when it can take a job."""

BEGUN = "begun"
"""What a worker says when it has a job: if it dies before, the job is nobody's fault and not begun."""


@dataclass(frozen=True)
class Task:
    """What all jobs of a study share; sent once to each worker.

    Attributes:
        recipe: of the proxy, as `Recipe.to_dict` gives it.
        evaluate_at: epochs that are validated.
        precision: as `train` takes it.
        plugins: files with blocks of the user's own.
    """

    recipe: dict[str, object]
    evaluate_at: tuple[int, ...]
    precision: str = "auto"
    plugins: tuple[str, ...] = ()
