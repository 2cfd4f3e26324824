"""`--proxy inherited` on the command line: its tables, its JSON, its mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nasearch.cli.main import main
from nasearch.study import Study
from tests.study.conftest import write_images

RUN = ["run", "--space", "tiny", "--data", "npz:stripes.npz", "--proxy", "inherited", "--device", "cpu"]
RUN += ["--study", "s", "--budget", "4", "--supernet-epochs", "1", "--epochs", "1", "--confirm", "2"]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_images(tmp_path / "stripes.npz")
    monkeypatch.chdir(tmp_path)


def nasearch(*words: str) -> Result:
    return CliRunner().invoke(main, [*words], catch_exceptions=False)


def test_a_run_and_every_command_that_shows_it(tmp_path: Path) -> None:
    ran = nasearch(*RUN, "--no-finish")
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "supernet: 1 epoch"
    assert lines[1].startswith("supernet [1/1] accuracy ")
    assert "confirming the best 2 by training them: s.confirmed" in lines
    assert "2 of 2 candidates done (2 complete)" in ran.stdout
    assert "inherited accuracy" in ran.stdout

    with Study.load("s") as study:
        confirmed = {trial.number: trial.values["accuracy"] for trial in study.confirmed()}
        knee = study.winner().number
    assert len(confirmed) == 2
    front = json.loads(nasearch("front", "s", "--json").stdout)
    assert front["objectives"] == ["inherited_accuracy", "macs"]
    trials = json.loads(nasearch("trials", "s", "--json").stdout)["trials"]
    assert len(trials) == 4
    for row in (*front["front"], *trials):
        assert "accuracy" not in row["values"]
        assert row["values"].get("confirmed_accuracy") == confirmed.get(row["number"])
    shown = json.loads(nasearch("show", "s", "--json").stdout)
    assert shown["trial"] == knee
    assert shown["values"]["confirmed_accuracy"] == confirmed[knee]
    (training,) = shown["trainings"]
    assert (training["role"], training["accuracy"]) == ("confirmed", confirmed[knee])
    assert training["start"].startswith("the weights of supernet ")
    with Study.load("s.confirmed") as beside:
        number = next(trial.number for trial in beside.trials() if trial.key == shown["key"])
    beside_it = nasearch("show", "s.confirmed", str(number)).stdout.splitlines()
    assert beside_it[-1] == f"began with {training['start']}"
    assert "on the front" in "".join(beside_it)
    about = json.loads(nasearch("studies", "show", "s", "--json").stdout)
    assert (about["accuracy"], about["sampler"]) == ("inherited_accuracy", "evolution")
    assert sorted(about["confirmed"]) == sorted(confirmed)
    listed = json.loads(nasearch("studies", "list", "--json").stdout)["studies"]
    assert [(each["name"], each["accuracy"], each["role"]) for each in listed] == [
        ("s", "inherited_accuracy", None),
        ("s.confirmed", "accuracy", "confirmed"),
    ]
    again = nasearch(*RUN, "--no-finish")  # all is there
    said = again.stdout.splitlines()
    assert said[0] == "study s: 4 of 4 candidates done"
    assert said[1].startswith("4 of 4 candidates done (4 complete) after ")
    assert said[2] == "the best 2 are confirmed already: s.confirmed"
    assert said[3].startswith("wrote ")  # nothing is timed again
    shorter = [word for word in RUN if word not in ("--confirm", "2")]
    silent = nasearch(*shorter, "--no-finish", "--no-teacher").stdout.splitlines()
    assert silent[:2] == ["as told before: --confirm 2", "study s: 4 of 4 candidates done"]
    silent = nasearch(*shorter, "--no-finish").stdout.splitlines()
    assert silent[0] == "as told before: --confirm 2 --no-teacher"
    more = nasearch(*RUN, "--no-finish", "--confirm", "3")
    assert "confirming the best 3 by training them: s.confirmed" in more.stdout


def test_a_supernet_that_is_gone_is_one_line(tmp_path: Path) -> None:
    nasearch(*RUN, "--no-finish", "--confirm", "0")
    (file,) = tmp_path.glob("studies/s/supernet-s-*.safetensors")
    file.unlink()
    result = nasearch(*RUN, "--no-finish", "--confirm", "0", "--budget", "5")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: the supernet of study 's', ")
    assert result.stderr.count("\n") == 1
