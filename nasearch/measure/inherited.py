"""The inherited proxy: a network judged by the weights of a supernet, without training."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from nasearch.data import Dataset
from nasearch.data.prepared import Prepared
from nasearch.measure.trained import ProxyResult
from nasearch.nets import Supernet
from nasearch.nets.folding import fold_norms
from nasearch.space import Architecture
from nasearch.training import Recipe, global_generators_kept
from nasearch.training.batches import TrainingData
from nasearch.training.evaluate import settle
from nasearch.training.supernet import JUDGED_BY

KEPT_BYTES = 2**28
"""Images of a split up to this size stay normalised between candidates; larger ones are made ready anew."""
AT_A_TIME = {"cpu": 100}
"""Validation images of a batch: what lies in a processor's caches is read sooner."""
AT_A_TIME_ELSEWHERE = 500


@dataclass(frozen=True)
class InheritedFidelity:
    """What an inherited accuracy stands for.

    Attributes:
        supernet: fingerprint of the weights.
        epochs: that they were trained.
        resolution: (height, width) in pixels.
    """

    supernet: str
    epochs: int
    resolution: tuple[int, int]

    @property
    def text(self) -> str:
        """For people: "inherited from a supernet of 10 epochs at 28x28"."""
        height, width = self.resolution
        many = "s" * (self.epochs != 1)
        return f"inherited from a supernet of {self.epochs} epoch{many} at {height}x{width}"

    def to_dict(self) -> dict[str, object]:
        """JSON values, with the text beside the figures."""
        return {**asdict(self), "resolution": list(self.resolution), "text": self.text}


class Judge:
    """Judges networks of one supernet on one data set; what all of them need is made ready once.

    Args:
        supernet: trained; is moved to the device and left as it is.
        dataset: its validation split is read, and statistics are taken of some training images.
        recipe: that the supernet was trained by.
        device: where to judge.
        fidelity: what the accuracies stand for.
    """

    def __init__(
        self,
        supernet: Supernet,
        dataset: Dataset,
        recipe: Recipe,
        device: str | torch.device,
        fidelity: InheritedFidelity,
    ) -> None:
        device = torch.device(device)
        self._supernet, self._device, self._fidelity = supernet.to(device), device, fidelity
        self._statistics = list(TrainingData(dataset, recipe, device, 0).plain(JUDGED_BY))
        batch = AT_A_TIME.get(device.type, AT_A_TIME_ELSEWHERE)
        self._validation = Prepared.of(dataset, device).validation(batch)
        self._kept: list[tuple[Tensor, Tensor]] | None = None
        if len(dataset.val) * 4 * torch.Size(dataset.input_shape).numel() <= KEPT_BYTES:
            self._kept = list(self._validation.epoch())

    def judge(self, architecture: Architecture, seed: int = 0) -> ProxyResult:
        """Accuracy on the validation split, with batch norms that are recomputed on training images.

        Args:
            architecture: of the supernet's space.
            seed: is noted; of dropout while statistics are taken there is one for all.

        Raises:
            BuildError: if the architecture is none of the supernet's space.
        """
        began = time.perf_counter()
        with global_generators_kept(self._device), torch.no_grad():
            torch.manual_seed(0)  # the same network, the same accuracy
            cut = self._supernet.extract(architecture)  # once, not once a batch
            network = fold_norms(settle(cut, self._statistics))
            right = torch.zeros((), dtype=torch.int64, device=self._device)
            with torch.inference_mode():
                for images, labels in self._batches():
                    right += (network(images).argmax(1) == labels).sum()
        accuracy = int(right) / len(self._validation.labels)
        return ProxyResult(accuracy, (), time.perf_counter() - began, self._fidelity, seed)

    def _batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        return self._validation.epoch() if self._kept is None else self._kept
