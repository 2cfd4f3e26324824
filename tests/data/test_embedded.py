from __future__ import annotations

import importlib.util
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from nasearch.data import load

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKSUM = "f65ddcca16b556c2317515b5f792dbef2a54da177e0ccff00f12e9b708561cf3"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = REPOSITORY / "scripts" / "make_embedded_data.py"
    spec = importlib.util.spec_from_file_location("make_embedded_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def embedded_arrays() -> dict[str, np.ndarray]:
    with (
        (files("nasearch.data") / "embedded" / "fashion_mnist_12k.npz").open("rb") as stream,
        np.load(stream) as file,
    ):
        return {name: file[name] for name in file.files}


def test_the_file_is_small_balanced_and_what_the_script_printed(script: ModuleType) -> None:
    arrays = embedded_arrays()
    assert arrays["x_train"].shape == (10_000, 28, 28)
    assert arrays["x_test"].shape == (2_000, 28, 28)
    assert arrays["x_train"].dtype == arrays["x_test"].dtype == np.uint8
    assert np.bincount(arrays["y_train"]).tolist() == [1000] * 10
    assert np.bincount(arrays["y_test"]).tolist() == [200] * 10
    assert script.checksum(arrays) == CHECKSUM
    assert (REPOSITORY / "nasearch/data/embedded/fashion_mnist_12k.npz").stat().st_size <= 6_000_000


def test_the_licence_ships_beside_it() -> None:
    text = (files("nasearch.data") / "embedded" / "LICENSE.fashion-mnist").read_text()
    assert "MIT License" in text
    assert "Copyright (c) 2017 Zalando SE" in text


def test_the_script_makes_the_same_again(script: ModuleType) -> None:
    if not script.SOURCE.is_dir():
        pytest.skip(f"{script.SOURCE} is not there (Debian's dataset-fashion-mnist)")
    assert script.checksum(script.make(script.SOURCE)) == CHECKSUM


def test_an_idx_file_is_read_as_its_format_says(script: ModuleType, tmp_path: Path) -> None:
    import gzip

    raw = (
        bytes([0, 0, 8, 3])
        + b"".join(n.to_bytes(4, "big") for n in (2, 1, 3))
        + bytes([1, 2, 3, 250, 251, 252])
    )
    (tmp_path / "x.gz").write_bytes(gzip.compress(raw))
    assert script.read_idx(tmp_path / "x.gz").tolist() == [[[1, 2, 3]], [[250, 251, 252]]]


def test_load_gives_three_balanced_splits() -> None:
    dataset = load("fashion-mnist-12k")
    assert dataset.input_shape == (1, 28, 28)
    assert dataset.in_channels == 1
    assert dataset.num_classes == 10
    for split, count in ((dataset.train, 800), (dataset.val, 200), (dataset.test, 200)):
        assert torch.bincount(split.labels).tolist() == [count] * 10
        assert split.images.dtype == torch.uint8
        assert split.images.shape == (10 * count, 1, 28, 28)
    arrays = embedded_arrays()
    assert np.array_equal(dataset.test.images[:, 0].numpy(), arrays["x_test"])
    together = torch.cat([dataset.train.images, dataset.val.images])[:, 0].numpy()
    assert sorted(image.tobytes() for image in together) == sorted(
        image.tobytes() for image in arrays["x_train"]
    )
    pixels = dataset.train.images.double() / 255
    assert dataset.mean[0] == pytest.approx(float(pixels.mean()), abs=1e-12)
    assert dataset.std[0] == pytest.approx(float(pixels.std(correction=0)), abs=1e-9)


def test_the_seed_decides_the_validation_split_and_the_fingerprint() -> None:
    first, again, other = (
        load("fashion-mnist-12k"),
        load("fashion-mnist-12k"),
        load("fashion-mnist-12k", seed=1),
    )
    assert first.fingerprint == again.fingerprint
    assert torch.equal(first.val.images, again.val.images)
    assert first.fingerprint != other.fingerprint
    assert not torch.equal(first.val.images, other.val.images)
    assert torch.equal(first.test.images, other.test.images)
