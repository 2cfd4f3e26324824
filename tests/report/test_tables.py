from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest
from rich.console import Console, RenderableType

from nasearch.report.content import FrontRow, Reference, ScreenedRow, StudySummary
from nasearch.report.drawing import bar, network_json, network_table
from nasearch.report.style import counted, notes_table
from nasearch.report.tables import (
    front_json,
    front_table,
    outcome_line,
    screened_json,
    screened_table,
    studies_json,
    studies_table,
    trials_json,
    trials_table,
)
from tests.report.examples import PICTURE, ROWS

OBJECTIVES = ["accuracy", "macs"]


def lines(table: RenderableType, width: int = 140) -> list[str]:
    console = Console(width=width, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


def line_with(text: str, found: Sequence[str]) -> str:
    (line,) = [line for line in found if text in line]
    return line


def test_the_front_has_its_trials_and_the_knee_is_marked() -> None:
    found = lines(front_table(replace(PICTURE, study="front [of] x", references=())))
    assert line_with("front [of] x", found)
    knee = line_with("knee", found)
    for text in (
        "knee winner",
        " 1 ",
        "86.00 %",
        "1.24 M",
        "52.3 k",
        "256 kB",
        "1.31 ms ± 0.05",
        "k5 e4 [se]",
    ):
        assert text in knee
    assert not any("residual k3" in line for line in found)  # dominated
    assert line_with("± half the interquartile range", found)
    assert "–" in line_with("inception", found)  # no latency was measured


def test_references_stand_below_the_front_and_are_marked() -> None:
    found = lines(front_table(PICTURE))
    known = line_with("resnet-8", found)
    assert known.split() == ["reference", "85.00", "%", "4.00", "M", "–", "–", "–", "resnet-8"]
    failed = line_with("giant", found)
    assert failed.split()[:3] == ["reference", "–", "–"]
    assert "giant, failed: RuntimeError: out of memory" in failed
    assert found.index(known) > max(i for i, line in enumerate(found) if "inception" in line)
    # A metric that only a reference has is a column, too.
    timed = Reference("timed", {"accuracy": 0.5, "macs": 1, "latency_ms": 2.5}, latency_iqr_ms=0.2)
    assert "2.50 ms ± 0.10" in line_with(
        "timed", lines(front_table(replace(PICTURE, rows=ROWS[3:4], references=(timed,))))
    )


def test_references_as_json_are_apart_from_the_front() -> None:
    text = json.loads(json.dumps(front_json([PICTURE])))
    assert [row["number"] for row in text["front"]] == [0, 1, 3, 4]
    assert text["references"] == [
        {
            "name": "resnet-8",
            "label": "3x residual",
            "reason": None,
            "values": {"accuracy": 0.85, "macs": 4_000_000},
            "latency_iqr_ms": None,
            "seconds": 9.0,
        },
        {
            "name": "giant",
            "label": "",
            "reason": "RuntimeError: out of memory",
            "values": {},
            "latency_iqr_ms": None,
            "seconds": None,
        },
    ]


def test_a_narrow_terminal_keeps_the_objectives_and_the_networks() -> None:
    found = lines(front_table(replace(PICTURE, references=()), width=80), 80)
    assert found[2].split() == ["trial", "accuracy", "MACs", "parameters", "network"]
    assert "3 stages, mbconv k5 e4" in line_with("knee", found)
    assert max(map(len, found)) <= 80


def test_an_empty_front_is_a_table_without_rows() -> None:
    empty = replace(PICTURE, rows=(), references=())
    assert front_table(empty).row_count == 0
    assert front_json([empty]) == {"objectives": OBJECTIVES, "front": [], "references": [], "confirmed": None}


def test_trials_say_why() -> None:
    found = lines(trials_table(ROWS, OBJECTIVES, width=200), 200)
    assert found[1].split()[-2:] == ["network;", "reason"]
    assert line_with("failed ", found).endswith(" mbconv k7; diverged at epoch 1, step 37: loss is nan")
    assert "the limit is macs <= 9M" in line_with("refused ", found)
    assert "1 min 15 s" in line_with("knee winner", found)
    assert found[-1].strip() == "5 complete, 1 failed, 1 refused"
    narrow = lines(trials_table(ROWS, OBJECTIVES, width=80), 80)
    assert max(map(len, narrow)) <= 80
    words = {
        "network;",
        "reason",
        "k7;",
        "diverged",
        "epoch",
        "37:",
        "nan",
        "refused",
        "wide;",
        "limit",
        "9M",
    }
    assert words <= set(" ".join(narrow).split())  # folded, not cut off


def test_outcomes_are_counted_in_a_fixed_order() -> None:
    rows = [
        FrontRow(i, "", {}, outcome=name)
        for i, name in enumerate(["repeated", "raced_out", "odd", "complete"])
    ]
    assert outcome_line(rows) == "1 complete, 1 raced out, 1 repeated, 1 odd"
    assert outcome_line([]) == "no trials"


def test_json_has_raw_values() -> None:
    text = json.loads(json.dumps(front_json([PICTURE])))
    assert [row["number"] for row in text["front"]] == [0, 1, 3, 4]
    knee = text["front"][1]
    assert knee["values"] == {
        "accuracy": 0.86,
        "macs": 1_240_000,
        "params": 52_300,
        "peak_activation_bytes": 256_000,
        "latency_ms": 1.312,
    }
    assert isinstance(knee["values"]["macs"], int)
    assert (knee["is_knee"], knee["latency_iqr_ms"], knee["reason"]) == (True, 0.1, None)
    assert len(json.loads(json.dumps(trials_json(ROWS, OBJECTIVES)))["trials"]) == len(ROWS)


def test_studies() -> None:
    study = StudySummary("a", "tiny", "npz:x.npz", ("accuracy", "macs"), 12, "2026-01-02T03:04:05+00:00", 0.9)
    found = lines(studies_table([study, replace(study, name="b[1]", best_accuracy=None)]))
    assert "2026-01-02 03:04" in line_with("90.00 %", found)
    assert "–" in line_with("b[1]", found)
    assert json.loads(json.dumps(studies_json([study])))["studies"][0]["budget_used"] == 12


def test_siblings_say_whose_they_are() -> None:
    study = StudySummary("s", "tiny", "digits", ("accuracy",), 12, "2026-01-02T03:04:05+00:00", 0.9)
    sibling = replace(study, name="s.random", sibling_of="s", role="baseline")
    assert "belongs to" not in "\n".join(lines(studies_table([study])))
    found = lines(studies_table([study, sibling]))
    assert line_with("s.random", found).rstrip().endswith("baseline of s")
    assert [(each["sibling_of"], each["role"]) for each in studies_json([study, sibling])["studies"]] == [  # type: ignore[attr-defined]
        (None, None),
        ("s", "baseline"),
    ]


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    label: str
    output_shape: tuple[int, ...]
    params: int
    macs: int
    peak_activation_bytes: int
    note: str = ""


NETWORK = [
    Row("stem", "conv", "conv k3", (16, 28, 28), 400, 250_000, 50_000),
    Row("stage1.block1", "mbconv", "mbconv k5 e4 se", (24, 14, 14), 8_000, 750_000, 90_000),
    Row("head", "linear", "linear", (10,), 250, 0, 1_000),
]


def test_a_network_is_drawn_with_shares_and_totals() -> None:
    found = lines(network_table(NETWORK, "trial 1"))
    block = line_with("stage1.block1", found)
    for text in ("mbconv k5 e4 se", "24 x 14 x 14", "8.00 k", "750 k", "█████████", "75.0 %", "90 kB"):
        assert text in block
    assert "0.0 %" in line_with("head", found)
    total = line_with("total", found)
    for text in ("3 blocks", "8.65 k", "1.00 M", "90 kB"):
        assert text in total
    assert "120 kB" in line_with("total", lines(network_table(NETWORK, None, peak_activation_bytes=120_000)))


def test_notes_stand_below_a_table_by_the_names_of_its_rows() -> None:
    assert lines(notes_table([("stem", ""), ("head", "")])) == []
    found = lines(notes_table([("stem", ""), ("stage1.block1", "attends to 16x16 [averaged] positions")]))
    assert found == ["stage1.block1  attends to 16x16 [averaged] positions"]
    blocks = network_json([replace(NETWORK[0], note="attends")])["blocks"]
    assert json.loads(json.dumps(blocks))[0]["note"] == "attends"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 studies"), (1, "1 study"), (2, "2 studies"), (15_625, "15,625 studies")]
)
def test_things_are_counted_in_words(number: int, text: str) -> None:
    assert counted(number, "study", "studies") == text
    assert counted(1, "choice") == "1 choice"


def test_a_network_without_macs_or_blocks_can_be_drawn() -> None:
    assert "0.0 %" in line_with("head", lines(network_table(NETWORK[2:])))
    assert "0 blocks" in line_with("total", lines(network_table([])))


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0.0, ""), (1e-9, "▏"), (1 / 16, "▌"), (0.5, "████"), (9 / 16, "████▌"), (1.0, "█" * 8)],
)
def test_bars_are_exact_to_an_eighth(share: float, drawn: str) -> None:
    assert bar(share, width=8) == drawn


def test_a_network_as_json_has_the_sums() -> None:
    text = json.loads(json.dumps(network_json(NETWORK)))
    assert (text["params"], text["macs"], len(text["blocks"])) == (8_650, 1_000_000, 3)
    assert text["blocks"][0]["output_shape"] == [16, 28, 28]


def scored(scores: dict[str, float]) -> tuple[FrontRow, ...]:
    return (replace(ROWS[0], scores=scores), *ROWS[1:])


def test_scores_have_columns_where_they_are_asked_for() -> None:
    rows = scored({"synflow": 14.80818, "jacov": -math.inf})
    picture = replace(PICTURE, rows=rows, references=())
    for table in (partial(front_table, picture), partial(trials_table, rows, OBJECTIVES)):
        plain = lines(table(), width=240)
        assert not any("synflow" in line for line in plain)
        found = lines(table(scores=True), width=240)
        head = line_with("jacov", found)
        assert head.index("MACs") < head.index("jacov") < head.index("synflow") < head.index("network")
        assert "no signal 14.81" in " ".join(line_with("mbconv k3 e4", found).split())
        assert line_with("mbconv k5 e4", found).count("–") >= 2  # it has none


def test_costs_make_room_for_scores_in_a_narrow_terminal() -> None:
    rows = scored({"synflow": 14.80818})
    found = lines(front_table(replace(PICTURE, rows=rows), width=80, scores=True), width=80)
    assert max(map(len, found)) <= 80
    assert line_with("14.81", found)
    assert not any("peak memory" in line for line in found)


def test_scores_are_in_json_with_none_for_no_signal() -> None:
    rows = scored({"synflow": 14.5, "jacov": -math.inf})
    for found in (
        front_json([replace(PICTURE, rows=rows)])["front"],
        trials_json(rows, OBJECTIVES)["trials"],
    ):
        assert isinstance(found, list)
        assert found[0]["scores"] == {"synflow": 14.5, "jacov": None}
        assert found[1]["scores"] == {}
        json.dumps(found, allow_nan=False)


SCREENED = (
    ScreenedRow(0, "residual k3", "kept", {"macs": 2_000_000}, {"synflow": 14.5, "jacov": -66.0}),
    ScreenedRow(1, "wide", "screened_out", {"macs": 9_000_000}, {"synflow": 15.5}, "place 2 of 2 by synflow"),
    ScreenedRow(2, "odd", "failed", {"macs": 5}, {}, "zen of Network is nan"),
)


def test_a_screen_lists_places_costs_scores_and_reasons() -> None:
    found = lines(screened_table(SCREENED, OBJECTIVES, "Screen of x"))
    kept = " ".join(line_with("kept", found[:-2]).split())
    assert kept == "1 kept 2.00 M -66 14.5 residual k3"
    assert line_with("screened_out", found).endswith(" wide; place 2 of 2 by synflow")
    assert line_with("failed", found[:-2]).endswith(" odd; zen of Network is nan")
    assert "–" in line_with("failed", found[:-2])
    assert not any("accuracy" in line for line in found)
    narrow = " ".join(lines(screened_table(SCREENED, OBJECTIVES, width=62), 62)).split()
    assert {"network;", "reason", "wide;", "synflow", "residual", "k3", "Network", "nan"} <= set(narrow)
    assert "3 networks looked at by jacov, synflow: 1 kept, 1 screened out, 1 failed" in " ".join(found)
    assert "no screen" in " ".join(lines(screened_table((), OBJECTIVES)))
    found_json = screened_json(SCREENED, OBJECTIVES)["screened"]
    assert isinstance(found_json, list)
    assert found_json[0] == {
        "place": 1,
        "label": "residual k3",
        "fate": "kept",
        "reason": None,
        "values": {"macs": 2_000_000},
        "scores": {"synflow": 14.5, "jacov": -66.0},
    }
    assert (found_json[2]["fate"], found_json[2]["scores"]) == ("failed", {})


@pytest.mark.parametrize(("width", "scores"), [(80, False), (96, False), (96, True), (120, True)])
def test_no_table_is_cut_off_at_the_right(width: int, scores: bool) -> None:
    rows = scored({"synflow": 14.80818, "jacov": -math.inf}) if scores else ROWS
    picture = replace(PICTURE, rows=rows, references=())
    for table in (
        front_table(picture, width, scores=scores),
        trials_table(rows, OBJECTIVES, "t", width, scores=scores),
    ):
        text = "".join(lines(table, width))
        assert "…" not in text
        assert "[se]" in text
