"""One network that holds the weights of a whole space."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nasearch.errors import BuildError
from nasearch.nets.build import Network, input_widths, require_count, set_norms
from nasearch.nets.supernet.blank import Mould
from nasearch.nets.supernet.cuts import Cut, Kept, Need, Shape, needs_of, window_name
from nasearch.nets.supernet.shelf import Maker, Shelf, nameless, sharing_of, shelves_of
from nasearch.nets.supernet.subnet import Place, Shared, Subnet
from nasearch.space.architecture import Architecture
from nasearch.space.slots import HEAD, IMAGES, Variant
from nasearch.space.space import SearchSpace

MODELS_KEPT = 20_000
"""Layers of models that are kept to copy networks from, a few kilobytes each."""


@dataclass(frozen=True)
class _Model:
    """A block or head without parameters, and what it needs."""

    mould: Mould
    needs: tuple[Need, ...]


class Supernet(nn.Module):
    """The weights of every network of a space, each kept once.

    For each slot of the space and each kind of block there, every parameter is kept as large as the
    largest block has it. Smaller blocks read the first channels; smaller windows the middle of larger
    ones times a matrix, learned and at first the identity; shallower networks leave the last blocks of a
    stage out. Kinds, attention modules and operations of cells have weights of their own.

    Fresh weights come from torch's global generator, drawn as `nasearch.build` draws those of the
    largest blocks.

    Args:
        space: whose networks it holds, or its name or path as `SearchSpace.load` reads it.
        num_classes: width of the output, at least 1.
        in_channels: channels of the images, at least 1.

    Attributes:
        weights: by slot, kind, part and name, such as `stem/conv/conv/conv:Conv2d/weight`.
        matrices: of windows that are cut out of larger ones.
        statistics: of blocks that begin with some, such as a backbone's; other subnets begin with
            fresh ones.

    Raises:
        BuildError: if a number is out of range, or blocks cannot share their weights.
        SpaceError: if there is no such space.

    Source: Cai et al. 2020, "Once-for-All" (kernels, widths, depths); Guo et al. 2020, "Single Path
    One-Shot" (kinds).
    """

    def __init__(self, space: str | Path | SearchSpace, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        space = SearchSpace.of(space)
        require_count("num_classes", num_classes)
        require_count("in_channels", in_channels)
        self.space, self.num_classes, self.in_channels = space, num_classes, in_channels
        self._maker = Maker(num_classes, in_channels)
        self._shelves = {slot.name: shelves_of(slot, self._maker) for slot in space.slots}
        self._models: OrderedDict[Any, _Model] = OrderedDict()
        self._cuts: dict[tuple[str, str, Need], Cut] = {}
        weights: dict[str, nn.Parameter] = {}
        matrices: dict[str, nn.Parameter] = {}
        self.statistics = nn.Module()
        for slot, kind, shelf in self._every_shelf():
            for name, kept in shelf.kept.items():
                key = _key(slot, kind, name)
                weights[key] = nn.Parameter(torch.zeros(kept.shape))
                matrices.update(
                    (matrix, nn.Parameter(torch.eye(size))) for matrix, size in _matrices(key, kept)
                )
        self.weights, self.matrices = Shared(weights), Shared(matrices)
        with torch.no_grad():
            for slot, kind, shelf in self._every_shelf():
                for variant in shelf.covers:
                    self._begin(slot, kind, variant)

    def _every_shelf(self) -> Iterator[tuple[str, str, Shelf]]:
        for slot, kinds in self._shelves.items():
            for kind, shelf in kinds.items():
                yield slot, kind, shelf

    def _begin(self, slot: str, kind: str, variant: Variant) -> None:
        """Take over the fresh weights of a block, and the statistics that it begins with."""
        module = self._maker.fresh(variant)
        parts = list(module.modules())
        for need in needs_of(module, sharing_of(variant.part)):
            cut = self._cut(slot, kind, need)
            value = parts[need.part]._parameters[need.name]
            assert value is not None
            weight = self.weights.tensors[cut.key]
            region = cut.region(weight)
            region.copy_(value.view(region.shape))
            weight.requires_grad_(value.requires_grad)
        if hasattr(module, "own_weights"):
            for name, buffer in module.named_buffers():
                self.statistics.register_buffer(_key(slot, kind, name), buffer.clone())

    def subnet(self, architecture: Architecture) -> Subnet:
        """The network of an architecture of the space, run with the weights that are kept here.

        It is on the device that the weights are on now, and in training mode.

        Raises:
            BuildError: if a block cannot be built, or is no block of this space.
        """
        network, places = self._network(architecture)
        keys = dict.fromkeys(key for place in places for key in place.cut.keys)
        return Subnet(network, {key: self._kept(key) for key in keys}, places)

    def extract(self, architecture: Architecture) -> Network:
        """The network of an architecture as `nasearch.build` makes it, with copies of the weights.

        Raises:
            BuildError: as `subnet`.
        """
        network, places = self._network(architecture)
        tensors = {**self.weights.tensors, **self.matrices.tensors}
        for place in places:
            source = tensors[place.cut.key]
            with torch.no_grad():
                value = place.cut(tensors).clone()
            place.owner[place.name] = nn.Parameter(value, requires_grad=source.requires_grad)
        return network

    @torch.no_grad()
    def sort_channels(self) -> None:
        """Put the most important channels first, where nothing but the order changes.

        Those are the widths inside blocks that the parts outside do not see, such as the middle of an
        inverted residual: smaller blocks then keep the channels that weigh most, by the sum of
        absolute weights that read them. Networks of the largest blocks compute what they did before.
        Widths of whole blocks stay as they are, because shortcuts tie all the blocks of a stage to
        one order. An optimiser that is under way must be made anew.

        Source: Cai et al. 2020, "Once-for-All", section 3.3.
        """
        for slot, kind, shelf in self._every_shelf():
            for written, read in shelf.hidden:
                writers = [self._kept(_key(slot, kind, name)) for name in written]
                readers = [self._kept(_key(slot, kind, name)) for name in read]
                sizes = readers[-1].abs().transpose(0, 1).flatten(1).sum(1)
                order = sizes.argsort(descending=True, stable=True)
                for weight in writers:
                    weight.copy_(weight.index_select(0, order))
                for weight in readers:
                    weight.copy_(weight.index_select(1, order))

    def _kept(self, key: str) -> nn.Parameter:
        own = self.weights._parameters.get(key)
        kept = own if own is not None else self.matrices._parameters[key]
        assert kept is not None
        return kept

    def _network(self, architecture: Architecture) -> tuple[Network, list[Place]]:
        """The network, its parameters missing, and where they belong."""
        places: list[Place] = []
        norms = (architecture.option("norm_eps"), architecture.option("norm_momentum"))
        widths = input_widths(architecture, IMAGES)
        blocks = [
            self._placed(block.name, Variant(width, block), norms, places)
            for block, width in zip(architecture.blocks, widths, strict=True)
        ]
        last = Variant((architecture.blocks[-1].channels,), architecture.head)
        head = self._placed(HEAD, last, norms, places)
        return Network(architecture, self.num_classes, self.in_channels, blocks, head), places

    def _placed(
        self, slot: str, variant: Variant, norms: tuple[float, float], places: list[Place]
    ) -> nn.Module:
        model = self._model(variant, norms)
        module = model.mould.cast()
        kind = variant.part.kind
        parts = list(module.modules())
        for need in model.needs:
            places.append(Place(parts[need.part]._parameters, need.name, self._cut(slot, kind, need)))
        self._settle(slot, kind, module)
        return module

    def _settle(self, slot: str, kind: str, module: nn.Module) -> None:
        """Bring the buffers to the weights' device, with the values that are kept for them."""
        device = next(iter(self.weights.tensors.values())).device
        own = self.statistics._buffers if hasattr(module, "own_weights") else {}
        if not own and device.type == "cpu":
            return
        for path, part in module.named_modules():
            for name, buffer in part._buffers.items():
                if buffer is None:
                    continue
                kept = own.get(_key(slot, kind, f"{path}.{name}" if path else name))
                if kept is not None and kept.shape == buffer.shape:
                    part._buffers[name] = kept.clone()
                else:
                    part._buffers[name] = buffer.to(device)

    def _model(self, variant: Variant, norms: tuple[float, float]) -> _Model:
        key = (nameless(variant), norms)
        if key in self._models:
            self._models.move_to_end(key)
            return self._models[key]
        module = self._maker.blank(variant)
        needs = needs_of(module, sharing_of(variant.part))
        set_norms(module, *norms)
        made = self._models[key] = _Model(Mould(module), needs)
        while sum(model.mould.layers for model in self._models.values()) > MODELS_KEPT:
            self._models.popitem(last=False)
        return made

    def _cut(self, slot: str, kind: str, need: Need) -> Cut:
        known = self._cuts.get((slot, kind, need))
        if known is not None:
            return known
        shelf = self._shelves.get(slot, {}).get(kind)
        kept = shelf.kept.get(need.shared) if shelf is not None else None
        if kept is None or any(own > most for own, most in zip(need.shape, kept.shape, strict=True)):
            has = f"has at most {kept.shape}" if kept else "has none"
            raise BuildError(
                f"{slot} ({kind}): {need.shared} of shape {need.shape}; the supernet of {self.space.name} "
                f"{has}; expected an architecture of that space"
            )
        key = _key(slot, kind, need.shared)
        made = self._cuts[slot, kind, need] = Cut.of(need, key, kept, lambda window: _matrix(key, window))
        return made


def _key(slot: str, kind: str, name: str) -> str:
    """The name of what is kept; torch's names of parameters have no dots."""
    return f"{slot}/{kind}/{name}".replace(".", "/")


def _matrix(key: str, window: Shape) -> str:
    return f"{key}/{window_name(window)}"


def _matrices(key: str, kept: Kept) -> Iterator[tuple[str, int]]:
    """Names and sides of the matrices of the windows that are smaller than what is kept."""
    for window in kept.kernels:
        if window != kept.shape[len(kept.shape) - len(window) :]:
            yield _matrix(key, window), torch.Size(window).numel()
