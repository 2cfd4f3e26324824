"""Each family against its source: torchvision's modules with the same weights, and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.efficientnet import MBConv as TorchvisionMBConv
from torchvision.models.efficientnet import MBConvConfig
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock

from nasearch.nets import BLOCKS, HEADS


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Give `target` the parameters and buffers of `source`, first to first, after making them uneven."""
    generator = torch.Generator().manual_seed(0)
    tensors = source.state_dict()
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            low = 0.5 if name.endswith("running_var") else -0.5
            tensor.uniform_(low, 1.0, generator=generator)
    assert len(tensors) == len(target.state_dict())
    target.load_state_dict(dict(zip(target.state_dict(), tensors.values(), strict=True)))


def assert_same_function(theirs: nn.Module, ours: nn.Module, width: int) -> None:
    copy_in_order(theirs, ours)
    images = torch.randn(2, width, 9, 10, generator=torch.Generator().manual_seed(1))
    for mode in (True, False):
        theirs.train(mode)
        ours.train(mode)
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (12, 1), (8, 2)])
@pytest.mark.parametrize("expand", [1, 6])
def test_mbconv_is_torchvisions_inverted_residual(channels: int, stride: int, expand: int) -> None:
    theirs = InvertedResidual(8, channels, stride, expand)
    assert_same_function(theirs, BLOCKS["mbconv"](8, channels, stride, expand=expand), 8)


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (16, 2)])
@pytest.mark.parametrize("expand", [1, 4])
def test_mbconv_with_se_is_torchvisions_efficientnet_block(channels: int, stride: int, expand: int) -> None:
    config = MBConvConfig(expand, 5, stride, 8, channels, 1)
    theirs = TorchvisionMBConv(config, 0.0, partial(nn.BatchNorm2d))
    ours = BLOCKS["mbconv"](8, channels, stride, kernel=5, expand=expand, se=0.25, activation="silu")
    assert_same_function(theirs, ours, 8)


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (12, 2)])
def test_residual_is_torchvisions_basic_block(channels: int, stride: int) -> None:
    shortcut = None
    if stride > 1:
        shortcut = nn.Sequential(nn.Conv2d(8, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
    assert_same_function(
        BasicBlock(8, channels, stride, shortcut), BLOCKS["residual"](8, channels, stride), 8
    )


def test_residual_projects_exactly_when_the_shape_changes() -> None:
    def params(*shape: int) -> int:
        return sum(parameter.numel() for parameter in BLOCKS["residual"](*shape).parameters())

    branch = 8 * 8 * 9 * 2 + 2 * 2 * 8  # two convolutions and their norms
    assert params(8, 8, 1) == branch
    assert params(8, 8, 2) == branch + 8 * 8 + 2 * 8


def test_inception_has_the_widths_of_googlenets_module_3a() -> None:
    # Szegedy et al. 2015, table 1, inception (3a): 192 in; 64; 96 -> 128; 16 -> 32; pool -> 32.
    convolutions = 192 * 64 + 192 * 96 + 9 * 96 * 128 + 192 * 16 + 25 * 16 * 32 + 192 * 32
    norms = 2 * (64 + 96 + 128 + 16 + 32 + 32)
    block = BLOCKS["inception"](192, 256)
    assert sum(parameter.numel() for parameter in block.parameters()) == convolutions + norms


def test_squeeze_and_excitation_with_zero_weights_halves_its_input() -> None:
    block = BLOCKS["se"](8, 8, reduction=2)
    assert sum(parameter.numel() for parameter in block.parameters()) == (8 * 4 + 4) + (4 * 8 + 8)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    images = torch.randn(2, 8, 3, 3)
    torch.testing.assert_close(block(images), images / 2)  # sigmoid(0)


def test_cbam_with_zero_weights_quarters_its_input() -> None:
    block = BLOCKS["cbam"](8, 8, reduction=2, kernel=7)
    assert sum(parameter.numel() for parameter in block.parameters()) == 8 * 4 + 4 * 8 + 2 * 49
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    images = torch.randn(2, 8, 3, 3)
    torch.testing.assert_close(block(images), images / 4)


def test_attention_stands_inside_the_branch_before_the_addition() -> None:
    images = torch.randn(2, 8, 6, 6)
    for kind in ("residual", "mbconv", "avgpool_residual"):
        block = BLOCKS[kind](8, 8, attention="se").eval()
        for name, parameter in block.named_parameters():
            if name.endswith("expand.bias"):  # of the gate: sigmoid(-100) closes the branch
                nn.init.constant_(parameter, -100.0)
        expected = images.relu() if kind == "residual" else images
        torch.testing.assert_close(block(images), expected)


def test_pooling_reads_what_is_there() -> None:
    ones = torch.ones(1, 2, 5, 5)
    torch.testing.assert_close(BLOCKS["avg_pool"](2, 2)(ones), ones)  # padding is not averaged in
    ramp = torch.arange(16.0).view(1, 1, 4, 4)
    assert BLOCKS["max_pool"](1, 1, 2)(ramp).flatten().tolist() == [5, 7, 13, 15]


def test_skip_is_the_identity_where_it_can_be() -> None:
    images = torch.randn(1, 4, 3, 3)
    assert BLOCKS["skip"](4, 4)(images) is images
    projection = BLOCKS["skip"](4, 6, 2)
    assert sum(parameter.numel() for parameter in projection.parameters()) == 4 * 6 + 2 * 6


def cell_by_hand(operations: dict[str, Callable[[Tensor], Tensor]], x: Tensor, nodes: int) -> Tensor:
    """The definition: node j is the sum over i < j of the edge's operation on node i."""
    values = [x]
    for j in range(1, nodes):
        values.append(sum((operations[f"{i}-{j}"](values[i]) for i in range(j)), torch.zeros_like(x)))
    return values[-1]


def test_cell_sums_its_edges() -> None:
    pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    words: dict[str, Callable[[Tensor], Tensor]] = {
        "none": lambda x: 0 * x,
        "skip_connect": lambda x: x,
        "avg_pool_3x3": pool,
    }
    edges = {"0-1": "skip_connect", "0-2": "avg_pool_3x3", "1-2": "skip_connect"}
    edges |= {"0-3": "none", "1-3": "avg_pool_3x3", "2-3": "skip_connect"}
    images = torch.randn(2, 4, 6, 6)
    expected = cell_by_hand({edge: words[op] for edge, op in edges.items()}, images, 4)
    torch.testing.assert_close(BLOCKS["cell"](4, 4, edges=tuple(edges.items()))(images), expected)


def test_cell_without_edges_is_zero() -> None:
    assert BLOCKS["cell"](4, 4)(torch.ones(1, 4, 2, 2)).abs().sum() == 0


def test_cell_that_would_change_shape_or_name_no_edge_is_refused() -> None:
    with pytest.raises(ValueError, match="a cell of 4 -> 8 channels with stride 1; a cell keeps its shape"):
        BLOCKS["cell"](4, 8)
    with pytest.raises(ValueError, match="cell edge is '1-0'; expected one of 0-1, 0-2, 1-2"):
        BLOCKS["cell"](4, 4, nodes=3, edges=(("1-0", "none"),))


def test_reductions_shortcut_averages_and_has_no_norm() -> None:
    block = BLOCKS["avgpool_residual"](4, 6, 2).eval()
    # conv3x3 + norm, conv3x3 + norm, 1x1 without norm
    params = 4 * 6 * 9 + 12 + 6 * 6 * 9 + 12 + 4 * 6
    assert sum(parameter.numel() for parameter in block.parameters()) == params
    for name, parameter in block.named_parameters():
        if name.startswith("second.norm"):
            nn.init.zeros_(parameter)  # the branch gives zero
        elif name.startswith("shortcut"):
            nn.init.constant_(parameter, 0.25)
    images = torch.full((1, 4, 5, 5), -3.0)  # odd sides: the last window averages what is there
    torch.testing.assert_close(block(images), torch.full((1, 6, 3, 3), -3.0))  # and no activation follows


def test_head_normalises_activates_pools_and_classifies() -> None:
    head = HEADS["linear"](4, 3, norm="batch", activation="relu", dropout=0.5).eval()
    assert sum(parameter.numel() for parameter in head.parameters()) == 2 * 4 + 4 * 3 + 3
    images = torch.randn(2, 4, 5, 5)
    features = (images / (1 + 1e-5) ** 0.5).relu().mean(dim=(2, 3))
    linear = next(module for module in head.modules() if isinstance(module, nn.Linear))
    torch.testing.assert_close(head(images), linear(features))
    with pytest.raises(ValueError, match="norm is 'layer'; expected one of none, batch"):
        HEADS["linear"](4, 3, norm="layer")
