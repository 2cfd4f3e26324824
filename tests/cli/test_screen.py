"""`nasearch run --screen` and what `nasearch trials` says of it."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from nasearch.cli.main import main
from nasearch.cli.progress import BarProgress, LineProgress
from nasearch.training import RECIPES

RUN = ["run", "--space", "tiny", "--device", "cpu", "--study", "s", "--no-finish", "--screen", "12"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(RECIPES, "proxy", dataclasses.replace(RECIPES["proxy"], epochs=1, images=128))
    monkeypatch.chdir(tmp_path)


def nasearch(*words: str) -> Result:
    return CliRunner().invoke(main, [*words], catch_exceptions=False)


def test_a_screen_from_the_command_line_to_every_listing(tmp_path: Path) -> None:
    result = nasearch(*RUN, "--budget", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:2] == [
        "0 of 12 networks scored",
        "2 of 12 networks scored",
    ]
    assert "screen: 12 networks scored by synflow and jacov, the 1 most promising" in result.stdout
    (trial,) = json.loads(nasearch("trials", "s", "--json").stdout)["trials"]
    listed = json.loads(nasearch("trials", "s", "--screened", "--json").stdout)["screened"]
    assert len(listed) == 12
    assert (listed[0]["fate"], listed[0]["scores"]) == ("kept", trial["scores"])
    assert listed[0]["values"]["macs"] == trial["values"]["macs"]
    assert set(trial["scores"]) == {"synflow", "jacov"}
    shown = nasearch("trials", "s", "--screened").stdout
    assert "12 networks looked at by jacov, synflow: 1 kept, 11 screened out" in shown
    for command in ("trials", "front"):
        assert "synflow" not in nasearch(command, "s").stdout
        assert "synflow" in nasearch(command, "s", "--scores").stdout
    assert "scores without training: jacov " in nasearch("show", "s", "0").stdout
    assert json.loads(nasearch("show", "s", "0", "--json").stdout)["scores"] == trial["scores"]
    report = (tmp_path / "studies/s/report.md").read_text(encoding="utf-8")
    assert "| screen | 12 networks looked at by jacov, synflow: 1 kept, 11 screened out |" in report
    assert "## Scores without training" in report


def test_outcomes_are_of_trials(tmp_path: Path) -> None:
    result = nasearch("trials", "--screened", "--outcome", "failed")
    assert result.exit_code == 2
    assert "--outcome is of trials, and --screened lists none" in result.stderr


@pytest.mark.parametrize(
    ("networks", "expected"),
    [(3, [0, 1, 2, 3]), (40, [0, *range(4, 41, 4)])],
)
def test_lines_of_a_screen_come_by_tenths(networks: int, expected: list[int]) -> None:
    file = io.StringIO()
    progress = LineProgress(Console(file=file, width=100))
    for done in range(networks + 1):
        progress.screening(done, networks)
    assert file.getvalue().splitlines() == [f"{done} of {networks} networks scored" for done in expected]


def test_the_bar_of_a_screen_goes_when_it_is_full() -> None:
    with BarProgress(Console(file=io.StringIO(), width=100, force_terminal=True)) as progress:
        progress.screening(0, 2)
        (task,) = progress._bars.tasks
        assert (task.description, task.completed, task.total) == ("scores", 0, 2)
        progress.screening(2, 2)
        assert progress._bars.tasks == []
