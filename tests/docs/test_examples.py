"""What the pages show is run, with `--budget 2 --space tiny --device cpu` put in; snippets likewise."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from nasearch.cli.main import main
from nasearch.study import Study
from nasearch.training import RECIPES
from tests.docs.examples import ROOT, Example, arguments, blocks, nasearch_commands
from tests.support.plugins import plugins_forgotten

PUT_IN = ["--budget", "2", "--space", "tiny", "--device", "cpu"]
SHORT = {
    "proxy": (1, 128),
    "full": (1, 256),
    "supernet": (1, 256),
}  # epochs and images: the docs are tested here, not the training


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with everything that the pages name, and a study `digits` in its store."""
    folder = tmp_path_factory.mktemp("docs")
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(40):
            pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{i}.png")
    images = generator.integers(0, 256, (200, 16, 16), dtype=np.uint8)
    np.savez(folder / "images.npz", x_train=images, y_train=np.arange(200) % 4)
    shutil.copytree(ROOT / "search_spaces", folder / "search_spaces")
    shutil.copytree(ROOT / "docs" / "tables", folder / "docs" / "tables")
    (folder / "studies").mkdir()
    for file in (ROOT / "studies").glob("*.yaml"):
        shutil.copy(file, folder / "studies")
    for name, text in named_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def named_files() -> dict[str, str]:
    """The blocks that begin with the name of a file, as in `# my_blocks.py`: other examples use them."""
    found: dict[str, str] = {}
    for block in blocks("python", "yaml"):
        match = re.match(r"# ([\w-]+\.(?:py|yaml))\b", block.text)
        if match:
            found[match[1]] = block.text
    return found


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    for name, (epochs, images) in SHORT.items():
        monkeypatch.setitem(RECIPES, name, dataclasses.replace(RECIPES[name], epochs=epochs, images=images))
    monkeypatch.chdir(folder)
    with plugins_forgotten():  # a snippet registers a block, which other tests do not expect
        yield


@pytest.fixture
def digits(folder: Path) -> Path:
    """The study that commands name `digits`, made once."""
    if not (folder / "studies" / "nasearch.db").exists():
        words = ["run", *PUT_IN, "--study", "digits", "--no-finish"]
        assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    return folder


def runs() -> list[Example]:
    return [example for example in nasearch_commands() if arguments(example)[0] == "run"]


def others() -> list[Example]:
    names = ("run", "dashboard")  # a server has a test of its own
    return [example for example in nasearch_commands() if arguments(example)[0] not in names]


@pytest.mark.slow
@pytest.mark.parametrize("example", runs(), ids=str)
def test_run_commands(
    example: Example, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("photos", "images.npz", "studies", "search_spaces", "docs", *named_files()):
        source = folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    (tmp_path / "studies" / "nasearch.db").unlink(missing_ok=True)
    monkeypatch.chdir(tmp_path)
    words = [*without_gpus(arguments(example)), *PUT_IN, *elsewhere(example)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "2 of 2 candidates done" in result.stdout
    (report,) = tmp_path.glob("studies/*/report.md")
    # a study on a table has no images to train its winner on
    assert (report.parent / "winner" / "model.py").exists() == ("--proxy table:" not in example.text)


def without_gpus(words: list[str]) -> list[str]:
    """The words without `--gpus NUMBERS`, which not every machine has."""
    if "--gpus" not in words:
        return words
    place = words.index("--gpus")
    return words[:place] + words[place + 2 :]


def elsewhere(example: Example) -> list[str]:
    """What a test cannot have: a server, a download. Files and options stay as the page shows them."""
    put_in: list[str] = ["--format", "module"] if example.page != "README.md" else []
    if "postgresql://" in example.text:
        put_in += ["--storage", "sqlite:///instead.db"]
    if "--data cifar10" in example.text:
        put_in += ["--data", "fashion-mnist-12k"]
    return put_in


@pytest.mark.slow
@pytest.mark.parametrize("example", others(), ids=str)
def test_other_commands(example: Example, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "other.db" in example.text:
        shutil.copy("studies/nasearch.db", "other.db")
    with Study.load("digits") as study:
        number = str(study.winner().number)
    words = [
        # Numbers are trials, unless an option stands before them.
        word if before.startswith("--") else re.sub(r"^(\w*#)?\d+$", rf"\g<1>{number}", word)
        for before, word in pairwise(["nasearch", *arguments(example)])
    ]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "example", [pytest.param(block, id=f"{block.page} {i}") for i, block in enumerate(blocks("python"))]
)
def test_snippets(
    example: Example, folder: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the smallest space, two candidates and this machine's device, as the commands above."""
    text = example.text
    for shown, put_in in (("budget=50", "budget=2"), ('"mobile"', '"tiny"'), ('"cuda"', '"cpu"')):
        text = text.replace(shown, put_in)
    if "Study.load" not in text and "load_study" not in text:
        monkeypatch.chdir(tmp_path)
        for name, beside in named_files().items():
            Path(name).write_text(beside, encoding="utf-8")
        shutil.copytree(folder / "docs", "docs")
    file = tmp_path / "snippet.py"
    file.write_text(text, encoding="utf-8")
    exec(compile(text, str(file), "exec"), {"__name__": "snippet"})


def test_no_example_reaches_the_network() -> None:
    """The one data set by name that the pages load is replaced; another would have to be listed here."""
    named = {
        match[1]
        for example in nasearch_commands()
        if (match := re.search(r"--data ([\w-]+)(?= |$)", example.text))
    }
    assert named <= {"fashion-mnist-12k", "cifar10"}
