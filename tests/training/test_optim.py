from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nasearch.errors import TrainingError
from nasearch.training import Recipe
from nasearch.training.optim import Average, make_optimizer, set_learning_rate
from tests.training.conftest import FrozenNorm

Maker = Callable[[int], nn.Module]
ADAMW = Recipe("adamw", epochs=1)
SGD = replace(ADAMW, optimizer="sgd", lr=0.1, momentum=0.8, weight_decay=0.3)
CPU = torch.device("cpu")


@pytest.mark.parametrize("recipe", [ADAMW, SGD])
def test_norms_and_biases_are_not_decayed(make_network: Maker, recipe: Recipe) -> None:
    model = make_network(0)
    assert isinstance(model, nn.Sequential)
    decayed, free = make_optimizer(model, recipe, CPU).param_groups
    kernels = {id(model[0].weight), id(model[3].weight), id(model[9].weight)}
    assert {id(p) for p in decayed["params"]} == kernels
    assert (decayed["weight_decay"], free["weight_decay"]) == (recipe.weight_decay, 0)
    assert len(free["params"]) == 5  # two norms of two, and the bias of the linear layer


def test_sgd_is_nesterovs() -> None:
    """Sutskever et al. 2013 as torch writes it: v = m v + g, w -= lr (g + m v); g is gradient + decay w."""
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -2.0]]))
    optimizer = make_optimizer(model, SGD, CPU)
    weight, velocity = [1.0, -2.0], [0.0, 0.0]
    for gradient in ([0.5, 1.0], [-1.0, 0.25], [2.0, 0.0]):
        model.weight.grad = torch.tensor([gradient])
        optimizer.step()
        for i in range(2):
            g = gradient[i] + 0.3 * weight[i]
            velocity[i] = 0.8 * velocity[i] + g
            weight[i] -= 0.1 * (g + 0.8 * velocity[i])
    assert model.weight[0].tolist() == pytest.approx(weight, rel=1e-5)


def test_sgd_without_momentum_is_gradient_descent() -> None:
    model = nn.Linear(1, 1, bias=False)
    before = model.weight.item()
    optimizer = make_optimizer(model, replace(SGD, momentum=0.0, weight_decay=0.0), CPU)
    model.weight.grad = torch.tensor([[2.0]])
    optimizer.step()
    assert model.weight.item() == pytest.approx(before - 0.1 * 2)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_the_rate_reaches_every_group(make_network: Maker, as_tensor: bool) -> None:
    optimizer = make_optimizer(make_network(0), ADAMW, CPU)
    rate = torch.tensor(1.0)
    if as_tensor:
        for group in optimizer.param_groups:
            group["lr"] = rate
    set_learning_rate(optimizer, 0.25)
    assert [float(group["lr"]) for group in optimizer.param_groups] == [0.25, 0.25]
    assert not as_tensor or float(rate) == 0.25  # the tensor that a graph reads


def test_a_network_without_parameters_is_refused() -> None:
    with pytest.raises(TrainingError, match="no parameters to train"):
        make_optimizer(nn.Flatten(), ADAMW, CPU)


def test_the_average_is_torchs(make_network: Maker) -> None:
    model = make_network(0)
    ours = Average(model, 0.9)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator))
        ours.update()
        theirs.update_parameters(model)
    pairs = zip(ours.module.parameters(), theirs.module.parameters(), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
        assert not a.requires_grad


def test_statistics_are_those_of_the_averaged_weights(make_network: Maker) -> None:
    """Of one batch: mean and unbiased variance of what the first convolution of the average gives."""
    model = make_network(0)
    average = Average(model, 0.5)
    average.update()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    average.update()
    images = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    network = average.settle([images])
    assert network is average.module
    assert isinstance(network, nn.Sequential)
    assert not network.training
    seen: Tensor = network[0](images)
    torch.testing.assert_close(network[1].running_mean, seen.mean((0, 2, 3)))
    torch.testing.assert_close(network[1].running_var, seen.var((0, 2, 3)))


def test_frozen_norms_keep_their_statistics() -> None:
    model = nn.Sequential(FrozenNorm(1), nn.Conv2d(1, 2, 1))
    frozen = model[0]
    assert isinstance(frozen, FrozenNorm)
    assert frozen.running_mean is not None
    frozen.running_mean.fill_(3.0)
    average = Average(model, 0.5)
    average.update()
    network = average.settle([torch.randn(4, 1, 8, 8)])
    assert network.state_dict()["0.running_mean"].tolist() == [3.0]
