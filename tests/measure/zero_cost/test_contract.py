"""What every score keeps: the network and torch as they were, the same numbers again, and finite ones."""

from __future__ import annotations

import math
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

import nasearch as nas
from nasearch.errors import MeasurementError
from nasearch.measure.zero_cost import SCORES, score_architectures, zero_cost_scores
from nasearch.measure.zero_cost.score import PASSES

CLASSES = 3
SPACES = ("tiny", "mobile", "nasbench201", "hybrid", "inception")
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def batch(channels: int = 3, side: int = 8, count: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, channels, side, side, generator=generator), torch.arange(count) % CLASSES


def network(space: str, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return nas.build(nas.SearchSpace.load(space).sample(seed=seed), CLASSES)


def hooks(model: nn.Module) -> list[OrderedDict[int, object]]:
    return [getattr(module, kind).copy() for module in model.modules() for kind in HOOKS]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("weights", ["fresh", "own"])
def test_scores_leave_everything_as_it_was(space: str, weights: str) -> None:
    model, (images, labels) = network(space), batch()
    for i, module in enumerate(model.modules()):
        module.training = i % 2 == 0
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooked = hooks(model)
    given = images.clone()
    state = torch.get_rng_state()
    found = zero_cost_scores(model, images, labels, weights=weights)
    assert torch.equal(torch.get_rng_state(), state)
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert hooks(model) == hooked
    assert "forward" not in {name for module in model.modules() for name in vars(module)}
    assert torch.equal(images, given)
    assert not images.requires_grad
    assert list(found) == list(SCORES)
    assert all(value < math.inf for value in found.values())  # and so none is NaN


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_the_same_alone_as_with_the_others_and_again(name: str) -> None:
    model, (images, labels) = network("tiny"), batch()
    together = zero_cost_scores(model, images, labels, seed=3)
    assert zero_cost_scores(model, images, labels, [name], seed=3) == {name: together[name]}


def test_fresh_weights_are_of_the_seed_and_not_of_the_network() -> None:
    one, other = network("tiny"), network("tiny")
    for parameter in other.parameters():
        nn.init.constant_(parameter, 0.1)
    images, labels = batch()
    names = [name for name in SCORES if name not in ("params", "macs")]
    first = zero_cost_scores(one, images, labels, names, seed=0)
    assert zero_cost_scores(other, images, labels, names, seed=0) == first
    second = zero_cost_scores(one, images, labels, names, seed=1)
    assert all(second[name] != first[name] for name in names)


def test_own_weights_are_those_of_the_network() -> None:
    one, (images, labels) = network("tiny"), batch()
    other = network("tiny")
    other.load_state_dict({name: value + 0.01 for name, value in one.state_dict().items()})
    names = ("grad_norm", "snip", "synflow", "zico")
    first = zero_cost_scores(one, images, labels, names, weights="own")
    assert first == zero_cost_scores(one, images, labels, names, weights="own", seed=5)
    second = zero_cost_scores(other, images, labels, names, weights="own")
    assert all(first[name] != second[name] for name in names)


def test_gradients_hooks_and_frozen_weights_of_the_user_stay() -> None:
    model, (images, labels) = network("tiny"), batch()
    seen: list[object] = []
    model.register_forward_hook(lambda *_: seen.append(1))
    model(images).sum().backward()
    frozen = next(model.parameters()).requires_grad_(False)
    seen.clear()
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    with torch.inference_mode():  # scores derive all the same
        zero_cost_scores(model, images, labels, ["snip", "zico", "az_nas"])
    assert seen == []
    assert not frozen.requires_grad
    for parameter, grad in zip(model.parameters(), grads, strict=True):
        assert (parameter.grad is None) == (grad is None)
        assert grad is None or (parameter.grad is not None and torch.equal(parameter.grad, grad))


def test_params_and_macs_are_the_exact_costs() -> None:
    architecture = nas.SearchSpace.load("tiny").sample(seed=1)
    cost = nas.architecture_cost(architecture, (3, 8, 8), CLASSES)
    found = zero_cost_scores(nas.build(architecture, CLASSES), *batch(), ["params", "macs"])
    assert found == {"params": cost.params, "macs": cost.macs}


def test_many_architectures_are_scored_as_one_is() -> None:
    space = nas.SearchSpace.load("tiny")
    candidates = [space.sample(seed=seed) for seed in range(3)]
    images, labels = batch()
    found = list(score_architectures(candidates, images, labels, CLASSES, ["snip", "naswot"], seed=4))
    for candidate, scores in zip(candidates, found, strict=True):
        model = nas.build(candidate, CLASSES)
        assert scores == zero_cost_scores(model, images, labels, ["snip", "naswot"], seed=4)


def test_other_peoples_networks_are_scored_too() -> None:
    torch.manual_seed(0)
    for model in (models.squeezenet1_1(num_classes=CLASSES), models.mobilenet_v3_small(num_classes=CLASSES)):
        found = zero_cost_scores(model, *batch(side=32, count=4))
        assert all(map(math.isfinite, found.values())), found


def test_the_table_names_the_passes_there_are() -> None:
    assert {score.needs for score in SCORES.values()} == {"cost", *PASSES}
    assert all(name == score.name and score.direction == "maximize" for name, score in SCORES.items())
    assert nas.zero_cost_scores is zero_cost_scores


def test_mistakes_are_told() -> None:
    model, (images, labels) = network("tiny"), batch()
    with pytest.raises(MeasurementError, match=r"score 'snipp' is not known; did you mean snip\?; expected"):
        zero_cost_scores(model, images, labels, ["snipp"])
    with pytest.raises(MeasurementError, match=r"weights is 'old'; expected fresh or own"):
        zero_cost_scores(model, images, labels, weights="old")
    with pytest.raises(MeasurementError, match=r"images are torch.uint8 of shape \(8, 3, 8, 8\); expected"):
        zero_cost_scores(model, images.to(torch.uint8), labels)
    with pytest.raises(MeasurementError, match=r"N at least 4"):
        zero_cost_scores(model, images[:3], labels[:3])
    with pytest.raises(MeasurementError, match=r"labels are torch.float32 of shape \(8,\); expected int64"):
        zero_cost_scores(model, images, labels.float())
    with pytest.raises(MeasurementError, match=r"images hold values that are not finite"):
        zero_cost_scores(model, images * math.inf, labels)
    with pytest.raises(MeasurementError, match=r"ReLU has no convolution or linear layer to score"):
        zero_cost_scores(nn.ReLU(), images, labels)
    with pytest.raises(MeasurementError, match=r"Network cannot be scored on images of shape \(8, 5, 8, 8\)"):
        zero_cost_scores(model, torch.zeros(8, 5, 8, 8), labels, ["snip"])
    with pytest.raises(MeasurementError, match=r"cannot be scored on .*: Target 3 is out of bounds"):
        zero_cost_scores(model, images, labels + 1, ["snip"])


def test_a_score_that_overflows_is_told() -> None:
    model, (images, labels) = network("tiny"), batch()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1e300 if parameter.dtype == torch.float64 else 1e38)
    with pytest.raises(MeasurementError, match=r"grad_norm of Network is nan; its activations or"):
        zero_cost_scores(model, images, labels, ["grad_norm"], weights="own")
