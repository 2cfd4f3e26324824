from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nasearch.data import load
from nasearch.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)
Y = np.repeat([0, 1], 20)


def save(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "data.npz", **arrays)
    return f"npz:{folder / 'data.npz'}"


def test_given_splits_are_kept(tmp_path: Path) -> None:
    dataset = load(
        save(tmp_path, x_train=X, y_train=Y, x_val=X[:4], y_val=Y[:4], x_test=X[15:25], y_test=Y[15:25])
    )
    assert dataset.input_shape == (3, 6, 5)
    assert torch.equal(dataset.train.images, torch.from_numpy(X).permute(0, 3, 1, 2))
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (40, 4, 10)
    assert dataset.classes == ("0", "1")


def test_without_test_images_15_percent_are_split_off(tmp_path: Path) -> None:
    dataset = load(save(tmp_path, x_train=X, y_train=Y))
    assert (len(dataset.test), len(dataset.val), len(dataset.train)) == (
        6,
        6,
        28,
    )  # 3 of 20; round(3.4) of 17


def test_grey_images_floats_columns_and_gaps_in_labels(tmp_path: Path) -> None:
    dataset = load(
        save(
            tmp_path,
            x_train=X[..., 0] / 255.0,
            y_train=(Y * 7 + 3)[:, None],
            x_test=X[..., 0],
            y_test=Y * 7 + 3,
        )
    )
    assert dataset.input_shape == (1, 6, 5)
    assert dataset.classes == ("3", "10")
    assert torch.equal(dataset.test.labels, torch.from_numpy(Y))
    both = torch.cat([dataset.train.images, dataset.val.images]).flatten(1)
    expected = torch.from_numpy(X[..., 0].reshape(40, -1))
    assert sorted(both.tolist()) == sorted(expected.tolist())  # floats came back to the very pixels


def test_class_names(tmp_path: Path) -> None:
    assert load(save(tmp_path, x_train=X, y_train=Y, classes=["cat", "dog"])).classes == ("cat", "dog")


def test_image_size_cuts_the_centred_square(tmp_path: Path) -> None:
    images = np.zeros((40, 4, 8, 1), dtype=np.uint8)
    images[:, :, 2:6] = 200  # the centred square is all 200, what is beside it is not
    dataset = load(save(tmp_path, x_train=images, y_train=Y), image_size=2)
    assert dataset.input_shape == (1, 2, 2)
    assert set(dataset.train.images.flatten().tolist()) == {200}


def with_nan() -> np.ndarray:
    images = np.zeros((40, 6, 5))
    images[3, 2, 1] = np.nan
    return images


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": X}, r"has no y_train \(it holds x_train\); expected an npz file with"),
        ({"a": X}, r"has no x_train \(it holds a\)"),
        ({"x_train": X, "y_train": Y[:30]}, r"x_train has 40 images but y_train has 30 labels"),
        ({"x_train": X, "y_train": Y * 0}, r"one class only \(0\); expected at least two"),
        ({"x_train": X, "y_train": Y * 0.5}, r"y_train holds float64; expected integers"),
        ({"x_train": X, "y_train": Y.astype(str)}, r"y_train holds <U21; expected integers"),
        (
            {"x_train": X, "y_train": np.eye(2)[Y]},
            r"shape \(40, 2\); expected one integer an image",
        ),
        ({"x_train": X.astype(float), "y_train": Y}, r"holds values from 0.0 to 255.0; expected 0 to 1"),
        ({"x_train": X.astype(int) - 1, "y_train": Y}, r"holds values from -1 to 254; expected 0 to 255"),
        (
            {"x_train": with_nan(), "y_train": Y},
            r"x_train holds NaN or infinite values; expected uint8, or floats",
        ),
        ({"x_train": X > 9, "y_train": Y}, r"x_train holds bool; expected uint8"),
        (
            {"x_train": X.transpose(0, 3, 1, 2), "y_train": Y},
            r"shape \(40, 3, 6, 5\); expected .* channels last",
        ),
        ({"x_train": X[:0], "y_train": Y[:0]}, r"y_train has shape \(0,\)"),
        (
            {"x_train": X, "y_train": Y, "x_test": X},
            r"only one of x_test and y_test; expected both or neither",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1},
            r"y_test holds 2, a class that the training part does not have",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :5], "y_test": Y},
            r"x_test are \(3, 5, 5\) \(C, H, W\) but those of x_train \(3, 6, 5\); .*--image-size 32",
        ),
        ({"x_train": X[18:22], "y_train": Y[18:22]}, r"class '0' has too few images to split"),
        (
            {"x_train": X, "y_train": Y + 1, "classes": ["a", "b"]},
            r"classes has 2 names but y_train holds 1 to 2",
        ),
    ],
)
def test_bad_arrays_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(save(tmp_path, **arrays))
    assert "\n" not in str(caught.value)
    assert "data.npz" in str(caught.value)


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str, int]]:
        return os.mkdir, (self.mark, 0o700)


@pytest.mark.parametrize("key", ["x_train", "classes"])
def test_pickled_objects_are_refused_and_not_run(tmp_path: Path, key: str) -> None:
    mark = tmp_path / "mark"
    objects = np.array([Trap(str(mark))], dtype=object)
    with pytest.raises(DataError, match="holds pickled Python objects, which are not loaded"):
        load(save(tmp_path, **{"x_train": X, "y_train": Y, key: objects}))
    assert not mark.exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.npz: no such file; expected an npz file"):
        load(f"npz:{tmp_path}/nothing.npz")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut short"])
def test_an_unreadable_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.npz: (unreadable|holds pickled)") as caught:
        load(f"npz:{tmp_path}/bad.npz")
    assert "\n" not in str(caught.value)


def test_a_damaged_archive(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bad.npz", x_train=X, y_train=Y)
    raw = bytearray((tmp_path / "bad.npz").read_bytes())
    raw[200:900] = bytes(700)
    (tmp_path / "bad.npz").write_bytes(raw)
    with pytest.raises(DataError, match=r"bad\.npz: unreadable"):
        load(f"npz:{tmp_path}/bad.npz")


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    with (tmp_path / "bad.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(DataError, match=r"bad\.npz: holds a single array; expected an npz file"):
        load(f"npz:{tmp_path}/bad.npz")
