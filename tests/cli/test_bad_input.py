"""Bad input of every sort: one line that says what to do, exit code 1, and nothing lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from nasearch.cli.main import main
from nasearch.study import Study

SPACE = """
stem: {kind: conv, channels: 8, stride: 2}
stages: [{channels: [8, 16], block: {kind: residual}}]
"""


def pictures(folder: Path, classes: int = 2, count: int = 12, side: int = 8, mode: str = "L") -> Path:
    generator = np.random.default_rng(0)
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
        for i in range(count):
            shape = (side, side) if mode == "L" else (side, side, 3)
            pixels = generator.integers(0, 255, shape, dtype=np.uint8)
            Image.fromarray(pixels, mode).save(folder / f"class{label}" / f"{i}-{side}-{mode}.png")
    return folder


def misspelt_key(place: Path) -> list[str]:
    (place / "space.yaml").write_text(SPACE.replace("channels: 8,", "chanels: 8,"))
    return ["--space", "space.yaml"]


def unknown_block(place: Path) -> list[str]:
    (place / "space.yaml").write_text(SPACE.replace("residual", "resudual"))
    return ["--space", "space.yaml"]


def impossible_stride(place: Path) -> list[str]:
    (place / "space.yaml").write_text(SPACE.replace("stride: 2", "stride: 0"))
    return ["--space", "space.yaml"]


def empty_folder(place: Path) -> list[str]:
    (place / "photos").mkdir()
    return ["--data", "folder:photos"]


def corrupt_image(place: Path) -> list[str]:
    (pictures(place / "photos") / "class1" / "3-8-L.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return ["--data", "folder:photos"]


def one_class(place: Path) -> list[str]:
    pictures(place / "photos", classes=1)
    return ["--data", "folder:photos"]


def other_sizes(place: Path) -> list[str]:
    pictures(pictures(place / "photos"), count=1, side=9)
    return ["--data", "folder:photos"]


def other_channels(place: Path) -> list[str]:
    pictures(pictures(place / "photos"), count=1, mode="RGB")
    return ["--data", "folder:photos"]


def missing_file(_place: Path) -> list[str]:
    return ["--data", "npz:images.npz"]


def truncated_file(place: Path) -> list[str]:
    (place / "images.npz").write_bytes(b"PK\x03\x04 and no more")
    return ["--data", "npz:images.npz"]


def unknown_device(_place: Path) -> list[str]:
    return ["--device", "cuda:7"]


def supernet_of_another_proxy(_place: Path) -> list[str]:
    return ["--supernet-epochs", "3"]


def confirming_what_is_trained(_place: Path) -> list[str]:
    return ["--confirm", "3", "--proxy", "trained"]


def silent_server(_place: Path) -> list[str]:
    return ["--storage", "postgresql://someone:secret@127.0.0.1:1/studies"]


def not_a_database(place: Path) -> list[str]:
    (place / "notes.db").write_text("these are notes, and no database at all; " * 50)
    return ["--storage", "sqlite:///notes.db"]


CASES: list[tuple[Callable[[Path], list[str]], tuple[str, ...]]] = [
    (misspelt_key, ("space.yaml:2: stem.chanels is not a key here; did you mean channels?",)),
    (
        unknown_block,
        ("space.yaml:3: stages[0].block.kind is 'resudual'; did you mean residual?; expected one of",),
    ),
    (impossible_stride, ("space.yaml:2: stem.stride is 0; expected one of 1, 2, 3, 4",)),
    (empty_folder, ("photos", "expected")),
    (corrupt_image, ("class1/3-8-L.png",)),
    (one_class, ("class", "expected")),
    (other_sizes, ("9x9", "8x8", "--image-size")),
    (other_channels, ("--image-size",)),
    (missing_file, ("images.npz: no such file",)),
    (truncated_file, ("images.npz",)),
    (unknown_device, ("device 'cuda:7' is not here; expected one of auto, cpu",)),
    (
        supernet_of_another_proxy,
        ("supernet_epochs is 3 and proxy is 'trained'; expected proxy inherited, or no supernet_epochs",),
    ),
    (confirming_what_is_trained, ("confirm is 3", "expected proxy inherited or zero-cost, or confirm 0")),
    (silent_server, ("127.0.0.1:1", "no answer")),
    (not_a_database, ("notes.db", "is not an SQLite database; choose another file")),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images and a study of two trained networks."""
    place = tmp_path_factory.mktemp("trained")
    data, storage = f"folder:{pictures(place / 'good')}", f"sqlite:///{place}/studies/nasearch.db"
    with Study.create("kept", space="tiny", data=data, epochs=1, storage=storage, device="cpu") as study:
        study.run(budget=2)
    return place


@pytest.fixture
def kept(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, which is the current one."""
    place = tmp_path / "kept"
    shutil.copytree(trained, place)
    monkeypatch.chdir(place)
    return place


def mistake(*words: str) -> str:
    result = CliRunner().invoke(main, ["run", "--budget", "3", *words], catch_exceptions=False)
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert all(line.startswith("error: ") for line in lines), lines
    return lines[0]


@pytest.mark.parametrize(("make", "expected"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_bad_input_is_one_line_and_loses_nothing(
    make: Callable[[Path], list[str]], expected: tuple[str, ...], kept: Path
) -> None:
    line = mistake(
        "--space", "tiny", "--data", "folder:good", "--study", "kept", "--device", "cpu", *make(kept)
    )
    for words in expected:
        assert words in line
    assert "secret" not in line
    with Study.load("kept") as study:
        assert (study.spent, len(study.trials())) == (2, 2)


def test_a_study_made_with_another_space_is_refused(kept: Path) -> None:
    (kept / "space.yaml").write_text(SPACE)
    line = mistake("--space", "space.yaml", "--data", "folder:good", "--study", "kept", "--epochs", "1")
    assert "study 'kept' exists with another space (tiny, now space)" in line
    assert "--study NAME" in line
    assert "--fresh" in line


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """/proc takes no new folders from anyone, root included."""
    code = "from nasearch.cli.main import main; main()"
    command = [sys.executable, "-c", code, "run", "--space", "tiny", "--device", "cpu", "--budget", "1"]
    for option in (["--storage", "sqlite:////proc/nasearch/n.db"], ["--out", "/proc/nasearch"]):
        result = subprocess.run(
            [*command, *option], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: ")
        assert "/proc/nasearch" in line


def test_images_of_several_sizes_can_be_brought_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(pictures(pictures(tmp_path / "photos"), count=3, side=11), count=3, mode="RGB")
    with Study.create("s", space="tiny", data="folder:photos", image_size=8, epochs=1, device="cpu") as study:
        assert study.input_shape == (3, 8, 8)
        study.run(budget=1)
        assert study.trial(0).outcome == "complete"
