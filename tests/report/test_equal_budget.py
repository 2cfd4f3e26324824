"""Two searches at equal budget, in words, tables and pictures."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from nasearch.pareto import parse_objectives
from nasearch.report.budget_plot import budget_figure, budget_png, comparison_html
from nasearch.report.curves import FrontComparison, SearchCurve
from nasearch.report.equal_budget import (
    cells,
    comparison_csv,
    comparison_json,
    comparison_line,
    comparison_table,
    heads,
    notes,
    picture_name,
)
from nasearch.report.html import front_html
from nasearch.report.markdown import report_md
from tests.report.examples import PICTURE, REPORT

SURE = FrontComparison(
    first=SearchCurve(
        study="s",
        sampler="tpe",
        spent=60,
        raced_out=2,
        failed=1,
        is_any_order=False,
        seen=(0.1, 0.4, 0.4, 0.6),
        corrected=(0.09, 0.38, 0.58),
        low=(0.05, 0.3, 0.55),
        high=(0.12, 0.42, 0.61),
        reached_other=2,
    ),
    second=SearchCurve(
        study="s.random",
        sampler="random",
        spent=4,
        raced_out=0,
        failed=0,
        is_any_order=True,
        seen=(0.1, 0.2, 0.2, 0.3),
        corrected=(0.08, 0.17, 0.28),
        low=(0.0, 0.1, 0.25),
        high=(0.2, 0.25, 0.31),
        reached_other=None,
    ),
    objectives=parse_objectives(["accuracy", "macs"]),
    reference=(0.9, 1_100_000.0),
    counts=(1, 2, 4),
    difference=(0.01, 0.21, 0.30),
    low=(-0.1, 0.1, 0.25),
    high=(0.12, 0.25, 0.35),
    images=(2000, 2000),
    draws=300,
)
INTERVALS = (
    "The 95 % intervals hold the noise of 2,000 validation images and, for random (s.random), of the order "
    "of the candidates."
)
OPEN = replace(SURE, low=(-0.1, 0.1, -0.01), unlike=("limits",), images=(2000, 1000))
BEHIND = replace(SURE, difference=(0, 0, -0.2), low=(0, 0, -0.3), high=(0, 0, -0.1))


def test_the_line_says_who_leads_or_that_the_images_do_not_tell() -> None:
    assert comparison_line(SURE) == (
        "at 4 candidates each, tpe (s) has a hypervolume of 0.5800 and random (s.random) of 0.2800: "
        "difference +0.3000 (95 % interval +0.2500 to +0.3500), tpe (s) leads in these two runs"
    )
    assert comparison_line(OPEN).endswith("2,000 and 1,000 validation images show no difference")
    assert comparison_line(BEHIND).endswith("random (s.random) leads in these two runs")
    assert (SURE.leader, OPEN.leader, BEHIND.leader) == (SURE.first, None, BEHIND.second)


def test_the_notes_say_what_counts_and_what_the_intervals_hold() -> None:
    assert notes(SURE) == [
        "tpe (s) reached the last hypervolume of random (s.random) after 2 candidates.",
        "random (s.random) did not reach the last hypervolume of tpe (s).",
        "Hypervolumes are shares of the box up to (error 90.00 %, MACs 1.10 M).",
        "What noise adds to the best of many accuracies is taken off; as seen, it is in them.",
        f"{INTERVALS} Each search ran once: what another seed would give is not in them.",
        "Of tpe (s) 2 raced out, 1 failed: they count as spent and add nothing.",
        "tpe (s) has 60 candidates; the first 4 count.",
    ]
    assert notes(OPEN)[-1] == "The studies differ in more than their proposals: limits."


def test_the_table_has_a_few_counts_and_always_the_last() -> None:
    assert heads(SURE) == ("candidates", "tpe (s)", "as seen", "random (s.random)", "as seen", "difference")
    rows = cells(SURE)
    assert [row[0] for row in rows] == ["1", "2", "4"]
    last = ("4", "0.5800 (0.5500 to 0.6100)", "0.6000", "0.2800 (0.2500 to 0.3100)", "0.3000")
    assert rows[-1] == (*last, "+0.3000 (+0.2500 to +0.3500)")
    many = replace(SURE, counts=tuple(range(1, 21)))
    assert [many.counts[i] for i in many.shown] == [4, 8, 12, 16, 20]
    assert comparison_table(SURE).row_count == 3


def test_the_same_as_data() -> None:
    found = json.loads(json.dumps(comparison_json(SURE)))
    assert (found["budget"], found["leader"], found["objectives"]) == (4, "s", ["accuracy", "macs"])
    assert found["first"]["seen"] == [0.1, 0.4, 0.4, 0.6]
    rows = list(csv.DictReader(io.StringIO(comparison_csv(SURE))))
    assert [row["candidates"] for row in rows] == ["1", "2", "4"]
    assert [float(rows[2][f"{part}:s"]) for part in ("seen", "corrected", "low", "high")] == [
        0.6,
        0.58,
        0.55,
        0.61,
    ]
    assert float(rows[1]["difference_high"]) == 0.25


@pytest.mark.parametrize("comparison", [SURE, OPEN], ids=["sure", "open"])
def test_the_picture_has_both_curves(comparison: FrontComparison, tmp_path: Path) -> None:
    path = budget_png(comparison, tmp_path / picture_name(comparison))
    assert path.name == "baseline-random.png"
    pixels = image.imread(io.BytesIO(path.read_bytes()), format="png")
    for colour in ((0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)):
        assert (np.abs(pixels[..., :3] - np.array(colour) / 255).max(axis=-1) < 0.02).sum() > 500


def test_a_single_candidate_can_be_drawn(tmp_path: Path) -> None:
    one = {"seen": (0.0,), "corrected": (0.0,), "low": (0.0,), "high": (0.0,)}
    parts = {name: replace(getattr(SURE, name), **one) for name in ("first", "second")}
    point = replace(SURE, counts=(1,), difference=(0.0,), low=(0.0,), high=(0.0,), **parts)
    assert budget_png(point, tmp_path / "a.png").exists()
    assert [row[0] for row in cells(point)] == ["1"]


def test_the_page_has_figure_table_and_notes_and_escapes_names(tmp_path: Path) -> None:
    assert [len(trace.x) for trace in budget_figure(SURE).data] == [6, 3, 4, 6, 3, 4]
    bad = replace(SURE, first=replace(SURE.first, study="<b>"))
    text = comparison_html(bad)
    assert "<td>+0.3000 (+0.2500 to +0.3500)</td>" in text
    assert "<b> at equal" not in text
    assert "&lt;b&gt; and s.random at equal budget" in text
    page = front_html([PICTURE], tmp_path / "front.html", (SURE,)).read_text()
    assert page.count("<h2>") == 1
    assert "<h2>" not in front_html([PICTURE], tmp_path / "plain.html").read_text()


def test_the_report_has_a_section_where_there_is_a_baseline() -> None:
    text = report_md(replace(REPORT, comparisons=(SURE,)))
    assert "\n## Compared at equal budget\n\nAt 4 candidates each, tpe (s) has" in text
    assert "\n![Both curves](baseline-random.png)\n" in text
    assert "\n| 4 | 0.5800 (0.5500 to 0.6100) | 0.6000 | " in text
    assert "equal budget" not in report_md(REPORT)
