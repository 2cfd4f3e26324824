"""Given architectures: candidates that were chosen from a study are trained by another recipe beside it.

They are the trials of a sibling study, `NAME.confirmed` or `NAME.audit`, which proposes nothing by itself.
What is measured there is never measured again, so the same call goes on after any stop.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors.torch import save_file
from torch import Tensor

from nasearch.data import Dataset
from nasearch.errors import TrainingError
from nasearch.measure.trained import Fidelity
from nasearch.space import Architecture
from nasearch.study.progress import Progress, RunSummary
from nasearch.study.proxies.names import choice_of
from nasearch.study.running import run
from nasearch.study.search import start_name
from nasearch.study.settings import default_of
from nasearch.study.siblings import open_sibling, siblings_of
from nasearch.training import FULL_IMAGES, Recipe, find_recipe, longer_on_few

if TYPE_CHECKING:
    from nasearch.study.study import Study


@dataclass(frozen=True)
class Start:
    """What trainings begin with in the place of fresh weights.

    Attributes:
        text: in words; kept with each measurement, because others do not compare.
        weights: the state dict of an architecture's network, on the CPU.
    """

    text: str
    weights: Callable[[Architecture], Mapping[str, Tensor]]


GivenRole = Literal["confirmed", "audit"]


def long_recipe(name: str, dataset: Dataset, epochs: int | None = None) -> Recipe:
    """A recipe as whole networks are trained by: with so many epochs, or its own, more on few images.

    Raises:
        TrainingError: if there is no such recipe, or epochs are below 1.
    """
    recipe = find_recipe(name)
    usual = longer_on_few(recipe.epochs, recipe.images or FULL_IMAGES, len(dataset.train))
    return dataclasses.replace(recipe, epochs=usual if epochs is None else epochs)


def open_given(study: Study, role: GivenRole, recipe: Recipe, start: str = "") -> Study:
    """The sibling `NAME.ROLE` of a study, whose candidates are trained by a recipe; the caller closes it.

    It has the study's space, data, objectives, limits and seed. Its accuracies are of the validation split.

    Args:
        study: whose sibling; it has images.
        role: which is the end of the name too.
        recipe: of the trainings; no candidate races.
        start: the weights that trainings begin with, in words; fresh ones without.

    Raises:
        StudyError: if the study has no images or is a sibling itself, or the name belongs to a study that is
            no such sibling or trains by another recipe.
    """
    settings = dataclasses.replace(
        study.settings,
        proxy="trained",
        sampler="random",
        screen=None,
        features=False,
        racing=False,
        time=None,
        confirm=None,
        **{name: default_of(name) for name in choice_of(study.settings.proxy).own},
    )
    dataset = study.dataset
    return open_sibling(
        study,
        role,
        role,
        settings,
        fixed={"proxy": "trained", "recipe": recipe.to_dict(), "supernet": None, "start": start or None},
        found={
            "proxy": "trained",
            "sampler": "random",
            "fidelity": Fidelity.of(recipe, dataset, start).text,
            "val_images": len(dataset.val),
        },
    )


def measure_given(
    study: Study,
    role: GivenRole,
    architectures: Sequence[Architecture],
    recipe: Recipe,
    progress: Progress,
    *,
    note: Mapping[str, Any] | None = None,
    start: Start | None = None,
) -> RunSummary:
    """Train architectures in the sibling `NAME.ROLE`, in the order given, those that it has not measured yet.

    They are held to the study's limits, with the latencies that it has measured. Workers, GPUs and precision
    are those of the study's settings. One that failed is not tried again. A note is kept with the sibling, as
    user attributes of Optuna's study.

    Raises:
        StudyError: as `open_given`.
        StoreError: if another process owns the sibling, or the database fails.
    """
    with open_given(study, role, recipe, start.text if start else "") as sibling:
        prepared = _prepared(study, sibling, architectures, note or {}, start)
        return run(sibling, None, None, progress, given=architectures, prepared=prepared)


@contextmanager
def _prepared(
    study: Study,
    sibling: Study,
    architectures: Sequence[Architecture],
    note: Mapping[str, Any],
    start: Start | None,
) -> Iterator[None]:
    """What the trainings of a sibling need, written by the process that owns it."""
    for name, value in note.items():
        sibling._optuna.set_user_attr(name, value)
    store, study_id = sibling._store, sibling._record.id
    keys = {record.key for record in store.measurements(study_id)}
    latencies = study._store.latencies(study._record.id)
    for architecture in architectures:
        if architecture.key in latencies and architecture.key not in keys:
            store.put_latency(study_id, architecture.key, latencies[architecture.key])
    if start is not None:
        _lay_out(start, sibling.directory / "start", sibling, architectures)
    try:
        yield
        shutil.rmtree(sibling.directory / "start", ignore_errors=True)  # all of them are trained
    finally:
        with suppress(OSError):  # trainings in flight are left in it
            sibling.directory.rmdir()


def _lay_out(start: Start, folder: Path, sibling: Study, architectures: Sequence[Architecture]) -> None:
    """Write the weights that trainings begin with, of those that are not trained yet; workers read them."""
    study_id = sibling._record.id
    for architecture in architectures:
        known = sibling._store.measurement(study_id, architecture.key)
        file = folder / start_name(architecture.key)
        if known is None or known.state == "running":
            try:
                folder.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(".part")
                save_file(dict(start.weights(architecture)), part)
                part.replace(file)
            except OSError as problem:
                raise TrainingError(
                    f"{file}: {problem.strerror or problem}; expected a folder that can be written"
                ) from problem


def find_given(study: Study, role: GivenRole) -> Study | None:
    """The sibling of a role as it is in the store, to be closed by the caller; None where there is none."""
    from nasearch.study.study import Study

    records = siblings_of(study._store, study.name, role)
    return Study.load(records[0].name, storage=study.settings.storage) if records else None
