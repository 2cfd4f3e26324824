"""One contract that every block keeps, whatever its family."""

from __future__ import annotations

import inspect
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nasearch.measure import measure_cost
from nasearch.nets import BLOCKS, HEADS
from nasearch.nets.layers import make_activation, make_attention
from nasearch.space import ACTIVATIONS, ATTENTIONS, CELL_OPS, KINDS
from nasearch.space import HEADS as HEAD_SPECS

EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")
# A block is tried with these options besides its defaults, so that every part of it is met.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "conv": [{}, {"kernel": 5, "dilation": 2, "groups": 4, "activation": "none"}],
    "depthwise": [{}, {"kernel": 7, "activation": "hardswish"}],
    "residual": [{}, {"kernel": 5, "activation": "gelu"}],
    "mbconv": [{}, {"kernel": 5, "expand": 1}, {"expand": 4, "se": 0.25, "activation": "silu"}],
    "se": [{}, {"reduction": 64}],
    "cbam": [{}, {"kernel": 3, "reduction": 8}],
    "max_pool": [{}, {"kernel": 1}],
    "avg_pool": [{}, {"kernel": 5}],
    "cell": [
        {"edges": tuple((edge, op) for edge in EDGES)}
        for op in ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
    ]
    + [{"edges": tuple((edge, "skip_connect") for edge in EDGES)}, {}],
}
WIDTHS = ((8, 8), (8, 12), (16, 4))


def cases() -> list[Any]:
    """Every block with every attention it takes, stride and width, and the options above."""
    found = []
    for kind, stride, widths in product(BLOCKS, (1, 2, 3), WIDTHS):
        if kind == "cell" and (stride > 1 or widths[0] != widths[1]):
            continue  # a cell keeps its shape; the error is tested below
        for attention, options in product(
            ATTENTIONS if KINDS[kind].attention else ("none",), OPTIONS.get(kind, [{}])
        ):
            label = " ".join(f"{name}={str(value)[:12]}" for name, value in options.items())
            text = f"{kind} {widths[0]}-{widths[1]} s{stride} {attention} {label}"
            found.append(pytest.param(kind, *widths, stride, attention, options, id=text.strip()))
    return found


def make(
    kind: str, width: int, channels: int, stride: int, attention: str, options: dict[str, Any], seed: int = 0
) -> nn.Module:
    torch.manual_seed(seed)
    extra = {"attention": attention} if KINDS[kind].attention else {}
    return BLOCKS[kind](width, channels, stride, **options, **extra)


def without_gradient(block: nn.Module, images: Tensor) -> set[str]:
    """Names of the parameters that a random direction of the output does not depend on."""
    scores: Tensor = block(images)
    if scores.requires_grad:
        (scores * torch.randn(scores.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    return {name for name, p in block.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}


@pytest.mark.parametrize(("kind", "width", "channels", "stride", "attention", "options"), cases())
def test_block_contract(
    kind: str, width: int, channels: int, stride: int, attention: str, options: dict[str, Any]
) -> None:
    block = make(kind, width, channels, stride, attention, options)
    images = torch.randn(4, width, 9, 14, generator=torch.Generator().manual_seed(1))
    given = images.clone()

    scores: Tensor = block(images)
    assert scores.shape == (4, channels, -(-9 // stride), -(-14 // stride))
    assert torch.equal(images, given), "the input was changed in place"

    silent = {name for name, _ in block.named_parameters()}
    for seed in range(20):  # a narrow gate's ReLU may sleep for one draw of weights, not for all
        silent &= without_gradient(make(kind, width, channels, stride, attention, options, seed), images)
        if not silent:
            break
    assert silent == set(), "no gradient arrives there"

    block.eval()
    with torch.no_grad():
        assert torch.equal(block(images), block(images))
        assert torch.allclose(block(images)[:1], block(images[:1]), atol=1e-5), "images see one another"
        with FlopCounterMode(display=False) as counter:
            block(images[:1])
    cost = measure_cost(block, (width, 9, 14))
    assert cost.macs == counter.get_total_flops() // 2
    assert cost.uncounted == ()


@pytest.mark.parametrize("kind", KINDS)
def test_specification_and_class_take_the_same_options_with_the_same_defaults(kind: str) -> None:
    parameters = inspect.signature(BLOCKS[kind]).parameters
    assert tuple(parameters)[:3] == ("in_channels", "channels", "stride")
    assert ("attention" in parameters) == KINDS[kind].attention
    options = {
        name: parameter.default
        for name, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "attention"
    }
    wanted = {name: option.default for name, option in KINDS[kind].options.items()}
    if kind in ("se", "cbam"):
        options = {name: parameters[name].default for name in wanted}
    assert options == wanted


def test_both_halves_of_the_catalogue_have_the_same_names() -> None:
    assert set(BLOCKS) == set(KINDS)
    assert set(HEADS) == set(HEAD_SPECS)
    for kind, head in HEADS.items():
        parameters = inspect.signature(head).parameters
        assert tuple(parameters)[:2] == ("channels", "num_classes")
        options = {name: parameters[name].default for name in list(parameters)[2:]}
        assert options == {name: option.default for name, option in HEAD_SPECS[kind].options.items()}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_of_the_catalogue_can_be_made(name: str) -> None:
    assert make_activation(name)(torch.zeros(2, 3)).shape == (2, 3)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_every_attention_of_the_catalogue_keeps_the_shape(name: str) -> None:
    assert make_attention(name, 2)(torch.zeros(2, 2, 5, 4)).shape == (2, 2, 5, 4)


def test_words_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="activation is 'mish'; expected one of none, relu, relu6"):
        make_activation("mish")
    with pytest.raises(ValueError, match="attention is 'eca'; expected one of none, se, cbam"):
        make_attention("eca", 8)


@pytest.mark.parametrize("op", [*CELL_OPS, "warp"])
def test_cell_operations_are_those_of_the_catalogue(op: str) -> None:
    if op in CELL_OPS:
        BLOCKS["cell"](4, 4, edges=(("0-1", op),))
    else:
        with pytest.raises(ValueError, match="cell operation is 'warp'; expected one of none, skip_connect"):
            BLOCKS["cell"](4, 4, edges=(("0-1", op),))
