"""Supernets: a subnet is the network cut out of it, and trains nothing but its path."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import nasearch as nas
from nasearch.errors import BuildError, SpaceError
from nasearch.nets import BLOCKS
from nasearch.space import KINDS, builtin_names
from tests.support.block_options import GIVEN_WIDTHS, OPTIONS
from tests.support.supernets import (
    check_gradient,
    conv_at,
    conv_space,
    images,
    loss_of,
    networks,
    space_of,
    widest_difference,
)

LARGE = {
    "convnext_tiny",
    "googlenet",
    "resnet50",
    "efficientnet",
    "efficientnet_b0",
    "mobilenet_v2",
    "resnet18",
}


def space_with(kind: str) -> nas.SearchSpace:
    """A space in which a kind stands with every set of options that tests try it with."""
    if kind == "cell":
        text = "cell: {nodes: 4, ops: [none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3]}"
        stacks = "stacks: [{channels: 8, cells: 1}, {channels: 16, cells: 2, reduction: avgpool_residual}]"
        return nas.SearchSpace.parse(f"stem: {{kind: conv, channels: 8}}\n{text}\n{stacks}")
    if kind == "darts_cell":
        ops = (
            "skip_connect, max_pool_3x3, avg_pool_3x3, sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5"
        )
        text = f"cell: {{inputs: 2, nodes: 3, ops: [{ops}]}}"
        stacks = "stacks: [{channels: [6, 12], cells: 1}, {channels: 12, cells: 2, reduction: cell}]"
        return nas.SearchSpace.parse(f"stem: {{kind: conv, channels: 8}}\n{text}\n{stacks}")
    if kind == "backbone":
        taken = "network: mobilenet_v3_small, layer: [features.1, features.3]"
        stem = f"{{kind: backbone, {taken}, channels: [8, 12], frozen: [true, false]}}"
        return nas.SearchSpace.parse(f"stem: {stem}\nstages: [{{channels: 8, block: {{kind: conv}}}}]")
    fitting = [options for options in OPTIONS.get(kind, [{}]) if not set(GIVEN_WIDTHS) & set(options)]
    attention = {"attention": ["none", "se"]} if KINDS[kind].attention else {}
    return space_of(*({"kind": kind, **options, **attention} for options in fitting), stride=[1, 2])


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.slow] if kind == "backbone" else []) for kind in sorted(BLOCKS)],
)
def test_contract_of_every_block(kind: str) -> None:
    torch.manual_seed(0)
    space = space_with(kind)
    supernet = nas.Supernet(space, num_classes=5)
    met = set()
    for architecture in networks(space, 3 if kind in ("backbone", "cell", "darts_cell") else 8):
        met |= {block.kind for block in architecture.blocks}
        assert widest_difference(supernet, architecture, images()) < 1e-5
        check_gradient(supernet, architecture)
    assert kind in met


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in builtin_names()],
)
def test_subnets_are_the_networks_cut_out(name: str) -> None:
    torch.manual_seed(0)
    space = nas.SearchSpace.load(name)
    supernet = nas.Supernet(space)
    for architecture in networks(space, 3):
        assert widest_difference(supernet, architecture, images(side=16, count=2)) < 1e-5


def test_statistics_are_a_subnets_own() -> None:
    space = conv_space()
    supernet = nas.Supernet(space)
    first, second = (supernet.subnet(conv_at(space, 3, 8)) for _ in range(2))
    first.train()(images())
    mean = "network.blocks.0.conv.norm.running_mean"
    assert first.get_buffer(mean).any()
    assert not second.get_buffer(mean).any()
    assert not supernet.extract(conv_at(space, 3, 8)).get_buffer("blocks.0.conv.norm.running_mean").any()


def test_constants_of_norms_are_the_architectures() -> None:
    chain = "stem: {kind: conv, channels: 8}\nstages: [{channels: 8, block: {kind: conv}}]"
    space = nas.SearchSpace.parse(f"norm_eps: 0.01\nnorm_momentum: 0.3\n{chain}")
    norm = nas.Supernet(space).subnet(space.sample(0)).get_submodule("network.blocks.1.conv.norm")
    assert isinstance(norm, nn.BatchNorm2d)
    assert (norm.eps, norm.momentum) == (0.01, 0.3)


def test_parameters_of_a_subnet_are_the_supernets() -> None:
    space = nas.SearchSpace.load("tiny")
    supernet = nas.Supernet(space)
    subnet = supernet.subnet(space.sample(0))
    own = {id(parameter) for parameter in supernet.parameters()}
    wrapped = nn.Sequential(subnet)
    assert {id(parameter) for parameter in wrapped.parameters()} < own
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    before = subnet.eval()(images())
    loss_of(subnet, images()).backward()
    optimizer.step()
    assert not torch.equal(supernet.subnet(space.sample(0)).eval()(images()), before)


def test_subnets_can_be_copied_and_supernets_written_and_read() -> None:
    space = nas.SearchSpace.load("tiny")
    supernet, other = nas.Supernet(space), nas.Supernet(space)
    architecture = space.sample(1)
    subnet = supernet.subnet(architecture).eval()
    expected = subnet(images())
    twin = copy.deepcopy(subnet)
    other.load_state_dict(supernet.state_dict())
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.zero_()
    assert torch.equal(twin(images()), expected)
    assert torch.equal(other.subnet(architecture).eval()(images()), expected)
    assert not torch.equal(subnet(images()), expected)


def test_fresh_weights_come_from_the_seed_and_subnets_draw_nothing() -> None:
    space = nas.SearchSpace.load("tiny")
    torch.manual_seed(3)
    first = nas.Supernet(space)
    torch.manual_seed(3)
    second = nas.Supernet(space)
    assert all(map(torch.equal, first.parameters(), second.parameters()))
    state = torch.get_rng_state()
    first.subnet(space.sample(0))
    first.extract(space.sample(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_one_network_alone_begins_as_it_would_by_itself() -> None:
    """The weights are drawn as `build` draws them: by kind of layer, from the same distributions."""
    space = nas.SearchSpace.load("mobilenet_v3_small")
    torch.manual_seed(0)
    kept = nas.Supernet(space).extract(space.sample(0))
    torch.manual_seed(0)
    built = nas.build(space.sample(0), 10, 3)
    for (name, own), (_, fresh) in zip(kept.named_parameters(), built.named_parameters(), strict=True):
        spreads = [float(weight.detach().std(correction=0)) for weight in (own, fresh)]
        assert spreads[0] == pytest.approx(spreads[1], rel=0.2, abs=1e-3), name


def test_a_pretrained_backbone_keeps_its_weights_and_statistics(tmp_path: Path) -> None:
    from torchvision import models

    state = models.mobilenet_v3_small().state_dict()
    for name, value in state.items():
        if name.endswith("running_mean"):
            value.fill_(0.25)
    file = tmp_path / "weights.pt"
    torch.save(state, file)
    read = f"network: mobilenet_v3_small, layer: features.3, weights: {file}, frozen: true"
    stem = f"{{kind: backbone, {read}, channels: [8, 24]}}"
    space = nas.SearchSpace.parse(f"stem: {stem}\nstages: [{{channels: 8, block: {{kind: conv}}}}]")
    supernet = nas.Supernet(space)
    architecture = space.decode({"stem.channels": 8})
    extracted = supernet.extract(architecture)
    first = extracted.get_parameter("blocks.0.features.features.0.0.weight")
    assert torch.equal(first, state["features.0.0.weight"])
    assert not first.requires_grad
    subnet = supernet.subnet(architecture).train()
    loss_of(subnet, images(side=32)).backward()
    assert subnet.get_buffer("network.blocks.0.features.features.0.1.running_mean").eq(0.25).all()
    assert {name.split("/")[0] for name, p in subnet.shared.named_parameters() if p.grad is None} == {"stem"}


def test_an_architecture_of_another_space_is_refused() -> None:
    supernet = nas.Supernet(nas.SearchSpace.load("tiny"))
    with pytest.raises(
        BuildError, match=r"stem \(conv\): conv.conv:Conv2d.weight of shape .*supernet of tiny has"
    ):
        supernet.subnet(nas.SearchSpace.load("mobile").sample(0))
    narrow = nas.SearchSpace.load("tiny").sample(0)
    blocks = (replace(narrow.blocks[0], channels=4), *narrow.blocks[1:])
    supernet.subnet(replace(narrow, blocks=blocks))  # narrower is a slice, too


def test_the_name_of_a_space_stands_for_it() -> None:
    named, given = nas.Supernet("tiny"), nas.Supernet(nas.SearchSpace.load("tiny"))
    assert named.space.text == given.space.text
    assert named.state_dict().keys() == given.state_dict().keys()
    with pytest.raises(SpaceError, match="no search space 'tinny'; did you mean tiny"):
        nas.Supernet("tinny")


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
def test_numbers_out_of_range_are_refused(argument: str) -> None:
    with pytest.raises(BuildError, match=f"{argument} is 0; expected a whole number of at least 1"):
        nas.Supernet(nas.SearchSpace.load("tiny"), **{argument: 0})
