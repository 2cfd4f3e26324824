"""From the decided data of a space to the architecture that they describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from nasearch.space.architecture import Architecture, Block, Head
from nasearch.space.darts import edges_of
from nasearch.space.kinds import HEADS, KINDS, NETWORK, BlockSpec
from nasearch.space.options import Scalar, Value
from nasearch.space.widths import scaled_width


@dataclass(frozen=True)
class _Placed:
    """A block, and what the architecture does not keep of it."""

    block: Block
    limits: tuple[str, ...] = ()
    drops: bool = False  # takes its share of the network's stochastic depth


def assemble(resolved: Mapping[str, Any], decisions: Sequence[tuple[str, Scalar]]) -> Architecture:
    """The architecture behind resolved data (see `nasearch.space.language.network.SpaceTemplate`)."""
    network = resolved["network"]
    blocks = _with_drop_path(list(_placed(resolved)), network["drop_path"])
    chosen = head_of(resolved["head"])
    options = {name: option.exact(network[name]) for name, option in NETWORK.items()}
    changed = tuple(
        sorted((name, value) for name, value in options.items() if value != NETWORK[name].default)
    )
    return Architecture(blocks, chosen, tuple(decisions), changed)


def head_of(resolved: Mapping[str, Any]) -> Head:
    """The head that resolved data describe."""
    return Head(resolved["kind"], HEADS[resolved["kind"]].complete(resolved["options"]))


def plain_block(name: str, block: Mapping[str, Any], channels: int, stride: int) -> Block:
    """The block that resolved data describe, without its share of the network's stochastic depth."""
    return _one(name, block, channels, stride).block


def complete_options(kind: str, given: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """All options of a kind as sorted pairs: the given values over the defaults."""
    return _completed(KINDS[kind], given)


def limited_blocks(resolved: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """For each bound of single blocks that applies, the indexes of the blocks that it holds for."""
    found: dict[str, list[int]] = {}
    for i, placed in enumerate(_placed(resolved)):
        for name in placed.limits:
            found.setdefault(name, []).append(i)
    return {name: tuple(indexes) for name, indexes in found.items()}


def _placed(resolved: Mapping[str, Any]) -> Iterator[_Placed]:
    times = resolved["network"]["width_multiplier"]
    stem, body = resolved["stem"], resolved["stages"]
    yield _one(stem["name"], stem["block"], scaled_width(stem["channels"], times), stem["stride"])
    if not isinstance(body, Mapping):
        yield from _stages(body, times)
    elif body["inputs"] == 1:
        yield from _stacks(body, times)
    else:
        yield from _two_input_stacks(body, times)


def _one(name: str, block: Mapping[str, Any], channels: int, stride: int) -> _Placed:
    kind, given = block["kind"], block["options"]
    spec = KINDS[kind]
    made = Block(name, kind, channels, stride, block["attention"], _completed(spec, given))
    return _Placed(made, block["limits"], "drop_path" in spec.options and "drop_path" not in given)


_Options: TypeAlias = tuple[tuple[str, Value], ...]
_COMPLETE: dict[tuple[str, _Options], tuple[BlockSpec, _Options]] = {}
_MOST_REMEMBERED = 50_000


def _completed(spec: BlockSpec, given: Mapping[str, Value]) -> _Options:
    """All options of a kind, remembered: a space has few combinations, and networks many blocks."""
    key = (spec.kind, tuple(given.items()))
    known = _COMPLETE.get(key)
    if known is not None and known[0] is spec:
        return known[1]
    complete = spec.complete(given)
    if len(_COMPLETE) < _MOST_REMEMBERED:
        _COMPLETE[key] = (spec, complete)
    return complete


def _stages(stages: Sequence[Mapping[str, Any]], times: float) -> Iterator[_Placed]:
    for stage in stages:
        blocks = stage["blocks"]
        if isinstance(blocks, Mapping):
            blocks = [blocks["shared"]] * blocks["depth"]
        channels = scaled_width(stage["channels"], stage["width"] * times)
        for j, block in enumerate(blocks):
            stride = stage["stride"] if j == 0 else 1
            placed = _one(f"{stage['name']}.block{j + 1}", block, channels, stride)
            yield replace(placed, limits=(*placed.limits, *stage["limits"]))


def _stacks(body: Mapping[str, Any], times: float) -> Iterator[_Placed]:
    edges = tuple(body["edges"].items())
    options = _completed(KINDS["cell"], {"nodes": body["nodes"], "edges": edges})
    for stack in body["stacks"]:
        name, channels = stack["name"], scaled_width(stack["channels"], times)
        if "reduction" in stack:
            yield _one(f"{name}.reduction", stack["reduction"], channels, 2)
        for j in range(stack["cells"]):
            yield _Placed(Block(f"{name}.cell{j + 1}", "cell", channels, 1, "none", options))


def _two_input_stacks(body: Mapping[str, Any], times: float) -> Iterator[_Placed]:
    """Cells that read the two before them; the first reads the stem twice (DARTS)."""
    edges = {name: edges_of(body[name]) for name in ("normal", "reduction") if name in body}
    first, after_reduction = True, False
    for stack in body["stacks"]:
        channels = scaled_width(stack["channels"], times)
        names = ["reduction"] if stack["reduces"] else []
        names += [f"cell{j + 1}" for j in range(stack["cells"])]
        for name in names:
            reduces = name == "reduction"
            options = {
                "nodes": body["nodes"],
                "edges": edges["reduction" if reduces else "normal"],
                "halve_first": after_reduction,
            }
            yield _Placed(
                Block(
                    f"{stack['name']}.{name}",
                    "darts_cell",
                    channels,
                    2 if reduces else 1,
                    "none",
                    _completed(KINDS["darts_cell"], options),
                    (-1, -1) if first else (-2, -1),
                )
            )
            first, after_reduction = False, reduces


def _with_drop_path(placed: Sequence[_Placed], rate: float) -> tuple[Block, ...]:
    """The blocks, with stochastic depth rising linearly from the first that can drop to the last.

    Source: Huang et al. 2016, "Deep Networks with Stochastic Depth", section 3; first and last as in
    torchvision's ConvNeXt.
    """
    last = sum(each.drops for each in placed) - 1
    if rate == 0 or last < 0:
        return tuple(each.block for each in placed)
    blocks, met = [], 0
    for each in placed:
        block = each.block
        if each.drops:
            share = round(rate * met / last, 6) if last else rate
            block = replace(block, options=tuple(sorted({**block.kwargs, "drop_path": share}.items())))
            met += 1
        blocks.append(block)
    return tuple(blocks)
