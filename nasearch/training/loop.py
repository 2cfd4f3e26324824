"""The one training loop, which proxy and winner share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
import torch
from torch import nn

from nasearch.data import Dataset
from nasearch.errors import OutOfMemory, TrainingError
from nasearch.training import checkpoint as checkpoints
from nasearch.training.allocator import freed_memory_kept
from nasearch.training.batches import TrainingData
from nasearch.training.distillation import Distillation
from nasearch.training.evaluate import evaluate_batches
from nasearch.training.graphs import GraphedStep, no_graph
from nasearch.training.guard import LossWatch
from nasearch.training.memory import MOST_PARTS, does_not_fit, free_memory, is_out_of_memory, part_size
from nasearch.training.optim import Average, make_optimizer, set_learning_rate
from nasearch.training.precision import Numerics, choose, settled_without_timing
from nasearch.training.recipe import Recipe
from nasearch.training.results import CurvePoint, TrainResult
from nasearch.training.schedule import learning_rate
from nasearch.training.step import Step

T = TypeVar("T")
OnEpoch = Callable[[CurvePoint], bool | None]
SMALLEST_VALIDATION = 4
"""Times smaller than usual that batches of the validation split may get before they do not fit."""


def train(
    model: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    *,
    device: str | torch.device = "cpu",
    seed: int = 0,
    teacher: nn.Module | None = None,
    distillation: Distillation | None = None,
    on_epoch: OnEpoch | None = None,
    evaluate_at: Collection[int] | None = None,
    checkpoint: Path | None = None,
    precision: str = "auto",
) -> TrainResult:
    """Train a model in place on the training split; the validation split gives the curve; test is not read.

    Args:
        model: (N, C, H, W) normalised images -> (N, classes) logits. Moved to `device`; left in evaluation
            mode, with the averaged weights where the recipe averages.
        dataset: its training and validation split are used.
        recipe: how long and how.
        device: where.
        seed: of shuffling, augmentation and dropout. The same seed and number of threads give the same
            weights on a CPU, for the same precision. The global generators are left as they were found.
        teacher: network of the same input and classes, in evaluation mode throughout; sees the student's
            augmented batches. Moved to `device`, otherwise left as it was.
        distillation: settings of the soft targets; the default ones where a teacher is given without.
        on_epoch: called after each evaluated epoch; the training ends there if it returns False.
        evaluate_at: epochs that are validated, besides the last; None is each. Those beyond are left out.
        checkpoint: file for the training's state, written after every epoch once `on_epoch` has seen it.
            Taken up if it is there and of this very training: on a CPU the result is then the same as if the
            training had never been interrupted. Whoever gives it removes it.
        precision: float32, bfloat16 (automatic mixed precision), or auto, which times both in trainings of
            100 steps and more, along with memory formats.

    Raises:
        OutOfMemory: if the network does not fit even in quarters of a batch.
        TrainingError: if the loss stops being finite, naming epoch and step.
    """
    if evaluate_at is not None and min(evaluate_at, default=1) < 1:
        raise TrainingError(f"evaluate_at holds {min(evaluate_at)}; expected numbers of epochs, from 1")
    if distillation is not None and teacher is None:
        raise TrainingError("distillation is given without a teacher; expected both or neither")
    device = torch.device(device)
    with global_generators_kept(device), evaluating(teacher), suited_to(device):
        run = _Run(model, dataset, recipe, device, seed)
        if teacher is not None:
            run.teach(teacher, distillation or Distillation())
        run.begin(precision, checkpoint)
        every = range(1, recipe.epochs + 1)
        return run.all_epochs(on_epoch, {*(every if evaluate_at is None else evaluate_at), recipe.epochs})


class _Run:
    """One training under way: what its epochs share."""

    def __init__(
        self,
        model: nn.Module,
        dataset: Dataset,
        recipe: Recipe,
        device: torch.device,
        seed: int,
    ) -> None:
        self.began = time.perf_counter()
        self.recipe, self.device, self.seed = recipe, device, seed
        self.shape, self.classes = dataset.input_shape, dataset.num_classes
        self.owner = {"recipe": recipe.to_dict(), "seed": seed, "data": dataset.fingerprint}
        # channels last: steps of 64 images 28x28x1 on one x86-64 thread, best of 12, took 44 ms against 65
        # (residual k5, 10.8 M MACs), 30 against 51 (residual k3, 4.5 M), 146 against 256 (mbconv k5, 10.5 M)
        self.model = self.placed(lambda: model.to(device=device, memory_format=torch.channels_last))  # type: ignore[call-overload]
        self.data = self.placed(lambda: TrainingData(dataset, recipe, device, seed))
        self.steps = len(self.data.training)
        self.optimizer = make_optimizer(model, recipe, device)
        self.step = Step(model, self.optimizer, recipe, device)
        if recipe.ema:
            self.step.average = self.placed(lambda: Average(model, recipe.ema))
        self.stepping: Step | GraphedStep = self.step
        self.numerics = Numerics()
        self.validation_parts = 1
        self.curve: list[CurvePoint] = []
        self.epoch = 0
        self.facts: dict[str, object] = {}
        self.checkpoint: Path | None = None
        self.snapshot: checkpoints.State = {}

    def placed(self, put: Callable[[], T]) -> T:
        """Something put on the device.

        Raises:
            OutOfMemory: if it does not fit.
        """
        try:
            return put()
        except Exception as problem:
            if not is_out_of_memory(problem):
                raise
            raise OutOfMemory(
                f"out of memory on {self.device} before the first step; expected a network and data that fit"
            ) from problem

    def teach(self, teacher: nn.Module, distillation: Distillation) -> None:
        self.step.teacher = self.placed(
            lambda: teacher.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        )
        self.step.distillation = distillation
        self.owner["distillation"] = asdict(distillation)

    def begin(self, precision: str, checkpoint: Path | None) -> None:
        """Settle how numbers are held, and go to where the checkpoint was written."""
        self.checkpoint, total = checkpoint, self.recipe.epochs * self.steps
        numerics = settled_without_timing(precision, self.device, total)
        self.owner["precision"] = precision
        if checkpoint is not None:
            owner = checkpoints.belongs_to(self.model, **self.owner)
            state, problem = checkpoints.read(checkpoint, owner)
            if problem:
                self.facts["checkpoint"] = problem
            if state is not None:
                self.facts["checkpoint"] = f"taken up after epoch {state['epoch']}"
                self.take_up(state)
                return
        torch.manual_seed(epoch_seed(self.seed, 0))
        if numerics is None:
            images, labels = next(iter(self.data.training.epoch(0)))
            numerics = choose(self.step, images, labels, total)
        self.hold(numerics)
        self.snapshot = self.state()

    def hold(self, numerics: Numerics) -> None:
        """Hold numbers in a way from now on."""
        self.numerics, self.step.precision = numerics, numerics.precision
        average = self.step.average.module if self.step.average is not None else None
        for network in (self.model, self.step.teacher, average):
            if network is not None:
                network.to(memory_format=numerics.layout)
        self.data.lay_out(numerics.layout)
        why_not = no_graph(self.device, self.recipe.epochs * self.steps)
        self.stepping = self.step if why_not else GraphedStep(self.step, self.classes)
        if why_not and self.device.type == "cuda":
            self.facts["graph"] = why_not

    def all_epochs(self, on_epoch: OnEpoch | None, evaluated: set[int]) -> TrainResult:
        going = True
        while going and self.epoch < self.recipe.epochs and not self.out_of_patience():
            train_loss = self.trained(self.epoch + 1)
            self.epoch += 1
            if self.epoch in evaluated:
                self.curve.append(self.validated(train_loss))
                going = on_epoch is None or on_epoch(self.curve[-1]) is not False
            self.keep()
        return self.result(stopped=not going and self.epoch < self.recipe.epochs)

    def result(self, stopped: bool) -> TrainResult:
        if self.step.average is not None:
            self.model.load_state_dict(self.step.average.module.state_dict())
        self.model.eval()
        # the memory format of training is no property of the result: files of weights want plain strides
        self.model.to(memory_format=torch.contiguous_format)
        self.optimizer.zero_grad(set_to_none=True)
        if self.out_of_patience() and self.epoch < self.recipe.epochs:
            self.facts["early_stop"] = f"after epoch {self.epoch} of {self.recipe.epochs}"
        if isinstance(self.stepping, GraphedStep):
            self.facts["graph"] = self.stepping.verdict
        numerics = self.numerics.to_dict()
        facts = {**numerics, "accumulation": self.step.parts, **self.facts}
        seen = self.epoch * self.steps * self.data.training.batch_size
        accuracy, curve = self.curve[-1].val_accuracy, tuple(self.curve)
        return TrainResult(accuracy, curve, self.seconds(), seen, self.epoch, stopped, facts)

    def trained(self, epoch: int) -> float:
        """Train an epoch, in smaller parts of batches where memory wants it; the mean loss of its steps.

        Raises:
            OutOfMemory: if the smallest parts do not fit.
        """
        while True:
            try:
                return self.one_epoch(epoch)
            except Exception as problem:
                if not is_out_of_memory(problem):
                    raise
            # here, where no frame of the failed step holds its tensors any more
            self.optimizer.zero_grad(set_to_none=True)
            parts, size = self.step.parts, self.data.training.batch_size
            self.stepping = self.step
            free_memory(self.device)
            if parts == MOST_PARTS or part_size(size, parts) <= 2:
                raise does_not_fit(self.device, part_size(size, parts), self.shape, "training")
            state = {**self.snapshot, "parts": 2 * parts}
            self.take_up(state)

    def one_epoch(self, epoch: int) -> float:
        """Train one epoch; the mean loss of its steps."""
        # anew for each epoch, so that one that is taken up again draws what it would have drawn
        torch.manual_seed(epoch_seed(self.seed, epoch))
        self.model.train()
        watch = LossWatch(self.steps, self.device)
        for step, (images, labels) in enumerate(self.data.training.epoch(epoch)):
            set_learning_rate(self.optimizer, self.lr(epoch, step))
            self.refuse_bad(epoch, watch.add(self.stepping(images, labels)))
        self.refuse_bad(epoch, watch.first_bad())
        return watch.mean()

    def lr(self, epoch: int, step: int) -> float:
        """Learning rate of a step, from 0, of an epoch, from 1."""
        return learning_rate((epoch - 1) * self.steps + step, self.recipe.epochs * self.steps, self.recipe)

    def validated(self, train_loss: float) -> CurvePoint:
        """The curve's point after the present epoch.

        Raises:
            OutOfMemory: if the smallest batches do not fit.
        """
        while True:
            try:
                accuracy, loss = self.judge()
                break
            except Exception as problem:
                if not is_out_of_memory(problem):
                    raise
            free_memory(self.device)
            if self.validation_parts == SMALLEST_VALIDATION:
                raise does_not_fit(self.device, self.data.validation.batch_size, self.shape, "validation")
            self.validation_parts *= 2
            self.data.halve_validation()
            self.facts["validation_batch"] = self.data.validation.batch_size
        if not math.isfinite(loss):
            self.diverged(self.epoch, self.steps, loss, "validation loss")
        lr = self.lr(self.epoch, self.steps - 1)
        return CurvePoint(self.epoch, train_loss, loss, accuracy, lr, self.seconds())

    def judge(self) -> tuple[float, float]:
        """Accuracy and loss of the present weights, or of their average, on the validation split."""
        average = self.step.average
        model = self.model if average is None else average.settle(self.data.plain())
        return evaluate_batches(model, self.data.validation)

    def out_of_patience(self) -> bool:
        """Whether the last few validations brought no lower loss than one before."""
        losses = [point.val_loss for point in self.curve]
        patience = self.recipe.patience
        return 0 < patience < len(losses) and min(losses[-patience:]) >= min(losses[:-patience])

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def state(self) -> checkpoints.State:
        """All that the next epoch begins with, in host memory."""
        average = self.step.average
        return {
            "epoch": self.epoch,
            "seconds": self.seconds(),
            "curve": [asdict(point) for point in self.curve],
            "numerics": self.numerics.to_dict(),
            "parts": self.step.parts,
            "model": checkpoints.held(self.model.state_dict(), "cpu"),
            "optimizer": checkpoints.held(self.optimizer.state_dict()["state"], "cpu"),
            "average": average and checkpoints.held(average.module.state_dict(), "cpu"),
            "updates": average.updates if average else 0,
        }

    def take_up(self, state: checkpoints.State) -> None:
        """Go to a state."""
        self.step.parts = state["parts"]
        self.hold(Numerics(**state["numerics"]))
        self.model.load_state_dict(state["model"])
        # the groups are the recipe's, and on a GPU hold the tensor of the rate
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict(
            {"state": checkpoints.held(state["optimizer"]), "param_groups": groups}
        )
        if self.step.average is not None:
            self.step.average.module.load_state_dict(state["average"])
            self.step.average.updates = state["updates"]
        if state["epoch"] != self.epoch:  # of another process
            self.epoch, self.began = state["epoch"], self.began - state["seconds"]
            self.curve = [CurvePoint(**point) for point in state["curve"]]
        self.snapshot = state

    def keep(self) -> None:
        """Hold the present state, also in the checkpoint."""
        self.snapshot = self.state()
        if self.checkpoint is None:
            return
        owner = {"belongs_to": checkpoints.belongs_to(self.model, **self.owner)}
        try:
            checkpoints.write(self.checkpoint, {**self.snapshot, **owner})
        except (OSError, RuntimeError) as problem:
            # a training is worth more than its checkpoint
            self.facts["checkpoint"] = f"could not be written: {str(problem).splitlines()[0][:200]}"

    def refuse_bad(self, epoch: int, bad: tuple[int, float] | None) -> None:
        if bad is not None:
            self.diverged(epoch, *bad, "loss")

    def diverged(self, epoch: int, step: int, loss: float, what: str) -> NoReturn:
        raise TrainingError(
            f"diverged at epoch {epoch}, step {step}: {what} is {loss}; expected a finite number: "
            f"try a lower lr than {self.recipe.lr:g}"
        )


def epoch_seed(seed: int, epoch: int) -> int:
    """Of the global generators in an epoch."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def global_generators_kept(device: torch.device) -> Iterator[None]:
    """Put torch's global generators, on the CPU and on this device, back afterwards."""
    with torch.random.fork_rng(
        devices=[device] if device.type != "cpu" else [],
        device_type=device.type if device.type != "cpu" else "cuda",
    ):
        yield


def suited_to(device: torch.device) -> AbstractContextManager[object]:
    """What a process is set to while it trains on a device."""
    if device.type == "cuda":
        return torch.cuda.device(device)  # streams, events and graphs are made on the present one
    return freed_memory_kept() if device.type == "cpu" else nullcontext()


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
