"""Slots list every block that a network of the space can have, and no other."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from nasearch.measure.extremes import walk
from nasearch.space import Architecture, SearchSpace, builtin_names
from nasearch.space.slots import IMAGES, Variant


def variants_of(architecture: Architecture) -> dict[str, Variant]:
    """By slot, what an architecture has there; without stochastic depth."""
    widths = [IMAGES]
    found = {}
    for block in architecture.blocks:
        # the first two-input cell reads the stem twice
        reads = tuple(widths[max(len(widths) + offset, 0)] for offset in block.inputs)
        options = tuple((name, 0.0 if name == "drop_path" else value) for name, value in block.options)
        inputs = (-1,)
        found[block.name] = Variant(reads, replace(block, options=options, inputs=inputs))
        widths.append(block.channels)
    found["head"] = Variant((widths[-1],), architecture.head)
    return found


@pytest.mark.parametrize("name", builtin_names())
def test_every_block_of_a_network_is_listed(name: str) -> None:
    space = SearchSpace.load(name)
    listed = {slot.name: set(slot.variants) for slot in space.slots}
    generator = random.Random(0)
    for _ in range(50):
        for slot, variant in variants_of(space.sample(generator)).items():
            if slot == "head" or variant.part.kind not in ("cell", "darts_cell"):
                assert variant in listed[slot]
            else:
                shapes = {(each.in_channels, each.part.channels, each.part.stride) for each in listed[slot]}  # type: ignore[union-attr]
                assert (variant.in_channels, variant.part.channels, variant.part.stride) in shapes  # type: ignore[union-attr]


CASES = {
    "choices of every sort": """
stem: {kind: conv, kernel: [1, 3], channels: [8, 16]}
stages:
  - channels: [8, 16]
    width: [0.5, 1.0]
    depth: [0, 1, 2]
    stride: [1, 2]
    block: {one_of: [{kind: residual, kernel: [3, 5]}, {kind: skip}]}
  - {channels: 16, block: {kind: conv}}
""",
    "shared by a stage": """
stem: {kind: conv, channels: 8}
stages: [{channels: [8, 12], depth: [1, 2], share: stage, attention: [none, se], block: {kind: residual}}]
head: {one_of: [{kind: linear, dropout: [0.0, 0.2]}, {kind: mlp, hidden: 8}]}
""",
    "ties": """
width_multiplier: [1.0, 2.0]
stem: {kind: conv, channels: [8, 16]}
stages:
  - {channels: {same_as: stem.channels}, depth: 1, block: {kind: residual, kernel: [3, 5]}}
  - {channels: [8, 12], depth: 2, block: {kind: conv, kernel: {same_as: stage1.block1.residual.kernel}}}
""",
    "depths multiplied": """
depth_multiplier: [1.0, 2.0]
stem: {kind: conv, channels: 8}
stages: [{channels: [8, 16], depth: [1, 2], block: {kind: conv}}]
""",
    "stacks": """
stem: {kind: conv, channels: [8, 16]}
cell: {nodes: 2, ops: [skip_connect]}
stacks:
  - {channels: {same_as: stem.channels}, cells: [1, 2]}
  - {channels: [16, 32], cells: 1, reduction: {kind: residual, kernel: [3, 5]}}
""",
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_listed_is_what_enumeration_finds(case: str) -> None:
    """Every network of a small space, one by one, is the slow second way to the same lists."""
    space = SearchSpace.parse(CASES[case])
    found: dict[str, set[Variant]] = {}
    for architecture in walk(space):
        for slot, variant in variants_of(architecture).items():
            found.setdefault(slot, set()).add(variant)
    assert {slot.name: set(slot.variants) for slot in space.slots} == found
    assert (space.slots[0].name, space.slots[-1].name) == ("stem", "head")


@pytest.mark.parametrize(
    ("inputs", "ops", "operations"),
    [
        (1, ["none", "nor_conv_1x1", "nor_conv_3x3"], 3 * 6),  # of four nodes' six edges
        (2, ["skip_connect", "sep_conv_3x3"], 2 * (2 + 3 + 4 + 5)),  # from every earlier node
    ],
)
def test_cells_have_every_operation_on_every_edge(inputs: int, ops: list[str], operations: int) -> None:
    text = f"stem: {{kind: conv, channels: 8}}\ncell: {{inputs: {inputs}, nodes: 4, ops: [{', '.join(ops)}]}}"
    space = SearchSpace.parse(f"{text}\nstacks: [{{channels: 8, cells: 1}}]")
    cells = next(slot for slot in space.slots if slot.name == "stack1.cell1").variants
    assert len({edge for cell in cells for edge in cell.part.kwargs["edges"]}) == operations
