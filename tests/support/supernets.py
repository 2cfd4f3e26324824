"""Supernets of small spaces: networks of them, and what a subnet must have in common with one cut out."""

from __future__ import annotations

from typing import Any

import torch
import yaml
from torch import Tensor, nn

import nasearch as nas
from nasearch.measure.extremes import walk


def images(channels: int = 3, side: int = 12, count: int = 3) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def space_of(*blocks: dict[str, Any], channels: Any = (8, 12), **stage: Any) -> nas.SearchSpace:
    """Two blocks in a row behind a stem, each one of several."""
    one_of = [{**block, "as": f"v{i}"} for i, block in enumerate(blocks)]
    described = {
        "stem": {"kind": "conv", "channels": [8, 12]},
        "stages": [{"channels": list(channels), "depth": [1, 2], "block": {"one_of": one_of}, **stage}],
    }
    return nas.SearchSpace.parse(yaml.safe_dump(described))


def networks(space: nas.SearchSpace, count: int) -> list[nas.Architecture]:
    """Different ones, drawn at random; all where there are not many."""
    if space.size <= count:
        return list(walk(space))
    return list(dict.fromkeys(space.sample(seed) for seed in range(count)))


def loss_of(model: nn.Module, x: Tensor) -> Tensor:
    torch.manual_seed(3)  # of stochastic depth and dropout
    scores: Tensor = model(x)
    weights = torch.randn(scores.shape, generator=torch.Generator().manual_seed(2))
    return (scores * weights).sum()


def widest_difference(supernet: nas.Supernet, architecture: nas.Architecture, x: Tensor) -> float:
    """Between the outputs of a subnet and of an ordinary network with the weights that were extracted."""
    ordinary = nas.build(architecture, supernet.num_classes, supernet.in_channels)
    extracted = supernet.extract(architecture)
    assert type(extracted) is type(ordinary)
    assert list(extracted.state_dict()) == list(ordinary.state_dict())
    ordinary.load_state_dict(extracted.state_dict())
    with torch.no_grad():
        own = supernet.subnet(architecture).eval()(x)
        others = [network.eval()(x) for network in (extracted, ordinary)]
    return max(float((own - other).abs().max()) for other in others)


def check_gradient(supernet: nas.Supernet, architecture: nas.Architecture) -> None:
    """It is that of the extracted network where the path reads, zero beside it, and None elsewhere."""
    supernet.zero_grad(set_to_none=True)
    x = images()
    alone = supernet.extract(architecture).train()
    loss_of(alone, x).backward()
    subnet = supernet.subnet(architecture).train()
    loss_of(subnet, x).backward()
    on_path = dict(subnet.shared.named_parameters())
    kept = {**dict(supernet.weights.named_parameters()), **dict(supernet.matrices.named_parameters())}
    assert set(on_path) <= set(kept)
    for name, parameter in kept.items():
        if name not in on_path:
            assert parameter.grad is None, name
    expected: dict[str, Tensor] = {}
    for parameter, place in zip(alone.parameters(), subnet._places, strict=True):
        if parameter.grad is not None and not place.cut.steps:
            whole = expected.setdefault(place.cut.key, torch.zeros(kept[place.cut.key].shape))
            region = place.cut.region(whole)
            region += parameter.grad.view(region.shape)
        elif parameter.grad is None:
            grad = on_path[place.cut.key].grad
            assert grad is None or not grad.any()
    for name, whole in expected.items():
        grad = on_path[name].grad
        assert grad is not None
        assert torch.allclose(grad, whole, rtol=1e-3, atol=1e-4 * float(whole.abs().max() + 1)), name


def conv_space() -> nas.SearchSpace:
    return space_of({"kind": "conv", "kernel": [1, 3, 5]}, channels=(8, 12))


def conv_at(space: nas.SearchSpace, kernel: int, channels: int, depth: int = 1) -> nas.Architecture:
    names = [f"stage1.block{i + 1}.v0.kernel" for i in range(depth)]
    rest = dict.fromkeys(names, kernel)
    return space.decode({"stem.channels": 8, "stage1.channels": channels, "stage1.depth": depth, **rest})
