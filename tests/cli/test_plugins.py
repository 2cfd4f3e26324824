"""A block of one's own from its file to an exported network, by every way to name the file."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import nasearch as nas
from nasearch.cli.main import main
from nasearch.errors import PluginError
from nasearch.space.plugins import VARIABLE
from nasearch.training import RECIPES
from tests.support.plugins import SPACE, STAR, plugins_forgotten

QUICK = ["--device", "cpu", "--budget", "2", "--epochs", "1", "--images", "64", "--study", "s"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the plugin and a space that uses it, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setitem(RECIPES, "full", dataclasses.replace(RECIPES["full"], epochs=1, images=256))
    Path("star.py").write_text(STAR)
    Path("star.yaml").write_text(SPACE)
    with plugins_forgotten():
        yield tmp_path


def nasearch(*words: str) -> Result:
    """A command as if in a process of its own."""
    with plugins_forgotten():
        return CliRunner().invoke(main, [*words], catch_exceptions=False)


def done(*words: str) -> str:
    result = nasearch(*words)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def mistake(*words: str) -> str:
    result = nasearch(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line


def test_blocks_lists_and_measures_it(folder: Path) -> None:
    out = done("blocks", "--plugins", "star.py")
    assert f" of your own, {folder / 'star.py'}" in out
    (line,) = (line for line in out.splitlines() if line.startswith("   star"))
    assert "two projections of one map, multiplied (StarNet)" in line
    assert "expand 3" in line
    # Two 3x3 convolutions to 12 channels and one 1x1 back to 4, at 16x16; a norm behind each.
    params = 2 * (4 * 12 * 9 + 24) + 12 * 4 + 8
    macs = (2 * 4 * 12 * 9 + 12 * 4) * 256
    found = json.loads(
        done(
            "blocks", "--plugins", "star.py", "--kind", "star", "--shape", "4x16x16", "--no-latency", "--json"
        )
    )
    assert (found["blocks"][0]["params"], found["blocks"][0]["macs"]) == (params, macs)
    assert found["blocks"][0]["note"] == "multiplies 16x16"


def test_spaces_that_use_it(folder: Path) -> None:
    plugins = ["--plugins", "star.py"]
    assert done("spaces", "count", "star.yaml", *plugins) == "2\n"
    assert "stage1.block1.star.expand" in done("spaces", "show", "star.yaml", *plugins)
    for words in (["spaces", "count", "star.yaml"], ["run", "--space", "star.yaml"]):
        line = mistake(*words)
        assert line.startswith("error: star.yaml:5: stages[0].block.kind is 'star'; expected one of")
        assert line.endswith("a block of your own is known once its file is given: --plugins FILE")


@pytest.mark.slow
def test_from_the_file_to_the_exported_network(folder: Path) -> None:
    plugins = ["--plugins", "star.py"]
    out = done("run", *plugins, "--space", "star.yaml", *QUICK, "--format", "module,pt2,onnx")
    assert "2 of 2 candidates done (2 complete)" in out
    assert "star e" in done("front", *plugins)
    shown = done("show", *plugins)
    assert "star e" in shown
    assert "stage1.block1  multiplies 14x14" in shown
    assert "star e" in done("trials", *plugins)
    facts = [line.split() for line in done("studies", "show", *plugins).splitlines()]
    assert ["plugins", "star", "of", str(folder / "star.py")] in facts
    compared = json.loads(done("compare", "s", "--no-latency", "--json", *plugins))
    assert compared["networks"][0]["accuracy"] is not None
    done("report", *plugins)
    done("export", *plugins, "--out", "again", "--format", "module")

    # Without the plugin the study is still listed, and says which file it needs.
    assert done("studies").splitlines()[-2].split()[:2] == ["s", "starry"]
    for words in (
        ["front"],
        ["show"],
        ["trials"],
        ["studies", "show"],
        ["export"],
        ["finish"],
        ["compare", "s"],
    ):
        assert mistake(*words).startswith(
            f"error: study 's' uses the block 'star' of {folder / 'star.py'}, which is not known here; "
            "give its file with --plugins FILE"
        )

    code = (
        "import sys\n"
        "sys.modules['nasearch'] = None\n"
        "sys.path.insert(0, 'again')\n"
        "import torch, model\n"
        "print(tuple(model.load()(torch.zeros(2, 1, 28, 28)).shape))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("(2, 10)\n", "")
    written = {path.name for path in Path("studies/s/winner").iterdir()}
    assert {"model.py", "model.pt2", "model.onnx"} <= written


@pytest.mark.slow
def test_a_study_file_names_plugins_that_lie_beside_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("study.yaml").write_text("space: star.yaml\nplugins: [star.py]\nfinish: false\n")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert "2 of 2 candidates done" in done("run", "../study.yaml", *QUICK)
    assert "star e" in done("front", "--plugins", "../star.py")


@pytest.mark.slow
def test_studies_in_python_take_plugins(folder: Path) -> None:
    given = {"space": "star.yaml", "epochs": 1, "images": 64, "device": "cpu"}
    with plugins_forgotten(), nas.Study.create("s", plugins=[folder / "star.py"], **given) as study:  # type: ignore[arg-type]
        study.run(budget=1)
        assert study.trial(0).architecture.blocks[1].kind == "star"
    with (
        plugins_forgotten(),
        pytest.raises(PluginError, match=r"study 's' uses the block 'star' of .*star\.py"),
    ):
        nas.Study.load("s")
    with plugins_forgotten():
        nas.load_plugins("star.py")
        with nas.Study.load("s") as study:
            assert study.space.size == 2


@pytest.mark.slow
def test_the_environment_names_plugins_for_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "star.py")
    assert "2 of 2 candidates done" in done("run", "--space", "star.yaml", *QUICK, "--no-finish")
    assert "star e" in done("front")


def test_mistakes_in_naming_files(folder: Path) -> None:
    Path("broken.py").write_text("import nasearch\n\n1 / 0\n")
    missing = "error: none.py: no such file; expected a Python file that calls nasearch.register_block"
    for words in (
        ["blocks"],
        ["compare", "resnet18"],
        ["doctor"],
        ["front"],
        ["show"],
        ["trials"],
        ["export"],
        ["finish"],
        ["report"],
        ["dashboard"],
        ["studies", "show"],
        ["spaces", "show", "tiny"],
        ["spaces", "count", "tiny"],
        ["spaces", "check", "star.yaml"],
        ["run", "--space", "tiny"],
    ):
        assert mistake(*words, "--plugins", "none.py") == missing
    line = mistake("blocks", "--plugins", "broken.py")
    assert line == "error: broken.py:3: cannot be loaded: ZeroDivisionError: division by zero"
    Path("study.yaml").write_text("plugins: [none.py]\n")
    assert mistake("run", "study.yaml").startswith("error: none.py: no such file")


@pytest.mark.filterwarnings("always::nasearch.errors.PluginWarning")
def test_a_file_without_blocks_is_a_warning_in_one_line() -> None:
    Path("empty.py").write_text("")
    result = nasearch("blocks", "--plugins", "empty.py")
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: empty.py registers no block; expected a Python file that calls nasearch.register_block\n"
    )


def test_doctor_tells_of_plugins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["doctor", "--json", "--storage", "sqlite:///none.db"]
    found = json.loads(done(*words, "--plugins", "star.py"))
    assert {"what": "blocks of your own", "found": f"star: {folder / 'star.py'}", "ok": True} in found
    monkeypatch.setenv(VARIABLE, "none.py")
    result = nasearch(*words)
    (finding,) = (each for each in json.loads(result.stdout) if each["what"] == "blocks of your own")
    assert (finding["ok"], result.exit_code) == (False, 1)
    assert finding["found"].startswith(f"{VARIABLE}: none.py: no such file")
