"""What a block needs of the weights that a supernet keeps, and how it is cut out of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from nasearch.nets.sharing import Sharing

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Need:
    """A parameter of a block.

    Attributes:
        part: number of the part that owns it, in the order of `Module.modules`.
        name: of the parameter there.
        path: of the part in the block.
        shared: the name that it is shared under among the blocks of a kind at a slot.
        shape: its own.
        kernel_axes: how many of its last axes are a window.
        pieces: axis, and how many equal pieces it is made of.
    """

    part: int
    name: str
    path: str
    shared: str
    shape: Shape
    kernel_axes: int = 0
    pieces: tuple[int, int] | None = None

    @property
    def kernel(self) -> Shape:
        """Sides of the window; empty if there is none."""
        return self.shape[len(self.shape) - self.kernel_axes :]


def needs_of(block: nn.Module, sharing: Sharing) -> tuple[Need, ...]:
    """The parameters of a block; one that stands in two places has two rows of one shared name."""
    names, pieces = sharing.names(block), sharing.pieces(block)
    first: dict[int, str] = {}
    needs = []
    for number, (path, part) in enumerate(block.named_modules()):
        for name, parameter in part._parameters.items():
            if parameter is None:
                continue
            own = f"{path}.{name}" if path else name
            shared = first.setdefault(id(parameter), f"{_renamed(path, names)}:{_role(part)}.{name}")
            window = parameter.ndim - 2 if isinstance(part, _ConvNd) and name == "weight" else 0
            cut = pieces.get(own)
            if isinstance(part, nn.MultiheadAttention) and name.startswith("in_proj_"):
                cut = (0, 3)  # queries, keys and values
            needs.append(Need(number, name, path, shared, tuple(parameter.shape), window, cut))
    return tuple(needs)


def _renamed(path: str, names: Mapping[str, str]) -> str:
    """The path, with the longest beginning that has another name under that one."""
    begins = [start for start in names if path == start or path.startswith(f"{start}.")]
    if not begins:
        return path
    longest = max(begins, key=len)
    return names[longest] + path[len(longest) :]


def _role(part: nn.Module) -> str:
    """What a part is; parts of one name share their weights if they are the same.

    Convolutions of one name in other groups have other weights: their input axis means another thing.
    """
    role = type(part).__name__
    if isinstance(part, _ConvNd) and part.groups > 1:
        is_depthwise = part.groups == part.in_channels
        role += "-depthwise" if is_depthwise else f"-groups{part.groups}"
    return role


@dataclass(frozen=True)
class Kept:
    """A parameter as a supernet keeps it.

    Attributes:
        shape: the largest along each axis that a block has.
        kernels: the windows that blocks have, from the largest to the smallest.
    """

    shape: Shape
    kernels: tuple[Shape, ...] = ()

    @staticmethod
    def of(needs: Iterable[Need]) -> Kept:
        """What is kept for these needs, which are of one shared name and as many axes."""
        every = list(needs)
        shape = tuple(map(max, zip(*(need.shape for need in every), strict=True)))
        kernels = sorted({need.kernel for need in every} - {()}, key=lambda each: (-math.prod(each), each))
        return Kept(shape, tuple(kernels))

    def ladder(self, kernel: Shape, kernel_axes: int) -> Iterator[Shape]:
        """The windows on the way from the largest one to this one, each inside the one before."""
        present = self.shape[len(self.shape) - kernel_axes :]
        for each in self.kernels:
            if each != present and _inside(each, present) and _inside(kernel, each):
                yield each
                present = each


def _inside(kernel: Shape, other: Shape) -> bool:
    return all(own <= theirs for own, theirs in zip(kernel, other, strict=True))


def window_name(kernel: Shape) -> str:
    """`3x3`."""
    return "x".join(map(str, kernel))


def middle(outer: Shape, inner: Shape) -> tuple[Any, ...]:
    """The middle of a window, as an index of the last axes of a tensor."""
    starts = [(large - small) // 2 for large, small in zip(outer, inner, strict=True)]
    return (..., *(slice(start, start + small) for start, small in zip(starts, inner, strict=True)))


@dataclass(frozen=True)
class Cut:
    """How a parameter is cut out of the one that is kept.

    Attributes:
        key: of what is kept.
        leading: slices of the axes that are no window; None if they are whole.
        pieces: axis, count, and how much of each piece.
        steps: from window to window: the middle of the one before, and the key of the matrix that it
            is multiplied with.
    """

    key: str
    leading: tuple[slice, ...] | None = None
    pieces: tuple[int, int, int] | None = None
    steps: tuple[tuple[tuple[Any, ...], str], ...] = ()

    @staticmethod
    def of(need: Need, key: str, kept: Kept, matrix: Callable[[Shape], str]) -> Cut:
        """The cut for a need; `matrix` names the matrix of a window."""
        axes = len(need.shape) - need.kernel_axes
        pieces = None
        wanted = list(need.shape[:axes])
        if need.pieces is not None and kept.shape[need.pieces[0]] % need.pieces[1] == 0:
            axis, count = need.pieces
            if wanted[axis] != kept.shape[axis]:
                pieces = (axis, count, wanted[axis] // count)
                wanted[axis] = kept.shape[axis]
        whole = tuple(wanted) == kept.shape[:axes]
        steps = []
        present = kept.shape[axes:]
        for kernel in kept.ladder(need.kernel, need.kernel_axes) if need.kernel_axes else ():
            steps.append((middle(present, kernel), matrix(kernel)))
            present = kernel
        return Cut(key, None if whole else tuple(map(slice, wanted)), pieces, tuple(steps))

    @property
    def keys(self) -> tuple[str, ...]:
        """Everything that it reads."""
        return (self.key, *(key for _, key in self.steps))

    def region(self, kept: Tensor) -> Tensor:
        """The entries that are read, before any matrix: a view."""
        part = kept if self.leading is None else kept[self.leading]
        if self.pieces is not None:
            axis, count, size = self.pieces
            part = part.unflatten(axis, (count, -1)).narrow(axis + 1, 0, size)
        for window, _ in self.steps:
            part = part[window]
        return part

    def __call__(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The parameter, through which gradients reach what is kept."""
        part = weights[self.key]
        if self.leading is not None:
            part = part[self.leading]
        if self.pieces is not None:
            axis, count, size = self.pieces
            part = part.unflatten(axis, (count, -1)).narrow(axis + 1, 0, size).flatten(axis, axis + 1)
        for window, key in self.steps:
            part = part[window]
            axes = len(window) - 1
            part = (part.flatten(-axes) @ weights[key]).view(part.shape)
        return part
