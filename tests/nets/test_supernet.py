"""Supernets: a subnet is the network cut out of it, and trains nothing but its path."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

import nasearch as nas
from nasearch.errors import BuildError
from nasearch.measure.extremes import dearest, walk
from nasearch.nets import BLOCKS
from nasearch.nets.layers import ConvNorm
from nasearch.space import KINDS, builtin_names
from tests.support.block_options import GIVEN_WIDTHS, OPTIONS
from tests.support.plugins import plugins_forgotten

LARGE = {
    "convnext_tiny",
    "googlenet",
    "resnet50",
    "efficientnet",
    "efficientnet_b0",
    "mobilenet_v2",
    "resnet18",
}


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


@pytest.mark.parametrize("name", ["tiny", "hybrid", "nasbench_macro"])
def test_memory_is_at_most_four_times_the_largest_network(name: str) -> None:
    space = nas.SearchSpace.load(name)
    supernet = nas.Supernet(space)
    largest = dearest(space, "params", enumerated=100).cost.params
    assert largest <= sum(parameter.numel() for parameter in supernet.parameters()) <= 4 * largest


def test_a_space_of_one_network_is_kept_as_it_is() -> None:
    space = nas.SearchSpace.load("mobilenet_v3_small")
    supernet = nas.Supernet(space, num_classes=1000)
    assert (
        sum(parameter.numel() for parameter in supernet.parameters()) == 2_542_856
    )  # torchvision's metadata


def conv_space() -> nas.SearchSpace:
    return space_of({"kind": "conv", "kernel": [1, 3, 5]}, channels=(8, 12))


def conv_at(space: nas.SearchSpace, kernel: int, channels: int, depth: int = 1) -> nas.Architecture:
    names = [f"stage1.block{i + 1}.v0.kernel" for i in range(depth)]
    rest = dict.fromkeys(names, kernel)
    return space.decode({"stem.channels": 8, "stage1.channels": channels, "stage1.depth": depth, **rest})


def weight_of(network: nn.Module, block: int = 1) -> Tensor:
    weight: Tensor = network.get_parameter(f"blocks.{block}.conv.conv.weight")
    return weight.detach()


def test_widths_are_leading_channels_and_windows_the_middle_of_larger_ones() -> None:
    space = conv_space()
    supernet = nas.Supernet(space)
    largest = weight_of(supernet.extract(conv_at(space, 5, 12)))
    assert torch.equal(weight_of(supernet.extract(conv_at(space, 5, 8))), largest[:8])
    assert torch.equal(weight_of(supernet.extract(conv_at(space, 3, 8))), largest[:8, :, 1:4, 1:4])
    assert torch.equal(weight_of(supernet.extract(conv_at(space, 1, 12))), largest[:, :, 2:3, 2:3])


def test_windows_pass_through_learned_matrices_from_one_to_the_next() -> None:
    space = conv_space()
    supernet = nas.Supernet(space)
    matrices = {
        name.rpartition("/")[2]: m for name, m in supernet.matrices.named_parameters() if "block1" in name
    }
    assert {side: tuple(matrix.shape) for side, matrix in matrices.items()} == {"3x3": (9, 9), "1x1": (1, 1)}
    with torch.no_grad():
        matrices["3x3"].copy_(torch.randn(9, 9))
        matrices["1x1"].fill_(2.0)
    five = weight_of(supernet.extract(conv_at(space, 5, 8)))
    three = torch.einsum("oip,pq->oiq", five[:, :, 1:4, 1:4].flatten(2), matrices["3x3"].detach()).unflatten(
        2, (3, 3)
    )
    assert torch.allclose(weight_of(supernet.extract(conv_at(space, 3, 8))), three, atol=1e-5)
    assert torch.allclose(
        weight_of(supernet.extract(conv_at(space, 1, 8))), 2 * three[:, :, 1:2, 1:2], atol=1e-5
    )
    loss_of(supernet.subnet(conv_at(space, 3, 8)), images()).backward()
    assert matrices["3x3"].grad is not None
    assert matrices["3x3"].grad.any()
    assert matrices["1x1"].grad is None


def test_a_shallower_network_leaves_the_end_of_a_stage_out() -> None:
    space = conv_space()
    supernet = nas.Supernet(space)
    one, two = (
        dict(supernet.subnet(conv_at(space, 3, 8, depth)).shared.named_parameters()) for depth in (1, 2)
    )
    assert set(one) < set(two)
    assert all(name.startswith("stage1/block2/") for name in set(two) - set(one))
    assert all(one[name] is two[name] for name in one)


def test_kinds_and_attention_have_weights_of_their_own() -> None:
    space = space_of(
        {"kind": "residual", "attention": ["none", "se"]}, {"kind": "mbconv"}, channels=(8,), depth=1
    )
    supernet = nas.Supernet(space)
    paths = [
        set(dict(supernet.subnet(each).shared.named_parameters()))
        for each in walk(space, {"stem.channels": 8})
    ]
    residual, gated, mbconv = paths
    assert residual < gated
    assert all("attention" in name for name in gated - residual)
    assert not any("block1" in name for name in gated & mbconv)


def test_heads_are_cut_head_by_head() -> None:
    space = space_of({"kind": "transformer", "heads": 2}, channels=(8, 16), depth=1)
    supernet = nas.Supernet(space)

    def query(channels: int) -> Tensor:
        architecture = space.decode({"stem.channels": 8, "stage1.channels": channels})
        return supernet.extract(architecture).get_parameter("blocks.1.self_attention.query.weight").detach()

    wide = query(16)
    assert torch.equal(query(8), torch.cat((wide[0:4], wide[8:12]))[:, :8])


def test_an_operation_of_a_cell_is_the_same_whatever_the_others_are() -> None:
    space = nas.SearchSpace.load("nasbench201")
    supernet = nas.Supernet(space)
    skips = dict.fromkeys(("edge0-1", "edge0-2", "edge1-2", "edge0-3", "edge1-3", "edge2-3"), "skip_connect")
    several = supernet.extract(space.decode({**skips, "edge0-2": "nor_conv_1x1", "edge1-2": "nor_conv_3x3"}))
    alone = supernet.extract(space.decode({**skips, "edge0-2": "none", "edge1-2": "nor_conv_3x3"}))
    own = alone.get_parameter("blocks.1.nodes.1.operations.0.conv.weight")
    assert own.shape[2:] == (3, 3)
    assert torch.equal(own, several.get_parameter("blocks.1.nodes.1.operations.1.conv.weight"))


def test_sorting_keeps_the_function_of_the_largest_and_puts_what_weighs_most_first() -> None:
    torch.manual_seed(0)
    kinds: list[dict[str, Any]] = [
        {"kind": "mbconv", "kernel": [3, 5], "expand": [2, 4], "se": 0.25},
        {"kind": "residual"},
        {"kind": "bottleneck", "squeeze": 2},
        {"kind": "fused_mbconv", "expand": [2, 3]},
        {"kind": "convnext", "expand": [2, 4], "layer_scale": 1.0},
        {"kind": "transformer", "expand": [2, 4]},
        {"kind": "inception"},
        {"kind": "shuffle"},
    ]
    space = space_of(*kinds, channels=(8, 16), depth=1)
    supernet = nas.Supernet(space)
    with torch.no_grad():
        for parameter in supernet.weights.parameters():
            parameter.add_(torch.rand(parameter.shape) * 0.1)
    largest = []
    for i, kind in enumerate(kinds):
        params: dict[str, Any] = {"stem.channels": 12, "stage1.channels": 16, "stage1.block1.kind": f"v{i}"}
        for name, values in kind.items():
            if isinstance(values, list):
                params[f"stage1.block1.v{i}.{name}"] = values[-1]
        largest.append(space.decode(params))
    before = [supernet.subnet(each).eval()(images()) for each in largest]
    weights = {name: parameter.clone() for name, parameter in supernet.weights.named_parameters()}
    supernet.sort_channels()
    after = [supernet.subnet(each).eval()(images()) for each in largest]
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    moved = {
        name.split("/")[2]
        for name, parameter in supernet.weights.named_parameters()
        if not torch.equal(parameter, weights[name])
    }
    assert moved == {str(kind["kind"]) for kind in kinds}
    narrow = supernet.get_parameter("weights.stage1/block1/mbconv/narrow/conv:Conv2d/weight")
    sizes = narrow.abs().sum((0, 2, 3))
    assert torch.equal(sizes, sizes.sort(descending=True).values)


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


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
def test_numbers_out_of_range_are_refused(argument: str) -> None:
    with pytest.raises(BuildError, match=f"{argument} is 0; expected a whole number of at least 1"):
        nas.Supernet(nas.SearchSpace.load("tiny"), **{argument: 0})


class Gate(nn.Module):
    """A block as users write them: parameters of its own, and parts kept in a plain list."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, expand: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList([ConvNorm(in_channels, channels * expand, 3, stride)])
        self.layers.append(nn.Conv2d(channels * expand, channels, 1))
        self.again = [self.layers[1]]
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.register_buffer("shift", torch.empty(channels, 1, 1).fill_(0.5))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.scale * self.again[0](self.layers[0](x)) + self.shift
        return out


class Fickle(nn.Module):
    """A block whose parameter has another number of axes under another option."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, expand: int = 2) -> None:
        super().__init__()
        self.conv = ConvNorm(in_channels, channels, 3, stride)
        self.scale = nn.Parameter(torch.ones(channels, *[1] * expand))


class Hidden(nn.Module):
    """A block that keeps a parameter where no module looks."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, expand: int = 2) -> None:
        super().__init__()
        self.conv = ConvNorm(in_channels, channels, 3, stride)
        self.more = [nn.Parameter(torch.ones(channels))]


def registered(cls: type[nn.Module], **sharing: Any) -> nas.SearchSpace:
    option = nas.Option(2, "hidden width over the block's", low=1, high=8)
    nas.register_block(
        nas.BlockSpec("gate", {"expand": option}, attention=False), cls, nas.Sharing(**sharing)
    )
    return space_of({"kind": "gate", "expand": [1, 2, 3]}, stride=[1, 2])


def test_blocks_of_ones_own_take_part_by_the_shapes_of_their_parameters() -> None:
    with plugins_forgotten():
        space = registered(Gate)
        supernet = nas.Supernet(space)
        for architecture in networks(space, 8):
            assert widest_difference(supernet, architecture, images()) < 1e-5
            check_gradient(supernet, architecture)
        largest = dearest(space, "params").cost.params
        assert sum(parameter.numel() for parameter in supernet.weights.parameters()) == largest


def test_blocks_of_ones_own_can_say_how_they_share() -> None:
    with plugins_forgotten():
        space = registered(
            Gate, hidden=lambda _: [(["layers.0"], ["layers.1"])], names=lambda _: {"layers.0": "wide"}
        )
        supernet = nas.Supernet(space)
        assert "stage1/block1/gate/wide/conv:Conv2d/weight" in dict(supernet.weights.named_parameters())
        supernet.sort_channels()
        sizes = (
            supernet.get_parameter("weights.stage1/block1/gate/layers/1:Conv2d/weight").abs().sum((0, 2, 3))
        )
        assert torch.equal(sizes, sizes.sort(descending=True).values)


def test_blocks_that_cannot_share_are_refused_by_name() -> None:
    with (
        plugins_forgotten(),
        pytest.raises(BuildError, match=r"stage1.block1 \(gate\): :Fickle.scale has the shapes .* names in"),
    ):
        nas.Supernet(registered(Fickle))
    with plugins_forgotten():
        space = registered(Hidden)
        supernet = nas.Supernet(space)
        with pytest.raises(BuildError, match=r"Hidden.more holds parameters besides the module's own"):
            supernet.subnet(next(islice(walk(space), 1)))
