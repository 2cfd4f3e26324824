"""What each kind of block, head and cell operation accepts: the torch-free half of the catalogue.

The classes that build them are in `nasearch.nets`; `nasearch.register_block` fills both halves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from nasearch.errors import SpaceError
from nasearch.space.cells import CELL_OPS, canonical_cell, is_identity_cell, wrong_edges

if TYPE_CHECKING:
    from nasearch.space.architecture import Block

Scalar: TypeAlias = bool | int | float | str
Value: TypeAlias = "Scalar | tuple[Value, ...]"

ATTENTIONS = ("none", "se", "cbam")
ACTIVATIONS = ("none", "relu", "relu6", "silu", "hardswish", "gelu")
STRIDES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Option:
    """One named setting of a kind: its default and the values it accepts.

    Exactly one of `among` (listed values), `low`/`high` (a range of numbers, `whole` for integers,
    `odd` for odd ones) or `nested` (structured, checked by the reader that makes it) applies.
    """

    default: Value
    about: str
    among: tuple[Scalar, ...] | None = None
    low: float | None = None
    high: float | None = None
    whole: bool = True
    odd: bool = False
    nested: bool = False

    @property
    def accepts(self) -> str:
        """What is accepted, in words for an error message."""
        if self.among is not None:
            return f"one of {', '.join(str(word) for word in self.among)}"
        if self.nested:
            return "a structure written by the space reader"
        noun = ("an odd whole number" if self.odd else "a whole number") if self.whole else "a number"
        return f"{noun} from {_plain(self.low)} to {_plain(self.high)}"

    def allows(self, value: object) -> bool:
        """Whether `value` is one of the accepted values, in its exact type."""
        if self.nested:
            return isinstance(value, tuple)
        if self.among is not None:
            return any(value == word and type(value) is type(word) for word in self.among)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if self.whole and not isinstance(value, int):
            return False
        assert self.low is not None
        assert self.high is not None
        return self.low <= value <= self.high and not (self.odd and value % 2 == 0)

    def exact(self, value: Any) -> Any:
        """The value in the option's own type: 0 and 0.0 are one dropout, with one key."""
        return float(value) if not self.whole and self.among is None and not self.nested else value


def _plain(number: float | None) -> str:
    return "any" if number is None else f"{number:g}"


def words(default: Scalar, among: Iterable[Scalar], about: str) -> Option:
    """An option that takes one of listed values."""
    return Option(default, about, among=tuple(among))


def integers(default: int, low: int, high: int, about: str, *, odd: bool = False) -> Option:
    """An option that takes a whole number in a closed range."""
    return Option(default, about, low=low, high=high, odd=odd)


def numbers(default: float, low: float, high: float, about: str) -> Option:
    """An option that takes a real number in a closed range."""
    return Option(default, about, low=low, high=high, whole=False)


def _never(_block: Block, _in_channels: int) -> bool:
    return False


def _nothing_wrong(_options: Mapping[str, Value]) -> str | None:
    return None


def _as_given(options: Mapping[str, Value]) -> Mapping[str, Value]:
    return options


@dataclass(frozen=True)
class BlockSpec:
    """What a kind of block accepts, known without torch.

    Attributes:
        kind: the name used in space files.
        options: its settings by name; every block takes `channels`, `stride` and `attention` besides.
        about: one line for tables and editors.
        attention: whether an attention module can be put on it.
        identity: `(block, in_channels) -> bool`, true where the block is the identity function
            without parameters, so that leaving it out changes nothing; the key then folds it away.
        canonical: rewrites options that differ only in writing (commuted sums) into one form.
        written_as: for kinds that only a section of their own can write, the name of that section.
        check: says what is wrong with options that do not fit one another; None if they do.
    """

    kind: str
    options: Mapping[str, Option] = field(default_factory=dict)
    about: str = ""
    attention: bool = True
    identity: Callable[[Block, int], bool] = _never
    canonical: Callable[[Mapping[str, Value]], Mapping[str, Value]] = _as_given
    written_as: str | None = None
    check: Callable[[Mapping[str, Value]], str | None] = _nothing_wrong

    def complete(self, given: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
        """All options as sorted pairs: the given values over the defaults.

        Raises:
            SpaceError: if an option does not exist or a value is not accepted.
        """
        completed = _complete(self.kind, self.options, given)
        wrong = self.check(dict(completed))
        if wrong is not None:
            raise SpaceError(f"{self.kind}: {wrong}")
        return completed


@dataclass(frozen=True)
class HeadSpec:
    """What a kind of head accepts, known without torch."""

    kind: str
    options: Mapping[str, Option] = field(default_factory=dict)
    about: str = ""

    def complete(self, given: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
        """All options as sorted pairs, see `BlockSpec.complete`."""
        return _complete(self.kind, self.options, given)


def _complete(
    kind: str, options: Mapping[str, Option], given: Mapping[str, Value]
) -> tuple[tuple[str, Value], ...]:
    for name, value in given.items():
        if name not in options:
            accepted = ", ".join(sorted(options)) or "no options"
            raise SpaceError(f"{kind}.{name}: no such option; {kind} takes {accepted}")
        if not options[name].allows(value):
            raise SpaceError(f"{kind}.{name} is {value!r}; expected {options[name].accepts}")
    return tuple(
        (name, option.exact(given.get(name, option.default))) for name, option in sorted(options.items())
    )


KINDS: dict[str, BlockSpec] = {}
HEADS: dict[str, HeadSpec] = {}


def register_spec(spec: BlockSpec) -> None:
    """Add a kind of block to the catalogue.

    Raises:
        SpaceError: if the name is taken by another specification or is no plain word.
    """
    if not spec.kind.isidentifier():
        raise SpaceError(f"block kind {spec.kind!r}; expected a plain word such as ghost or my_block")
    if KINDS.get(spec.kind, spec) != spec:
        raise SpaceError(f"block kind {spec.kind!r} exists already; choose another name")
    KINDS[spec.kind] = spec


def spec_of(kind: str) -> BlockSpec:
    """The specification of a kind.

    Raises:
        SpaceError: if no such kind is registered.
    """
    if kind not in KINDS:
        raise SpaceError(f"block kind {kind!r} is not known; expected one of {', '.join(sorted(KINDS))}")
    return KINDS[kind]


def _unchanged(block: Block, in_channels: int) -> bool:
    return block.stride == 1 and block.channels == in_channels


_KERNEL = integers(3, 1, 15, "side of the square window, pixels", odd=True)
_ACTIVATION = words("relu", ACTIVATIONS, "non-linearity after the normalisation")
_REDUCTION = integers(4, 1, 64, "the squeezed width is channels / reduction")

for _spec in (
    BlockSpec(
        "conv",
        {
            "kernel": _KERNEL,
            "activation": _ACTIVATION,
            "dilation": integers(1, 1, 8, "spacing of the window's taps"),
            "groups": integers(1, 1, 1024, "groups of channels convolved apart"),
        },
        "convolution, batch norm, activation",
    ),
    BlockSpec(
        "depthwise",
        {"kernel": _KERNEL, "activation": _ACTIVATION},
        "depthwise separable convolution (MobileNet)",
    ),
    BlockSpec(
        "residual",
        {"kernel": _KERNEL, "activation": _ACTIVATION},
        "two convolutions and a shortcut (ResNet)",
    ),
    BlockSpec(
        "mbconv",
        {
            "kernel": _KERNEL,
            "expand": integers(6, 1, 16, "hidden width over input width"),
            "se": numbers(0.0, 0.0, 1.0, "squeezed width over input width; 0 for no squeeze-and-excitation"),
            "activation": words("relu6", ACTIVATIONS, "non-linearity inside the block"),
        },
        "inverted residual (MobileNetV2, EfficientNet)",
    ),
    BlockSpec("inception", {"activation": _ACTIVATION}, "four parallel branches (GoogLeNet)"),
    BlockSpec("se", {"reduction": _REDUCTION}, "squeeze-and-excitation as a block", attention=False),
    BlockSpec(
        "cbam",
        {"reduction": _REDUCTION, "kernel": integers(7, 1, 15, "side of the spatial window", odd=True)},
        "convolutional block attention as a block",
        attention=False,
    ),
    BlockSpec("max_pool", {"kernel": _KERNEL}, "maximum pooling"),
    BlockSpec("avg_pool", {"kernel": _KERNEL}, "average pooling, padding not counted"),
    BlockSpec("skip", {}, "identity, or a projection where shape changes", False, _unchanged),
    BlockSpec("avgpool_residual", {}, "NAS-Bench-201's reduction block"),
    BlockSpec(
        "cell",
        {
            "nodes": integers(4, 2, 7, "nodes of the cell, input and output included"),
            "edges": Option((), 'operation of each edge, (("0-1", "nor_conv_3x3"), ...)', nested=True),
        },
        "a searched cell (NAS-Bench-201)",
        False,
        lambda block, in_channels: _unchanged(block, in_channels) and is_identity_cell(block.kwargs),
        canonical_cell,
        "cell and stacks",
        wrong_edges,
    ),
):
    register_spec(_spec)

HEADS["linear"] = HeadSpec(
    "linear",
    {
        "dropout": numbers(0.0, 0.0, 0.95, "share of features dropped in training"),
        "norm": words("none", ("none", "batch"), "normalisation before pooling"),
        "activation": words("none", ACTIVATIONS, "non-linearity before pooling"),
    },
    "global average pooling and a linear classifier",
)

__all__ = [
    "ACTIVATIONS",
    "ATTENTIONS",
    "CELL_OPS",
    "HEADS",
    "KINDS",
    "STRIDES",
    "BlockSpec",
    "HeadSpec",
    "Option",
    "Scalar",
    "Value",
    "integers",
    "numbers",
    "register_spec",
    "spec_of",
    "words",
]
