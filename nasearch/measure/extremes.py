"""The cheapest and the dearest network of a space."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nasearch.errors import BuildError
from nasearch.measure.cost import Cost, architecture_cost
from nasearch.measure.trace import Shape
from nasearch.pareto import Arithmetic
from nasearch.space.architecture import Architecture
from nasearch.space.options import Scalar
from nasearch.space.space import SearchSpace

ENUMERATED = 20_000
"""Spaces of no more networks than this are looked at in full."""
RANDOM_STARTS = 4
AGREEING = 3
"""Descents that end at the lowest value so far before no further one is begun."""
SHAPING = ("channels", "width", "stride", "depth")
"""What the names of choices end with that decide the shapes of what comes behind them."""
COMBINATIONS = 64
"""Ways to decide what one changed choice brings with it that are tried, before two of them have to do."""


@dataclass(frozen=True)
class Extreme:
    """A network at the edge of its space.

    Attributes:
        architecture: the network.
        cost: what it costs at the shape that was asked for.
        exact: whether every network of the space was looked at; else it is the best of several
            descents, and an edge further out cannot be ruled out.
        tried: how many networks were reckoned.
    """

    architecture: Architecture
    cost: Cost
    exact: bool
    tried: int


def cheapest(
    space: SearchSpace,
    metric: Arithmetic = "macs",
    input_shape: Shape = (3, 32, 32),
    num_classes: int = 10,
    *,
    enumerated: int = ENUMERATED,
) -> Extreme:
    """The network that costs least; the space's limits are not looked at.

    Up to `enumerated` networks all are reckoned. Larger spaces are descended by coordinates: each
    choice in turn, with what it brings with it, takes its best value until none improves, from the
    first and the last values and from random starts, until three of them end at the lowest value. From
    the best, every other width, stride and depth is tried with all the rest descending anew, because
    one of them alone can cost what it saves together with the blocks behind it. The same arguments
    give the same answer.

    Raises:
        BuildError: if no network that was tried can be built.
    """
    return _extreme(space, metric, input_shape, num_classes, enumerated, sign=1)


def dearest(
    space: SearchSpace,
    metric: Arithmetic = "macs",
    input_shape: Shape = (3, 32, 32),
    num_classes: int = 10,
    *,
    enumerated: int = ENUMERATED,
) -> Extreme:
    """The network that costs most, found as `cheapest` finds its opposite; errors likewise."""
    return _extreme(space, metric, input_shape, num_classes, enumerated, sign=-1)


def _extreme(
    space: SearchSpace, metric: Arithmetic, shape: Shape, num_classes: int, enumerated: int, sign: int
) -> Extreme:
    bill = _Bill(metric, shape, num_classes, sign)
    exact = space.size <= enumerated
    if exact:
        for architecture in walk(space):
            bill.offer(architecture)
    else:
        ends: list[int | None] = []
        for start in _starts(space):
            ends.append(_descend(space, start, bill))
            if ends.count(bill.lowest) == AGREEING:
                break
        while _reshape(space, bill):
            pass
    if bill.best is None:
        raise bill.problem or BuildError(f"{space.name} has no network")
    return Extreme(bill.best, architecture_cost(bill.best, shape, num_classes), exact, bill.tried)


def walk(
    space: SearchSpace, kept: Mapping[str, Scalar] | None = None, most: int | None = None
) -> Iterator[Architecture]:
    """Every architecture whose decisions agree with `kept`, the first values first; at most `most`."""
    path: list[int] = []  # which value each free choice has, in the order in which they are asked
    sizes: list[int] = []  # how many values it has
    count = 0

    def decide(_: str, values: Sequence[Scalar]) -> Scalar:
        place = len(sizes)
        sizes.append(len(values))
        return values[path[place] if place < len(path) else 0]

    while most is None or count < most:
        sizes.clear()
        yield space.propose(_keeping(kept or {}, decide))
        count += 1
        path += [0] * (len(sizes) - len(path))
        while path and path[-1] + 1 == sizes[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


class _Bill:
    """Remembers the best network that was offered to it."""

    def __init__(self, metric: Arithmetic, shape: Shape, num_classes: int, sign: int) -> None:
        self.best: Architecture | None = None
        self.problem: BuildError | None = None
        self.tried = 0
        self.lowest: int | None = None
        self._metric, self._shape, self._num_classes, self._sign = metric, shape, num_classes, sign

    def loss(self, architecture: Architecture) -> int | None:
        """What it costs, lower is better; None where it cannot be built."""
        self.tried += 1
        try:
            cost = architecture_cost(architecture, self._shape, self._num_classes)
        except BuildError as problem:
            self.problem = problem
            return None
        value: int = getattr(cost, self._metric)
        return self._sign * value

    def offer(self, architecture: Architecture) -> int | None:
        """Its loss; it is kept if it is the best so far."""
        loss = self.loss(architecture)
        if loss is not None and (self.lowest is None or loss < self.lowest):
            self.best, self.lowest = architecture, loss
        return loss


def _starts(space: SearchSpace) -> Iterator[Architecture]:
    yield space.propose(_first)
    yield space.propose(_last)
    generator = random.Random(0)
    for _ in range(RANDOM_STARTS):
        yield space.sample(generator)


def _first(_: str, values: Sequence[Scalar]) -> Scalar:
    return values[0]


def _last(_: str, values: Sequence[Scalar]) -> Scalar:
    return values[-1]


def _reshape(space: SearchSpace, bill: _Bill) -> bool:
    """Descend from the best with one shape changed and held; whether that found a better one."""
    if bill.best is None:
        return False
    decisions, lowest = dict(bill.best.decisions), bill.lowest
    for choice in space.choices:
        if choice.name in decisions and choice.name.rpartition(".")[2] in SHAPING:
            for value in choice.values:
                if value != decisions[choice.name]:
                    start = space.propose(_keeping({**decisions, choice.name: value}, _first))
                    _descend(space, start, bill, held=choice.name)
            if bill.lowest != lowest:
                return True
    return False


def _descend(space: SearchSpace, start: Architecture, bill: _Bill, held: str = "") -> int | None:
    """Change one choice after another for the better until none improves; the loss at the end.

    The choice that is `held` stays.
    """
    values = {choice.name: choice.values for choice in space.choices}
    current, lowest = start, bill.offer(start)
    improved = True
    while improved:
        improved = False
        for name in dict(current.decisions):
            for value in values[name] if name != held else ():
                decisions = dict(current.decisions)
                if decisions.get(name, value) == value:  # it is so, or a change before it closed the choice
                    continue
                for candidate in _changed(space, {**decisions, name: value}):
                    loss = bill.offer(candidate)
                    if loss is not None and (lowest is None or loss < lowest):
                        current, lowest, improved = candidate, loss, True
    return lowest


def _changed(space: SearchSpace, kept: Mapping[str, Scalar]) -> Iterator[Architecture]:
    """The architectures of these decisions: every way to decide what they bring, or two of many."""
    few = list(walk(space, kept, COMBINATIONS + 1))
    if len(few) <= COMBINATIONS:
        yield from few
        return
    for fill in (_first, _last):
        yield space.propose(_keeping(kept, fill))


def _keeping(
    kept: Mapping[str, Scalar], fill: Callable[[str, Sequence[Scalar]], Scalar]
) -> Callable[[str, Sequence[Scalar]], Scalar]:
    return lambda name, values: kept[name] if name in kept else fill(name, values)
