"""Candidates judged by the weights that they inherit from a supernet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from nasearch.executors import InProcess, Job
from nasearch.measure.inherited import InheritedFidelity, Judge
from nasearch.measure.trained import ProxyResult
from nasearch.space import SearchSpace
from nasearch.study import supernets
from nasearch.study.given import Start
from nasearch.study.progress import Progress
from nasearch.study.proxies.proxy import Untrained
from nasearch.study.proxies.trained import proxy_recipe
from nasearch.study.settings import seconds_of
from nasearch.training import FULL_IMAGES, CurvePoint, find_recipe, longer_on_few

if TYPE_CHECKING:
    from nasearch.data import Dataset
    from nasearch.study.study import Study


class Inherited(Untrained):
    """`inherited`: a supernet of the space is trained once, and each candidate judged by its weights.

    The recipe of the study is that of the best candidates' own trainings, `NAME.confirmed`.
    """

    judged = (
        "Inherited accuracy: on the validation split by the weights that a network inherits from the one "
        "supernet, statistics of batch norms made anew on training images."
    )
    scale = "a supernet holds networks of its space alone"
    judging = "holds the supernet and judges"

    def fixed(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """The supernet's training, and the recipe of those that are confirmed."""
        assert dataset is not None
        recipe = proxy_recipe(self.settings, dataset).to_dict()
        return {"proxy": "inherited", "supernet": self._training(dataset), "recipe": recipe}

    def _training(self, dataset: Dataset) -> dict[str, Any]:
        settings = self.settings
        recipe = find_recipe(settings.supernet_recipe)
        images = min(recipe.images or len(dataset.train), len(dataset.train))
        usual = longer_on_few(recipe.epochs, recipe.images or FULL_IMAGES, images)
        time_s = None if settings.supernet_time is None else seconds_of(settings.supernet_time)
        epochs = None if time_s is not None else settings.supernet_epochs or usual
        return {**recipe.to_dict(), "epochs": epochs, "time_s": time_s}

    def found(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """The kind, and the supernet in words."""
        assert dataset is not None
        epochs, time = self._training(dataset)["epochs"], self.settings.supernet_time
        length = f"{epochs} epoch{'s' * (epochs != 1)}" if time is None else f"{time} of training"
        _, height, width = dataset.input_shape
        return {
            "proxy": "inherited",
            "fidelity": f"inherited from a supernet of {length} at {height}x{width}",
        }

    def fidelity(self, study: Study) -> InheritedFidelity:
        """The fingerprint of the supernet, and its epochs."""
        note = supernets.trained(study)
        _, height, width = study.input_shape
        return InheritedFidelity(note.fingerprint[:16], note.epochs, (height, width))

    def recipes(self, study: Study) -> Mapping[str, Mapping[str, Any]]:
        """The supernet's, once its epochs are known."""
        note = supernets.note_of(study)
        return {} if note is None else {"Supernet": supernets.recipe_of(study, note.epochs).to_dict()}

    def prepare(self, study: Study, progress: Progress) -> None:
        """Train the supernet unless it is there; errors as there."""
        supernets.prepare(study, progress)

    def start(self, study: Study) -> Start | None:
        """The weights that each inherits; the supernet's file is read when they are wanted."""
        supernet = cache(lambda: supernets.load(study))
        text = f"the weights of supernet {supernets.trained(study).fingerprint[:16]}"
        return Start(text, lambda architecture: supernet().extract(architecture).state_dict())

    def has_start(self, study: Study) -> bool:
        """Whether the supernet's file is there, and the same."""
        return supernets.is_here(study)

    def in_process(self, study: Study) -> InProcess:
        """Judges with every core or the one GPU; the supernet is read when the first candidate comes."""

        @cache
        def judge() -> Judge:
            fidelity = self.fidelity(study)
            recipe = supernets.recipe_of(study, fidelity.epochs)
            return Judge(supernets.load(study), study.dataset, recipe, study.device, fidelity)

        def proxy(job: Job, on_point: Callable[[CurvePoint], bool | None]) -> ProxyResult:
            del on_point  # nothing is trained, so there are no epochs
            return judge().judge(job.architecture, job.seed)

        return InProcess(proxy)
