"""How many candidates are trained side by side, and where."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING

import torch

from nasearch.data.host import free_memory_bytes, physical_cores
from nasearch.errors import BuildError, MeasurementError, NasearchError, SettingsError
from nasearch.executors import Place
from nasearch.measure import resolve_device
from nasearch.measure.occupancy import CONTEXT_BYTES, MEMORY_SHARE, cpu_workers, gpu_share, side_by_side
from nasearch.measure.trained import train_proxy
from nasearch.pareto import Limit
from nasearch.space import Architecture
from nasearch.study.identity import plugins_of
from nasearch.study.settings import gpus_of

if TYPE_CHECKING:
    from nasearch.data import Dataset
    from nasearch.study.settings import StudySettings
    from nasearch.study.study import Study

CANDIDATES_EACH = 4
"""Fewer candidates than this for each worker are not worth the seconds in which workers start."""

TRIAL_IMAGES, TRIAL_EPOCHS = 4096, 3
"""The short training that shows how busy one candidate keeps a GPU: long enough for a captured step."""


def devices_of(settings: StudySettings) -> list[str]:
    """The torch devices that a study trains on: the GPUs where some are named, else its one device.

    Raises:
        DeviceError: if one is not here.
    """
    if settings.gpus is None:
        return [resolve_device(settings.device)]
    return [resolve_device(f"cuda:{number}") for number in gpus_of(settings.gpus)]


def places_of(study: Study, budget: int) -> tuple[Place, ...]:
    """The places of a run's workers; a single one where candidates are measured in this process.

    What the settings say holds. Otherwise: on a processor single-threaded workers, as many as there are
    cores and memory for, unless the study times its candidates there; on GPUs as many as memory and idle
    time allow.

    Args:
        study: whose settings, data and space decide.
        budget: candidates left to be measured.

    Raises:
        DeviceError: if a GPU is not here.
        SettingsError: if several workers are wanted for blocks that only this program knows.
    """
    settings = study.settings
    devices = devices_of(settings)
    wanted = settings.workers
    known_here_only = unshared_blocks(study)
    if known_here_only and (wanted or len(devices)) > 1:
        raise SettingsError(
            f"workers is {wanted or len(devices)}, but the block {known_here_only[0]!r} is registered by "
            "this program itself, which other processes cannot load; put it into a file of its own and give "
            "that with --plugins, or use 1 worker"
        )
    if wanted is None:
        wanted = _found(study, devices, budget) if not known_here_only else 1
    wanted = min(wanted, max(1, budget))  # a place without a candidate would only load torch
    if torch.device(devices[0]).type == "cpu":
        return (Place("cpu", max(1, physical_cores() // wanted)),) * wanted
    share = _share(devices[0], -(-wanted // len(devices)))
    return tuple(Place(devices[i % len(devices)], 1, share) for i in range(wanted))


def _share(device: str, workers: int) -> float:
    """Of a GPU's memory that each of so many workers may allocate; each takes some more for itself."""
    if workers == 1 or torch.device(device).type != "cuda":
        return 1.0
    free, total = torch.cuda.mem_get_info(torch.device(device))
    return max(0.01, MEMORY_SHARE * (free - workers * CONTEXT_BYTES) / workers / total)


def _found(study: Study, devices: list[str], budget: int) -> int:
    """The number of workers where the settings leave it open."""
    kind = torch.device(devices[0]).type
    if study.threads is not None or kind == "mps":
        return 1
    if kind == "cpu":
        workers, _ = cpu_workers(physical_cores(), free_memory_bytes(), data_bytes=_bytes_of(study.dataset))
        is_timed_here = study.needs_latency
        return 1 if is_timed_here else min(workers, max(1, budget // CANDIDATES_EACH))
    per_gpu = _per_gpu(study, devices[0], len(devices)) if budget >= CANDIDATES_EACH * 2 else 1
    return min(per_gpu * len(devices), max(len(devices), budget // CANDIDATES_EACH))


def _per_gpu(study: Study, device: str, gpus: int) -> int:
    """How many candidates keep one of so many GPUs busy, by a short training of a middling network."""
    images = min(TRIAL_IMAGES, len(study.dataset.train))
    recipe = dataclasses.replace(study.recipe, epochs=TRIAL_EPOCHS, images=images)
    network = _middling(study)
    if network is None:
        return 1

    def train_some() -> None:
        train_proxy(network, study.dataset, recipe, device=device)

    try:
        share = gpu_share(train_some, device)
    except NasearchError:  # a network of which nothing can be learnt; others may do
        return 1
    torch.cuda.empty_cache()
    free_bytes, _ = torch.cuda.mem_get_info(torch.device(device))
    return side_by_side(free_bytes, share.peak_bytes, share.busy, physical_cores() // gpus)


def _middling(study: Study, draws: int = 200, wanted: int = 9) -> Architecture | None:
    """The median by MACs of some random networks that keep the limits."""
    from nasearch.study.opening import costs_of

    costs, generator = costs_of(study), random.Random(study.seed)
    found: list[tuple[float, int, Architecture]] = []
    for _ in range(draws):
        architecture = study.space.sample(generator)
        try:
            values = costs(architecture)
        except (BuildError, MeasurementError):
            continue
        if all(_keeps(limit, values) for limit in study.limits):
            found.append((values["macs"], len(found), architecture))
        if len(found) == wanted:
            break
    return sorted(found)[len(found) // 2][2] if found else None


def _keeps(limit: Limit, values: dict[str, float]) -> bool:
    return limit.metric not in values or limit.allows(values[limit.metric])


def _bytes_of(dataset: Dataset) -> int:
    """Of the images that a worker lays out for itself."""
    return sum(split.images.nbytes for split in (dataset.train, dataset.val))


def plugin_files(study: Study) -> tuple[str, ...]:
    """Files with the space's own blocks, which a worker has to load."""
    return tuple(dict.fromkeys(origin for origin in _origins(study).values() if origin.endswith(".py")))


def unshared_blocks(study: Study) -> tuple[str, ...]:
    """Blocks of the space that no other process can load: they are registered by the program itself."""
    import __main__

    own = {"__main__", str(getattr(__main__, "__file__", ""))}
    return tuple(
        kind
        for kind, origin in _origins(study).items()
        if origin in own or not (origin.endswith(".py") or origin.startswith("package "))
    )


def _origins(study: Study) -> dict[str, str]:
    return plugins_of(study.space)
