"""`nasearch run` and the commands on its study, as a person would call them, each in a folder of its own."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nasearch.cli import dashboard
from nasearch.cli.main import main
from nasearch.executors import InProcess
from nasearch.space import builtin_names
from nasearch.study import Study
from nasearch.training import RECIPES

SMALL = ["--space", "tiny", "--device", "cpu", "--study", "s", "--budget", "2"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(RECIPES, "proxy", dataclasses.replace(RECIPES["proxy"], epochs=1, images=128))
    monkeypatch.setitem(RECIPES, "full", dataclasses.replace(RECIPES["full"], epochs=1, images=256))
    monkeypatch.chdir(tmp_path)


def nasearch(*words: str) -> Result:
    return CliRunner().invoke(main, [*words], catch_exceptions=False)


def done(*words: str) -> str:
    result = nasearch(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def mistake(*words: str) -> str:
    """The one line of a user's mistake."""
    result = nasearch(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.slow
def test_the_main_job_and_the_same_command_again(tmp_path: Path) -> None:
    out = done("run", *SMALL, "--format", "module")
    lines = out.splitlines()
    assert lines[0] == "study s: 0 of 2 candidates done"
    assert re.match(
        r"\[1/2\] #0 complete accuracy \d+\.\d\d %, .* \| best \d+\.\d\d % · front 1 · volume", lines[1]
    )
    assert "2 of 2 candidates done (2 complete)" in out
    assert "knee" in out
    written = {
        path.relative_to(tmp_path).as_posix() for path in (tmp_path / "studies").rglob("*") if path.is_file()
    }
    for name in ("winner/model.py", "winner/weights.safetensors", "front.png", "front.html", "report.md"):
        assert f"studies/s/{name}" in written

    again = done("run", *SMALL, "--format", "module")
    assert again.splitlines()[0] == "study s: 2 of 2 candidates done"
    assert again.splitlines()[-6:] == lines[-6:]  # the same front

    with Study.load("s") as study:
        assert (study.spent, len(study.finishes)) == (2, 1)


def test_json_goes_to_stdout_alone_and_progress_to_stderr() -> None:
    result = nasearch("run", *SMALL, "--no-finish", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["study"] == "s"
    assert found["objectives"] == ["accuracy", "macs"]
    assert all(0 <= row["values"]["accuracy"] <= 1 for row in found["front"])
    assert "study s: 0 of 2 candidates done" in result.stderr
    assert json.loads(done("front", "s", "--json")) == found


def test_options_go_before_the_study_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "space: tiny\nbudget: 1\ndevice: cpu\nstudy: from-file\nfinish: false\n"
    )
    assert done("run", "mine.yaml").startswith("study from-file: 0 of 1 candidates done\n")
    assert done("run", "mine.yaml", "--budget", "2").startswith("study from-file: 1 of 2 candidates done\n")
    assert done("run", "mine.yaml", "--study", "named").startswith("study named: 0 of 1 candidates done\n")


@pytest.mark.slow
def test_a_baseline_runs_beside_it_and_the_last_lines_say_how_it_did() -> None:
    out = done("run", *SMALL, "--no-finish", "--baseline", "random")
    assert "\nstudy s.random: 0 of 2 candidates done\n" in out
    assert "\nwrote studies/s/baseline-random.png\nat 2 candidates each, surrogate (s) has a " in out
    again = done("run", *SMALL, "--no-finish", "--baseline", "random")
    assert "\nstudy s.random: 2 of 2 candidates done\n" in again
    assert again.splitlines()[-3:] == out.splitlines()[-3:]
    assert "baseline of s" in done("studies", "list")
    assert json.loads(done("front", "--json"))["study"] == "s"


def test_fresh_starts_another_beside_it() -> None:
    done("run", *SMALL, "--no-finish")
    assert done("run", *SMALL, "--no-finish", "--fresh").startswith("study s-2: 0 of 2 candidates done\n")
    names = [study["name"] for study in json.loads(done("studies", "list", "--json"))["studies"]]
    assert names == ["s", "s-2"]


NETWORK = """
stem: {kind: conv, channels: 4, stride: 2}
stages:
  - {channels: 8, stride: 2, block: {kind: conv}}
"""


@pytest.fixture
def networks(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(NETWORK)
    (tmp_path / "large.yaml").write_text(NETWORK.replace("8", "64"))


def test_references_are_trained_after_the_search_and_stand_below_the_front(
    tmp_path: Path, networks: None
) -> None:
    words = [*SMALL, "--no-finish"]
    lines = done("run", *words, "--reference", "small.yaml,large.yaml").splitlines()
    at = lines.index("reference small: 1 epoch")
    assert lines[at - 1].startswith("2 of 2 candidates done (2 complete)")
    assert lines[at + 1].startswith("reference small [1/1] accuracy ")
    assert lines[at + 2].startswith("reference small: 438 parameters, accuracy ")  # as counted below
    rows = [line for line in lines if line.startswith(" reference")]
    assert [row.split()[-1] for row in rows] == ["small", "large"]
    # 28x28 grey images of 10 classes: two 3x3 convolutions, two batch norms, a linear layer.
    assert 9 * 4 + 9 * 4 * 8 + 2 * (4 + 8) + 8 * 10 + 10 == 438

    found = json.loads(done("front", "s", "--json"))
    assert [row["name"] for row in found["references"]] == ["small", "large"]
    assert found["references"][0]["values"]["params"] == 438
    assert found["references"][0]["values"]["latency_ms"] > 0  # timed with the front
    trials = json.loads(done("trials", "s", "--json"))["trials"]
    assert len(trials) == 2
    report = (tmp_path / "studies" / "s" / "report.md").read_text()
    assert "\n| small | " in report

    again = done("run", *words, "--reference", "small.yaml", "--reference", "large.yaml")
    assert "epoch" not in again  # measured once
    assert json.loads(done("front", "s", "--json")) == found


def test_a_study_file_names_references_that_lie_beside_it(tmp_path: Path, networks: None) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (tmp_path / "small.yaml").rename(folder / "near.yaml")
    (folder / "mine.yaml").write_text(
        "space: tiny\nbudget: 1\ndevice: cpu\nstudy: s\nfinish: false\nreferences: [near.yaml]\n"
    )
    assert "reference near: 438 parameters" in done("run", "files/mine.yaml")


def test_a_winner_is_finished_by_the_recipe_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "photos.yaml").write_text("extends: full\nlr: 0.003\n")
    done("run", *SMALL, "--budget", "1", "--no-finish")
    assert "nowhere" in mistake("finish", "s", "--winner-recipe", "nowhere")
    done("finish", "s", "--winner-recipe", "photos.yaml", "--format", "module", "--device", "cpu")
    with Study.load("s") as study:
        (record,) = study.finishes
    assert (record.details["training"]["recipe"]["name"], record.details["training"]["recipe"]["lr"]) == (
        "photos",
        0.003,
    )


def test_front_trains_references_of_a_study_that_exists(networks: None) -> None:
    done("run", *SMALL, "--no-finish")
    assert json.loads(done("front", "s", "--json"))["references"] == []
    out = done("front", "s", "--reference", "small.yaml", "--device", "cpu", "--plot")
    assert "reference small: 438 parameters, accuracy " in out
    assert "R reference" in out
    result = nasearch("front", "s", "--reference", "large.yaml", "--json")
    assert [row["name"] for row in json.loads(result.stdout)["references"]] == ["small", "large"]
    assert "reference large: " in result.stderr
    assert "'mobile' is a space of" in mistake("front", "s", "--reference", "mobile")


def test_interrupted_references_leave_the_study_safe(networks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    done("run", *SMALL, "--no-finish")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(InProcess, "measure", interrupt)
        result = nasearch("front", "s", "--reference", "small.yaml")
    assert result.exit_code == 130
    assert result.stderr == "interrupted: the study s is safe; the same command goes on\n"
    assert json.loads(done("front", "s", "--json"))["references"] == []
    assert "reference small: 438 parameters" in done("front", "s", "--reference", "small.yaml")


def test_interrupted_says_that_the_study_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Study, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, "run", interrupt)
    result = nasearch("run", *SMALL)
    assert result.exit_code == 130
    assert result.stderr == "interrupted: the study s is safe; the same command goes on\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--space", "huge"], f"no search space 'huge'; expected one of {', '.join(builtin_names())}, or"),
        (["--reference", "tiny"], "'tiny' is a space of 84 networks; expected one of "),
        (["--reference", "resnet19"], "no fixed network 'resnet19'; expected one of "),
        (["--device", "cuda:9"], "cuda:9"),
        (["--device", "tpu"], "'tpu'"),
        (["--sampler", "cma"], "sampler is 'cma'; expected one of surrogate, evolution, local, "),
        (["--objective", "accuracy", "--objective", "flops"], "objective 'flops' does not exist"),
        (["--limit", "params < 200k"], "the relation is '<'; expected '<=' or '>='"),
        (["--budget", "0"], "budget is 0; expected a whole number of at least 1"),
        (["--time", "soon"], "time is 'soon'; expected a time such as 90s, 30m or 2h"),
        (["--data", "imagenet"], "imagenet"),
        (["--data", "folder:nowhere"], "nowhere: no such folder"),
        (["--data", "npz:none.npz"], "none.npz: no such file"),
        (["--storage", "postgresql://127.0.0.1:9/none"], "127.0.0.1"),
        (["--storage", "mongodb://here"], "mongodb"),
        (["none.yaml"], "none.yaml"),
        (["--pick", "macs < 5M"], "the relation is '<'"),
        (["--format", "tensorflow"], "format 'tensorflow' is not known; expected one of module, pt2, onnx"),
        (["--out", "file/out"], "file/out: Not a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(words: list[str], text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert text in mistake("run", *SMALL, *words)


def test_mistakes_of_a_study_file_are_a_line_each(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("budgte: 20\nseed: many\n")
    result = nasearch("run", "bad.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    first, second = result.stderr.splitlines()
    assert first.startswith("error: bad.yaml:1: budgte is not a key here; did you mean budget?")
    assert second == "error: bad.yaml:2: seed is 'many'; expected a whole number"


def test_another_study_of_the_same_name_is_refused_and_unharmed() -> None:
    done("run", *SMALL, "--no-finish")
    before = done("trials", "s", "--json")
    line = mistake("run", *SMALL, "--seed", "1")
    assert "study 's' exists with another" in line
    assert "seed (0, now 1)" in line
    assert "--fresh" in line
    assert done("trials", "s", "--json") == before


@pytest.mark.parametrize(
    "command", ["front", "trials", "show", "finish", "export", "report", "dashboard", "studies"]
)
def test_without_a_store_nothing_is_made(command: str, tmp_path: Path) -> None:
    assert "`nasearch run` makes it" in mistake(command, *(["list"] if command == "studies" else []))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def study() -> str:
    done("run", *SMALL, "--no-finish")
    return "s"


def test_tables_of_a_study(study: str) -> None:
    front = json.loads(done("front", "--json"))["front"]
    trials = json.loads(done("trials", study, "--json"))["trials"]
    assert [trial["number"] for trial in trials] == list(range(len(trials)))
    assert sum(trial["outcome"] == "complete" for trial in trials) == 2
    macs = [row["values"]["macs"] for row in front]
    assert macs == sorted(macs)
    assert json.loads(done("trials", study, "--outcome", "failed", "--json"))["trials"] == []
    assert "knee" in done("front", study)
    assert "MACs" in done("front", study, "--plot").splitlines()[-4]
    facts = json.loads(done("studies", "show", study, "--json"))
    assert (facts["space"], facts["budget_used"]) == ("tiny", 2)
    assert facts["front"] == [row["number"] for row in front]


def test_show_adds_up(study: str) -> None:
    trial = json.loads(done("trials", study, "--json"))["trials"][0]
    for words in (["0"], [study, "0"], [f"{study}#0"]):
        shown = json.loads(done("show", *words, "--json"))
        assert (shown["study"], shown["trial"]) == (study, 0)
        assert sum(block["macs"] for block in shown["blocks"]) == trial["values"]["macs"]
        assert sum(block["params"] for block in shown["blocks"]) == trial["values"]["params"]
    assert shown["peak_activation_bytes"] == trial["values"]["peak_activation_bytes"]
    assert [point["epoch"] for point in shown["curve"]] == [1]
    assert "stem" in done("show")


def test_show_says_where_a_trial_stands_and_how_it_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "proxy", dataclasses.replace(RECIPES["proxy"], epochs=3))
    done("run", *SMALL, "--budget", "3", "--format", "module", "--racing")
    done("audit", "s", "--n", "3", "--epochs", "1", "--device", "cpu", "--workers", "1")
    with Study.load("s") as study:
        (record,) = study.finishes
        curve = study.trial(record.number).curve
        front = {trial.number for trial in study.front()}
    with Study.load("s.audit") as audit:
        audited = {trial.key: trial.values["accuracy"] for trial in audit.trials()}

    shown = json.loads(done("show", "--json"))
    assert (shown["trial"], shown["start"]) == (record.number, None)
    assert (shown["is_front"], shown["is_knee"], shown["is_winner"]) == (True, True, True)
    found = {training["role"]: training for training in shown["trainings"]}
    assert set(found) == {"audit", "winner"}
    assert found["winner"]["test_accuracy"] == record.test_accuracy
    assert (found["winner"]["accuracy"], found["winner"]["teacher"]) == (record.val_accuracy, record.teacher)
    assert (found["audit"]["accuracy"], found["audit"]["study"]) == (audited[record.key], "s.audit")

    lines = done("show").splitlines()
    assert "on the front, the knee, the winner" in lines
    steps = ", ".join(f"epoch {point.epoch} {100 * point.val_accuracy:.2f} %" for point in curve)
    assert len(curve) > 1
    assert f"accuracy by epoch: {steps}" in lines
    assert lines[-1].startswith(
        f"finished: validation accuracy {100 * record.val_accuracy:.2f} %, test accuracy "
        f"{100 * record.test_accuracy:.2f} %, 1 epoch by the recipe full, taught by trial {record.teacher}"
    )
    taught = json.loads(done("show", str(record.teacher), "--json"))
    assert "teacher" in {training["role"] for training in taught["trainings"]}
    assert (taught["is_front"], taught["is_winner"]) == (record.teacher in front, False)


def test_what_does_not_exist_is_one_line(study: str) -> None:
    assert mistake("show", "99") == "error: study 's' has no trial 99; expected 0 to 1"
    assert "no study 'other' in" in mistake("front", "other")
    assert "it has s" in mistake("front", "other")
    assert "tensorflow" in mistake("export", study, "--format", "tensorflow")
    assert nasearch("show", "s", "first").exit_code == 2
    wrong = nasearch("show", "s", "--trial", "3")
    assert wrong.exit_code == 2
    assert "No such option: --trial; expected the number as an argument: STUDY#3, or 3 alone" in wrong.stderr


def test_a_folder_that_cannot_be_written_is_one_line(study: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    assert "taken" in mistake("report", study, "--out", "taken")
    assert "taken" in mistake("run", *SMALL, "--storage", "sqlite:///taken/nasearch.db")


def test_report_says_where(study: str) -> None:
    lines = done("report", study, "--out", "here").splitlines()
    assert lines == ["here/front.png", "here/front.html", "here/report.md"]
    assert all(Path(line).stat().st_size > 0 for line in lines)


def test_doctor_finds_what_a_run_needs(study: str) -> None:
    findings = {row["what"]: row for row in json.loads(done("doctor", "--json"))}
    assert all(row["ok"] for row in findings.values())
    assert findings["embedded data"]["found"].endswith("8000 training, 2000 validation, 2000 test images")
    assert findings["store"]["found"].endswith("nasearch.db: 1 study")
    assert "device cpu" in findings


def test_doctor_tells_a_broken_store(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
    result = nasearch("doctor", "--storage", "sqlite:///broken.db")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("no ")]
    assert "broken.db" in line


def test_dashboard_serves_the_study_on_this_machine_only(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: dict[str, str] = {}
    addresses: list[tuple[str, int]] = []
    serve: Callable[..., None] = dashboard._Server.serve_forever

    def visited(server: dashboard._Server) -> None:
        addresses.append(server.server_address)  # type: ignore[arg-type]
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        for path in ("/api/studies", "/dashboard/"):
            with urllib.request.urlopen(base + path, timeout=20) as answer:
                pages[path] = answer.read().decode()
        server.shutdown()
        thread.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(dashboard._Server, "serve_forever", visited)
    result = nasearch("dashboard", study, "--port", "0")
    assert result.exit_code == 0
    assert re.fullmatch(r"s: http://127\.0\.0\.1:\d+/dashboard/studies/1 \(Ctrl-C ends it\)\n", result.stdout)
    assert addresses[0][0] == "127.0.0.1"
    assert json.loads(pages["/api/studies"])["study_summaries"][0]["study_name"] == study
    assert "<title>Optuna Dashboard</title>" in pages["/dashboard/"]


def test_dashboard_on_a_port_in_use(study: str) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 cannot be used" in mistake("dashboard", study, "--port", str(port))
