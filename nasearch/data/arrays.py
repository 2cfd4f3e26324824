"""Images and labels as arrays, from an npz file or a library: checked, and turned into splits."""

from __future__ import annotations

import zipfile
import zlib
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
import torch
import torchvision.transforms.v2.functional as tvf
from torch import Tensor

from nasearch.data.dataset import Split
from nasearch.errors import DataError

NPZ_KEYS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "classes")


def read_npz(source: Path | Traversable, place: str) -> dict[str, np.ndarray]:
    """The arrays of an npz file that make a data set; pickled objects are refused, never loaded.

    Raises:
        DataError: if the file is missing, unreadable, holds objects, or lacks x_train or y_train.
    """
    accepted = "expected an npz file with x_train, y_train and perhaps x_val, y_val, x_test, y_test, classes"
    try:
        # opened here, because numpy leaves files open that turn out to be no archives
        with source.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{place}: holds a single array; {accepted}")
            with archive:
                found = archive.files
                arrays = {key: archive[key] for key in NPZ_KEYS if key in found}
    except FileNotFoundError as error:
        raise DataError(f"{place}: no such file; {accepted}") from error
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise DataError(f"{place}: unreadable ({error}); {accepted}") from error
        raise DataError(f"{place}: holds pickled Python objects, which are not loaded; {accepted}") from error
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{place}: unreadable ({error}); {accepted}") from error
    for key in ("x_train", "y_train"):
        if key not in arrays:
            raise DataError(f"{place}: has no {key} (it holds {', '.join(found) or 'nothing'}); {accepted}")
    for part in ("val", "test"):
        if (f"x_{part}" in arrays) != (f"y_{part}" in arrays):
            raise DataError(f"{place}: has only one of x_{part} and y_{part}; expected both or neither")
    return arrays


def class_names(arrays: dict[str, np.ndarray], place: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Label values in order, and the names of their classes: `classes` where given, else the values as text.

    Raises:
        DataError: if y_train is no list of integers, or `classes` does not name every label.
    """
    values = tuple(np.unique(integer_labels(arrays["y_train"], f"{place}: y_train")).tolist())
    if "classes" not in arrays:
        return values, tuple(str(value) for value in values)
    names = tuple(str(name) for name in arrays["classes"].reshape(-1))
    if values[0] < 0 or values[-1] >= len(names):
        raise DataError(
            f"{place}: classes has {len(names)} names but y_train holds {values[0]} to {values[-1]}"
        )
    return tuple(range(len(names))), names


def array_split(
    images: np.ndarray,
    labels: np.ndarray,
    values: tuple[int, ...],
    place: str,
    part: str,
    image_size: int | None,
) -> Split:
    """One checked split of images (N, H, W) or (N, H, W, C) and labels (N,) whose values are `values`.

    Raises:
        DataError: naming the array, what it holds, and what is accepted.
    """
    pixels = pixel_array(images, f"{place}: x_{part}")
    numbers = integer_labels(labels, f"{place}: y_{part}")
    if len(pixels) != len(numbers):
        raise DataError(
            f"{place}: x_{part} has {len(pixels)} images but y_{part} has {len(numbers)} labels; "
            f"expected one each"
        )
    unknown = np.setdiff1d(numbers, values)
    if len(unknown):
        raise DataError(f"{place}: y_{part} holds {unknown[0]}, a class that the training part does not have")
    indexed = torch.from_numpy(np.searchsorted(values, numbers).astype(np.int64))
    return Split(resized(channels_first(pixels), image_size), indexed)


def pixel_array(images: np.ndarray, place: str) -> np.ndarray:
    """Checked uint8 images (N, H, W, C); floats in [0, 1] are scaled to 0..255."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 2, 3, 4) or 0 in images.shape:
        raise DataError(
            f"{place} has shape {images.shape}; expected (N, H, W) or (N, H, W, C) with 1 to 4 channels last"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "fiu":
        raise DataError(f"{place} holds {images.dtype}; expected uint8, or floats in [0, 1]")
    low, high = images.min(), images.max()
    if not np.isfinite([low, high]).all():
        raise DataError(f"{place} holds NaN or infinite values; expected uint8, or floats in [0, 1]")
    top = 1 if images.dtype.kind == "f" else 255
    if low < 0 or high > top:
        raise DataError(f"{place} ({images.dtype}) holds values from {low} to {high}; expected 0 to {top}")
    return np.rint(images * (255 / top)).astype(np.uint8)


def integer_labels(labels: np.ndarray, place: str) -> np.ndarray:
    """Checked labels (N,); a column (N, 1) is taken as (N,)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) == 0:
        raise DataError(f"{place} has shape {labels.shape}; expected one integer an image")
    if labels.dtype.kind not in "iu":
        raise DataError(f"{place} holds {labels.dtype}; expected integers, one an image")
    return labels


def channels_first(pixels: np.ndarray) -> Tensor:
    """(N, H, W, C) uint8 array to a contiguous (N, C, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def resized(images: Tensor, image_size: int | None) -> Tensor:
    """Images (N, C, H, W) uint8, cut to the centred square and resized to this side; None: as they are."""
    if image_size is None or images.shape[2:] == (image_size, image_size):
        return images
    side = min(images.shape[2:])
    # in parts: antialiased resizing goes through float32, four times the size of all images at once
    parts = [
        tvf.resize(tvf.center_crop(part, [side, side]), [image_size, image_size])
        for part in images.split(1000)
    ]
    return torch.cat(parts)
