"""Time the cost of a network without building it, when it is new and once warm.

    python scripts/bench_cost.py [--space mobile] [--networks 10000] [--repeats 5] [--shape 3x32x32]

Draws distinct random networks, reckons each once, then all of them again in every repeat. The second half
of the first round tells what a new network takes when many of its space have been met. Times are the
processor's, so that other work on the machine counts for less.
Exits with 1 where the median takes 200 microseconds a network or more.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
import time
from pathlib import Path

import torch

from nasearch import Architecture, SearchSpace, architecture_cost

BOUND_US = 200.0


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(named)} x {named[0]}" if named else platform.processor() or platform.machine()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", default="mobile", help="name or file, default mobile")
    parser.add_argument("--networks", type=int, default=10_000, help="distinct networks, default 10000")
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    parser.add_argument("--shape", default="3x32x32", help="of one image, default 3x32x32")
    given = parser.parse_args()
    channels, height, width = map(int, given.shape.split("x"))
    shape = (channels, height, width)
    space, generator = SearchSpace.load(given.space), random.Random(0)
    if space.size < given.networks:
        parser.error(f"{given.space} has {space.size:,} networks; expected --networks of no more")
    drawn: dict[Architecture, None] = {}
    while len(drawn) < given.networks:
        drawn[space.sample(generator)] = None
    networks = list(drawn)
    new_us = []
    for network in networks:
        started = time.process_time()
        architecture_cost(network, shape)
        new_us.append((time.process_time() - started) * 1e6)
    later_us = new_us[len(new_us) // 2 :]
    times_us = []
    for _ in range(given.repeats):
        started = time.process_time()
        for network in networks:
            architecture_cost(network, shape)
        times_us.append((time.process_time() - started) / len(networks) * 1e6)
    median = statistics.median(times_us)
    print(f"{processor()}, Python {platform.python_version()}, torch {torch.__version__}")
    print(f"{given.space}, {len(networks):,} networks, {given.shape}; first round: {sum(new_us) / 1e6:.1f} s")
    print(
        f"new, second half of the first round: mean {statistics.fmean(later_us):.0f} microseconds a network, "
        f"median {statistics.median(later_us):.0f}"
    )
    print(
        f"once warm, {given.repeats} repeats: median {median:.1f} microseconds a network "
        f"(from {min(times_us):.1f} to {max(times_us):.1f}); bound {BOUND_US:.0f}"
    )
    if median >= BOUND_US:
        sys.exit(1)


if __name__ == "__main__":
    main()
