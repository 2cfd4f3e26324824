"""Check what a network costs without building it against the built one, and against what torch counts.

    python scripts/verify_costs.py [SPACE...] [--networks N] [--shape 3x32x32] [--classes N] [--seed N]

For random networks of every built-in space: parameters, MACs and peak activation memory of
architecture_cost equal those of measure_cost on the built network, and its topology likewise; its MACs equal
the count of torch.utils.flop_counter, halved; no operator is left uncounted. Networks are built without
values, on torch's meta device. Exits with 1 on a difference.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nasearch import (
    Architecture,
    SearchSpace,
    architecture_cost,
    architecture_topology,
    build,
    measure_cost,
    measure_topology,
)
from nasearch.space import builtin_names

Shape = tuple[int, int, int]


def differing(
    space: SearchSpace, networks: int, shape: Shape, classes: int, seed: int = 0
) -> tuple[int, list[str]]:
    """Number of distinct networks compared, and what differs in words."""
    generator = random.Random(seed)
    drawn: dict[Architecture, None] = {}
    while len(drawn) < min(networks, space.size):
        drawn[space.sample(generator)] = None
    wrong = []
    for architecture in drawn:
        problem = difference(architecture, shape, classes)
        if problem:
            wrong.append(f"{problem}: {dict(architecture.decisions)}")
    return len(drawn), wrong


def difference(architecture: Architecture, shape: Shape, classes: int) -> str:
    """What differs between the counts of one network; empty if nothing."""
    reckoned = architecture_cost(architecture, shape, classes)
    with torch.device("meta"):
        model = build(architecture, classes, shape[0]).eval()
    measured = measure_cost(model, shape)
    counted = counted_macs(model, shape)
    if reckoned != measured:
        return f"architecture_cost {reckoned}, measure_cost {measured}"
    shaped, traced = architecture_topology(architecture, shape, classes), measure_topology(model, shape)
    if shaped != traced:
        return f"architecture_topology {shaped}, measure_topology {traced}"
    if measured.macs != counted:
        return f"{measured.macs:,} MACs, flop_counter {counted:,}"
    return f"uncounted {', '.join(measured.uncounted)}" if measured.uncounted else ""


def counted_macs(model: nn.Module, shape: Shape) -> int:
    """What torch counts for one image, halved: a multiply-accumulate is two of its operations."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(torch.zeros(1, *shape, device="meta"))
    return int(counter.get_total_flops()) // 2


def shape_of(text: str) -> Shape:
    """`3x32x32` as numbers."""
    channels, height, width = map(int, text.split("x"))
    return channels, height, width


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spaces", nargs="*", metavar="SPACE", help="names or files; default all built-in")
    parser.add_argument("--networks", type=int, default=200, help="random networks of each, default 200")
    parser.add_argument("--shape", type=shape_of, default=(3, 32, 32), help="of one image, default 3x32x32")
    parser.add_argument("--classes", type=int, default=10, help="default 10")
    parser.add_argument("--seed", type=int, default=0, help="of the draw, default 0")
    given = parser.parse_args()
    shown = "x".join(map(str, given.shape))
    print(f"torch {torch.__version__}; images {shown}, {given.classes} classes, seed {given.seed}\n")
    print(f"{'space':20}{'networks':>9}{'differ':>8}{'seconds':>9}")
    total = different = 0
    started = time.perf_counter()
    for name in given.spaces or builtin_names():
        before = time.perf_counter()
        count, wrong = differing(
            SearchSpace.load(name), given.networks, given.shape, given.classes, given.seed
        )
        print(f"{name:20}{count:>9,}{len(wrong):>8,}{time.perf_counter() - before:>9.1f}", flush=True)
        for line in wrong[:3]:
            print(f"    {line}")
        total, different = total + count, different + len(wrong)
    print(f"\n{total:,} networks, {different:,} differ ({time.perf_counter() - started:.0f} s)")
    if different:
        sys.exit(1)


if __name__ == "__main__":
    main()
