from __future__ import annotations

import gzip
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets
from PIL import Image

from nasearch.data import load, names
from nasearch.data.torchvision_sets import VISION_SETS
from nasearch.errors import DataError


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("NASEARCH_CACHE", str(tmp_path / "cache"))


def write_idx(path: Path, values: np.ndarray) -> None:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())


def write_mnist(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """A small set in the layout that torchvision reads: root/MNIST/raw/*-ubyte."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    labels = np.arange(40) % 10
    for prefix in ("train", "t10k"):
        write_idx(folder / f"{prefix}-images-idx3-ubyte", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels)
    return images, labels


@pytest.mark.parametrize("name", VISION_SETS)
def test_every_row_names_a_class_of_torchvision(name: str) -> None:
    assert issubclass(
        getattr(torchvision.datasets, VISION_SETS[name].cls), torchvision.datasets.VisionDataset
    )


def test_names_begin_with_the_embedded_set() -> None:
    listed = [name for name, _ in names()]
    assert listed[0] == "fashion-mnist-12k"
    assert {"cifar10", "cifar100", "fashion-mnist", "mnist", "svhn", "eurosat"} <= set(listed)
    assert all(about for _, about in names())


@pytest.mark.parametrize("name", ["cifar10", "mnist", "eurosat", "svhn", "dtd"])
@pytest.mark.usefixtures("no_network")
def test_without_network_one_line_says_what_else_there_is(name: str) -> None:
    if name == "svhn":
        pytest.importorskip("scipy", reason="torchvision reads svhn with scipy")
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        load(name, image_size=32)
    text = str(caught.value)
    assert "\n" not in text
    assert "Temporary failure in name resolution" in text
    assert "--data fashion-mnist-12k" in text
    assert "--data-root" in text


def test_a_set_in_arrays_is_read_from_its_root(tmp_path: Path) -> None:
    images, labels = write_mnist(tmp_path)
    dataset = load("mnist", root=tmp_path)
    assert torch.equal(dataset.test.images[:, 0], torch.from_numpy(images))
    assert torch.equal(dataset.test.labels, torch.from_numpy(labels))
    assert (len(dataset.train), len(dataset.val)) == (30, 10)  # of 4 a class, round(0.8) = 1
    assert dataset.classes[0] == "0 - zero"
    assert load("mnist", root=tmp_path, image_size=14).input_shape == (1, 14, 14)


@pytest.mark.usefixtures("no_network")
def test_a_downloaded_set_is_found_in_the_cache(tmp_path: Path) -> None:
    write_mnist(tmp_path / "cache")
    assert len(load("mnist").test) == 40


def test_a_set_of_files_without_test_part_is_split(tmp_path: Path) -> None:
    for label, name in enumerate(("Forest", "River")):
        folder = tmp_path / "eurosat" / "2750" / name
        folder.mkdir(parents=True)
        for index in range(20):
            Image.new("RGB", (64, 64), (label * 100 + index,) * 3).save(folder / f"{index}.png")
    dataset = load("eurosat", root=tmp_path)
    assert dataset.classes == ("Forest", "River")
    assert (len(dataset.test), len(dataset.val), len(dataset.train)) == (6, 6, 28)
    assert torch.equal(dataset.train.labels, dataset.train.images[:, 0, 0, 0].long() // 100)


def test_sets_of_many_sizes_want_an_image_size() -> None:
    with pytest.raises(DataError, match=r"'food101' has images of many sizes; give --image-size"):
        load("food101")


@pytest.mark.usefixtures("no_network")
def test_a_root_without_the_set_is_not_downloaded_into(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"'cifar10' is not there or not whole .*torchvision.datasets.CIFAR10\("
    ):
        load("cifar10", root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--data-root .*nowhere: no such folder"):
        load("mnist", root=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cifar-10", "did you mean 'cifar10'"),
        ("my.npz", "did you mean 'npz:my.npz'"),
        ("zzz", "expected folder:PATH"),
    ],
)
def test_an_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(DataError, match=f"data '{name}': .*{hint}"):
        load(name)


def test_a_folder_without_its_prefix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"did you mean 'folder:{tmp_path}'"):
        load(str(tmp_path))


def test_debians_files_are_read_by_torchvisions_loader(tmp_path: Path) -> None:
    source = Path("/usr/share/datasets/fashion-mnist")
    if not source.is_dir():
        pytest.skip(f"{source} is not there (Debian's dataset-fashion-mnist)")
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in source.glob("*.gz"):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    dataset = load("fashion-mnist", root=tmp_path)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (48_000, 12_000, 10_000)
