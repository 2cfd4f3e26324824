"""Spaces: sizes in closed form, walks over their choices, and every mistake a file can hold."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from nasearch.errors import SpaceError
from nasearch.space import SearchSpace, builtin_names

SMALL = """
stem: {kind: conv, channels: [8, 16]}
stages:
  - channels: [16, 24]
    depth: [1, 2]
    stride: 2
    attention: [none, se]
    block:
      one_of:
        - {kind: residual, kernel: [3, 5]}
        - {kind: skip}
head: {kind: linear, dropout: [0.0, 0.2, 0.4]}
"""
# A block is residual (2 kernels x 2 attentions) or skip (which takes no attention): 5 ways.
SMALL_SIZE = 2 * 2 * (5 + 5**2) * 3


@pytest.fixture
def small() -> SearchSpace:
    return SearchSpace.parse(SMALL, "small")


def test_size_is_the_closed_form(small: SearchSpace) -> None:
    assert small.size == SMALL_SIZE


def test_size_counts_what_an_enumeration_finds(small: SearchSpace) -> None:
    seen = {small.sample(0)}
    edge = list(seen)
    while edge:
        found = {other for each in edge for other in small.neighbors(each)} - seen
        seen |= found
        edge = list(found)
    assert len(seen) == SMALL_SIZE


def test_nasbench201_is_five_to_the_six_with_its_own_edge_names() -> None:
    space = SearchSpace.load("nasbench201")
    assert space.size == 5**6
    names = [choice.name for choice in space.choices]
    assert names == ["edge0-1", "edge0-2", "edge1-2", "edge0-3", "edge1-3", "edge2-3"]


def test_nasbench201_has_fifteen_cells_and_two_reductions() -> None:
    network = SearchSpace.load("nasbench201").sample(0)
    assert Counter(block.kind for block in network.blocks) == {"conv": 1, "cell": 15, "avgpool_residual": 2}
    assert [block.channels for block in network.blocks if block.kind == "cell"] == [16] * 5 + [32] * 5 + [
        64
    ] * 5


def test_choice_names_are_readable_and_in_the_order_they_are_asked(small: SearchSpace) -> None:
    assert [choice.name for choice in small.choices] == [
        "stem.channels",
        "stage1.channels",
        "stage1.depth",
        "stage1.block1.kind",
        "stage1.block1.residual.kernel",
        "stage1.block1.attention",
        "stage1.block2.kind",
        "stage1.block2.residual.kernel",
        "stage1.block2.attention",
        "head.dropout",
    ]


@pytest.mark.parametrize("name", builtin_names())
def test_round_trips_of_every_builtin(name: str) -> None:
    space = SearchSpace.load(name)
    for seed in range(20):
        architecture = space.sample(seed)
        params = space.encode(architecture)
        assert space.decode(params) == architecture
        assert space.sample(seed) == architecture
        assert set(params) <= {choice.name for choice in space.choices}


def test_sampling_is_uniform_over_the_values_of_active_choices(small: SearchSpace) -> None:
    counts = Counter(dict(small.sample(seed).decisions)["stage1.depth"] for seed in range(2000))
    assert abs(counts[1] - 1000) < 4 * (2000 * 0.25) ** 0.5  # four standard deviations


def test_neighbours_differ_in_one_decision_and_cover_every_other_value(small: SearchSpace) -> None:
    architecture = small.decode(
        {
            "stem.channels": 8,
            "stage1.channels": 16,
            "stage1.depth": 1,
            "stage1.block1.kind": "skip",
            "head.dropout": 0.2,
        }
    )
    changed = []
    for neighbour in small.neighbors(architecture):
        params, other = small.encode(architecture), small.encode(neighbour)
        changed.append([name for name in params if other.get(name) != params[name]])
    assert sorted(changed) == sorted(
        [[name] for name in ("stem.channels", "stage1.channels", "stage1.depth", "stage1.block1.kind")]
        + [["head.dropout"], ["head.dropout"]]
    )


def test_decoding_ignores_values_of_choices_that_are_not_active(small: SearchSpace) -> None:
    params = small.encode(small.sample(1)) | {"stage1.block2.residual.kernel": 5}
    assert small.decode(params).key == small.sample(1).key


def test_decisions_have_the_type_of_the_space(small: SearchSpace) -> None:
    """A value that came through another store, such as 2.0 or True, is the file's own again."""
    params = small.encode(small.sample(1))
    other = small.decode({name: float(value) if value == 8 else value for name, value in params.items()})
    assert other.to_json() == small.sample(1).to_json()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "no value for choice stem.channels; expected one of 8, 16"),
        ({"stem.channels": 9}, "stem.channels is 9; expected one of 8, 16"),
        ({"stem.chanels": 8}, "'stem.chanels' is no choice of small; it has head.dropout"),
    ],
)
def test_decoding_bad_decisions_says_what_is_accepted(
    small: SearchSpace, params: dict[str, object], message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        small.decode(params)


def test_an_architecture_of_another_space_is_refused(small: SearchSpace) -> None:
    with pytest.raises(SpaceError, match="is no choice of small"):
        small.encode(SearchSpace.load("nasbench201").sample(0))


def test_shared_stages_decide_once_for_all_blocks() -> None:
    space = SearchSpace.parse(SMALL.replace("stride: 2", "stride: 2\n    share: stage"))
    assert space.size == 2 * 2 * 5 * 2 * 3
    deep = [space.sample(seed) for seed in range(30)]
    for architecture in deep:
        assert len({(block.kind, block.options, block.attention) for block in architecture.blocks[1:]}) == 1
        assert [block.stride for block in architecture.blocks[1:]] == [2, 1][: len(architecture.blocks) - 1]


def test_blocks_and_choices_can_be_named() -> None:
    space = SearchSpace.parse("""
stem: {kind: conv, channels: 32}
stages:
  - {channels: 64, depth: 2, stride: 2, choice: "layer{i}", block: &b {one_of: [
       {kind: skip, as: identity}, {kind: mbconv, kernel: 3, expand: 3, as: mb3_k3}]}}
  - {channels: 128, depth: 3, stride: 2, choice: "layer{i}", block: *b}
""")
    assert {choice.name: choice.values for choice in space.choices} == {
        f"layer{i}": ("identity", "mb3_k3") for i in range(5)
    }
    assert space.size == 2**5


def test_the_canonical_text_is_a_space_file_again(small: SearchSpace) -> None:
    again = SearchSpace.from_text(small.text, "again")
    assert again.text == small.text
    assert json.loads(small.text)["stages"][0]["depth"] == [1, 2]
    assert again.sample(3) == small.sample(3)
    # JSON writes 1e-05 for this, which YAML reads as a text.
    tiny = SearchSpace.parse(SMALL.replace("0.2, 0.4", "0.00001, 0.4"))
    assert SearchSpace.from_text(tiny.text).text == tiny.text


def test_loading_by_name_by_path_and_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL)
    assert SearchSpace.load(path).name == "mine"
    assert SearchSpace.load("tiny").name == "tiny"
    with pytest.raises(
        SpaceError, match=r"no search space 'mobil'; did you mean mobile\?; expected one of .*mobile"
    ):
        SearchSpace.load("mobil")


def test_a_space_its_name_or_its_path_stand_for_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL)
    small = SearchSpace.load(path)
    assert SearchSpace.of(small) is small
    assert SearchSpace.of(path).text == SearchSpace.of(str(path)).text == small.text
    with pytest.raises(SpaceError, match="no search space 'mobil'; did you mean mobile"):
        SearchSpace.of("mobil")
    with pytest.raises(
        SpaceError, match=r"space is 3; expected a SearchSpace, one of .*tiny.*, or the path of a YAML file"
    ):
        SearchSpace.of(3)  # type: ignore[arg-type]


GOOD = {
    "stem": "stem: {kind: conv, channels: 8}",
    "stages": "stages: [{channels: 8, block: {kind: residual}}]",
}


def described(**parts: str) -> str:
    return "\n".join((GOOD | parts).values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (described(x="stagess: 3"), "stagess is not a key here; did you mean stages"),
        (described(stem=""), "stem is missing; expected a mapping"),
        (
            described(stem="stem: {kind: conv}"),
            "stem.channels is missing; expected a whole number from 1 to 8192",
        ),
        (
            described(stem="stem: {kind: convolution, channels: 8}"),
            "stem.kind is 'convolution'; expected one of avg_pool, avgpool_residual, backbone,",
        ),
        (
            described(stem="stem: {kind: conv, channels: 8, kernel: 4}"),
            "stem.kernel is 4; expected an odd whole",
        ),
        (
            described(stem="stem: {kind: conv, channels: 8, kernl: 3}"),
            "stem.kernl is not a key here; did you mean k",
        ),
        (described(stem="stem: {kind: cell, channels: 8}"), "a cell is written with cell and stacks"),
        (described(stages="stages: []"), r"stages is \[\]; expected a list of at least one"),
        (described(stages="stages: [3]"), r"stages\[0\] is 3; expected a mapping"),
        (
            described(stages="stages: [{channels: 8, stride: 5, block: {kind: skip}}]"),
            r"stages\[0\].stride is 5; expected one of 1, 2, 3, 4",
        ),
        (
            described(stages="stages: [{channels: 8, stride: two, block: {kind: skip}}]"),
            r"stages\[0\].stride is 'two'; expected one of 1, 2, 3, 4",
        ),
        (
            described(stages="stages: [{channels: [8, 8], block: {kind: skip}}]"),
            r"stages\[0\].channels is \[8, 8\]; a value stands there twice",
        ),
        (
            described(stages="stages: [{channels: [], block: {kind: skip}}]"),
            r"stages\[0\].channels is an empty list; expected at least one value",
        ),
        (
            described(stages="stages: [{channels: 8, depth: -1, block: {kind: skip}}]"),
            r"stages\[0\].depth is -1; expected a whole number from 0 to 64",
        ),
        (
            described(stages="stages: [{channels: 8, share: all, block: {kind: skip}}]"),
            r"stages\[0\].share is 'all'; expected one of block, stage",
        ),
        (
            described(stages="stages: [{channels: 8, choice: layer, block: {kind: skip}}]"),
            r"stages\[0\].choice is 'layer'; expected a text with {i}",
        ),
        (
            described(stages="stages: [{channels: 8, attention: eye, block: {kind: conv}}]"),
            r"stages\[0\].attention is 'eye'; expected one of none, se, channel, spatial, cbam, eca, self",
        ),
        (
            described(stages="stages: [{channels: 8, block: {one_of: [{kind: conv}, {kind: conv}]}}]"),
            r"stages\[0\].block.one_of\[1\] is the second conv; name it",
        ),
        (
            described(stages="stages: [{channels: 8, block: {kind: skip, attention: se}}]"),
            r"stages\[0\].block.attention: skip takes no attention",
        ),
        (described(head="head: {kind: tail}"), "head.kind is 'tail'; expected one of linear"),
        (described(head="head: {dropout: 2}"), "head.dropout is 2; expected a number from 0 to 0.95"),
        (described(limits="limits: [macs < 3]"), r"limits\[0\]: limit 'macs < 3': the relation is '<'"),
        (described(limits="limits: 3"), "limits is 3; expected a list such as"),
        (described(cell="cell: {nodes: 4, ops: [none]}"), "expected either stages, or cell and stacks"),
        (described(stages=""), "expected either stages, or cell and stacks"),
        (
            described(stages="cell: {nodes: 4, ops: [swim]}\nstacks: [{channels: 8, cells: 1}]"),
            "cell.ops is 'swim'; expected one of none, skip_connect",
        ),
        (
            described(stages="cell: {nodes: 9, ops: [none]}\nstacks: [{channels: 8, cells: 1}]"),
            "cell.nodes is 9; expected a whole number from 2 to 7",
        ),
        (
            described(stages="cell: {nodes: 3, ops: [none]}\nstacks: [{channels: 16, cells: 1}]"),
            r"stacks\[0\].channels is 16 after \[8\]; cells keep the width: give the same number",
        ),
    ],
)
def test_every_mistake_names_place_value_and_what_is_accepted(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message) as caught:
        SearchSpace.parse(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml")


def test_all_mistakes_of_a_file_are_found_at_once_each_with_its_line() -> None:
    with pytest.raises(SpaceError) as caught:
        SearchSpace.parse(
            "stem: {kind: conv, channels: 0}\n"
            "stages:\n"
            "  - channels: 8\n"
            "    depth: [1, 2, 3]\n"
            "    stride: 7\n"
            "    block: {kind: konv}\n",
            "mine.yaml",
        )
    lines = str(caught.value).splitlines()
    assert [line.split(" is ")[0] for line in lines] == [
        "mine.yaml:1: stem.channels",
        "mine.yaml:5: stages[0].stride",
        "mine.yaml:6: stages[0].block.kind",
    ]
