"""The learning rate of every step, in closed form."""

from __future__ import annotations

import math
from bisect import bisect_right

from nasearch.training.recipe import Recipe


def learning_rate(step: int, total_steps: int, recipe: Recipe) -> float:
    """Learning rate of a step, counted from 0: linear warm-up to `recipe.lr`, then half cosines towards 0.

    The first step has lr / warm-up steps, never 0. Source: Loshchilov and Hutter 2017, equation 5 with a
    least rate of 0 (cosine, warm restarts); Goyal et al. 2017 (warm-up).
    """
    warmup = min(math.ceil(recipe.warmup_share * total_steps), total_steps - 1)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    edges = cycle_edges(total_steps - warmup, recipe.restarts, recipe.cycle_growth)
    place = step - warmup
    cycle = bisect_right(edges, place) - 1
    begin, end = edges[cycle], edges[cycle + 1]
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (place - begin) / (end - begin)))


def cycle_edges(steps: int, cycles: int, growth: float) -> list[int]:
    """Steps at which the half cosines begin, and the end of the last: cycles + 1 numbers from 0 to steps.

    Each is `growth` times as long as the one before, to within the rounding to whole steps.
    """
    lengths = [growth**cycle for cycle in range(cycles)]
    return [round(steps * sum(lengths[:cycle]) / sum(lengths)) for cycle in range(cycles + 1)]
