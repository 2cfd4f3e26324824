"""Reading blocks and heads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice, product
from typing import Any

from nasearch.errors import did_you_mean
from nasearch.pareto import ARITHMETIC
from nasearch.space.choices import Choice, Fixed, Pick, Record, Template, possible
from nasearch.space.kinds import ATTENTIONS, HEADS, KINDS, BlockSpec
from nasearch.space.language.values import Reader, is_tie, shown
from nasearch.space.options import words
from nasearch.space.plugins import HINT, find_spec

ATTENTION = words("none", ATTENTIONS, "attention module")
MAX_TRIED = 20_000
"""Combinations of options and widths of one block that are tried while reading; what lies beyond, in
spaces that no person writes, is met when a network is built."""

Widths = frozenset[tuple[int, int]]
"""Pairs of (input, output) channels that a block can get; input 0 where the images decide."""
IMAGE_CHANNELS = (1, 2, 3, 4)


class BlockReader:
    """Reads the blocks of one place of the network.

    Args:
        reader: of the document.
        prefix: of the names of its choices, such as `stage1.block2`.
        section: of the names of its limits, such as `stage1`.
        attention: the template of the attention that blocks without one of their own get.
        widths: the channels that it can get; empty where they are not known.
    """

    def __init__(
        self,
        reader: Reader,
        prefix: str,
        section: str,
        attention: Template,
        widths: Widths = frozenset(),
    ) -> None:
        self.reader, self.prefix, self.section = reader, prefix, section
        self.attention, self.widths = attention, widths

    def read(self, place: str, data: Any, kind_name: str) -> Template:
        """A block, or a choice called `kind_name` among several where `one_of` is."""
        given = self.reader.mapping(place, data)
        if "one_of" not in given:
            return self.one(place, given)[1]
        self.reader.document.check_keys(place, given, {"one_of", "same_as"})
        return self._several(place, given, kind_name)

    def _several(self, place: str, given: Mapping[str, Any], kind_name: str) -> Template:
        entries = self.reader.sequence(f"{place}.one_of", given["one_of"])
        options: dict[str, Template] = {}
        for i, entry in enumerate(entries):
            inner = f"{place}.one_of[{i}]"
            label, template = self._entry(inner, self.reader.mapping(inner, entry))
            if label in options:
                self.reader.complain(inner, f" is the second {label}; name it, as in `as: {label}_wide`")
            options[label] = template
        labels, branches = tuple(options), tuple(options.values())
        if not labels:
            return Fixed({})
        if not is_tie(given):
            return self.reader.pick(place, kind_name, labels, branches)
        source = given["same_as"]
        has = self.reader.names.get(source, ()) if isinstance(source, str) else ()
        if has != labels:
            self.reader.complain(
                f"{place}.same_as",
                f" is {shown(source)}, a choice among {', '.join(map(str, has)) or 'nothing known'}; "
                f"expected a choice that is made before it, among {', '.join(labels)}",
            )
            return branches[0]
        self.reader.alias(place, kind_name, source, labels)
        return self.reader.tied(place, source, labels, branches)

    def _entry(self, place: str, given: Mapping[str, Any]) -> tuple[str, Template]:
        """One entry of `one_of`: a block, or a named group that is a choice again."""
        if "one_of" not in given:
            return self.one(place, given)
        self.reader.document.check_keys(place, given, {"one_of", "as"})
        label = self.reader.word(f"{place}.as", given.get("as"), "group")
        inner = BlockReader(
            self.reader, f"{self.prefix}.{label}", f"{self.section}.{label}", self.attention, self.widths
        )
        return label, inner._several(place, given, f"{self.prefix}.{label}.kind")

    def one(
        self, place: str, data: Mapping[str, Any], own_keys: Iterable[str] = (), *, stem: bool = False
    ) -> tuple[str, Template]:
        """The label of a block among others, and its template.

        `own_keys` are keys that stand in the same mapping and were read already. Options are named
        after the block's label, `stage1.mbconv.kernel`; those of a single stem `stem.kernel`.
        """
        self.reader.spend(place, 50 + 50 * len(data))
        given = {key: value for key, value in data.items() if key not in own_keys}
        spec = self._spec(place, given.pop("kind", None))
        if spec is None:
            return str(data.get("kind")), Fixed({})
        label = self.reader.word(f"{place}.as", given.pop("as", spec.kind), spec.kind)
        path = self.prefix if stem else f"{self.prefix}.{label}"
        limits = read_block_limits(
            self.reader, f"{place}.limits", given.pop("limits", []), f"{self.section}.{label}"
        )
        attention = self.attention if spec.attention else Fixed("none")
        if "attention" in given:
            if not spec.attention:
                self.reader.complain(f"{place}.attention", f": {spec.kind} takes no attention; leave it out")
            attention = self.reader.choice(
                f"{place}.attention", given.pop("attention"), ATTENTION, f"{path}.attention"
            )
        self.reader.document.check_keys(place, given, {*spec.options, *own_keys, "as", "limits"})
        options = tuple(
            (name, self.reader.choice(f"{place}.{name}", given[name], option, f"{path}.{name}"))
            for name, option in spec.options.items()
            if name in given
        )
        self._try(place, spec, dict(options))
        fields = (
            ("kind", Fixed(spec.kind)),
            ("options", Record(options)),
            ("attention", attention),
            ("limits", Fixed(limits)),
        )
        return label, Record(fields)

    def _spec(self, place: str, kind: Any) -> BlockSpec | None:
        """The specification of a kind that a space file can write."""
        spec = find_spec(kind) if isinstance(kind, str) else None
        if spec is not None and spec.written_as is None:
            return spec
        usable = sorted(name for name, each in KINDS.items() if each.written_as is None)
        instead = f"a {kind} is written with {spec.written_as}" if spec else HINT
        self.reader.spend(place, 1_000)  # to look for words that are close takes its time
        close = did_you_mean(kind, usable) if isinstance(kind, str) else ""
        self.reader.complain(
            f"{place}.kind",
            f" is {shown(kind)}; {close}expected one of {', '.join(usable)}; {instead}",
        )
        return None

    def _try(self, place: str, spec: BlockSpec, given: Mapping[str, Template]) -> None:
        """Complain of options that can be chosen and do not fit one another or the widths."""
        values = {name: possible(template) for name, template in given.items()}
        case = (spec.kind, tuple(values.items()), self.widths)
        if case not in self.reader.tried:
            self.reader.tried[case] = self._wrong(place, spec, values)
        wrong = self.reader.tried[case]
        if wrong is not None:
            self.reader.complain(place, f" ({spec.kind}): {wrong}")

    def _wrong(self, place: str, spec: BlockSpec, values: Mapping[str, tuple[Any, ...]]) -> str | None:
        defaults = {name: option.default for name, option in spec.options.items()}
        pairs = sorted(self.widths) if not spec.fits_any else []
        tried = 0
        for combination in islice(product(*values.values()), MAX_TRIED):
            options = {**defaults, **dict(zip(values, combination, strict=True))}
            wrong = spec.check(options)
            for width_in, width in pairs if wrong is None else ():
                wrong = wrong or _misfit(spec, width_in, width, options)
                tried += 1
            if wrong is not None:
                return wrong
            self.reader.spend(place, 5 + len(pairs))
            if tried > MAX_TRIED:
                break
        return None


def _misfit(spec: BlockSpec, width_in: int, width: int, options: Mapping[str, Any]) -> str | None:
    """What is wrong with widths; of a block that reads images, whatever channels they have."""
    if width_in:
        return spec.fits(width_in, width, options)
    wrong = spec.fits(width, width, options)
    if wrong is None or any(spec.fits(count, width, options) is None for count in IMAGE_CHANNELS):
        return None
    return wrong


def read_block_limits(reader: Reader, place: str, data: Any, path: str) -> tuple[str, ...]:
    """Bounds of single blocks, as names such as `stage2.inception.macs <= 2M`."""
    if not isinstance(data, list):
        reader.complain(place, f" is {shown(data)}; expected a list such as ['macs <= 2M']")
        return ()
    names: list[str] = []
    for i, text in enumerate(data):
        reader.spend(place, 60)
        limit = reader.limit(f"{place}[{i}]", text)
        if limit is None:
            continue
        if limit.metric not in ARITHMETIC or limit.relation != "<=":
            reader.complain(
                f"{place}[{i}]",
                f" is {text!r}; a block is bounded by 'METRIC <= BOUND', metrics {', '.join(ARITHMETIC)}",
            )
            continue
        names.append(f"{path}.{limit.text}")
        reader.block_limits[names[-1]] = limit
    return tuple(names)


def read_head(reader: Reader, data: Any) -> Template:
    """The head, or a choice among several where `one_of` is."""
    given = reader.mapping("head", data)
    if "one_of" not in given:
        return _one_head(reader, "head", given, "head")[1]
    reader.document.check_keys("head", given, {"one_of"})
    heads: dict[str, Template] = {}
    for i, entry in enumerate(reader.sequence("head.one_of", given["one_of"])):
        place = f"head.one_of[{i}]"
        label, head = _one_head(reader, place, reader.mapping(place, entry), None)
        if label in heads:
            reader.complain(place, f" is the second {label}; name it, as in `as: {label}_wide`")
        heads[label] = head
    if not heads:
        return Fixed({})
    return reader.pick("head", "head.kind", tuple(heads), tuple(heads.values()))


def _one_head(reader: Reader, place: str, data: Mapping[str, Any], path: str | None) -> tuple[str, Template]:
    given = dict(data)
    kind = given.pop("kind", "linear")
    if not isinstance(kind, str) or kind not in HEADS:
        reader.complain(f"{place}.kind", f" is {shown(kind)}; expected one of {', '.join(sorted(HEADS))}")
        return str(kind), Fixed({})
    label = reader.word(f"{place}.as", given.pop("as", kind), kind) if path is None else kind
    reader.document.check_keys(place, given, HEADS[kind].options)
    options = tuple(
        (name, reader.choice(f"{place}.{name}", given[name], option, f"{path or f'head.{label}'}.{name}"))
        for name, option in HEADS[kind].options.items()
        if name in given
    )
    return label, Record((("kind", Fixed(kind)), ("options", Record(options))))


def among(name: str, values: tuple[Any, ...], branches: tuple[Template, ...]) -> Template:
    """A choice with what follows each value; of one value no choice."""
    return branches[0] if len(values) == 1 else Pick(Choice(name, values), branches)
