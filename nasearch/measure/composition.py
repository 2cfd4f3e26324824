"""What a block that is a graph costs: from its parts, each traced once, without building the block.

The graph runs on stand-ins for maps, so that what is summed when, and which maps wait meanwhile, is what
happens in the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch

from nasearch.errors import BuildError
from nasearch.measure.flow import START, Flows, joined
from nasearch.measure.piece import Piece, traced_piece
from nasearch.measure.trace import BYTES_PER_FLOAT, Shape
from nasearch.nets.graph import Graph, Part


def composed_piece(
    graph: Graph, input_shapes: Sequence[Shape], order: Sequence[int], kept: Sequence[bool]
) -> Piece | None:
    """The piece that a trace of the graph would give; None where only a trace can tell.

    Args:
        graph: of the block.
        input_shapes: of its different inputs.
        order: for each argument of the block the input that it is.
        kept: for each input whether it is needed when the block has run.

    Raises:
        BuildError: if there is no such part; without the block's name.
        RuntimeError: if a part cannot take its map.
    """
    run = _Run(input_shapes)
    inputs: list[Any] = [run.inputs[i] for i in order]
    layers: list[Any] = [partial(run.through, part) for node in graph.nodes for _, part in node]
    try:
        output: Any = graph.run(inputs, layers)
    except _UnequalMapsError:
        return None
    return run.piece(output, kept)


class _UnequalMapsError(Exception):
    """Maps of different sizes meet: torch either widens one of them or refuses."""


class _Layer(NamedTuple):
    """A part at a size of map: when the map is not needed any more, and when it is."""

    last: Piece
    kept: Piece


# The spaces that are built in have about a hundred for each size of image.
@lru_cache(maxsize=16_384)
def _layer(part: Part, shape: Shape) -> _Layer:
    try:
        with torch.device("meta"):
            module = part.made()
    except ValueError as problem:
        raise BuildError(str(problem)) from problem
    return _Layer(traced_piece(module, shape, kept=(False,)), traced_piece(module, shape, kept=(True,)))


class _Map:
    """Stands for a tensor while a graph runs.

    Attributes:
        flows: from the inputs of the graph to it.
        size: in bytes.
        last: the step that reads it last, or makes it if none does.
    """

    __slots__ = ("_run", "flows", "last", "shape", "size")

    def __init__(self, run: _Run, shape: Shape, flows: Flows, last: int) -> None:
        self._run, self.shape, self.flows, self.last = run, shape, flows, last
        self.size = BYTES_PER_FLOAT * shape[0] * shape[1] * shape[2]

    def __add__(self, other: _Map) -> _Map:
        if self.shape != other.shape:
            raise _UnequalMapsError
        return self._run.step((self, other), self.shape, joined((self.flows, other.flows)))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Maps side by side, and zeros: what torch itself is asked for."""
        if func is torch.zeros_like:
            (like,) = args
            return like._run.step((like,), like.shape, (None,) * len(like.flows))
        if func is torch.cat and kwargs == {"dim": 1}:
            (maps,) = args
            if len({each.shape[1:] for each in maps}) > 1:
                raise _UnequalMapsError
            shape = (sum(each.shape[0] for each in maps), *maps[0].shape[1:])
            return maps[0]._run.step(tuple(maps), shape, joined([each.flows for each in maps]))
        return NotImplemented


class _Run:
    """One run of a graph, step by step."""

    def __init__(self, input_shapes: Sequence[Shape]) -> None:
        self._steps: list[tuple[tuple[_Map, ...], _Map, _Layer | None]] = []
        count = len(input_shapes)
        self.inputs = [
            _Map(self, shape, tuple(START if i == place else None for i in range(count)), -1)
            for place, shape in enumerate(input_shapes)
        ]

    def step(self, read: tuple[_Map, ...], shape: Shape, flows: Flows, layer: _Layer | None = None) -> _Map:
        """Write down that something reads maps and makes one."""
        now = len(self._steps)
        for each in read:
            each.last = now
        made = _Map(self, shape, flows, now)
        self._steps.append((read, made, layer))
        return made

    def through(self, part: Part, given: _Map) -> _Map:
        """A part run on a map."""
        layer = _layer(part, given.shape)
        piece = layer.last
        if not piece.peak_activation_bytes:  # nothing runs: the identity
            return given
        (way,) = piece.flows
        flows = tuple([flow and way and flow.then(way) for flow in given.flows])
        return self.step((given,), piece.output_shape, flows, layer)

    def piece(self, output: _Map, kept: Sequence[bool]) -> Piece | None:
        """All of it, once it has run; None where an input is not read."""
        if any(each.last < 0 and each is not output for each in self.inputs):
            return None
        for each, keep in zip(self.inputs, kept, strict=True):
            if keep:
                each.last = len(self._steps)
        output.last = len(self._steps)
        peak = self._peak_bytes()
        pieces = [layer.last for _, _, layer in self._steps if layer is not None]
        self._steps.clear()  # maps and run know of one another, which would be left to the garbage collector
        self.inputs.clear()
        return Piece(
            output.shape,
            sum(piece.params for piece in pieces),
            sum(piece.macs for piece in pieces),
            peak,
            tuple(sorted({name for piece in pieces for name in piece.uncounted})),
            output.flows,
            "; ".join(dict.fromkeys(piece.note for piece in pieces if piece.note)),
        )

    def _peak_bytes(self) -> int:
        """The largest sum of maps alive while one operator runs."""
        ended = [0] * (len(self._steps) + 1)  # bytes of the maps that a step is the last to need
        for each in (*self.inputs, *(made for _, made, _ in self._steps)):
            ended[each.last] += each.size
        alive = sum(each.size for each in self.inputs)
        peak = 0
        for now, (read, made, layer) in enumerate(self._steps):
            here = made.size
            if layer is not None:  # what the part reads and makes is in its own peak
                piece = layer.kept if read[0].last > now else layer.last
                here = piece.peak_activation_bytes - read[0].size
            peak = max(peak, alive + here)
            alive += made.size - ended[now]
        return peak
