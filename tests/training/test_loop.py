from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from nasearch.data import Dataset, Split
from nasearch.errors import TrainingError
from nasearch.training import CurvePoint, Distillation, Recipe, evaluate, train

Maker = Callable[[int], nn.Module]
SHORT = Recipe("short", epochs=2, batch_size=32, lr=1e-2, mixup_share=0.0, cutmix_share=0.0)
MIXED = replace(SHORT, mixup_share=0.4, cutmix_share=0.4)


def weights(model: nn.Module) -> list[Tensor]:
    return list(model.state_dict().values())


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_a_small_network_learns(dataset: Dataset, make_network: Maker) -> None:
    model = make_network(0)
    recipe = replace(SHORT, epochs=12, batch_size=20, lr=2e-2, crop_padding=1)
    result = train(model, dataset, recipe)
    assert result.accuracy > 0.9
    assert result.accuracy == evaluate(model, dataset.val, dataset)[0]
    assert not model.training
    assert result.images_seen == 12 * 200


def test_the_curve_has_a_point_an_epoch_as_it_is_reached(dataset: Dataset, make_network: Maker) -> None:
    points: list[CurvePoint] = []
    result = train(make_network(0), dataset, replace(SHORT, epochs=3), on_epoch=points.append)
    assert tuple(points) == result.curve
    assert [point.epoch for point in points] == [1, 2, 3]
    assert points[0].seconds <= points[1].seconds <= points[2].seconds <= result.seconds
    assert points[2].lr < points[1].lr
    assert all(0 <= point.val_accuracy <= 1 and point.train_loss > 0 for point in points)
    assert result.accuracy == points[-1].val_accuracy


def test_validating_less_often_keeps_the_last_epoch(dataset: Dataset, make_network: Maker) -> None:
    often, seldom = make_network(0), make_network(0)
    train(often, dataset, replace(SHORT, epochs=5))
    result = train(seldom, dataset, replace(SHORT, epochs=5), evaluate_at=[2, 4, 9])
    assert [point.epoch for point in result.curve] == [2, 4, 5]
    assert same(often, seldom)  # reading the validation split changes nothing


@pytest.mark.parametrize("recipe", [SHORT, MIXED])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(
    dataset: Dataset, make_network: Maker, recipe: Recipe
) -> None:
    first, again, other = make_network(0), make_network(0), make_network(0)
    torch.manual_seed(11)
    one = train(first, dataset, recipe, seed=4)
    torch.manual_seed(22)  # the state of the global generator has no part in it
    two = train(again, dataset, recipe, seed=4)
    train(other, dataset, recipe, seed=5)
    assert same(first, again)
    assert not same(first, other)
    assert [p.val_loss for p in one.curve] == [p.val_loss for p in two.curve]


def test_global_generators_are_left_as_found(dataset: Dataset, make_network: Maker) -> None:
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = torch.rand(3).tolist(), random.random(), np.random.rand()  # noqa: NPY002
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    train(make_network(0), dataset, MIXED)
    assert (torch.rand(3).tolist(), random.random(), np.random.rand()) == expected  # noqa: NPY002


def test_the_result_is_laid_out_as_files_want_it(dataset: Dataset, make_network: Maker) -> None:
    model = make_network(0)
    train(model, dataset, SHORT)
    assert all(value.is_contiguous() for value in weights(model))


def test_the_caller_may_end_it(dataset: Dataset, make_network: Maker) -> None:
    model, whole = make_network(0), make_network(0)
    recipe = replace(SHORT, epochs=5)
    seen: list[int] = []

    def on_epoch(point: CurvePoint) -> bool:
        seen.append(point.epoch)
        return point.epoch < 3

    result = train(model, dataset, recipe, on_epoch=on_epoch, evaluate_at={1, 3})
    assert (result.stopped, result.epochs, seen) == (True, 3, [1, 3])
    assert result.images_seen == 3 * 7 * 28
    assert result.accuracy == evaluate(model, dataset.val, dataset)[0]
    assert not model.training
    points = train(whole, dataset, recipe).curve
    assert [p.val_loss for p in result.curve] == [points[0].val_loss, points[2].val_loss]


def test_a_training_to_its_end_was_not_stopped(dataset: Dataset, make_network: Maker) -> None:
    result = train(make_network(0), dataset, SHORT, on_epoch=lambda point: point.epoch < 2)
    assert (result.stopped, result.epochs) == (False, 2)


def test_no_epochs_to_validate_leaves_the_last(dataset: Dataset, make_network: Maker) -> None:
    assert [p.epoch for p in train(make_network(0), dataset, SHORT, evaluate_at=()).curve] == [2]


def test_patience_ends_a_training_that_gets_no_better(dataset: Dataset, make_network: Maker) -> None:
    class Worse(nn.Module):
        """Its validation losses are those given, whatever it learns."""

        def __init__(self, losses: list[float]) -> None:
            super().__init__()
            self.network, self.losses = make_network(0), iter(losses)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.network(images)
            if self.training:
                return logits
            # of two classes, logits (x, 0) for every image: loss = log(1 + e^x) - x * share of the first
            return torch.stack([torch.full((len(images),), next(self.losses)), torch.zeros(len(images))], 1)

    recipe = replace(SHORT, epochs=9, patience=2)
    half = dataset.val.labels.float().mean() == 0.5
    assert half  # so the loss grows with the distance of x from 0
    result = train(Worse([5.0, 2.0, 3.0, 1.0, 4.0, 1.0, 0.5, 0.1, 0.0]), dataset, recipe)
    assert [p.epoch for p in result.curve] == [1, 2, 3, 4, 5, 6]  # the fifth and sixth were no better
    assert (result.epochs, result.stopped) == (6, False)
    assert result.facts["early_stop"] == "after epoch 6 of 9"
    to_the_end = train(Worse([float(x) for x in range(9, 0, -1)]), dataset, recipe)
    assert to_the_end.epochs == 9
    assert "early_stop" not in to_the_end.facts


def test_averaged_weights_are_judged_and_handed_over(dataset: Dataset, make_network: Maker) -> None:
    """A second, slow average of the weights after every step, and its statistics on all training images."""
    recipe = replace(SHORT, epochs=3, ema=0.7, batch_size=20)
    model = make_network(0)
    slow: list[Tensor] = []

    def after_step(optimizer: torch.optim.Optimizer, *_: object) -> None:
        now = [parameter.detach().clone() for parameter in model.parameters()]
        slow[:] = [0.7 * a + 0.3 * b for a, b in zip(slow, now, strict=True)] if slow else now

    handle = register_optimizer_step_post_hook(after_step)
    result = train(model, dataset, recipe)
    handle.remove()
    for ours, theirs in zip(model.parameters(), slow, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert (result.accuracy, result.curve[-1].val_loss) == evaluate(model, dataset.val, dataset)
    images = (dataset.train.images / 255 - dataset.mean[0]) / dataset.std[0]
    assert isinstance(model, nn.Sequential)
    with torch.no_grad():
        seen = model[0](images)
    torch.testing.assert_close(model[1].running_mean, seen.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_averaging_changes_nothing_of_what_is_averaged(dataset: Dataset, make_network: Maker) -> None:
    plain = train(make_network(0), dataset, SHORT).curve
    averaged = train(make_network(0), dataset, replace(SHORT, ema=0.5)).curve
    assert [p.train_loss for p in plain] == [p.train_loss for p in averaged]
    assert [p.val_loss for p in plain] != [p.val_loss for p in averaged]


@pytest.mark.parametrize("schedule", ["cosine", "cosine_restarts"])
def test_sgd_learns_too(dataset: Dataset, make_network: Maker, schedule: str) -> None:
    recipe = replace(SHORT, epochs=12, batch_size=20, lr=0.1, optimizer="sgd", weight_decay=1e-3)
    recipe = replace(recipe, schedule=schedule, restarts=1 if schedule == "cosine" else 2)
    assert train(make_network(0), dataset, recipe).accuracy > 0.9


class Untouchable(Split):
    """A split that cannot be read."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise AssertionError(f"the test split was read: {name}")


def test_the_test_split_is_not_read(dataset: Dataset, make_network: Maker) -> None:
    guarded = replace(dataset, test=Untouchable.__new__(Untouchable))
    with pytest.raises(AssertionError, match="the test split was read"):
        len(guarded.test.labels)
    train(make_network(0), guarded, SHORT)


def test_only_the_recipes_share_is_seen(dataset: Dataset, make_network: Maker) -> None:
    assert train(make_network(0), dataset, replace(SHORT, images=64)).images_seen == 2 * 64
    assert (
        train(make_network(0), dataset, replace(SHORT, images=10_000)).images_seen == 2 * 7 * 28
    )  # 200 in 7 steps


class Explosive(nn.Module):
    """Gives NaN from its n-th training batch on."""

    def __init__(self, network: nn.Module, after: int) -> None:
        super().__init__()
        self.network, self.after, self.calls = network, after, 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += self.training
        logits: Tensor = self.network(images)
        return logits * float("nan") if self.calls >= self.after else logits


@pytest.mark.parametrize(("after", "epoch", "step"), [(1, 1, 1), (13, 1, 13), (27, 2, 7)])
def test_a_loss_that_is_not_finite_stops_within_a_few_steps(
    dataset: Dataset, make_network: Maker, after: int, epoch: int, step: int
) -> None:
    model = Explosive(make_network(0), after)
    with pytest.raises(
        TrainingError, match=rf"^diverged at epoch {epoch}, step {step}: loss is nan; .* than 0\.01$"
    ):
        train(model, dataset, replace(SHORT, batch_size=10))
    assert model.calls <= after + 10


def test_weights_that_break_in_the_last_step_are_seen_in_validation(
    dataset: Dataset, make_network: Maker
) -> None:
    class BrokenWhenJudged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = make_network(0)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.network(images)
            return logits if self.training else logits / 0

    with pytest.raises(TrainingError, match=r"diverged at epoch 1, step 7: validation loss is (nan|inf)"):
        train(BrokenWhenJudged(), dataset, SHORT)


def test_a_teacher_is_in_evaluation_mode_sees_the_same_batches_and_is_left_alone(
    dataset: Dataset, make_network: Maker
) -> None:
    seen: list[tuple[bool, Tensor]] = []
    fed: list[Tensor] = []
    teacher, student = make_network(1).train(), make_network(0)
    before = [value.clone() for value in weights(teacher)]
    teacher.register_forward_pre_hook(
        lambda module, inputs: seen.append((module.training, inputs[0].clone()))
    )
    student.register_forward_pre_hook(
        lambda module, inputs: fed.append(inputs[0].clone()) if module.training else None
    )
    train(student, dataset, MIXED, teacher=teacher)
    assert len(seen) == len(fed) == 2 * 7
    assert not any(training for training, _ in seen)
    assert all(torch.equal(images, other) for (_, images), other in zip(seen, fed, strict=True))
    assert teacher.training
    assert all(torch.equal(a, b) for a, b in zip(weights(teacher), before, strict=True))


def test_alpha_zero_is_training_without_a_teacher_and_alpha_one_is_not(
    dataset: Dataset, make_network: Maker
) -> None:
    plain, ignored, taught = make_network(0), make_network(0), make_network(0)
    train(plain, dataset, SHORT)
    train(ignored, dataset, SHORT, teacher=make_network(1), distillation=Distillation(alpha=0.0))
    train(taught, dataset, SHORT, teacher=make_network(1), distillation=Distillation(alpha=1.0))
    for a, b in zip(weights(plain), weights(ignored), strict=True):
        torch.testing.assert_close(a, b)
    assert not same(plain, taught)


def test_distillation_without_teacher_and_idle_validation_are_refused(
    dataset: Dataset, make_network: Maker
) -> None:
    with pytest.raises(TrainingError, match="distillation is given without a teacher"):
        train(make_network(0), dataset, SHORT, distillation=Distillation())
    with pytest.raises(TrainingError, match="evaluate_at holds 0"):
        train(make_network(0), dataset, SHORT, evaluate_at=[0, 1])


def test_an_odd_image_left_over_does_not_break_batch_normalisation(
    dataset: Dataset, make_network: Maker
) -> None:
    tiny = replace(dataset, train=dataset.train.rows(np.arange(5)))
    result = train(make_network(0), tiny, replace(SHORT, batch_size=2))
    assert result.images_seen == 2 * 4  # 5 images in two steps of two; one waits for another epoch


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_generators_are_left_as_found(dataset: Dataset, make_network: Maker) -> None:
    before = torch.cuda.get_rng_state()
    result = train(make_network(0), dataset, MIXED, device="cuda")
    assert torch.equal(before, torch.cuda.get_rng_state())
    assert 0 <= result.accuracy <= 1
