"""Whether a space does what it says: its edges and many of its networks, built and run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from nasearch.errors import BuildError, MeasurementError, NasearchError
from nasearch.measure.block_limits import block_limit_values
from nasearch.measure.cost import Cost, architecture_cost, block_costs
from nasearch.measure.extremes import Extreme, cheapest, dearest
from nasearch.measure.trace import Shape
from nasearch.nets import build
from nasearch.pareto import ARITHMETIC, Arithmetic, parse_limits
from nasearch.space import Architecture, SearchSpace

BATCH = 2
METRICS: tuple[Arithmetic, ...] = ("params", "macs")


@dataclass(frozen=True)
class Failure:
    """A network of the space that does not work.

    Attributes:
        architecture: which.
        reason: place, value and what is accepted, or what torch said.
    """

    architecture: Architecture
    reason: str


@dataclass(frozen=True)
class SpaceCheck:
    """What a check found.

    Attributes:
        size: the exact number of distinct decisions.
        input_shape: (C, H, W) of the images that it was checked with.
        num_classes: likewise.
        extremes: for params and macs the cheapest and the dearest network.
        networks: how many were built and run, forward and backward.
        costs: of those drawn at random, in order.
        within: how many of those drawn at random keep the space's limits that are known before training.
        failures: networks that could not be built or run, or whose gradient is not finite.
        notes: what blocks do differently at this size, each once, with the block's label.
    """

    size: int
    input_shape: Shape
    num_classes: int
    extremes: Mapping[Arithmetic, tuple[Extreme, Extreme]]
    networks: int
    costs: tuple[Cost, ...]
    within: int
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


def check_space(
    space: str | Path | SearchSpace,
    input_shape: Shape = (3, 32, 32),
    num_classes: int = 10,
    *,
    networks: int = 100,
    seed: int = 0,
    on_network: Callable[[int, int], None] = lambda _done, _all: None,
) -> SpaceCheck:
    """Build the cheapest, the dearest and `networks` random networks, and run each forward and backward.

    Args:
        space: what is checked; a name or path as `SearchSpace.load` reads it, too.
        input_shape: (C, H, W) of the images.
        num_classes: of the networks.
        networks: how many are drawn, uniformly as `SearchSpace.sample` does.
        seed: of the draws, the weights and the images.
        on_network: called with how many networks have been run, and how many there are in all.

    Raises:
        BuildError: if no network of the space can be built at all.
        SpaceError: if there is no such space.
    """
    space = SearchSpace.of(space)
    extremes = {
        metric: (
            cheapest(space, metric, input_shape, num_classes),
            dearest(space, metric, input_shape, num_classes),
        )
        for metric in METRICS
    }
    generator = random.Random(seed)
    drawn = [space.sample(generator) for _ in range(networks)]
    edges = {extreme.architecture.key: extreme.architecture for pair in extremes.values() for extreme in pair}
    everything = [*edges.values(), *drawn]
    failures, costs = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for i, architecture in enumerate(everything):
            reason = _wrong(architecture, input_shape, num_classes)
            if reason is not None:
                failures.append(Failure(architecture, reason))
            elif i >= len(edges):
                costs.append((architecture, architecture_cost(architecture, input_shape, num_classes)))
            on_network(i + 1, len(everything))
    within = sum(
        _keeps_limits(space, architecture, cost, num_classes, input_shape) for architecture, cost in costs
    )
    return SpaceCheck(
        space.size,
        input_shape,
        num_classes,
        extremes,
        len(everything),
        tuple(cost for _, cost in costs),
        within,
        tuple(failures),
        tuple(dict.fromkeys(_notes(everything, input_shape, num_classes))),
    )


def _keeps_limits(
    space: SearchSpace, architecture: Architecture, cost: Cost, num_classes: int, input_shape: Shape
) -> bool:
    known = [limit for limit in parse_limits(space.limits) if limit.metric in ARITHMETIC]
    blocks = block_limit_values(space, architecture, input_shape, num_classes)
    return all(limit.allows(getattr(cost, limit.metric)) for limit in known) and all(
        bound.limit.allows(blocks[bound.name]) for bound in space.block_limits if bound.name in blocks
    )


def _wrong_shape(architecture: Architecture, input_shape: Shape, num_classes: int) -> str | None:
    """A block whose output has not the width and size that its place asks for."""
    rows = block_costs(architecture, input_shape, num_classes)
    first = len(rows) - 1 - len(architecture.blocks)  # behind a resize where there is one
    shapes = [rows[0].output_shape if first else input_shape, *(row.output_shape for row in rows[first:-1])]
    for i, block in enumerate(architecture.blocks):
        source = shapes[i + 1 + block.inputs[-1]]
        expected = (block.channels, *(-(-side // block.stride) for side in source[1:]))
        if shapes[i + 1] != expected and block.kind != "backbone":  # which shrinks as it does by itself
            return f"{block.name} ({block.kind}) gives {shapes[i + 1]}; expected {expected}"
    return None


def _wrong(architecture: Architecture, input_shape: Shape, num_classes: int) -> str | None:
    """What is wrong with a network, in one line; None if it builds, runs and learns."""
    try:
        wrong = _wrong_shape(architecture, input_shape, num_classes)
        if wrong is not None:
            return wrong
        network = build(architecture, num_classes, input_shape[0]).train()
        scores = network(torch.randn(BATCH, *input_shape))
        if scores.shape != (BATCH, num_classes):
            return f"its output has the shape {tuple(scores.shape)}; expected {(BATCH, num_classes)}"
        F.cross_entropy(scores, torch.arange(BATCH) % num_classes).backward()
    except (NasearchError, RuntimeError, TypeError, ValueError, LookupError) as problem:
        return str(problem).strip().partition("\n")[0] or type(problem).__name__
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            return f"the gradient of {name} is not finite"
    return None


def _notes(architectures: Iterable[Architecture], input_shape: Shape, num_classes: int) -> Iterator[str]:
    for architecture in architectures:
        try:
            rows = block_costs(architecture, input_shape, num_classes)
        except (BuildError, MeasurementError):  # it is among the failures
            continue
        yield from (f"{row.kind}: {row.note}" for row in rows if row.note)
