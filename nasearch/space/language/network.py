"""Reading a whole space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nasearch.errors import SpaceError
from nasearch.pareto.limits import Limit
from nasearch.space.choices import Fixed, Record, Series, Template, choices_of, possible, size, untied
from nasearch.space.kinds import NETWORK
from nasearch.space.language.blocks import read_head
from nasearch.space.language.stacks import read_stacks
from nasearch.space.language.stages import read_stages, read_stem
from nasearch.space.language.values import Reader, shown
from nasearch.space.options import Option, numbers
from nasearch.space.reader import Document

MAX_CHOICES = 5_000
WIDTH_MULTIPLIER = numbers(
    1.0, 0.05, 16, "multiplies the channels of the stem, stages and stacks, in steps of 8"
)
DEPTH_MULTIPLIER = numbers(1.0, 0.05, 16, "multiplies the depths that stages give, rounded up")
DROP_PATH = numbers(
    0.0, 0.0, 0.95, "stochastic depth of the last block that has it, rising from 0 at the first such block"
)
NETWORK_KEYS: dict[str, Option] = {
    "resolution": NETWORK["resolution"],
    "width_multiplier": WIDTH_MULTIPLIER,
    "drop_path": DROP_PATH,
    "norm_eps": NETWORK["norm_eps"],
    "norm_momentum": NETWORK["norm_momentum"],
}
"""Keys at the top of a file that say something of the network as a whole, in the order of their choices."""
TOP_KEYS = (
    "name", "about", "extends", *NETWORK_KEYS, "depth_multiplier", "stem", "stages", "cell", "stacks", "head",
    "limits",
)  # fmt: skip


@dataclass(frozen=True)
class BlockLimit:
    """A bound of single blocks.

    Attributes:
        name: where it is written and what it says, such as `stage2.inception.macs <= 2M`.
        limit: its metric is that of one block, the largest where it holds for several.
    """

    name: str
    limit: Limit


@dataclass(frozen=True)
class SpaceTemplate:
    """A space as it was read.

    Attributes:
        template: resolves to `{"network": options, "stem": block, "stages": stages or cells, "head":
            head}`; see `nasearch.space.assemble`, which makes an architecture of that.
        limits: canonical texts such as `macs <= 30M`.
        block_limits: bounds of single blocks.
        size: the number of distinct assignments of active choices.
    """

    template: Template
    limits: tuple[str, ...]
    block_limits: tuple[BlockLimit, ...]
    size: int


def read_space(document: Document) -> SpaceTemplate:
    """The space that a document describes, `extends` and `include` being expanded already.

    Raises:
        SpaceError: with every mistake of the document, one a line.
    """
    reader = Reader(document)
    data = reader.mapping("", document.data)
    document.check_keys("", data, TOP_KEYS)
    if "name" in data:
        reader.word("name", data["name"], "space")
    if not isinstance(data.get("about", ""), str):
        reader.complain("about", f" is {shown(data['about'])}; expected a text")
    network = Record(
        tuple(
            (key, reader.choice(key, data[key], option, key) if key in data else Fixed(option.default))
            for key, option in NETWORK_KEYS.items()
        )
    )
    multipliers = [float(value) for value in possible(dict(network.fields)["width_multiplier"])]
    stem, widths = read_stem(reader, data.get("stem"), multipliers)
    body = _body(reader, data, widths)
    head = read_head(reader, data.get("head", {"kind": "linear"}))
    limits = _limits(reader, data.get("limits", []))
    template = Record((("network", network), ("stem", stem), ("stages", body), ("head", head)))
    late = {id(pick) for pick in untied(template)}
    for place, pick in reader.ties:
        if id(pick) in late:
            document.complain(
                f"{place}.same_as",
                f" is {pick.choice.name}, which some networks decide later or not at all; expected a choice "
                "that every network with this one makes before it",
            )
    document.finish()
    if len(choices_of(template)) > MAX_CHOICES:
        raise SpaceError(f"{document.source}: more than {MAX_CHOICES:,} choices; expected a smaller space")
    try:
        number = size(template)
    except SpaceError as problem:
        raise SpaceError(f"{document.source}: {problem}") from None
    block_limits = tuple(BlockLimit(name, limit) for name, limit in reader.block_limits.items())
    return SpaceTemplate(template, limits, block_limits, number)


def _body(reader: Reader, data: Mapping[str, Any], widths: dict[float, set[int]]) -> Template:
    has_cells = "cell" in data or "stacks" in data
    if ("stages" in data) == has_cells:
        reader.complain("", "expected either stages, or cell and stacks")
        return Series(())
    if has_cells:
        if "depth_multiplier" in data:
            reader.complain("depth_multiplier", ": stacks have no depth; give their cells as a list instead")
        return read_stacks(reader, data, widths)
    depths = reader.values("depth_multiplier", data.get("depth_multiplier", 1.0), DEPTH_MULTIPLIER)
    stages = read_stages(reader, data["stages"], widths, [float(value) for value in depths])
    return reader.pick("depth_multiplier", "depth_multiplier", depths, stages)


def _limits(reader: Reader, data: Any) -> tuple[str, ...]:
    if not isinstance(data, list):
        reader.complain("limits", f" is {shown(data)}; expected a list such as ['macs <= 30M']")
        return ()
    limits = [reader.limit(f"limits[{i}]", text) for i, text in enumerate(data)]
    return tuple(limit.text for limit in limits if limit is not None)
