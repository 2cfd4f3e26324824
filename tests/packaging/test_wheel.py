"""What `pip install .` brings: built and looked into, then used away from the repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling import build; print(build.build_wheel(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    with zipfile.ZipFile(folder / result.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_every_source_file_is_in_the_wheel(installed: Path) -> None:
    ignored = {".pyc"}
    ours = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "nasearch").rglob("*")
        if file.is_file() and file.suffix not in ignored
    }
    spaces = {
        f"nasearch/search_spaces/{file.name}" for file in (ROOT / "search_spaces").iterdir() if file.is_file()
    }
    there = {
        file.relative_to(installed).as_posix()
        for file in (installed / "nasearch").rglob("*")
        if file.is_file()
    }
    assert there == ours | spaces


@pytest.mark.parametrize(
    "path",
    [
        "nasearch/py.typed",
        "nasearch/data/embedded/fashion_mnist_12k.npz",
        "nasearch/store/migrations/env.py",
        "nasearch/search_spaces/mobile.yaml",
    ],
)
def test_the_data_files_are_in_the_wheel(installed: Path, path: str) -> None:
    assert (installed / path).is_file()


def test_licences_are_in_the_wheel(installed: Path) -> None:
    licences = next(installed.glob("nasearch-*.dist-info")) / "licenses"
    assert (licences / "LICENSE").read_text().lstrip().startswith("Apache License")
    assert list((licences / "nasearch/data/embedded").glob("LICENSE*"))


def test_an_installed_package_finds_its_spaces_and_data(installed: Path, tmp_path: Path) -> None:
    code = (
        "import pathlib, nasearch\n"
        "from nasearch.space import SearchSpace\n"
        "from nasearch import data\n"
        f"assert pathlib.Path(nasearch.__file__).is_relative_to({str(installed)!r}), nasearch.__file__\n"
        "print(SearchSpace.load('nasbench201').size, len(data.load('fashion-mnist-12k').test))\n"
    )
    environment = {"PYTHONPATH": str(installed), "PATH": "", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ("15625 2000\n", "")
