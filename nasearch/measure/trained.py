"""The trained proxy: a short training of a candidate, read on the validation split."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file

from nasearch.data import Dataset
from nasearch.nets import build
from nasearch.space import Architecture
from nasearch.training import CurvePoint, Recipe, global_generators_kept, train


class AnyFidelity(Protocol):
    """What a proxy of any kind spends; measurements compare only where it is equal."""

    @property
    def text(self) -> str:
        """For people."""

    def to_dict(self) -> dict[str, object]:
        """JSON values, with the text beside the figures."""


@dataclass(frozen=True)
class Fidelity:
    """What a proxy spends.

    Attributes:
        epochs: passes over the images.
        images: training images in one epoch.
        resolution: (height, width) in pixels.
        start: what the training begins with in the place of fresh weights, in words.
    """

    epochs: int
    images: int
    resolution: tuple[int, int]
    start: str = ""

    @classmethod
    def of(cls, recipe: Recipe, dataset: Dataset, start: str = "") -> Fidelity:
        """The fidelity of a recipe on a data set, which may have fewer images than the recipe asks for."""
        images = len(dataset.train) if recipe.images is None else min(recipe.images, len(dataset.train))
        _, height, width = dataset.input_shape
        return cls(recipe.epochs, images, (height, width), start)

    @property
    def text(self) -> str:
        """For people: "2 epochs x 4,096 images at 28x28"."""
        height, width = self.resolution
        begins = f", from {self.start}" if self.start else ""
        many = "s" * (self.epochs != 1)
        return f"{self.epochs} epoch{many} x {self.images:,} images at {height}x{width}{begins}"

    def to_dict(self) -> dict[str, object]:
        """JSON values, with the text beside the figures."""
        values = {**asdict(self), "resolution": list(self.resolution), "text": self.text}
        if not self.start:
            del values["start"]
        return values


@dataclass(frozen=True)
class ProxyResult:
    """An accuracy, with the fidelity and the seed that it holds for.

    Attributes:
        accuracy: fraction in [0, 1] on the validation split.
        seconds: wall-clock of training and validation.
        stopped: `on_epoch` ended the training before the fidelity's last epoch.
        epochs: that were done.
        facts: how the training was carried out, as `TrainResult.facts`.
    """

    accuracy: float
    curve: tuple[CurvePoint, ...]
    seconds: float
    fidelity: AnyFidelity
    seed: int
    stopped: bool = False
    epochs: int = 0
    facts: Mapping[str, object] = field(default_factory=dict)


def train_proxy(
    architecture: Architecture,
    dataset: Dataset,
    recipe: Recipe,
    *,
    device: str | torch.device = "cpu",
    seed: int = 0,
    on_epoch: Callable[[CurvePoint], bool | None] | None = None,
    evaluate_at: Collection[int] | None = None,
    checkpoint: Path | None = None,
    precision: str = "auto",
    weights: Path | None = None,
) -> ProxyResult:
    """Build a candidate, train it by a short recipe, and read its accuracy on the validation split.

    The seed fixes initial weights, shuffling, augmentation and dropout; torch's global generators are left as
    they were found. `weights` is a safetensors file with the state dict that the training begins with in the
    place of fresh weights. The further arguments are those of `train`.

    Raises:
        BuildError: if the architecture does not fit the images.
        OutOfMemory: if the network does not fit the device.
        TrainingError: if the training diverges.
    """
    with global_generators_kept(torch.device(device)):
        torch.manual_seed(seed)
        network = build(architecture, num_classes=dataset.num_classes, in_channels=dataset.in_channels)
    if weights is not None:
        network.load_state_dict(load_file(weights))
    result = train(
        network,
        dataset,
        recipe,
        device=device,
        seed=seed,
        on_epoch=on_epoch,
        evaluate_at=evaluate_at,
        checkpoint=checkpoint,
        precision=precision,
    )
    return ProxyResult(
        result.accuracy,
        result.curve,
        result.seconds,
        Fidelity.of(recipe, dataset),
        seed,
        stopped=result.stopped,
        epochs=result.epochs,
        facts=result.facts,
    )
