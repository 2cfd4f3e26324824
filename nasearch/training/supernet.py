"""Training a supernet, and judging networks by the weights that they inherit from it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from nasearch.data import Dataset
from nasearch.errors import TrainingError
from nasearch.nets import Supernet
from nasearch.space import Architecture, Scalar, SearchSpace
from nasearch.training import checkpoint as checkpoints
from nasearch.training.batches import TrainingData
from nasearch.training.blockwise import HELPED, Teacher
from nasearch.training.evaluate import evaluate_batches, settle
from nasearch.training.guard import LossWatch
from nasearch.training.loop import epoch_seed, global_generators_kept, suited_to
from nasearch.training.memory import MOST_PARTS, does_not_fit, free_memory, is_out_of_memory, part_size
from nasearch.training.optim import make_optimizer, set_learning_rate
from nasearch.training.recipe import Recipe, find_recipe
from nasearch.training.results import CurvePoint
from nasearch.training.schedule import learning_rate
from nasearch.training.step import autocast

ALONE = 1 / 3
"""Share of the steps in which the largest network learns by itself, before it teaches the others."""
JUDGED_BY = 200
"""Training images, or a few more, by which the batch norms of a network are set before it is judged."""
DRAWN_A_STEP = 6
"""Networks that learn from one look at what the teacher does, which costs as much as two or three of them."""


@dataclass(frozen=True)
class SupernetPoint:
    """What is known after an epoch.

    Attributes:
        epoch: counted from 1.
        train_loss: mean over the epoch's steps: of the largest network's cross-entropy while it learns, and
            of how far the other networks' blocks are from its own (`Teacher.loss`) when it teaches.
        largest_accuracy, smallest_accuracy: inherited, on the validation split; fractions in [0, 1].
        lr: learning rate of the epoch's last step.
        seconds: since the training began, of one taken up again of all its parts.
    """

    epoch: int
    train_loss: float
    largest_accuracy: float
    smallest_accuracy: float
    lr: float
    seconds: float

    @property
    def largest(self) -> CurvePoint:
        """The largest network's part of it, without a validation loss, which is not looked at."""
        return CurvePoint(self.epoch, self.train_loss, math.nan, self.largest_accuracy, self.lr, self.seconds)


OnEpoch: TypeAlias = Callable[[SupernetPoint], bool | None]
OnFact: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class SupernetResult:
    """What a training gave.

    Attributes:
        curve: a point for each epoch.
        seconds: wall-clock, validation included.
        steps: of the optimiser; each trains the largest network, or `DRAWN_A_STEP` others.
        stopped: the caller's `on_epoch` ended it before the last epoch.
        facts: what became of the checkpoint, and accumulation, the parts of a batch where it did not fit as a
            whole; where there is something to tell.
    """

    curve: tuple[SupernetPoint, ...]
    seconds: float
    steps: int
    stopped: bool
    facts: dict[str, str]


class FairDraw:
    """Draws networks of a space so that the values of each choice come equally often.

    Each choice goes through a shuffled order of its values before any comes again.

    Source: Chu et al. 2021, "FairNAS", strict fairness.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._generator = random.Random(seed)
        self._left: dict[str, list[Scalar]] = {}

    def draw(self) -> Architecture:
        """The next network."""
        return self._space.propose(self._next)

    def _next(self, name: str, values: Iterable[Scalar]) -> Scalar:
        left = self._left.setdefault(name, [])
        if not left:
            left += values
            self._generator.shuffle(left)
        return left.pop()


def inherited_accuracy(supernet: Supernet, architecture: Architecture, data: Dataset | TrainingData) -> float:
    """Accuracy of a network with a supernet's weights, on the validation split: a fraction in [0, 1].

    Arguments and errors as in `inherited`.
    """
    return inherited(supernet, architecture, data)[0]


def inherited(
    supernet: Supernet, architecture: Architecture, data: Dataset | TrainingData
) -> tuple[float, float]:
    """Accuracy and cross-entropy of a network with a supernet's weights, on the validation split.

    Its batch norms get statistics of some training images before. The supernet is left as it was.

    Args:
        supernet: trained.
        architecture: of its space.
        data: what it was trained on; or that as it was made ready on the supernet's device.

    Raises:
        BuildError: if the architecture is none of the supernet's space.
    """
    if isinstance(data, Dataset):
        device = next(supernet.parameters()).device
        data = TrainingData(data, find_recipe("supernet"), device, seed=0)
    with global_generators_kept(data.validation.device):
        torch.manual_seed(0)  # dropout acts while statistics are taken: the same network, the same accuracy
        subnet = settle(supernet.subnet(architecture), data.plain(JUDGED_BY))
    return evaluate_batches(subnet, data.validation)


def train_supernet(
    supernet: Supernet,
    dataset: Dataset,
    recipe: Recipe,
    *,
    largest: Architecture,
    smallest: Architecture,
    device: str | torch.device = "cpu",
    seed: int = 0,
    precision: str = "float32",
    on_epoch: OnEpoch | None = None,
    checkpoint: str | Path | None = None,
    on_fact: OnFact | None = None,
) -> SupernetResult:
    """Train all networks of a space together, in place.

    In the first part of the steps (`ALONE`) the largest network learns the labels. It is then kept as it is
    and teaches: in each later step the blocks of `DRAWN_A_STEP` networks, drawn so that all values of a
    choice come equally often, learn to give what its blocks give. Each part has the whole schedule of the
    learning rate.

    Args:
        supernet: is moved to `device`.
        dataset: its training split is learnt, its validation split read after each epoch.
        recipe: as for a network alone; its moving average and patience are not used.
        largest: the network of its space that teaches the others.
        smallest: one at the other end, whose accuracy is told, too.
        device: where to train.
        seed: of the batches and of the networks that are drawn.
        precision: float32, or bfloat16 for automatic mixed precision.
        on_epoch: called after each epoch; the training ends there if it returns False.
        checkpoint: file for the state, written after every epoch before `on_epoch` sees it. Taken up if
            it is there and of this very training: on a CPU the result is then the same as if it had never
            been interrupted. Whoever gives it removes it.
        on_fact: told what becomes of the checkpoint as soon as it is known: that it is taken up, or why not,
            before the first epoch; that it cannot be written, when that happens.

    Raises:
        BuildError: if an architecture is none of the supernet's space.
        TrainingError: if the loss stops being finite, naming epoch and step.
        OutOfMemory: if not even a quarter of a batch fits.

    Source: Li et al. 2020, "Block-wisely Supervised Neural Architecture Search with Knowledge Distillation";
    Chu et al. 2021, "FairNAS".
    """
    device = torch.device(device)
    with global_generators_kept(device), suited_to(device):
        run = _Run(supernet.to(device), dataset, recipe, device, seed)
        run.between, run.precision = (largest, smallest), precision
        if checkpoint is not None:
            run.take_up(Path(checkpoint), on_fact)
        return run.all_epochs(on_epoch)


class _Run:
    """One training under way."""

    def __init__(
        self, supernet: Supernet, dataset: Dataset, recipe: Recipe, device: torch.device, seed: int
    ) -> None:
        self.began = time.perf_counter()
        self.supernet, self.recipe, self.device, self.seed = supernet, recipe, device, seed
        self.fingerprint, self.shape = dataset.fingerprint, dataset.input_shape
        self.data = TrainingData(dataset, recipe, device, seed)
        self.steps = len(self.data.training)
        self.alone = math.ceil(recipe.epochs * self.steps * ALONE)
        self.parameters = [each for each in supernet.parameters() if each.requires_grad]
        self.optimizer = self.fresh_optimizer()
        self.teacher: Teacher | None = None
        self.between: tuple[Architecture, ...] = ()
        self.precision = "float32"
        self.curve: list[SupernetPoint] = []
        self.parts = 1
        self.facts: dict[str, str] = {}
        self.on_fact: OnFact | None = None
        self.checkpoint: Path | None = None

    def fresh_optimizer(self) -> Optimizer:
        # a matrix of a window that decays goes to nothing, not to the identity
        undecayed = self.supernet.matrices.parameters()
        optimizer = make_optimizer(self.supernet, self.recipe, self.device, undecayed=undecayed)
        if self.recipe.optimizer == "sgd" and self.recipe.momentum:
            for each in self.parameters:  # torch's fused step cannot begin with some of them, later others
                optimizer.state[each]["momentum_buffer"] = torch.zeros_like(each)
        return optimizer

    def all_epochs(self, on_epoch: OnEpoch | None) -> SupernetResult:
        going = True
        while going and len(self.curve) < self.recipe.epochs:
            self.curve.append(self.epoch(len(self.curve) + 1))
            self.keep()
            going = on_epoch is None or on_epoch(self.curve[-1]) is not False
        self.optimizer.zero_grad(set_to_none=True)
        stopped = len(self.curve) < self.recipe.epochs
        steps = len(self.curve) * self.steps
        return SupernetResult(tuple(self.curve), self.seconds(), steps, stopped, self.facts)

    def epoch(self, epoch: int) -> SupernetPoint:
        # anew for each epoch, so that one that is taken up again draws what it would have drawn
        torch.manual_seed(epoch_seed(self.seed, epoch))
        fair = FairDraw(self.supernet.space, epoch_seed(self.seed, epoch))
        chance = random.Random(epoch_seed(self.seed, epoch))
        watch = LossWatch(self.steps, self.device)
        lr = 0.0
        for step, (images, labels) in enumerate(self.data.training.epoch(epoch), (epoch - 1) * self.steps):
            if step == self.alone:
                self.begin_to_teach()
            lr = self.learning_rate(step)
            set_learning_rate(self.optimizer, lr)
            drawn = () if self.teacher is None else tuple(fair.draw() for _ in range(DRAWN_A_STEP))
            loss = self.backward(images, labels, drawn, chance)
            if self.recipe.grad_clip:
                nn.utils.clip_grad_norm_(self.parameters, self.recipe.grad_clip)
            self.optimizer.step()
            self.refuse_bad(epoch, watch.add(loss))
        self.refuse_bad(epoch, watch.first_bad())
        largest, smallest = (inherited_accuracy(self.supernet, each, self.data) for each in self.between)
        return SupernetPoint(epoch, watch.mean(), largest, smallest, lr, self.seconds())

    def learning_rate(self, step: int) -> float:
        """Of a step of the whole training, counted from 0; the schedule begins anew with the teaching."""
        if step < self.alone:
            return learning_rate(step, self.alone, self.recipe)
        steps = self.recipe.epochs * self.steps - self.alone
        return learning_rate(step - self.alone, steps, self.recipe)

    def begin_to_teach(self) -> None:
        """Keep the largest network as it is now; what the optimiser remembers of it is forgotten."""
        self.teacher = Teacher(settle(self.supernet.extract(self.between[0]), self.data.plain()))
        self.optimizer = self.fresh_optimizer()

    def backward(
        self, images: Tensor, labels: Tensor, drawn: Sequence[Architecture], chance: random.Random
    ) -> Tensor:
        """Add up the gradients of a batch, in as many parts as memory wants; its mean loss.

        Raises:
            OutOfMemory: if the smallest parts do not fit.
        """
        state = chance.getstate()
        while True:
            self.optimizer.zero_grad(set_to_none=True)
            size, total = part_size(len(images), self.parts), torch.zeros((), device=self.device)
            try:
                for some, theirs in zip(images.split(size), labels.split(size), strict=True):
                    chance.setstate(state)  # the same blocks are helped in every part
                    share = len(some) / len(images)
                    if drawn:
                        total += self.teach(drawn, chance, some, share)
                    else:
                        total += self.learn(some, theirs, share)
                return total
            except Exception as problem:
                if not is_out_of_memory(problem):
                    raise
            # here, where no frame of the failed step holds its tensors any more
            self.optimizer.zero_grad(set_to_none=True)
            free_memory(self.device)
            if self.parts == MOST_PARTS or size <= 2:
                raise does_not_fit(self.device, size, self.shape, "the training of the supernet")
            self.parts *= 2
            self.facts["accumulation"] = str(self.parts)

    def learn(self, images: Tensor, labels: Tensor, share: float) -> Tensor:
        """Gradients of the largest network's loss on the labels, and that loss; both times their share."""
        largest = self.supernet.subnet(self.between[0]).train()
        with autocast(self.precision, self.device):
            logits = largest(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing) * share
        loss.backward()
        return loss.detach()

    def teach(
        self, drawn: Sequence[Architecture], chance: random.Random, images: Tensor, share: float
    ) -> Tensor:
        """Gradients of all networks of a step, and the mean of their losses; both times their share."""
        assert self.teacher is not None
        losses = []
        with autocast(self.precision, self.device):
            lesson = self.teacher.lesson(images)
        for architecture in drawn:
            network = self.supernet.subnet(architecture).train()
            with autocast(self.precision, self.device):
                loss = self.teacher.loss(network, images, lesson, chance) * share
            loss.backward()
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def refuse_bad(self, epoch: int, bad: tuple[int, float] | None) -> None:
        if bad is not None:
            raise TrainingError(
                f"the supernet diverged at epoch {epoch}, step {bad[0]}: loss is {bad[1]}; expected a finite "
                f"number: try a lower lr than {self.recipe.lr:g}"
            )

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def owner(self) -> str:
        """Whose checkpoints fit."""
        what = {
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "data": self.fingerprint,
            "space": self.supernet.space.text,
            "between": [each.key for each in self.between],
            "precision": self.precision,
            "teaching": ["maps of blocks", ALONE, DRAWN_A_STEP, HELPED],
        }
        return checkpoints.belongs_to(self.supernet, **what)

    def take_up(self, path: Path, on_fact: OnFact | None) -> None:
        """Go on where a checkpoint was written; from now on write it."""
        self.checkpoint, self.on_fact = path, on_fact
        state, problem = checkpoints.read(path, self.owner())
        if problem:
            self.note(problem)
        if state is None:
            return
        self.note(f"taken up after epoch {len(state['curve'])}")
        self.supernet.load_state_dict(state["supernet"])
        if state["teacher"] is not None:
            network = self.supernet.extract(self.between[0])
            network.load_state_dict(state["teacher"])
            self.teacher = Teacher(network)
        # the groups are the recipe's, and on a GPU hold the tensor of the rate
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": groups})
        self.curve = [SupernetPoint(**point) for point in state["curve"]]
        self.began -= state["seconds"]
        self.parts = state.get("parts", 1)  # earlier versions knew whole batches alone

    def keep(self) -> None:
        """Write the checkpoint; a training is worth more than it, so that a failure is only told."""
        if self.checkpoint is None:
            return
        state = {
            "belongs_to": self.owner(),
            "curve": [asdict(point) for point in self.curve],
            "seconds": self.seconds(),
            "parts": self.parts,
            "supernet": checkpoints.held(self.supernet.state_dict(), "cpu"),
            "optimizer": checkpoints.held(self.optimizer.state_dict()["state"], "cpu"),
            "teacher": None
            if self.teacher is None
            else checkpoints.held(self.teacher.network.state_dict(), "cpu"),
        }
        try:
            checkpoints.write(self.checkpoint, state)
        except (OSError, RuntimeError) as problem:
            self.note(f"could not be written: {str(problem).splitlines()[0][:200]}")

    def note(self, fact: str) -> None:
        """What became of the checkpoint; what is the same after each epoch is told once."""
        if self.facts.get("checkpoint") != fact:
            self.facts["checkpoint"] = fact
            if self.on_fact is not None:
                self.on_fact(fact)
