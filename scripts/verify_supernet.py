"""Check that a subnet is the network that is cut out of its supernet, for every built-in space.

    python scripts/verify_supernet.py [SPACE...] [--networks N] [--side N] [--seed N]

For random networks of each space: the largest absolute difference between the outputs of
`supernet.subnet(a)` and of `nasearch.build(a)` with the weights of `supernet.extract(a)`, in evaluation
mode on random images. Beside it what the supernet holds against the largest network of the space, and
how long a subnet takes to make: anew, and from blocks that were met before. Exits with 1 where outputs
differ by 1e-5 or more, or the supernet is more than four times as large as its largest network.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nasearch import Architecture, SearchSpace, Supernet, build
from nasearch.space import Scalar, builtin_names

MOST_DIFFERENCE = 1e-5
MOST_TIMES = 4.0


@dataclass(frozen=True)
class Row:
    """What was found of one space."""

    networks: int
    difference: float
    kept: int
    largest: int
    supernet_s: float
    anew_ms: float
    again_ms: float

    @property
    def times(self) -> float:
        """The supernet's parameters over those of the largest network."""
        return self.kept / self.largest


def drawn(space: SearchSpace, networks: int, seed: int) -> list[Architecture]:
    """Distinct networks at random; all that a small space has."""
    generator = random.Random(seed)
    found: dict[Architecture, None] = {}
    while len(found) < min(networks, space.size):
        found[space.sample(generator)] = None
    return list(found)


def size(supernet: Supernet, architecture: Architecture) -> int:
    """Parameters of a network."""
    return sum(parameter.numel() for parameter in supernet.extract(architecture).parameters())


def large_ones(space: SearchSpace) -> list[Architecture]:
    """Networks of the largest numbers: with every choice of words at its first word, at its second, ..."""

    def at(place: int, values: Sequence[Scalar]) -> Scalar:
        if any(isinstance(value, str) for value in values):
            return values[min(place, len(values) - 1)]
        return max(values)

    most = max((len(choice.values) for choice in space.choices), default=1)
    return [space.propose(lambda _, values, place=place: at(place, values)) for place in range(most)]  # type: ignore[misc]


def row_of(space: SearchSpace, networks: int, side: int, seed: int) -> Row:
    """Compare, and measure."""
    torch.manual_seed(seed)
    began = time.perf_counter()
    supernet = Supernet(space, num_classes=10, in_channels=3)
    supernet_s = time.perf_counter() - began
    images = torch.randn(2, 3, side, side)
    architectures = drawn(space, networks, seed)
    anew: list[float] = []
    again: list[float] = []
    worst = 0.0
    for architecture in architectures:
        for times in (anew, again):
            began = time.perf_counter()
            subnet = supernet.subnet(architecture).eval()
            times.append(1000 * (time.perf_counter() - began))
        ordinary = build(architecture, 10, 3, own_weights=False).eval()
        ordinary.load_state_dict(supernet.extract(architecture).state_dict())
        with torch.no_grad():
            worst = max(worst, float((subnet(images) - ordinary(images)).abs().max()))
    kept = sum(parameter.numel() for parameter in supernet.parameters())
    largest = max(size(supernet, each) for each in {*architectures, *large_ones(space)})
    medians = (statistics.median(anew), statistics.median(again))
    return Row(len(architectures), worst, kept, largest, supernet_s, *medians)


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spaces", nargs="*", metavar="SPACE", help="names or files; default all built-in")
    parser.add_argument("--networks", type=int, default=200, help="random networks of each, default 200")
    parser.add_argument("--side", type=int, default=16, help="of the images, pixels, default 16")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"torch {torch.__version__}, {platform.machine()}, 1 thread; "
        f"images 3x{options.side}x{options.side}, 10 classes, seed {options.seed}\n"
    )
    print(
        f"{'space':20}{'networks':>9}{'difference':>12}{'supernet':>12}{'largest':>12}{'times':>7}"
        f"{'made in s':>11}{'subnet ms':>11}{'again ms':>10}"
    )
    wrong = []
    for name in options.spaces or builtin_names():
        row = row_of(SearchSpace.load(name), options.networks, options.side, options.seed)
        print(
            f"{name:20}{row.networks:9,}{row.difference:12.1e}{row.kept:12,}{row.largest:12,}{row.times:7.2f}"
            f"{row.supernet_s:11.1f}{row.anew_ms:11.1f}{row.again_ms:10.1f}",
            flush=True,
        )
        if row.difference >= MOST_DIFFERENCE or row.times > MOST_TIMES:
            wrong.append(name)
    print(
        "\nsupernet, largest: parameters of the supernet, and of the largest network met, the random ones "
        "and those of the largest numbers\n"
        "subnet, again: median milliseconds to make a subnet at first, and once more"
    )
    if wrong:
        print(f"beyond the bounds of {MOST_DIFFERENCE:g} and {MOST_TIMES:g} times: {', '.join(wrong)}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
