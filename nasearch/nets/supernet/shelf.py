"""What a supernet keeps for a slot: from every block that can stand there to the largest parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import nn

from nasearch.errors import BuildError
from nasearch.nets.build import initialize, make_block, make_head, set_own_weights
from nasearch.nets.sharing import BY_SHAPE, HEAD_SHARING, SHARING, Sharing
from nasearch.nets.supernet.blank import WithoutValues
from nasearch.nets.supernet.cuts import Kept, Need, needs_of
from nasearch.space.architecture import CHAIN, Block, Head
from nasearch.space.slots import IMAGES, Slot, Variant

Hidden: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Seen:
    """What a supernet wants to know of one block or head.

    Attributes:
        needs: its parameters.
        hidden: its widths that nothing outside knows of, each as the shared names of the parameters
            that are written by and read from, axis 0 and axis 1; see `Sharing.hidden`.
    """

    needs: tuple[Need, ...]
    hidden: tuple[Hidden, ...]

    @property
    def size(self) -> int:
        """Parameters."""
        return sum(torch.Size(need.shape).numel() for need in self.needs)


@dataclass(frozen=True)
class Shelf:
    """What is kept for one kind of block at one slot.

    Attributes:
        kept: by shared name.
        covers: blocks that together are as large as what is kept, from the smallest to the largest.
        hidden: widths whose channels can change places; of the largest block, if all have them.
    """

    kept: Mapping[str, Kept]
    covers: tuple[Variant, ...]
    hidden: tuple[Hidden, ...]


class Maker:
    """Builds blocks and heads, given the two widths that no space knows."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        self.num_classes, self.in_channels = num_classes, in_channels
        self._seen: dict[Variant, Seen | None] = {}

    def make(self, variant: Variant) -> nn.Module:
        """The module, without the network's initialisation.

        Raises:
            BuildError: if it cannot be built.
        """
        widths = [width if width != IMAGES else self.in_channels for width in variant.in_channels]
        if isinstance(variant.part, Head):
            return make_head(variant.part, widths[-1], self.num_classes)
        return make_block(variant.part, *widths)

    def blank(self, variant: Variant) -> nn.Module:
        """The module with parameters that have shapes and no values.

        Raises:
            BuildError: as `make`.
        """
        with WithoutValues():
            module = self.make(variant)
        if any(buffer.is_meta for buffer in module.buffers()):  # it made one of torch.empty
            with torch.random.fork_rng(devices=[]):
                module = self.make(variant)
        return module

    def fresh(self, variant: Variant) -> nn.Module:
        """The module with the weights that `nasearch.build` would give it.

        Raises:
            BuildError: as `make`, and if weights of its own cannot be had.
        """
        module = self.make(variant)
        module.apply(initialize)
        if isinstance(variant.part, Block):
            set_own_weights(variant.part, module)
        return module

    def seen(self, variant: Variant) -> Seen | None:
        """What is to be known of a variant; None if it cannot be built."""
        anywhere = nameless(variant)
        if anywhere not in self._seen:
            try:
                module = self.blank(anywhere)
            except BuildError:  # told when a network with it is asked for; often there is none
                self._seen[anywhere] = None
            else:
                self._seen[anywhere] = _seen(module, sharing_of(variant.part))
        return self._seen[anywhere]


def nameless(variant: Variant) -> Variant:
    """The variant without the slot's name: what stands at several slots is one and the same."""
    if isinstance(variant.part, Head):
        return variant
    return replace(variant, part=replace(variant.part, name="", inputs=CHAIN))


def sharing_of(part: Block | Head) -> Sharing:
    """How blocks of that kind share their weights."""
    table = HEAD_SHARING if isinstance(part, Head) else SHARING
    return table.get(part.kind, BY_SHAPE)


def _seen(module: nn.Module, sharing: Sharing) -> Seen:
    needs = needs_of(module, sharing)
    hidden = []
    for writers, readers in sharing.hidden(module):
        read = [need for need in _inside(needs, readers) if need.name == "weight" and len(need.shape) > 1]
        hidden.append((_names(_inside(needs, writers)), _names(read)))
    return Seen(needs, tuple(hidden))


def _inside(needs: Iterable[Need], paths: Iterable[str]) -> list[Need]:
    return [
        need for need in needs if any(need.path == path or need.path.startswith(f"{path}.") for path in paths)
    ]


def _names(needs: Iterable[Need]) -> tuple[str, ...]:
    return tuple(need.shared for need in needs)


def shelves_of(slot: Slot, maker: Maker) -> dict[str, Shelf]:
    """By kind, what is kept for a slot.

    Raises:
        BuildError: if blocks of a kind have parameters of one name with different numbers of axes.
    """
    kinds: dict[str, dict[Variant, Seen]] = {}
    for variant in slot.variants:
        seen = maker.seen(variant)
        if seen is not None:
            kinds.setdefault(variant.part.kind, {})[variant] = seen
    return {kind: _shelf(f"{slot.name} ({kind})", seen) for kind, seen in kinds.items()}


def _shelf(place: str, blocks: Mapping[Variant, Seen]) -> Shelf:
    by_name: dict[str, dict[Need, None]] = {}
    for seen in blocks.values():
        for need in seen.needs:
            by_name.setdefault(need.shared, {})[need] = None
    kept = {}
    for name, needs in by_name.items():
        if len({len(need.shape) for need in needs}) > 1:
            shapes = " and ".join(sorted({str(need.shape) for need in needs}))
            raise BuildError(
                f"{place}: {name} has the shapes {shapes}; expected as many axes in each, or different "
                "names in `sharing` of nasearch.register_block"
            )
        kept[name] = Kept.of(needs)
    covers = _covers(blocks)
    largest = blocks[covers[-1]]
    shown = all(seen.hidden for seen in blocks.values())
    hidden = [pair for pair in largest.hidden if _is_whole(pair, largest, kept)] if shown else []
    return Shelf(kept, covers, tuple(hidden))


def _covers(blocks: Mapping[Variant, Seen]) -> tuple[Variant, ...]:
    """Blocks of which one is at least as large as each block, for every parameter; smallest first."""
    covered: dict[str, list[tuple[int, ...]]] = {}
    covers = []
    for variant in sorted(blocks, key=lambda each: -blocks[each].size):
        is_new = False
        for need in blocks[variant].needs:
            shapes = covered.setdefault(need.shared, [])
            if not any(all(a <= b for a, b in zip(need.shape, shape, strict=True)) for shape in shapes):
                shapes.append(need.shape)
                is_new = True
        if is_new:
            covers.append(variant)
    # one at least, so that buffers of blocks without parameters are met, too
    return tuple(reversed(covers)) or tuple(blocks)[:1]


def _is_whole(hidden: Hidden, block: Seen, kept: Mapping[str, Kept]) -> bool:
    """Whether the block has all of the channels that are kept."""
    shapes = {need.shared: need.shape for need in block.needs}
    axes = [(name, 0) for name in hidden[0]] + [(name, 1) for name in hidden[1]]
    return len({kept[name].shape[axis] for name, axis in axes}) == 1 and all(
        shapes[name][axis] == kept[name].shape[axis] for name, axis in axes
    )
