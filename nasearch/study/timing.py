"""Latencies: of a network when a limit or an objective asks for it, and of the front and the references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasearch.errors import BuildError, MeasurementError
from nasearch.measure import Latency, measure_latency, timed_by
from nasearch.nets import build
from nasearch.space import Architecture
from nasearch.study.opening import judged
from nasearch.study.progress import Progress

if TYPE_CHECKING:
    from nasearch.study.study import Study


def latency(study: Study, architecture: Architecture) -> Latency:
    """The latency on the study's device, from the store where it was taken there and in this runtime."""
    known = _known(study, architecture)
    if known is not None:
        return known
    model = build(architecture, len(study.classes), study.input_shape[0])
    taken = measure_latency(model, study.input_shape, study.device)
    study._store.put_latency(study._record.id, architecture.key, taken.to_dict())
    return taken


def _known(study: Study, architecture: Architecture) -> Latency | None:
    """The latency that need not be taken, if there is one."""
    given = study.proxy.latency(architecture)
    if given is not None:
        return given
    known = study._store.latency(study._record.id, architecture.key)
    if known is not None and (known["device"], known["runtime"]) == timed_by(study.device):
        return Latency.from_dict(known)
    return None


def time_front(study: Study, progress: Progress) -> None:
    """Time the networks of the fronts, the winner and the references, those not timed yet."""
    if not study.proxy.times_here:
        return
    trials = [
        *(study.confirmed_front() or study.front()),
        *study.confirmed_front(),
        *(study.trial(each.number) for each in study.finishes),
    ]
    for trial in {trial.key: trial for trial in trials}.values():
        if _known(study, trial.architecture) is None:
            progress.message(f"timing trial {trial.number}")
            study.latency(trial.architecture)
    time_references(study, progress)


def time_references(study: Study, progress: Progress) -> None:
    """Time the references, those not timed yet; one that cannot be timed says so and stays without."""
    for record in study._store.references.all(study._record.id):
        if record.state == "complete" and _known(study, record.architecture) is None:
            progress.message(f"timing reference {record.name}")
            try:
                judged(study.latency, record.architecture)
            except (BuildError, MeasurementError) as problem:
                progress.message(f"reference {record.name} has no latency: {problem}")
