"""Training a supernet, and judging by inherited weights."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import nasearch as nas
from nasearch.data import Dataset
from nasearch.errors import OutOfMemory, TrainingError
from nasearch.measure.extremes import cheapest, dearest
from nasearch.training import Recipe
from nasearch.training.batches import TrainingData
from nasearch.training.blockwise import Teacher
from nasearch.training.evaluate import evaluate_batches, settle
from nasearch.training.supernet import (
    FairDraw,
    SupernetPoint,
    SupernetResult,
    _Run,
    inherited_accuracy,
    train_supernet,
)

SPACE = """
stem: {kind: conv, channels: 8}
stages:
  - channels: [8, 12]
    depth: [1, 2]
    block: {one_of: [{kind: residual, kernel: [3, 5]}, {kind: mbconv, expand: [2, 3]}, {kind: skip}]}
head: {kind: linear, dropout: [0.0, 0.2]}
"""
SHORT = Recipe(
    "short", epochs=2, batch_size=50, lr=1e-2, mixup_share=0.0, cutmix_share=0.0, crop_padding=0, flip=False
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def space() -> nas.SearchSpace:
    return nas.SearchSpace.parse(SPACE)


def fresh(space: nas.SearchSpace) -> nas.Supernet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nas.Supernet(space, num_classes=2, in_channels=1)


def trained(
    supernet: nas.Supernet, dataset: Dataset, recipe: Recipe = SHORT, **more: object
) -> SupernetResult:
    space, shape = supernet.space, (1, 8, 8)
    ends = {"largest": dearest(space, "params", shape, 2), "smallest": cheapest(space, "params", shape, 2)}
    found = {name: end.architecture for name, end in ends.items()}
    return train_supernet(supernet, dataset, recipe, **found, **more)  # type: ignore[arg-type]


@pytest.mark.slow
def test_every_network_learns(space: nas.SearchSpace, dataset: Dataset) -> None:
    supernet = fresh(space)
    recipe = replace(SHORT, epochs=15, lr=2e-2)
    data = TrainingData(dataset, recipe, CPU, 0)
    architectures = [space.sample(seed) for seed in range(8)]
    before = [inherited_accuracy(supernet, each, data) for each in architectures]
    result = trained(supernet, dataset, recipe)
    after = [inherited_accuracy(supernet, each, data) for each in architectures]
    assert sum(after) / 8 > 0.85 > sum(before) / 8
    assert result.curve[-1].largest_accuracy > 0.85
    assert result.curve[4].train_loss < result.curve[0].train_loss  # the largest alone
    assert result.curve[-1].train_loss < result.curve[5].train_loss
    assert (len(result.curve), result.steps, result.stopped) == (15, 15 * 4, False)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_same_seed_gives_the_same_and_another_another(
    space: nas.SearchSpace, dataset: Dataset, optimizer: str
) -> None:
    supernets = [fresh(space) for _ in range(3)]
    recipe = replace(SHORT, epochs=1, optimizer=optimizer)
    for supernet, seed in zip(supernets, (1, 1, 2), strict=True):
        trained(supernet, dataset, recipe, seed=seed)
    first, again, other = ([*each.parameters()] for each in supernets)
    assert all(map(torch.equal, first, again))
    assert not all(map(torch.equal, first, other))


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "after", "optimizer"), [(3, 1, "adamw"), (3, 2, "sgd"), (2, 1, "adamw")])
def test_a_training_that_is_taken_up_ends_as_if_never_stopped(
    space: nas.SearchSpace, dataset: Dataset, tmp_path: Path, epochs: int, after: int, optimizer: str
) -> None:
    """The largest network teaches from the second of three epochs on, or from within the first of two."""
    recipe = replace(SHORT, epochs=epochs, optimizer=optimizer)
    whole, first, second = (fresh(space) for _ in range(3))
    expected = trained(whole, dataset, recipe)
    file = tmp_path / "state.pt"
    stopped = trained(first, dataset, recipe, checkpoint=file, on_epoch=lambda point: point.epoch < after)
    assert (stopped.stopped, len(stopped.curve)) == (True, after)
    result = trained(second, dataset, recipe, checkpoint=file)
    assert result.facts["checkpoint"] == f"taken up after epoch {after}"
    assert all(map(torch.equal, whole.parameters(), second.parameters()))
    assert [p.train_loss for p in result.curve] == [p.train_loss for p in expected.curve]
    other = trained(fresh(space), dataset, replace(recipe, lr=1e-3, epochs=1), checkpoint=file)
    assert other.facts["checkpoint"] == "ignored, for it is of another training"


def test_a_checkpoint_that_cannot_be_written_is_told_once_and_at_once(
    space: nas.SearchSpace, dataset: Dataset, tmp_path: Path
) -> None:
    told: list[str] = []

    def on_epoch(point: SupernetPoint) -> None:
        told.append(f"epoch {point.epoch}")

    trained(
        fresh(space), dataset, checkpoint=tmp_path / "no folder" / "f", on_epoch=on_epoch, on_fact=told.append
    )
    assert len(told) == 3
    assert told[0].startswith("could not be written: ")
    assert told[1:] == ["epoch 1", "epoch 2"]


def test_a_data_set_is_made_ready_as_it_was_for_the_training(
    space: nas.SearchSpace, dataset: Dataset
) -> None:
    supernet = fresh(space)
    trained(supernet, dataset)
    data = TrainingData(dataset, SHORT, CPU, 0)
    for seed in range(4):
        a = space.sample(seed)
        assert nas.inherited_accuracy(supernet, a, dataset) == inherited_accuracy(supernet, a, data)


def test_the_largest_network_learns_alone_and_then_teaches(
    space: nas.SearchSpace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three epochs of four steps: four steps alone, eight with six networks each, and two whole schedules."""
    supernet = fresh(space)
    begun = {name: value.detach().clone() for name, value in supernet.named_parameters()}
    largest = dearest(space, "params", (1, 8, 8), 2).architecture
    reads = supernet.subnet(largest).shared.tensors.keys()
    taught: list[dict[str, Tensor]] = []
    loss = Teacher.loss

    def watched(teacher: Teacher, subnet: nas.Subnet, *rest: Any) -> Tensor:
        taught.append({name: value.clone() for name, value in teacher.network.state_dict().items()})
        return loss(teacher, subnet, *rest)

    monkeypatch.setattr(Teacher, "loss", watched)
    rates: list[float] = []
    moved: list[set[str]] = []

    def on_epoch(point: SupernetPoint) -> None:
        rates.append(point.lr)
        now = supernet.named_parameters()
        moved.append({name for name, value in now if not torch.equal(value, begun[name])})

    trained(supernet, dataset, replace(SHORT, epochs=3), on_epoch=on_epoch)
    assert moved[0] == {f"weights.{name}" for name in reads if f"weights.{name}" in begun}
    assert moved[0] < moved[1]
    assert len(taught) == 8 * 6
    for name, value in taught[0].items():
        assert all(torch.equal(value, later[name]) for later in taught)
    assert rates[1] > 2 * rates[0]
    assert rates[1] > 2 * rates[2]


class Memory:
    """Holds so many images of a network that trains, no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        self.sizes: list[int] = []
        self.refused = 0
        forward = nas.Subnet.forward

        def limited(subnet: nas.Subnet, images: Tensor) -> Tensor:
            if torch.is_grad_enabled():
                if len(images) > most:
                    self.refused += 1
                    raise torch.OutOfMemoryError("CUDA out of memory.")
                self.sizes.append(len(images))
            return forward(subnet, images)

        monkeypatch.setattr(nas.Subnet, "forward", limited)


def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    space: nas.SearchSpace, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs of four steps of 50 images; parts are even numbers: 26 and 24, then 14, 14, 14, 8."""
    memory, file = Memory(monkeypatch, 20), tmp_path / "state.pt"
    stopped = trained(fresh(space), dataset, checkpoint=file, on_epoch=lambda _: False)
    assert stopped.facts["accumulation"] == "4"
    assert (memory.refused, memory.sizes) == (2, [14, 14, 14, 8] * 3 + [14] * 6 * 3 + [8] * 6)
    memory.refused, memory.sizes = 0, []
    trained(fresh(space), dataset, checkpoint=file)
    assert (memory.refused, memory.sizes) == (0, ([14] * 6 * 3 + [8] * 6) * 4)  # it is not tried anew


def test_parts_of_a_batch_add_up_to_the_mean_over_its_images(
    space: nas.SearchSpace, dataset: Dataset
) -> None:
    """The labels' loss on 26 and 24 images as torch gives it, each part with batch norms of its own."""
    supernet = fresh(space)
    run = _Run(supernet, dataset, SHORT, CPU, seed=0)
    largest = dearest(space, "params", (1, 8, 8), 2).architecture
    run.between, run.parts = (largest, largest), 2
    images, labels = torch.randn(50, 1, 8, 8), torch.arange(50) % 2
    subnet = supernet.subnet(largest).train()
    torch.manual_seed(0)
    expected = sum(
        F.cross_entropy(subnet(images[part]), labels[part], label_smoothing=SHORT.label_smoothing) * share
        for part, share in ((slice(26), 26 / 50), (slice(26, 50), 24 / 50))
    )
    assert isinstance(expected, Tensor)
    wanted = torch.autograd.grad(expected, list(supernet.parameters()), allow_unused=True)
    torch.manual_seed(0)
    found = run.backward(images, labels, (), random.Random(0))
    torch.testing.assert_close(found, expected.detach())
    for parameter, gradient in zip(supernet.parameters(), wanted, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        if gradient is not None:
            torch.testing.assert_close(parameter.grad, gradient)


def test_the_same_blocks_are_helped_in_every_part(
    space: nas.SearchSpace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    Memory(monkeypatch, 26)
    states: list[object] = []
    loss = Teacher.loss

    def noted(teacher: Teacher, subnet: nas.Subnet, images: Tensor, lesson: Any, chance: Any) -> Tensor:
        states.append(chance.getstate())
        return loss(teacher, subnet, images, lesson, chance)

    monkeypatch.setattr(Teacher, "loss", noted)
    trained(fresh(space), dataset)
    steps = [states[at : at + 12] for at in range(0, len(states), 12)]  # six networks on two parts
    assert len(steps) == 5
    assert all(step[:6] == step[6:] for step in steps)
    assert all(first[0] != second[0] for first, second in pairwise(steps))


def test_what_does_not_fit_in_quarters_of_a_batch_is_out_of_memory(
    space: nas.SearchSpace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(monkeypatch, 10)
    with pytest.raises(
        OutOfMemory, match=r"on cpu in the training of the supernet, even with 14 images of 1x8x8 at a time"
    ):
        trained(fresh(space), dataset)
    assert memory.refused == 3


@pytest.mark.slow
def test_it_learns_in_bfloat16(space: nas.SearchSpace, dataset: Dataset) -> None:
    result = trained(fresh(space), dataset, replace(SHORT, epochs=9), precision="bfloat16")
    assert result.curve[-1].largest_accuracy > 0.8
    assert result.curve[-1].train_loss < result.curve[4].train_loss


def test_on_epoch_sees_each_point(space: nas.SearchSpace, dataset: Dataset) -> None:
    points: list[SupernetPoint] = []
    result = trained(fresh(space), dataset, on_epoch=points.append)
    assert tuple(points) == result.curve
    assert [point.epoch for point in points] == [1, 2]


def test_a_loss_that_is_not_finite_ends_the_training(space: nas.SearchSpace, dataset: Dataset) -> None:
    supernet = fresh(space)
    with torch.no_grad():
        supernet.get_parameter("weights.head/linear/classifier:Linear/bias").fill_(torch.inf)
    with pytest.raises(TrainingError, match=r"supernet diverged at epoch 1, step 1: .* lower lr than 0.01"):
        trained(supernet, dataset)


def test_matrices_of_windows_do_not_decay(space: nas.SearchSpace, dataset: Dataset) -> None:
    """With a rate so low that gradients move nothing, what decays shrinks and the rest stays."""
    supernet = fresh(space)
    trained(supernet, dataset, replace(SHORT, lr=1e-7, weight_decay=1e5, optimizer="sgd", grad_clip=1e-9))
    for matrix in supernet.matrices.parameters():
        assert torch.allclose(matrix, torch.eye(len(matrix)), atol=1e-5)
    weight = supernet.get_parameter("weights.stem/conv/conv/conv:Conv2d/weight")
    begun = fresh(space).get_parameter("weights.stem/conv/conv/conv:Conv2d/weight")
    assert float(weight.detach().norm() / begun.detach().norm()) < 0.97


def test_values_of_a_choice_are_drawn_equally_often(space: nas.SearchSpace) -> None:
    fair = FairDraw(space, 0)
    drawn = [dict(fair.draw().decisions) for _ in range(60)]
    for choice in ("stage1.channels", "stage1.depth", "stage1.block1.kind"):
        counts = Counter(decisions[choice] for decisions in drawn)
        assert len(set(counts.values())) == 1, counts
    again = FairDraw(space, 0)
    assert [dict(again.draw().decisions) for _ in range(60)] == drawn


def test_judging_leaves_the_supernet_and_is_that_of_the_network_cut_out(
    space: nas.SearchSpace, dataset: Dataset
) -> None:
    supernet = fresh(space)
    trained(supernet, dataset)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    data = TrainingData(dataset, SHORT, CPU, 0)
    architecture = space.decode({**space.encode(space.sample(3)), "head.dropout": 0.0})
    accuracy = inherited_accuracy(supernet, architecture, data)
    alone = settle(supernet.extract(architecture), data.plain())
    assert accuracy == evaluate_batches(alone, data.validation)[0]
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())


def test_plain_batches_end_where_there_are_enough_images(dataset: Dataset) -> None:
    data = TrainingData(dataset, replace(SHORT, batch_size=4), CPU, 0)
    every = [len(images) for images in data.plain()]
    assert len(set(every)) == 1
    batch, *_ = every
    for most, wanted in ((1, 1), (batch, 1), (batch + 1, 2)):
        assert len(list(data.plain(most))) == min(wanted, len(every))
