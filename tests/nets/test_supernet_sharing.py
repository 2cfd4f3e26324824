"""Supernets: which weights architectures share, and how blocks of one's own take part."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nasearch as nas
from nasearch.errors import BuildError
from nasearch.measure.extremes import dearest, walk
from nasearch.nets.layers import ConvNorm
from tests.support.plugins import plugins_forgotten
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
