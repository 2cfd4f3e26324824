"""A network as the pieces that it is put together from, each reckoned once and remembered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import torch

from nasearch.errors import BuildError, MeasurementError
from nasearch.measure.composition import composed_piece
from nasearch.measure.piece import Piece, traced_piece
from nasearch.measure.trace import BYTES_PER_FLOAT, Shape
from nasearch.nets.build import graph_of, make_block, make_head
from nasearch.nets.wiring import Resize
from nasearch.space.architecture import Architecture, Block, Head
from nasearch.space.options import Value


def pieces_of(architecture: Architecture, input_shape: Shape, num_classes: int) -> list[Piece]:
    """All parts in order: the resize where there is one, the blocks, the head.

    Raises:
        BuildError: if a block cannot be built, by its name.
        MeasurementError: if `input_shape` is no (channels, height, width).
    """
    check_shape(input_shape)
    if len(input_shape) != 3:
        raise MeasurementError(f"input_shape is {input_shape!r}; expected (channels, height, width)")
    pieces = []
    shape: Shape = input_shape
    resolution = architecture.option("resolution")
    if resolution:
        pieces.append(_resize_piece(resolution, shape))
        shape = pieces[-1].output_shape
    if architecture.is_chain:
        for block in architecture.blocks:
            pieces.append(_named_piece(block, (shape,), (0,), (False,)))
            shape = pieces[-1].output_shape
    else:
        pieces += _wired_pieces(architecture, shape)
        shape = pieces[-1].output_shape
    head = architecture.head
    pieces.append(_head_piece(head.kind, head.options, num_classes, shape))
    return pieces


class Wire(NamedTuple):
    """What a block of a network reads; outputs by number: 0 is what the first block takes, 1 its output.

    Attributes:
        reads: each output once.
        order: for each argument of the block its place in `reads`.
        kept: for each of `reads` whether a later block reads it too.
        waiting: outputs that only later blocks read.
    """

    reads: tuple[int, ...]
    order: tuple[int, ...]
    kept: tuple[bool, ...]
    waiting: tuple[int, ...]


def wires_of(architecture: Architecture) -> tuple[Wire, ...]:
    """The wire of each block."""
    return _wires(tuple([block.inputs for block in architecture.blocks]))


@lru_cache(maxsize=256)  # networks of one space differ in it by their depths alone
def _wires(inputs: tuple[tuple[int, ...], ...]) -> tuple[Wire, ...]:
    reads = [sorted({i + 1 + offset for offset in offsets}) for i, offsets in enumerate(inputs)]
    last_read = {output: i for i, row in enumerate(reads) for output in row}
    return tuple(
        Wire(
            tuple(row),
            tuple(row.index(i + 1 + offset) for offset in inputs[i]),
            tuple(last_read[output] > i for output in row),
            tuple(output for output in range(i + 1) if output not in row and last_read.get(output, -1) > i),
        )
        for i, row in enumerate(reads)
    )


def _wired_pieces(architecture: Architecture, input_shape: Shape) -> Iterator[Piece]:
    """Blocks of which some read several outputs; what a later block needs stays in memory."""
    shapes = [input_shape]
    for block, wire in zip(architecture.blocks, wires_of(architecture), strict=True):
        piece = _named_piece(block, tuple([shapes[output] for output in wire.reads]), wire.order, wire.kept)
        if wire.waiting:
            held = BYTES_PER_FLOAT * sum(math.prod(shapes[output]) for output in wire.waiting)
            piece = replace(piece, peak_activation_bytes=piece.peak_activation_bytes + held)
        yield piece
        shapes.append(piece.output_shape)


def _named_piece(
    block: Block, input_shapes: tuple[Shape, ...], order: tuple[int, ...], kept: tuple[bool, ...]
) -> Piece:
    """A block; an error has its name, and the size where that is what it cannot take."""
    try:
        return _block_piece(
            block.kind,
            block.channels,
            block.stride,
            block.attention,
            block.options,
            input_shapes,
            order,
            kept,
        )
    except BuildError:
        widths = [shape[0] for shape in input_shapes]
        make_block(block, *(widths[i] for i in order))  # fails again, and this time with the block's name
        raise
    except (RuntimeError, TypeError, ValueError) as problem:
        sizes = " and ".join("x".join(map(str, shape)) for shape in input_shapes)
        reason = str(problem).strip().partition("\n")[0]
        raise BuildError(
            f"{block.name} ({block.kind}) cannot take a map of {sizes}: {reason}; expected larger images, "
            "less striding before it, or another block"
        ) from problem


# A kind never changes its class (`register_block` refuses), so what is remembered stays true. A
# piece takes about a kilobyte, and the largest built-in space has a few thousand different ones.
@lru_cache(maxsize=65_536)
def _block_piece(
    kind: str,
    channels: int,
    stride: int,
    attention: str,
    options: tuple[tuple[str, Value], ...],
    input_shapes: tuple[Shape, ...],
    order: tuple[int, ...],
    kept: tuple[bool, ...],
) -> Piece:
    block = Block("block", kind, channels, stride, attention, options)
    widths = [input_shapes[i][0] for i in order]
    graph = graph_of(block, *widths)
    if graph is not None:
        piece = composed_piece(graph, input_shapes, order, kept)
        if piece is not None:
            return piece
    with torch.device("meta"):
        module = make_block(block, *widths)
    return traced_piece(module, *input_shapes, order=order, kept=kept)


@lru_cache(maxsize=4_096)
def _resize_piece(resolution: int, input_shape: Shape) -> Piece:
    return traced_piece(Resize(resolution), input_shape)


@lru_cache(maxsize=4_096)
def _head_piece(
    kind: str,
    options: tuple[tuple[str, Value], ...],
    num_classes: int,
    input_shape: Shape,
) -> Piece:
    with torch.device("meta"):
        module = make_head(Head(kind, options), input_shape[0], num_classes)
    return traced_piece(module, input_shape)


def check_shape(input_shape: Shape) -> None:
    """Refuse what is no shape of an input.

    Raises:
        MeasurementError: with what is.
    """
    if not input_shape or min(input_shape) < 1:
        raise MeasurementError(f"input_shape is {input_shape!r}; expected whole numbers of at least 1")
