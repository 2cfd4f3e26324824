"""Candidates judged by a short training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from nasearch.errors import SettingsError
from nasearch.executors import Executor, InProcess, Job, Processes, Task
from nasearch.measure.trained import Fidelity, ProxyResult, train_proxy
from nasearch.space import SearchSpace
from nasearch.study.places import places_of, plugin_files
from nasearch.study.proxies.proxy import StudyProxy
from nasearch.study.race import rungs_of
from nasearch.training import CurvePoint, Recipe, find_recipe, longer_on_few

if TYPE_CHECKING:
    from nasearch.data import Dataset
    from nasearch.study.parts import Parts
    from nasearch.study.settings import StudySettings
    from nasearch.study.study import Study


class Trained(StudyProxy):
    """`trained`: each candidate is trained by the study's recipe, side by side where there is room."""

    judged = (
        "Accuracy in the search: on the validation split after the proxy's last epoch, one seed a network."
    )

    @property
    def trains(self) -> bool:
        """Yes."""
        return True

    def fixed(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """The recipe."""
        assert dataset is not None
        return {"proxy": "trained", "recipe": proxy_recipe(self.settings, dataset).to_dict()}

    def found(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """The fidelity in words."""
        assert dataset is not None
        return {"fidelity": Fidelity.of(proxy_recipe(self.settings, dataset), dataset).text}

    def rungs(self, study: Parts) -> tuple[int, ...]:
        """Of the recipe's epochs."""
        return rungs_of(study.recipe.epochs)

    def epochs(self, study: Study) -> int:
        """Of the recipe."""
        return study.recipe.epochs

    def recipes(self, study: Study) -> Mapping[str, Mapping[str, Any]]:
        """The study's."""
        return {"Proxy": study.recipe.to_dict()}

    def fidelity(self, study: Study) -> Fidelity:
        """Of the recipe on the study's data."""
        return Fidelity.of(study.recipe, study.dataset, study.identity.fixed.get("start") or "")

    def in_process(self, study: Study) -> InProcess:
        """With every core or the one GPU."""
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
                precision=study.settings.computes_in,
                weights=job.weights,
            )

        return InProcess(proxy)

    def executor(self, study: Study, budget: int) -> Executor:
        """In this process, or side by side in several.

        Raises:
            DeviceError: if a GPU is not here.
            SettingsError: if workers are asked for that cannot know the space's blocks.
        """
        places = places_of(study, budget)
        if len(places) == 1 and torch.device(places[0].device) == torch.device(study.device):
            return self.in_process(study)
        task = Task(
            recipe=study.recipe.to_dict(),
            evaluate_at=study.rungs,
            precision=study.settings.computes_in,
            plugins=plugin_files(study),
        )
        return Processes(study.dataset, task, places)


def proxy_recipe(settings: StudySettings, dataset: Dataset) -> Recipe:
    """The proxy's recipe with the settings' epochs and images.

    Raises:
        SettingsError: if more images are asked for than there are.
    """
    recipe = find_recipe(settings.recipe)
    if settings.images is not None and settings.images > len(dataset.train):
        raise SettingsError(
            f"images is {settings.images}; {dataset.name} has {len(dataset.train)} training images"
        )
    images = min(settings.images or recipe.images or len(dataset.train), len(dataset.train))
    epochs = settings.epochs or longer_on_few(recipe.epochs, recipe.images or images, images)
    return dataclasses.replace(recipe, epochs=epochs, images=images)
