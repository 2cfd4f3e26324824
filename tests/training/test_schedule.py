from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nasearch.training import Recipe, learning_rate
from nasearch.training.schedule import cycle_edges


@pytest.mark.parametrize(("total", "warmup_share"), [(64, 0.2), (10, 0.0), (7, 0.5), (1, 0.2), (2, 0.9)])
def test_it_is_torchs_linear_and_cosine_in_turn(total: int, warmup_share: float) -> None:
    recipe = Recipe("short", 2, lr=1e-2, warmup_share=warmup_share)
    warmup = min(int(np.ceil(warmup_share * total)), total - 1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - warmup)
    expected = []
    for _ in range(total - warmup):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()
    expected = [recipe.lr * (step + 1) / warmup for step in range(warmup)] + expected
    assert [learning_rate(step, total, recipe) for step in range(total)] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("first", "growth", "cycles"), [(5, 2, 3), (4, 1, 4), (1, 3, 3), (7, 1, 2)])
def test_restarts_are_torchs(first: int, growth: int, cycles: int) -> None:
    total = sum(first * growth**cycle for cycle in range(cycles))
    recipe = Recipe(
        "sgdr",
        2,
        lr=0.3,
        warmup_share=0.0,
        schedule="cosine_restarts",
        restarts=cycles,
        cycle_growth=float(growth),
    )
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    restarts = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=first, T_mult=growth)
    expected = []
    for _ in range(total):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        restarts.step()
    assert [learning_rate(step, total, recipe) for step in range(total)] == pytest.approx(expected, rel=1e-9)


def test_restarts_after_a_warm_up_follow_the_papers_formula() -> None:
    recipe = Recipe("sgdr", 2, lr=0.3, warmup_share=0.1, schedule="cosine_restarts", restarts=2)
    rates = [learning_rate(step, 50, recipe) for step in range(50)]
    assert rates[:5] == pytest.approx([0.3 * step / 5 for step in range(1, 6)])
    # 45 steps in two cycles; Loshchilov and Hutter 2017, equation 5: eta (1 + cos(pi T_cur / T_i)) / 2
    edges = [0, 22, 45]
    for begin, end in pairwise(edges):
        for now in range(end - begin):
            expected = 0.3 / 2 * (1 + math.cos(math.pi * now / (end - begin)))
            assert rates[5 + begin + now] == pytest.approx(expected)


@pytest.mark.parametrize(("steps", "cycles", "growth"), [(1, 5, 1.0), (3, 7, 2.0), (100, 6, 1.5)])
def test_cycles_fill_the_steps_and_grow(steps: int, cycles: int, growth: float) -> None:
    edges = cycle_edges(steps, cycles, growth)
    assert (edges[0], edges[-1], len(edges)) == (0, steps, cycles + 1)
    lengths = [end - begin for begin, end in pairwise(edges)]
    assert min(lengths) >= 0
    for shorter, longer in pairwise(lengths):
        assert abs(longer - growth * shorter) <= 1 + growth  # both are rounded
    recipe = Recipe("sgdr", 2, schedule="cosine_restarts", restarts=cycles, cycle_growth=growth)
    assert all(0 < learning_rate(step, steps, recipe) <= recipe.lr for step in range(steps))
