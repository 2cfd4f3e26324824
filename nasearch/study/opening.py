"""Putting a study's working parts together; here torch comes in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from nasearch.data import Dataset, load
from nasearch.errors import BuildError, DeviceError, MeasurementError, SettingsError, StoreError
from nasearch.executors import Executor, InProcess, Job, Processes, Task
from nasearch.measure import Cost, architecture_cost, describe_device, timed_by
from nasearch.measure.block_limits import block_limit_values
from nasearch.measure.table import Table
from nasearch.measure.trained import Fidelity, ProxyResult, train_proxy
from nasearch.pareto import parse_objectives
from nasearch.space import Architecture, SearchSpace
from nasearch.study.environment import versions
from nasearch.study.identity import Identity, limits_of, plugins_of
from nasearch.study.places import places_of, plugin_files
from nasearch.study.rules import Rules
from nasearch.study.search import Bench
from nasearch.study.settings import TABLE, StudySettings
from nasearch.study.tabular import fidelity_of, identity_parts, looking_up
from nasearch.training import CurvePoint, Recipe, find_recipe, longer_on_few

if TYPE_CHECKING:
    from nasearch.study.study import Study

VAL_SHARE = 0.2
WITHOUT_NOISE = 10**9
"""Validation images of a table's accuracies: they are taken as they are."""
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
    settings: StudySettings, space: SearchSpace, dataset: Dataset | None, table: Table | None = None
) -> Identity:
    """What the settings fix for ever.

    Args:
        settings: of the study.
        space: that they name.
        dataset: its images; None only for a study on a table that has none.
        table: that candidates are looked up in, if they are.

    Raises:
        SettingsError: if accuracy is no objective, or the proxy asks for more images than there are.
        TableError: if the table has no latency where that is an objective or limited.
    """
    objectives = [objective.name for objective in parse_objectives(settings.objectives)]
    if "accuracy" not in objectives:
        raise SettingsError(f"objectives are {', '.join(objectives)}; expected accuracy among them")
    limits = limits_of(space, settings.limits)
    timed = "latency_ms" in {*objectives, *(limit.metric for limit in limits)}
    fixed: dict[str, Any] = {
        "space_text": space.text,
        "data_fingerprint": dataset.fingerprint if dataset is not None else TABLE,
        "objectives": objectives,
        "limits": [limit.text for limit in limits],
        "proxy": settings.proxy,
        "seed": settings.seed,
        "deterministic": {"threads": torch.get_num_threads()} if settings.deterministic else False,
        # A latency of one device says nothing on another's, so a study that is led by it stays on its own.
        "measured_on": " in ".join(timed_by(settings.device)) if timed and table is None else None,
    }
    found: dict[str, Any] = {
        "space": space.name,
        "space_about": space.about,
        "plugins": plugins_of(space),
        "data_root": settings.data_root,
        "image_size": settings.image_size,
        "sampler": settings.sampler,
        "val_images": len(dataset.val) if dataset is not None and table is None else WITHOUT_NOISE,
    }
    if table is not None:
        if timed:
            table.cost("latency_ms")
            fixed["measured_on"] = f"column {table.roles.costs['latency_ms'].column} of the table"
        fixed |= identity_parts(table)
        found |= {"proxy": _lasting(settings.proxy), "fidelity": fidelity_of(table).text}
    if dataset is not None:
        found |= {
            "data": _lasting(settings.data),
            "data_about": dataset.about,
            "input_shape": list(dataset.input_shape),
            "classes": list(dataset.classes),
        }
    elif table is not None:
        found |= {
            "data": _lasting(settings.proxy),
            "data_about": "none: networks that were trained before",
            "input_shape": list(table.input_shape),
            "classes": [str(number) for number in range(table.num_classes)],
        }
    if table is None and dataset is not None:
        recipe = proxy_recipe(settings, dataset)
        fixed["recipe"] = recipe.to_dict()
        found["fidelity"] = Fidelity.of(recipe, dataset).text
    return Identity(fixed, found)


def _lasting(data: str) -> str:
    """The name of data with its path made absolute, so that the study finds it from any folder."""
    scheme, colon, path = data.partition(":")
    is_path = colon and scheme in ("folder", "npz", "table")
    return f"{scheme}:{Path(path).expanduser().resolve()}" if is_path else data


def proxy_recipe(settings: StudySettings, dataset: Dataset) -> Recipe:
    """The proxy's recipe with the settings' epochs and images."""
    recipe = find_recipe(settings.recipe)
    if settings.images is not None and settings.images > len(dataset.train):
        raise SettingsError(
            f"images is {settings.images}; {dataset.name} has {len(dataset.train)} training images"
        )
    images = min(settings.images or recipe.images or len(dataset.train), len(dataset.train))
    epochs = settings.epochs or longer_on_few(recipe.epochs, recipe.images or images, images)
    return dataclasses.replace(recipe, epochs=epochs, images=images)


def make_bench(study: Study, executor: Executor | None = None, checkpoints: Path | None = None) -> Bench:
    """What measuring a candidate of a study needs; in this process where no executor is given."""
    executor = executor or in_process(study)
    where: dict[str, Any] = {**describe_device(study.device), "versions": versions()}
    if executor.threads is not None:
        where["threads"] = executor.threads
    if study.table is not None:
        return Bench(executor, 1, fidelity_of(study.table).to_dict(), where, checkpoints)
    fidelity = Fidelity.of(study.recipe, study.dataset).to_dict()
    return Bench(
        executor,
        study.recipe.epochs,
        fidelity,
        where,
        checkpoints,
        quiet=study.needs_latency,
    )


def in_process(study: Study) -> InProcess:
    """Measures a candidate at a time in this process, with every core or the one GPU, or in its table."""
    if study.table is not None:
        return looking_up(study.table)
    recipe, dataset, device = study.recipe, study.dataset, study.device

    def proxy(job: Job, on_point: Callable[[CurvePoint], bool | None]) -> ProxyResult:
        return train_proxy(
            job.architecture,
            dataset,
            recipe,
            device=device,
            seed=job.seed,
            on_epoch=on_point,
            evaluate_at=study.rungs,
            checkpoint=job.checkpoint,
            precision=study.settings.precision,
        )

    return InProcess(proxy)


def make_executor(study: Study, budget: int) -> Executor:
    """Where the candidates of a run are measured: in this process, or side by side in several.

    Args:
        study: whose settings may say how many workers there are, and on which GPUs.
        budget: how many candidates are left to be measured.

    Raises:
        DeviceError: if a GPU is not here.
        SettingsError: if workers are asked for that cannot know the space's blocks.
    """
    if study.table is not None:
        return in_process(study)
    places = places_of(study, budget)
    if len(places) == 1 and torch.device(places[0].device) == torch.device(study.device):
        return in_process(study)
    task = Task(
        recipe=study.recipe.to_dict(),
        evaluate_at=study.rungs,
        precision=study.settings.precision,
        plugins=plugin_files(study),
    )
    return Processes(study.dataset, task, places)


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
        return {
            "params": found.params,
            "macs": found.macs,
            "peak_activation_bytes": found.peak_activation_bytes,
        }

    return costs


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
        measured,
    )
