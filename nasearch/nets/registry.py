"""One door for a new kind of block: it enters the torch-free catalogue and the table of classes."""

from __future__ import annotations

import inspect

from torch import nn

from nasearch.errors import BuildError
from nasearch.nets.blocks import BLOCKS
from nasearch.nets.sharing import BY_SHAPE, SHARING, Sharing
from nasearch.space.kinds import BlockSpec, register_spec
from nasearch.space.options import Option
from nasearch.space.plugins import note_origin

_POSITIONAL = ("in_channels", "channels", "stride")
# What a block's mapping in a space file says already, so that no option can be called so.
_RESERVED = ("kind", "as", "attention", "limits", "one_of", "same_as", *_POSITIONAL)


def register_block(spec: BlockSpec, cls: type[nn.Module], sharing: Sharing = BY_SHAPE) -> None:
    """Make a block of your own available to space files, `build`, costs and export.

    Args:
        spec: name, options and defaults, known without torch.
        cls: an `nn.Module` whose constructor is
            `cls(in_channels, channels, stride=1, *, attention="none", <options>)` (`attention` only
            where the specification allows it), and whose forward maps (N, in_channels, H, W) to
            (N, channels, ceil(H / stride), ceil(W / stride)). A method `note(height, width)` may say what
            it does differently at an input of that size; tables show it. A method `own_weights()` may set
            the weights that it begins with; `initialize` has run before. An exported model carries its
            source, so it may use torch, the standard library and `nasearch.nets.layers`.
        sharing: how blocks of the kind share their weights in a supernet, where the shapes of their
            parameters do not show it.

    Raises:
        BuildError: if the constructor takes other arguments than the specification names, an option
            cannot be written in a space file or does not accept its own default, or the kind belongs to
            another class.
        SpaceError: if the kind belongs to another specification.
    """
    if not _is_module(cls):
        raise BuildError(f"block kind {spec.kind!r}: {cls!r}; expected a subclass of torch.nn.Module")
    for name, option in spec.options.items():
        wrong = _wrong_option(name, option)
        if wrong is not None:
            raise BuildError(f"block kind {spec.kind!r}: option {name} {wrong}")
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
    if spec.kind not in BLOCKS:
        note_origin(spec.kind, cls.__module__)
    BLOCKS[spec.kind] = cls
    SHARING[spec.kind] = sharing


def _is_module(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, nn.Module)


def _wrong_option(name: str, option: Option) -> str | None:
    """What is wrong with an option of a block, in words; None if nothing."""
    if not name.isidentifier() or name in _RESERVED:
        return f"cannot be written in a space file; expected a word other than {', '.join(_RESERVED)}"
    ways = [option.among is not None, option.low is not None and option.high is not None, option.text]
    if sum(ways) + option.nested != 1:
        return "accepts nothing that can be told; expected one of among, low and high, or text"
    if not option.allows(option.default):
        return f"has the default {option.default!r}; expected {option.accepts}"
    return None
