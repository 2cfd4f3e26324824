"""A search as people write it by hand, which the benchmarks compare nasearch with.

    python scripts/plain_search.py ARRAYS.npz LOG.jsonl --space mobile --budget 50

An Optuna study in memory with Optuna's default sampler over the choices of a space; accuracy up, MACs down.
Every candidate is trained to the end by PyTorch as its tutorials do it: a Dataset of PIL images, transforms
of torchvision for each, a DataLoader with two workers, AdamW, float32, and as many threads as torch takes.
A candidate beyond a limit of the space is pruned before it is trained and costs no budget. One that was
trained before is trained again, as such scripts do.

ARRAYS.npz holds x_train, y_train, x_val and y_val, uint8 images (N, H, W) or (N, H, W, 3). LOG.jsonl gets a
line of settings, a line for each trained candidate and a last line {"done": true}. Only the networks, the
space that they come from and the count of their MACs are nasearch's: those have to be the same on both sides.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import optuna
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import v2

import nasearch as nas

LOADER_WORKERS = 2


@dataclass(frozen=True)
class Numbers:
    """The numbers of a training; the same names as in nasearch's recipes."""

    epochs: int = 2
    batch_size: int = 32
    lr: float = 1e-2
    weight_decay: float = 0.05
    warmup_share: float = 0.2
    label_smoothing: float = 0.1
    grad_clip: float = 1.0
    crop_padding: int = 0
    flip: bool = False
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    mixup_share: float = 0.0
    cutmix_share: float = 0.0

    @classmethod
    def of(cls, recipe: dict[str, Any]) -> Numbers:
        """Those that a recipe of nasearch has; what this script does not know it does without."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in recipe.items() if name in names})


class Images(NamedTuple):
    """uint8 images (N, H, W) or (N, H, W, 3) and their labels (N,)."""

    pixels: np.ndarray
    labels: np.ndarray


class Arrays(NamedTuple):
    """What there is to train on, with the mean and deviation of each channel of the training images."""

    train: Images
    val: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int

    @classmethod
    def of(cls, train: Images, val: Images) -> Arrays:
        """Both parts with what follows from them."""
        scaled = train.pixels.reshape(*train.pixels.shape[:3], -1) / 255
        mean, std = scaled.mean(axis=(0, 1, 2)), scaled.std(axis=(0, 1, 2))
        return cls(train, val, tuple(mean), tuple(std), int(train.labels.max()) + 1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        height, width, *channels = self.train.pixels.shape[1:]
        return (channels[0] if channels else 1), height, width


class Pictures(Dataset[tuple[Tensor, int]]):
    """PIL images and labels, as torchvision's own data sets give them."""

    def __init__(self, images: Images, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images.pixels[index])
        return self.transform(image), int(self.images.labels[index])


def train_plain(
    model: nn.Module, arrays: Arrays, numbers: Numbers, seed: int = 0, device: str = "cpu"
) -> float:
    """Train a network in place; its accuracy on the validation images afterwards, a fraction in [0, 1]."""
    torch.manual_seed(seed)
    model.to(device)
    augmentations: list[Any] = []
    if numbers.crop_padding:
        augmentations.append(
            transforms.RandomCrop(arrays.shape[1:], padding=numbers.crop_padding, padding_mode="reflect")
        )
    if numbers.flip:
        augmentations.append(transforms.RandomHorizontalFlip())
    to_tensor = [transforms.ToTensor(), transforms.Normalize(arrays.mean, arrays.std)]
    train_loader = DataLoader(
        Pictures(arrays.train, transforms.Compose(augmentations + to_tensor)),
        batch_size=numbers.batch_size,
        shuffle=True,
        num_workers=LOADER_WORKERS,
        persistent_workers=True,
        pin_memory=device != "cpu",
        drop_last=len(arrays.train.labels) > numbers.batch_size,  # never one image alone in a batch
    )
    val_loader = DataLoader(
        Pictures(arrays.val, transforms.Compose(to_tensor)),
        batch_size=500,
        num_workers=LOADER_WORKERS,
        pin_memory=device != "cpu",
    )
    mixup = v2.MixUp(alpha=numbers.mixup_alpha, num_classes=arrays.classes)
    cutmix = v2.CutMix(alpha=numbers.cutmix_alpha, num_classes=arrays.classes)

    optimizer = torch.optim.AdamW(model.parameters(), lr=numbers.lr, weight_decay=numbers.weight_decay)
    steps = numbers.epochs * len(train_loader)
    warmup = min(math.ceil(numbers.warmup_share * steps), steps - 1)

    def schedule(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    for _ in range(numbers.epochs):
        model.train()
        for batch, classes in train_loader:
            images = batch.to(device, non_blocking=True)
            labels = classes.to(device, non_blocking=True)
            draw = float(torch.rand(()))
            if draw < numbers.mixup_share:
                images, labels = mixup(images, labels)
            elif draw < numbers.mixup_share + numbers.cutmix_share:
                images, labels = cutmix(images, labels)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels, label_smoothing=numbers.label_smoothing)
            loss.backward()
            if numbers.grad_clip:
                nn.utils.clip_grad_norm_(model.parameters(), numbers.grad_clip)
            optimizer.step()
            scheduler.step()

    model.eval()
    right = 0
    with torch.no_grad():
        for images, labels in val_loader:
            predicted = model(images.to(device)).argmax(1).cpu()
            right += int((predicted == labels).sum())
    return right / len(arrays.val.labels)


def search(
    space: nas.SearchSpace,
    arrays: Arrays,
    numbers: Numbers,
    budget: int,
    seed: int,
    device: str,
    on_trained: Callable[[dict[str, Any]], None],
) -> optuna.Study:
    """Train `budget` candidates of a space; each is told to `on_trained` as plain values."""
    limits = nas.pareto.parse_limits(space.limits)
    trained = 0

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        def suggest(name: str, values: Sequence[Any]) -> Any:
            return trial.suggest_categorical(name, list(values))

        architecture = space.propose(suggest)
        cost = nas.architecture_cost(architecture, arrays.shape, arrays.classes)
        if not all(limit.allows(getattr(cost, limit.metric)) for limit in limits):
            raise optuna.TrialPruned
        torch.manual_seed(seed * 10_000 + trial.number)
        model = nas.build(architecture, num_classes=arrays.classes, in_channels=arrays.shape[0])
        accuracy = train_plain(model, arrays, numbers, seed * 10_000 + trial.number, device)
        on_trained(
            {
                "number": trial.number,
                "key": architecture.key,
                "architecture": architecture.to_json(),
                "accuracy": accuracy,
                "macs": cost.macs,
            }
        )
        return accuracy, cost.macs

    def stop_at_budget(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        nonlocal trained
        trained += trial.state == optuna.trial.TrialState.COMPLETE
        if trained >= budget:
            study.stop()

    # Optuna's default for several objectives, named here only to be seeded
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, callbacks=[stop_at_budget])
    return study


def read_arrays(path: Path) -> Arrays:
    """The arrays of an npz file."""
    with np.load(path) as held:
        train, val = (Images(held[f"x_{part}"], held[f"y_{part}"]) for part in ("train", "val"))
    return Arrays.of(train, val)


@click.command(help=__doc__)
@click.argument("arrays", type=click.Path(path_type=Path, exists=True))
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--space", default="mobile", show_default=True)
@click.option("--budget", default=50, show_default=True, help="Candidates to train.")
@click.option("--recipe", default="{}", help="JSON with the numbers of the training that change.")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--began", type=float, help="Unix time from which seconds are counted; now if not given.")
def main(
    arrays: Path, log: Path, space: str, budget: int, recipe: str, seed: int, device: str, began: float | None
) -> None:
    """Search and keep the log."""
    began = time.time() if began is None else began
    numbers = Numbers(**json.loads(recipe))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with log.open("w", encoding="utf-8") as out:

        def write(row: dict[str, Any]) -> None:
            out.write(json.dumps(row) + "\n")
            out.flush()

        def on_trained(row: dict[str, Any]) -> None:
            seconds = round(time.time() - began, 3)
            write({"seconds": seconds, **row})
            print(f"{seconds:8.1f} s  {row['accuracy']:.4f}  {row['macs']:>12,} MACs", flush=True)

        write(
            {"space": space, "budget": budget, "recipe": asdict(numbers), "seed": seed, "device": device}
            | {"threads": torch.get_num_threads(), "torch": torch.__version__}
        )
        search(nas.SearchSpace.load(space), read_arrays(arrays), numbers, budget, seed, device, on_trained)
        write({"done": True, "seconds": round(time.time() - began, 3)})


if __name__ == "__main__":
    main()
