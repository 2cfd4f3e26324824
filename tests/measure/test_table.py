"""Tables of trained networks: what is read, what is looked up, and what is refused."""

from __future__ import annotations

import importlib.util
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nasearch import SearchSpace, architecture_cost
from nasearch.errors import TableError
from nasearch.measure.table import load_table
from nasearch.measure.table.table import with_computed_costs
from nasearch.pareto import parse_objectives
from tests.support.small_tables import (
    FLAT_YAML,
    NASBENCH201,
    NASBENCH_MACRO,
    accuracy_of,
    everything,
    write_cells,
    write_flat,
    write_tiny,
)


def test_a_described_csv(tmp_path: Path) -> None:
    table = load_table(write_flat(tmp_path))
    assert (table.name, len(table), table.space, table.is_complete) == ("flat", 6, None, True)
    assert [(choice.name, choice.values) for choice in table.choices] == [
        ("width", (8, 16, 32)),
        ("op", ("conv", "skip")),
    ]
    assert table.find({"width": 16, "op": "skip"}) == 3
    assert table.params(3) == {"width": 16, "op": "skip"}
    assert table.find({"width": 64, "op": "skip"}) is None
    assert table.find({"width": 16}) is None
    assert table.find({}) is None
    # the mean of both columns judges, the first alone is seen
    assert table.accuracy("observe").tolist() == pytest.approx([0.50, 0.40, 0.70, 0.60, 0.72, 0.71])
    assert table.accuracy("judge").tolist() == pytest.approx([0.51, 0.40, 0.69, 0.62, 0.71, 0.685])
    assert table.accuracy("test")[0] == pytest.approx(0.51)
    assert table.cost("macs").tolist() == [10e6, 4e6, 20e6, 8e6, 40e6, 16e6]
    both = table.values(parse_objectives(["latency_ms", "accuracy"]))
    assert both[2].tolist() == pytest.approx([5.0, 0.70])


def test_other_columns_in_the_roles(tmp_path: Path) -> None:
    table = load_table(write_flat(tmp_path))
    seen = table.with_roles(observe=["second"])
    assert seen.accuracy("judge").tolist() == seen.accuracy("observe").tolist()
    assert table.with_roles(latency="macs").cost("latency_ms")[0] == 10
    assert table.with_roles().fingerprint == table.fingerprint != seen.fingerprint
    with pytest.raises(TableError, match=r"no column 'fisrt'; did you mean first\?; it has width"):
        table.with_roles(observe=["fisrt"])
    with pytest.raises(TableError, match="no column 'note'"):  # a text is no accuracy
        table.with_roles(observe=["note"])


def test_a_space_with_choices_that_are_not_always_asked(tmp_path: Path) -> None:
    table = load_table(write_tiny(tmp_path))
    space = SearchSpace.load("tiny")
    assert table.is_complete
    assert table.choices == space.choices
    rows = set()
    for architecture in everything(space):
        row = table.find(dict(architecture.decisions))
        assert row is not None
        rows.add(row)
        assert table.accuracy("observe")[row] == accuracy_of(architecture)
        assert table.params(row) == dict(architecture.decisions)
    assert rows == set(range(84))
    drawn = table.propose(lambda name, values: values[-1])
    assert drawn == dict(space.propose(lambda name, values: values[-1]).decisions)
    generator = random.Random(0)
    assert all(table.find(table.draw(generator)) is not None for _ in range(100))


def test_costs_that_no_column_gives_come_from_the_space(tmp_path: Path) -> None:
    table = with_computed_costs(load_table(write_tiny(tmp_path)), ["macs", "latency_ms"])
    for row in (0, 40, 83):
        architecture = SearchSpace.load("tiny").decode(table.params(row))
        assert table.cost("macs")[row] == architecture_cost(architecture, (1, 8, 8), 3).macs
    assert "params" not in table.roles.costs


def test_draws_are_uniform_over_choices_or_over_the_rows_that_there_are(tmp_path: Path) -> None:
    path = write_flat(tmp_path)
    generator = random.Random(1)
    whole = load_table(path)
    widths = Counter(whole.draw(generator)["width"] for _ in range(3000))
    assert all(900 < widths[width] < 1100 for width in (8, 16, 32))
    lines = (tmp_path / "flat.csv").read_text().splitlines()
    (tmp_path / "flat.csv").write_text("\n".join(lines[:4]))  # 8 conv, 8 skip, 16 conv
    partial = load_table(path)
    assert not partial.is_complete
    counts = Counter(partial.find(partial.draw(generator)) for _ in range(3000))
    assert all(900 < counts[row] < 1100 for row in range(3))


def test_a_known_npz_by_its_contents(tmp_path: Path) -> None:
    table = load_table(write_cells(tmp_path / "any.npz"))
    assert table.space is not None
    assert table.space.name == "nasbench201"
    first = {
        "edge0-1": "nor_conv_3x3",
        "edge0-2": "none",
        "edge0-3": "skip_connect",
        "edge1-2": "nor_conv_1x1",
        "edge1-3": "avg_pool_3x3",
        "edge2-3": "skip_connect",
    }
    assert table.find(first) == 0
    assert table.find({**first, "edge0-1": "none"}) is None
    assert table.accuracy("observe").tolist() == pytest.approx([0.85, 0.91, 0.70])
    assert table.accuracy("test")[1] == pytest.approx(0.94)
    # the published figure counts the classifier's bias of ten classes
    assert table.cost("macs").tolist() == [1000, 9000, 100]
    with pytest.raises(TableError, match="row 1, column lat_raspi4 is nan; expected a cost"):
        table.with_roles(latency="lat_raspi4")


def test_a_description_of_a_known_npz_changes_roles_alone(tmp_path: Path) -> None:
    write_cells(tmp_path / "cells.npz")
    (tmp_path / "short.yaml").write_text(
        "file: cells.npz\naccuracy: {observe: c10_valid_12, judge: c10_valid_200}\n", encoding="utf-8"
    )
    table = load_table(tmp_path / "short.yaml")
    assert (table.name, table.space and table.space.name) == ("short", "nasbench201")
    assert table.accuracy("observe")[0] == pytest.approx(0.60)
    assert table.accuracy("judge")[0] == pytest.approx(0.85)
    assert table.cost("params")[2] == 73


CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


@pytest.mark.parametrize(
    ("text", "find", "names", "values", "expected"),
    [
        (
            CELL,
            r"\|?(\w+)~",
            ["edge0-1", "edge0-2", "edge1-2", "edge0-3", "edge1-3", "edge2-3"],
            "",
            {"edge0-1": "nor_conv_3x3", "edge1-2": "skip_connect", "edge2-3": "avg_pool_3x3"},
        ),
        ("8:16:64", r"\d+", ["a", "b", "c"], "", {"a": 8, "b": 16, "c": 64}),
        # pairs as in the genotypes of NAS-Bench-301
        (
            "[('sep', 0), ('max', 2)]",
            r"\('(\w+)', (\d)\)",
            ["o1", "i1", "o2", "i2"],
            "",
            {"o2": "max", "i2": 2},
        ),
        ("012", r"\d", ["x", "y", "z"], "values: {0: none, 1: small, 2: big}\n", {"x": "none", "z": "big"}),
    ],
)
def test_architectures_written_as_a_text(
    tmp_path: Path, text: str, find: str, names: list[str], values: str, expected: dict[str, object]
) -> None:
    (tmp_path / "t.csv").write_text(f'arch,acc\n"{text}",0.5\n', encoding="utf-8")
    listed = ", ".join(names)
    (tmp_path / "t.yaml").write_text(
        f"file: t.csv\narchitecture: {{column: arch, find: '{find.replace(chr(39), chr(39) * 2)}', "
        f"choices: [{listed}]}}\n{values}accuracy: {{unit: fraction, observe: acc}}\n",
        encoding="utf-8",
    )
    found = load_table(tmp_path / "t.yaml").params(0)
    assert list(found) == names
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "file: flat.csv",
            "file: gone.csv",
            r"gone.csv: No such file or directory; expected a readable table",
        ),
        ("file: flat.csv", "file: flat.txt", r"flat.txt: .txt; expected one of .csv, .parquet, .npz"),
        ("choices:", "choises:", r"flat.yaml:2: choises is not a key here; did you mean choices\?"),
        ("observe: first", "observe: frist", r"no column 'frist'; did you mean first\?; it has width"),
        ("observe: first, ", "", r"accuracy.observe is missing"),
        ("unit: percent", "unit: points", r"flat.yaml:3: accuracy.unit is 'points'; expected one of percent"),
        ("unit: percent", "unit: fraction", r"row 0, column first is 50; expected an accuracy in \[0, 1\]"),
        ("op: op", "op: operation", r"no column 'operation' for a choice; it has width, op, first"),
        (", op: op", "", r"row 1 is the same network as row 0; expected each once"),
        ("choices: {width: width, op: op}\n", "", r"neither choices nor architecture nor space is given"),
        ("latency_ms: lat_a", "latency: lat_a", r"costs.latency is not a key here"),
        ("scale: 1.0e+6", "scale: much", r"costs.macs is .* expected numbers for scale and minus"),
        ("macs: {column: macs", "macs: {column: note", r"no column 'note'"),
        ("choices: {", "space: tiny\nchoices: {", r"choices are width, op; expected those of the space tiny"),
    ],
)
def test_mistakes_of_a_description(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_flat(tmp_path)
    assert old in FLAT_YAML
    path.write_text(FLAT_YAML.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TableError, match=message):
        load_table(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("16,conv,70", "16,conv,seventy", "no column 'first'"),
        ("16,conv,70", "16,conv,170", "row 2, column first is 170; expected an accuracy in per cent"),
        ("16,conv,70", "16,conv,", "row 2, column first is nan"),
        ("16,conv,70", "16,,70", "choices without a value; expected `space:`"),
        ("16,conv,70,68", "16,conv,70", "row 2 has 7 cells; expected 8 as the heading"),
        ("lat_a,note", "lat_a,lat_a", "a column's name stands twice"),
        ("20,5,x", "-20,5,x", "row 2, column macs is -20; expected a cost, finite and not negative"),
    ],
)
def test_mistakes_of_a_csv(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_flat(tmp_path)
    file = tmp_path / "flat.csv"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TableError, match=message):
        load_table(path)


def test_rows_that_do_not_fit_the_space(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    file = tmp_path / "tiny_table.csv"
    lines = file.read_text().splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith("16,2,skip"))
    file.write_text(
        "\n".join([*lines[:row], lines[row].replace("16,2,skip,", "16,2,skip,3"), *lines[row + 1 :]])
    )
    message = f"row {row - 1} decides stage1.block1.mbconv.kernel, which tiny does not ask there"
    with pytest.raises(TableError, match=message):
        load_table(path)
    file.write_text("\n".join([*lines[:row], lines[row].replace("16,2", "17,2"), *lines[row + 1 :]]))
    with pytest.raises(TableError, match=r"stage1\.channels is '17'; expected one of 8, 16"):
        load_table(path)


def test_files_that_are_no_table(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", x_train=np.zeros(3))
    with pytest.raises(TableError, match="no NAS-Bench-201 or NAS-Bench-Macro table; give a YAML file"):
        load_table(tmp_path / "images.npz")
    (tmp_path / "broken.npz").write_bytes(b"no zip")
    with pytest.raises(TableError, match="expected a readable table"):
        load_table(tmp_path / "broken.npz")
    with pytest.raises(TableError, match="an operation is 5; expected 0 to 4"):
        load_table(write_cells(tmp_path / "wrong.npz", wrong=4))


def test_parquet_says_what_it_needs_or_equals_csv(tmp_path: Path) -> None:
    described = load_table(write_flat(tmp_path))
    (tmp_path / "flat.yaml").write_text(FLAT_YAML.replace("flat.csv", "flat.parquet"), encoding="utf-8")
    if importlib.util.find_spec("pyarrow") is None:
        with pytest.raises(TableError, match="parquet needs the package pyarrow, which is not installed"):
            load_table(tmp_path / "flat.yaml")
        return
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(tmp_path / "flat.csv"), tmp_path / "flat.parquet")
    table = load_table(tmp_path / "flat.yaml")
    assert table.fingerprint == described.fingerprint
    (tmp_path / "flat.parquet").write_bytes(b"no parquet")
    with pytest.raises(TableError, match="expected a readable parquet file"):
        load_table(tmp_path / "flat.yaml")


@pytest.mark.skipif(not NASBENCH201.is_file(), reason="the NAS-Bench-201 table is not at hand")
def test_the_published_cells() -> None:
    table = load_table(NASBENCH201)
    assert (len(table), table.is_complete) == (15_625, True)
    # published: 91.61 % best validation, 94.37 % best test
    assert 100 * table.accuracy("observe").max() == pytest.approx(91.61, abs=0.005)
    assert 100 * table.accuracy("test").max() == pytest.approx(94.37, abs=0.005)
    assert table.space is not None
    for seed in range(20):
        architecture = table.space.sample(seed)
        row = table.find(dict(architecture.decisions))
        assert row is not None
        cost = architecture_cost(architecture, table.input_shape, table.num_classes)
        assert (table.cost("params")[row], table.cost("macs")[row]) == (cost.params, cost.macs)


@pytest.mark.skipif(not NASBENCH_MACRO.is_file(), reason="the NAS-Bench-Macro table is not at hand")
def test_the_published_chains() -> None:
    table = load_table(NASBENCH_MACRO)
    assert (len(table), table.is_complete) == (6_561, True)
    assert 100 * table.accuracy("judge").max() == pytest.approx(93.13, abs=0.005)
    assert table.space is not None
    for seed in range(20):
        architecture = table.space.sample(seed)
        row = table.find(dict(architecture.decisions))
        assert row is not None
        cost = architecture_cost(architecture, table.input_shape, table.num_classes)
        assert (table.cost("params")[row], table.cost("macs")[row]) == (cost.params, cost.macs)
