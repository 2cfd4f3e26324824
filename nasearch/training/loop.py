"""The one training loop, which proxy and winner share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasearch.data import Augmentation, Batches, Dataset, stratified_share
from nasearch.errors import TrainingError
from nasearch.training.distillation import Distillation, distillation_loss
from nasearch.training.evaluate import evaluate_batches
from nasearch.training.recipe import Recipe

SHARE_SEED = 0
"""Of the recipe's share of images: fixed, so that every candidate of every study sees the same ones."""

STEPS_BETWEEN_CHECKS = 10
"""A diverged loss is found at most this late; reading it at each step would make a GPU wait."""


@dataclass(frozen=True)
class CurvePoint:
    """One epoch of a learning curve.

    Attributes:
        epoch: counted from 1.
        train_loss: mean over the epoch's steps of what was minimised (smoothed, mixed, distilled).
        val_loss: mean cross-entropy on the validation split.
        val_accuracy: fraction in [0, 1].
        lr: learning rate of the epoch's last step.
        seconds: since the training began, validation included.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float


@dataclass(frozen=True)
class TrainResult:
    """What a training gave.

    Attributes:
        accuracy: on the validation split after the last epoch, not the best of all epochs: a choice among
            readings of the validation split would flatter noisy candidates.
        curve: the evaluated epochs.
        seconds: wall-clock, validation included.
        images_seen: by the network, over all epochs.
    """

    accuracy: float
    curve: tuple[CurvePoint, ...]
    seconds: float
    images_seen: int


def train(
    model: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    *,
    device: str | torch.device = "cpu",
    seed: int = 0,
    teacher: nn.Module | None = None,
    distillation: Distillation | None = None,
    on_epoch: Callable[[CurvePoint], None] | None = None,
    evaluate_every: int = 1,
) -> TrainResult:
    """Train a model in place on the training split; the validation split gives the curve; test is not read.

    Args:
        model: (N, C, H, W) normalised images -> (N, classes) logits. Moved to `device`; left in evaluation
            mode.
        dataset: its training and validation split are used.
        recipe: how long and how.
        device: where.
        seed: of shuffling, augmentation and dropout. The same seed and number of threads give the same
            weights on a CPU. The global generators are left as they were found.
        teacher: network of the same input and classes, in evaluation mode throughout; sees the student's
            augmented batches. Moved to `device`, otherwise left as it was.
        distillation: settings of the soft targets; the default ones where a teacher is given without.
        on_epoch: called after each evaluated epoch.
        evaluate_every: epochs between validations; the last epoch is always validated.

    Raises:
        TrainingError: if the loss stops being finite, naming epoch and step.
    """
    if evaluate_every < 1:
        raise TrainingError(f"evaluate_every is {evaluate_every}; expected a number of epochs from 1")
    if distillation is not None and teacher is None:
        raise TrainingError("distillation is given without a teacher; expected both or neither")
    device = torch.device(device)
    with global_generators_kept(device), evaluating(teacher):
        torch.manual_seed(seed)
        run = _Run(model, dataset, recipe, device, seed)
        if teacher is not None:
            run.teach(teacher, distillation or Distillation())
        return run.all_epochs(on_epoch, evaluate_every)


class _Run:
    """One training under way: what its epochs share."""

    def __init__(
        self, model: nn.Module, dataset: Dataset, recipe: Recipe, device: torch.device, seed: int
    ) -> None:
        self.began = time.perf_counter()
        self.recipe, self.device = recipe, device
        # channels last: steps of 64 images 28x28x1 on one x86-64 thread, best of 12, took 44 ms against 65
        # (residual k5, 10.8 M MACs), 30 against 51 (residual k3, 4.5 M), 146 against 256 (mbconv k5, 10.5 M)
        self.model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        share = min(recipe.images or len(dataset.train), len(dataset.train))
        self.training = Batches(
            stratified_share(dataset.train, share, SHARE_SEED),
            dataset.mean,
            dataset.std,
            batch_size=recipe.batch_size,
            device=device,
            augmentation=augmentation(recipe),
            num_classes=dataset.num_classes,
            seed=seed,
            channels_last=True,
        )
        self.validation = Batches(
            dataset.val, dataset.mean, dataset.std, batch_size=500, device=device, channels_last=True
        )
        self.total_steps = recipe.epochs * len(self.training)
        self.optimizer = make_optimizer(model, recipe, device)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.teacher: nn.Module | None = None
        self.distillation = Distillation()

    def teach(self, teacher: nn.Module, distillation: Distillation) -> None:
        self.teacher = teacher.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.distillation = distillation

    def all_epochs(self, on_epoch: Callable[[CurvePoint], None] | None, evaluate_every: int) -> TrainResult:
        curve = []
        for epoch in range(1, self.recipe.epochs + 1):
            train_loss = self.one_epoch(epoch)
            if epoch % evaluate_every and epoch != self.recipe.epochs:
                continue
            val_accuracy, val_loss = evaluate_batches(self.model, self.validation)
            if not math.isfinite(val_loss):
                raise self.diverged(epoch, len(self.training), val_loss, "validation loss")
            lr = self.optimizer.param_groups[0]["lr"]
            point = CurvePoint(
                epoch, train_loss, val_loss, val_accuracy, lr, time.perf_counter() - self.began
            )
            curve.append(point)
            if on_epoch is not None:
                on_epoch(point)
        self.model.eval()
        # the memory format of training is no property of the result: files of weights want plain strides
        self.model.to(memory_format=torch.contiguous_format)
        seen = self.total_steps * self.training.batch_size
        return TrainResult(curve[-1].val_accuracy, tuple(curve), time.perf_counter() - self.began, seen)

    def one_epoch(self, epoch: int) -> float:
        """Train one epoch; the mean loss of its steps."""
        self.model.train()
        steps = len(self.training)
        losses = torch.zeros(steps, device=self.device)  # stays on the device until it is checked
        checked = 0
        for step, (images, labels) in enumerate(self.training.epoch(epoch)):
            lr = learning_rate((epoch - 1) * steps + step, self.total_steps, self.recipe)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            losses[step] = self.one_step(images, labels)
            if (step + 1) % STEPS_BETWEEN_CHECKS == 0 or step + 1 == steps:
                self.check(epoch, checked, losses[checked : step + 1].tolist())
                checked = step + 1
        return float(losses.mean())

    def one_step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of the optimiser; the loss, a scalar on the device."""
        logits = self.model(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        if self.teacher is not None:
            with torch.no_grad():
                soft = self.teacher(images)
            loss = distillation_loss(logits, soft, loss, self.distillation)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.recipe.grad_clip:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.grad_clip)
        self.optimizer.step()
        return loss.detach()

    def check(self, epoch: int, first: int, losses: list[float]) -> None:
        for step, loss in enumerate(losses, first + 1):
            if not math.isfinite(loss):
                raise self.diverged(epoch, step, loss, "loss")

    def diverged(self, epoch: int, step: int, loss: float, what: str) -> TrainingError:
        return TrainingError(
            f"diverged at epoch {epoch}, step {step}: {what} is {loss}; expected a finite number: "
            f"try a lower lr than {self.recipe.lr:g}"
        )


def augmentation(recipe: Recipe) -> Augmentation:
    """The part of a recipe that the loader carries out."""
    return Augmentation(
        crop_padding=recipe.crop_padding,
        flip=recipe.flip,
        mixup_alpha=recipe.mixup_alpha,
        cutmix_alpha=recipe.cutmix_alpha,
        mixup_share=recipe.mixup_share,
        cutmix_share=recipe.cutmix_share,
    )


def learning_rate(step: int, total_steps: int, recipe: Recipe) -> float:
    """Learning rate of a step, counted from 0: linear warm-up to `recipe.lr`, then half a cosine towards 0.

    The first step has lr / warm-up steps, never 0. Source: Loshchilov and Hutter 2017 (cosine); Goyal et al.
    2017 (warm-up).
    """
    warmup = min(math.ceil(recipe.warmup_share * total_steps), total_steps - 1)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total_steps - warmup)))


def make_optimizer(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """AdamW, with weight decay on matrices and kernels only: norms and biases must not be drawn to 0."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise TrainingError("the network has no parameters to train; expected at least one")
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    # fused and foreach are equal on a CPU (within 10 %); a loop over parameters cost up to 40 % more
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=recipe.lr, fused=device.type in ("cpu", "cuda")
    )


@contextmanager
def global_generators_kept(device: torch.device) -> Iterator[None]:
    """Put torch's global generators, on the CPU and on this device, back afterwards."""
    with torch.random.fork_rng(
        devices=[device] if device.type != "cpu" else [],
        device_type=device.type if device.type != "cpu" else "cuda",
    ):
        yield


@contextmanager
def evaluating(teacher: nn.Module | None) -> Iterator[None]:
    """Keep a teacher in evaluation mode for a while."""
    if teacher is None:
        yield
        return
    was_training = teacher.training
    teacher.eval()
    try:
        yield
    finally:
        teacher.train(was_training)
