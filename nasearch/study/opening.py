"""Putting a study's working parts together; here torch comes in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from nasearch.data import Dataset, load
from nasearch.errors import BuildError, DeviceError, MeasurementError, SettingsError, StoreError
from nasearch.executors import Executor
from nasearch.measure import Cost, architecture_cost, describe_device
from nasearch.measure.block_limits import block_limit_values
from nasearch.measure.topology import Topology, architecture_topology
from nasearch.pareto import ARITHMETIC, parse_objectives
from nasearch.space import Architecture, SearchSpace
from nasearch.study.environment import versions
from nasearch.study.identity import Identity, limits_of, plugins_of
from nasearch.study.proxies.names import accuracy_of
from nasearch.study.proxies.proxy import StudyProxy
from nasearch.study.rules import Rules
from nasearch.study.search import Bench
from nasearch.study.settings import NO_IMAGES, StudySettings

if TYPE_CHECKING:
    from nasearch.study.study import Study

VAL_SHARE = 0.2
T = TypeVar("T")


def load_data(settings: StudySettings) -> Dataset:
    """The data that settings name, split by their seed."""
    return load(
        settings.data,
        root=settings.data_root,
        image_size=settings.image_size,
        val_share=VAL_SHARE,
        seed=settings.seed,
    )


def identity_of(
    settings: StudySettings, space: SearchSpace, dataset: Dataset | None, proxy: StudyProxy
) -> Identity:
    """What the settings fix for ever.

    Args:
        settings: of the study.
        space: that they name.
        dataset: its images; None only where the proxy does without.
        proxy: that candidates are judged by.

    Raises:
        SettingsError: if accuracy is no objective, or the proxy cannot be had on these data.
        TableError: if a table has no latency where that is an objective or limited.
    """
    objectives = [objective.name for objective in parse_objectives(settings.objectives)]
    if "accuracy" not in objectives:
        raise SettingsError(f"objectives are {', '.join(objectives)}; expected accuracy among them")
    limits = limits_of(space, settings.limits)
    timed = "latency_ms" in {*objectives, *(limit.metric for limit in limits)}
    fixed: dict[str, Any] = {
        "space_text": space.text,
        "data_fingerprint": dataset.fingerprint if dataset is not None else NO_IMAGES,
        "objectives": objectives,
        "limits": [limit.text for limit in limits],
        "seed": settings.seed,
        "deterministic": {"threads": torch.get_num_threads()} if settings.deterministic else False,
        # A latency of one device says nothing on another's, so a study that is led by it stays on its own.
        "measured_on": proxy.timed_on() if timed else None,
    }
    found: dict[str, Any] = {
        "space": space.name,
        "space_about": space.about,
        "plugins": plugins_of(space),
        "data_root": settings.data_root,
        "image_size": settings.image_size,
        "sampler": settings.proposer,
    }
    if dataset is not None:
        found |= {
            "data": _lasting(settings.data),
            "data_about": dataset.about,
            "input_shape": list(dataset.input_shape),
            "classes": list(dataset.classes),
            "val_images": len(dataset.val),
        }
    return Identity({**fixed, **proxy.fixed(space, dataset)}, {**found, **proxy.found(space, dataset)})


def _lasting(data: str) -> str:
    """The name of data with its path made absolute, so that the study finds it from any folder."""
    scheme, colon, path = data.partition(":")
    is_path = colon and scheme in ("folder", "npz")
    return f"{scheme}:{Path(path).expanduser().resolve()}" if is_path else data


def make_bench(study: Study, executor: Executor | None = None, checkpoints: Path | None = None) -> Bench:
    """What measuring a candidate of a study needs; in this process where no executor is given."""
    proxy = study.proxy
    executor = executor or proxy.in_process(study)
    where: dict[str, Any] = {**describe_device(study.device), "versions": versions()}
    if executor.threads is not None:
        where["threads"] = executor.threads
    return Bench(
        executor,
        proxy.epochs(study),
        cache(lambda: proxy.fidelity(study).to_dict()),
        where,
        checkpoints,
        start=study.directory / "start" if study.identity.fixed.get("start") else None,
        quiet=study.needs_latency and proxy.times_here,
        accuracy=accuracy_of(study.settings.proxy),
    )


def judged(judge: Callable[[Architecture], T], architecture: Architecture) -> T:
    """What `judge` says of a candidate.

    Raises:
        MeasurementError: where the candidate itself is what cannot be judged: a registered block whose
            forward fails, an operator that no runtime knows, memory that does not suffice.
    """
    try:
        return judge(architecture)
    except (StoreError, DeviceError, BuildError, MeasurementError):
        raise
    except Exception as problem:
        line = (str(problem).strip().splitlines() or [""])[0]
        raise MeasurementError(f"cannot be judged: {type(problem).__name__}: {line}") from problem


def costs_of(study: Study) -> Callable[[Architecture], dict[str, float]]:
    """What is known of an architecture by arithmetic, for the study's data; errors as in `judged`."""
    cost = partial(architecture_cost, input_shape=study.input_shape, num_classes=len(study.classes))

    def costs(architecture: Architecture) -> dict[str, float]:
        found: Cost = judged(cost, architecture)
        return {name: getattr(found, name) for name in ARITHMETIC}

    return costs


def topology_of(study: Study) -> Callable[[Architecture], Topology]:
    """How the image reaches the output of an architecture; errors as in `judged`."""
    topology = partial(architecture_topology, input_shape=study.input_shape, num_classes=len(study.classes))
    return lambda architecture: judged(topology, architecture)


def block_costs_of(study: Study) -> Callable[[Architecture], dict[str, float]]:
    """The largest cost of single blocks, by name of each block limit that applies; errors as in `judged`."""
    values = partial(
        block_limit_values, study.space, input_shape=study.input_shape, num_classes=len(study.classes)
    )
    return lambda architecture: judged(values, architecture)


def make_rules(study: Study) -> Rules:
    """What proposals of a study are judged by."""

    def measured(architecture: Architecture) -> dict[str, float]:
        if not study.needs_latency:
            return {}
        return {"latency_ms": judged(study.latency, architecture).median_ms}

    return Rules(
        study.space,
        study.objectives,
        study.limits,
        study.space.block_limits,
        costs_of(study),
        block_costs_of(study),
        topology_of(study),
        measured,
    )
