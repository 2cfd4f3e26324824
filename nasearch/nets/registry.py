"""One door for a new kind of block: it enters the torch-free catalogue and the table of classes."""

from __future__ import annotations

import inspect

from torch import nn

from nasearch.errors import BuildError
from nasearch.nets.blocks import BLOCKS
from nasearch.space.kinds import BlockSpec, register_spec

_POSITIONAL = ("in_channels", "channels", "stride")


def register_block(spec: BlockSpec, cls: type[nn.Module]) -> None:
    """Make a block of your own available to space files, `build`, costs and export.

    Args:
        spec: name, options and defaults, known without torch.
        cls: an `nn.Module` whose constructor is
            `cls(in_channels, channels, stride=1, *, attention="none", <options>)` (`attention` only
            where the specification allows it), and whose forward maps (N, in_channels, H, W) to
            (N, channels, ceil(H / stride), ceil(W / stride)). An exported model carries its source,
            so it may use torch, the standard library and `nasearch.nets.layers`.

    Raises:
        BuildError: if the constructor takes other arguments than the specification names, or the
            kind belongs to another class.
        SpaceError: if the kind belongs to another specification.
    """
    wanted = set(spec.options) | ({"attention"} if spec.attention else set())
    parameters = inspect.signature(cls).parameters
    taken = set(parameters) - set(_POSITIONAL)
    if tuple(parameters)[:3] != _POSITIONAL or taken != wanted:
        raise BuildError(
            f"block kind {spec.kind!r}: {cls.__name__}({', '.join(parameters)}); "
            "expected in_channels, channels, stride and, by keyword, "
            f"{', '.join(sorted(wanted)) or 'nothing'}"
        )
    if BLOCKS.get(spec.kind, cls) is not cls:
        raise BuildError(
            f"block kind {spec.kind!r} is {BLOCKS[spec.kind].__name__} already; choose another name"
        )
    register_spec(spec)
    BLOCKS[spec.kind] = cls
