"""The check of zero-cost scores: its record after a kill, and its verdict."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from scripts.verify_zero_cost import PUBLISHED, SLACK, recorded, report


def test_a_record_keeps_what_was_written_before_a_kill(tmp_path: Path) -> None:
    given = {"batch": 64, "seed": 0}
    lines = [
        {"row": 1, "given": given, "scores": {"snip": 1.0}},
        {"row": 2, "given": {"batch": 64, "seed": 1}, "scores": {"snip": 2.0}},
        {"row": 1, "given": given, "scores": {"synflow": -math.inf}},
    ]
    file = tmp_path / "record.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)) + '\n{"row": 3, "given": {"ba')
    assert recorded(file, given) == {1: {"snip": 1.0, "synflow": -math.inf}}
    assert recorded(tmp_path / "none.jsonl", given) == {}


def test_a_score_below_what_is_required_is_named() -> None:
    accuracies = np.arange(50.0)
    columns = {"snip": accuracies.copy(), "fisher": -accuracies, "zen": -accuracies}
    columns["snip"][:10] = math.nan  # not scored
    lines, missed = report(columns, accuracies, {"snip": 12.3})
    assert missed == ["fisher"]  # nothing is required of zen
    assert lines[1].split()[:3] == ["snip", "40", "+1.00"]
    assert f"{PUBLISHED['snip'] - SLACK:.2f}" in lines[1]
    assert lines[1].endswith(" 12")
