"""Slots: the places of a space's networks, and every block that can stand at each of them.

A network of a space has a block at some of the space's slots; which one, and how wide what it reads
is, its choices decide. Here all of that is listed at once, slot by slot, without listing networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from nasearch.space.architecture import Block, Head
from nasearch.space.assemble import complete_options, head_of, plain_block
from nasearch.space.choices import Fixed, Pick, Record, Series, Template, parts_of, possible
from nasearch.space.options import Scalar, Value
from nasearch.space.widths import scaled_width

IMAGES = 0
"""Stands for the channels of the images, which a space does not know."""
HEAD = "head"
MAX_STATES = 2_000

Decided: TypeAlias = Mapping[str, Scalar]


@dataclass(frozen=True)
class Variant:
    """A block, or the head, as it can stand at a slot.

    Attributes:
        in_channels: width of each of its inputs, `IMAGES` for what reads the images.
        part: stochastic depth, which networks share out among their blocks, is left out of it.
    """

    in_channels: tuple[int, ...]
    part: Block | Head


@dataclass(frozen=True)
class Slot:
    """A place of a network, such as `stem`, `stage1.block2`, `stack3.cell5` or `head`.

    Attributes:
        variants: together they have every part that networks have here, at every width. Of cells they
            are not all, but every operation of every edge is in one of them.
    """

    name: str
    variants: tuple[Variant, ...]


class _State(NamedTuple):
    """What is known where one slot ends and the next begins."""

    times: float
    widths: tuple[int, ...]  # of the outputs so far, the last ones
    reduced: bool  # whether the last cell halved the map
    decided: tuple[tuple[str, Scalar], ...]  # of the choices that others are tied to


def slots_of(template: Template) -> tuple[Slot, ...]:
    """The slots of a space, in the order of its networks, the head last.

    Where ties make more than `MAX_STATES` cases, they are not followed any further, and blocks are
    listed that no network has.
    """
    return _Walk(template).slots()


@dataclass
class _Found:
    order: dict[str, dict[Variant, None]] = field(default_factory=dict)

    def add(self, name: str, in_channels: Sequence[int], part: Block | Head) -> None:
        self.order.setdefault(name, {})[Variant(tuple(in_channels), part)] = None


class _Walk:
    """Lists variants from the stem to the head; see `slots_of`."""

    def __init__(self, template: Template) -> None:
        assert isinstance(template, Record)
        self._fields = dict(template.fields)
        self._sources = frozenset(
            node.choice.name for node in _every(template) if isinstance(node, Pick) and node.tied
        )
        self._found = _Found()

    def slots(self) -> tuple[Slot, ...]:
        states = self._after_body(self._after_stem())
        heads = _cases(self._fields["head"], {})
        for head, _ in heads:
            for state in states:
                self._found.add(HEAD, state.widths[-1:], head_of(head))
        return tuple(Slot(name, tuple(variants)) for name, variants in self._found.order.items())

    def _after_stem(self) -> set[_State]:
        network = dict(_record(self._fields["network"]).fields)
        stem = dict(_record(self._fields["stem"]).fields)
        shape = ("channels", "stride", "block")
        states = set()
        for times, before in _cases(network["width_multiplier"], {}):
            for (channels, stride, block), decided in _all_cases([stem[key] for key in shape], before):
                width = scaled_width(channels, times)
                self._found.add("stem", [IMAGES], plain_block("stem", block, width, stride))
                states.add(_State(times, (width, width), False, self._kept(decided)))
        return states

    def _after_body(self, states: set[_State]) -> set[_State]:
        after: set[_State] = set()
        for body, decided in _branches(self._fields["stages"], {}):
            here = {state for state in states if self._agrees(state, decided)}
            if isinstance(body, Series):
                for item in body.items:
                    here = self._after_stage(dict(_record(item).fields), self._fewer(here))
            else:
                here = self._after_stacks(dict(_record(body).fields), here)
            after |= here
        return after

    def _after_stage(self, stage: Mapping[str, Template], states: set[_State]) -> set[_State]:
        after: set[_State] = set()
        shape = [stage["channels"], stage["width"], stage["stride"]]
        for state in states:
            for (channels, factor, stride), decided in _all_cases(shape, dict(state.decided)):
                width = scaled_width(channels, factor * state.times)
                name = possible(stage["name"])[0]
                for blocks, then in _listed(stage["blocks"], decided):
                    ends = {self._kept(then)}
                    for j, block in enumerate(blocks):
                        reads, step = (width, 1) if j else (state.widths[-1], stride)
                        met: set[tuple[tuple[str, Scalar], ...]] = set()
                        for kept in ends:
                            for data, now in _cases(block, {**then, **dict(kept)}):
                                made = plain_block(f"{name}.block{j + 1}", data, width, step)
                                self._found.add(made.name, [reads], made)
                                met.add(self._kept(now))
                        ends = met
                    last = width if blocks else state.widths[-1]
                    after |= {_State(state.times, (last, last), False, kept) for kept in ends}
        return after

    def _after_stacks(self, body: Mapping[str, Template], states: set[_State]) -> set[_State]:
        inputs, nodes = possible(body["inputs"])[0], possible(body["nodes"])[0]
        assert isinstance(nodes, int)
        stacks = body["stacks"]
        assert isinstance(stacks, Series)
        genotypes = {key: _covering_genotypes(body[key]) for key in ("normal", "reduction") if key in body}
        for item in stacks.items:
            stack = dict(_record(item).fields)
            if inputs == 1:
                states = self._after_stack(stack, nodes, body["edges"], self._fewer(states))
            else:
                states = self._after_two_input_stack(stack, nodes, genotypes, self._fewer(states))
        return states

    def _after_stack(
        self, stack: Mapping[str, Template], nodes: int, edges: Template, states: set[_State]
    ) -> set[_State]:
        name = str(possible(stack["name"])[0])
        after: set[_State] = set()
        for state in states:
            for (channels, cells), decided in _all_cases(
                [stack["channels"], stack["cells"]], dict(state.decided)
            ):
                width, reads = scaled_width(channels, state.times), state.widths[-1]
                if "reduction" in stack:
                    for data, _ in _cases(stack["reduction"], decided):
                        made = plain_block(f"{name}.reduction", data, width, 2)
                        self._found.add(made.name, [reads], made)
                for each in _covering_edges(edges):
                    options = complete_options("cell", {"nodes": nodes, "edges": each})
                    for j in range(cells):
                        cell = Block(f"{name}.cell{j + 1}", "cell", width, 1, "none", options)
                        self._found.add(cell.name, [width], cell)
                after.add(_State(state.times, (width, width), False, self._kept(decided)))
        return after

    def _after_two_input_stack(
        self,
        stack: Mapping[str, Template],
        nodes: int,
        genotypes: Mapping[str, Sequence[tuple[tuple[str, str], ...]]],
        states: set[_State],
    ) -> set[_State]:
        name, reduces = str(possible(stack["name"])[0]), possible(stack["reduces"])[0]
        after: set[_State] = set()
        for state in states:
            for (channels, cells), decided in _all_cases(
                [stack["channels"], stack["cells"]], dict(state.decided)
            ):
                width = scaled_width(channels, state.times)
                widths, reduced = state.widths, state.reduced
                names = ["reduction"] if reduces else []
                for which in [*names, *(f"cell{j + 1}" for j in range(cells))]:
                    is_reduction = which == "reduction"
                    for edges in genotypes["reduction" if is_reduction else "normal"]:
                        options: dict[str, Value] = {"nodes": nodes, "edges": edges, "halve_first": reduced}
                        cell = Block(
                            f"{name}.{which}",
                            "darts_cell",
                            width,
                            2 if is_reduction else 1,
                            "none",
                            complete_options("darts_cell", options),
                        )
                        self._found.add(cell.name, widths, cell)
                    widths, reduced = (widths[-1], width), is_reduction
                after.add(_State(state.times, widths, reduced, self._kept(decided)))
        return after

    def _kept(self, decided: Decided) -> tuple[tuple[str, Scalar], ...]:
        """Of what was decided, that which others are tied to."""
        return tuple((name, value) for name, value in decided.items() if name in self._sources)

    def _agrees(self, state: _State, decided: Decided) -> bool:
        return all(dict(state.decided).get(name, value) == value for name, value in decided.items())

    def _fewer(self, states: set[_State]) -> set[_State]:
        """The states, without what was decided where they are too many."""
        if len(states) <= MAX_STATES:
            return states
        return {state._replace(decided=()) for state in states}


def _record(template: Template) -> Record:
    assert isinstance(template, Record), template
    return template


def _every(template: Template) -> Iterator[Template]:
    seen: set[int] = set()
    waiting = [template]
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += parts_of(part)


def _branches(template: Template, decided: Decided) -> Iterator[tuple[Template, Decided]]:
    """The templates that choices at the root lead to, with what was decided on the way."""
    if not isinstance(template, Pick):
        yield template, decided
        return
    name = template.choice.name
    for value, branch in zip(template.choice.values, template.branches, strict=True):
        if decided.get(name, value) == value:
            yield from _branches(branch, {**decided, name: value})


def _cases(template: Template, decided: Decided) -> Iterator[tuple[Any, Decided]]:
    """Everything that a template can resolve to, with what is decided then.

    A choice that is decided already keeps its value; a tied one that is not decides for its source.
    """
    for part, now in _branches(template, decided):
        if isinstance(part, Fixed):
            yield part.value, now
            continue
        for values, then in _all_cases(parts_of(part), now):
            if isinstance(part, Record):
                yield dict(zip((name for name, _ in part.fields), values, strict=True)), then
            else:
                yield values, then


def _all_cases(parts: Sequence[Template], decided: Decided) -> Iterator[tuple[list[Any], Decided]]:
    """As `_cases`, for several templates one after another."""
    if not parts:
        yield [], decided
        return
    for value, now in _cases(parts[0], decided):
        for rest, then in _all_cases(parts[1:], now):
            yield [value, *rest], then


def _listed(blocks: Template, decided: Decided) -> Iterator[tuple[list[Template], Decided]]:
    """The templates of a stage's blocks, for each of its depths."""
    for part, now in _branches(blocks, decided):
        if isinstance(part, Series):
            yield list(part.items), now
            continue
        shared = dict(_record(part).fields)
        for depth, then in _cases(shared["depth"], now):
            yield [shared["shared"]] * depth, then


def _covering_edges(edges: Template) -> list[tuple[tuple[str, str], ...]]:
    """Cells that together have every operation on every edge (NAS-Bench-201)."""
    ops = {edge: [str(op) for op in possible(part)] for edge, part in _record(edges).fields}
    rounds = max(map(len, ops.values()), default=1)
    return [tuple((edge, each[i % len(each)]) for edge, each in ops.items()) for i in range(rounds)]


def _covering_genotypes(genotype: Template) -> list[tuple[tuple[str, str], ...]]:
    """Cells that together have every operation from every earlier node to every inner node (DARTS)."""
    nodes = {
        node: {name: [str(value) for value in possible(part)] for name, part in _record(fields).fields}
        for node, fields in _record(genotype).fields
    }
    wanted = {
        (source, node, op)
        for node, read in nodes.items()
        for pair in read["inputs"]
        for source in pair.split("+")
        for op in {*read["op1"], *read["op2"]}
    }
    cells = []
    while wanted:
        edges: list[tuple[str, str]] = []
        for node, read in nodes.items():
            pair = max(read["inputs"], key=lambda each: _news(each, node, read, wanted))
            for source, ops in zip(pair.split("+"), (read["op1"], read["op2"]), strict=True):
                op = next((each for each in ops if (source, node, each) in wanted), ops[0])
                edges.append((f"{source}-{node}", op))
                wanted.discard((source, node, op))
        cells.append(tuple(edges))
    return cells


def _news(pair: str, node: str, read: Mapping[str, Sequence[str]], wanted: set[tuple[str, str, str]]) -> int:
    """How many of a pair's operations are wanted still."""
    return sum(
        (source, node, op) in wanted
        for source, ops in zip(pair.split("+"), (read["op1"], read["op2"]), strict=True)
        for op in ops
    )
