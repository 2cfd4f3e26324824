"""A data set by its name: the embedded one, a torchvision set, an image folder, or an npz file."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path

import numpy as np

from nasearch.data.arrays import array_split, class_names, read_npz
from nasearch.data.dataset import Dataset, Split, make_dataset
from nasearch.data.folder import read_folder
from nasearch.data.torchvision_sets import VISION_SETS, read_vision_set
from nasearch.errors import DataError

Source = tuple[Split, Split | None, Split | None, tuple[str, ...], str]
"""Training, validation and test part, class names, and where they are from."""

EMBEDDED = "fashion-mnist-12k"
EMBEDDED_FILE = "fashion_mnist_12k.npz"
EMBEDDED_ABOUT = "12,000 images of Fashion-MNIST (MIT), 28x28 grey, 10 classes of clothes; built in"
EMBEDDED_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def names() -> list[tuple[str, str]]:
    """(name, one line about it) of everything `load` knows by name, the embedded set first."""
    return [(EMBEDDED, EMBEDDED_ABOUT), *((name, row.about) for name, row in VISION_SETS.items())]


def load(
    name: str,
    *,
    root: str | Path | None = None,
    image_size: int | None = None,
    val_share: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Read a data set and fix its splits.

    Args:
        name: "fashion-mnist-12k" (embedded), a torchvision set of `names()`, "folder:PATH" (image folder,
            with or without train, val and test below it), or "npz:FILE" with x_train (N, H, W) or
            (N, H, W, C), y_train and perhaps x_val, y_val, x_test, y_test, classes.
        root: for torchvision sets, the folder where the set lies; None downloads it into a cache folder.
        image_size: every image is cut to its centred square and resized to this side.
        val_share: share of the training part, of each class, that becomes the validation split, where the
            source has none; a source without test part first gives 15 % of each class to the test split.
        seed: of these splits.

    Raises:
        DataError: in one line: the place, what was found there, and what to do.
    """
    if image_size is not None and image_size < 1:
        raise DataError(f"--image-size {image_size}; expected a number of pixels, such as 32")
    if name == EMBEDDED:
        source = read_embedded(image_size)
    elif name.startswith("npz:"):
        source = read_arrays_file(Path(name.removeprefix("npz:")).expanduser(), image_size)
    elif name.startswith("folder:"):
        path = Path(name.removeprefix("folder:")).expanduser()
        source = (*read_folder(path, image_size), f"image folder {path.name}")
    elif name in VISION_SETS:
        row = VISION_SETS[name]
        parts = read_vision_set(name, None if root is None else Path(root).expanduser(), image_size)
        source = (*parts, f"torchvision's {row.cls}: {row.about}")
    else:
        raise unknown(name)
    train, val, test, classes, about = source
    return make_dataset(name, train, val, test, classes=classes, val_share=val_share, seed=seed, about=about)


def read_embedded(image_size: int | None) -> Source:
    """The set that ships with the package."""
    arrays = read_npz(files("nasearch.data") / "embedded" / EMBEDDED_FILE, EMBEDDED)
    values = tuple(range(len(EMBEDDED_CLASSES)))
    return (*array_parts(arrays, values, EMBEDDED, image_size), EMBEDDED_CLASSES, EMBEDDED_ABOUT)


def read_arrays_file(path: Path, image_size: int | None) -> Source:
    """An npz file of the user's."""
    arrays = read_npz(path, str(path))
    values, classes = class_names(arrays, str(path))
    return (*array_parts(arrays, values, str(path), image_size), classes, f"arrays of {path.name}")


def array_parts(
    arrays: dict[str, np.ndarray], values: tuple[int, ...], place: str, image_size: int | None
) -> tuple[Split, Split | None, Split | None]:
    """The checked parts of an npz file, which must agree in size and channels."""
    splits = {
        part: array_split(arrays[f"x_{part}"], arrays[f"y_{part}"], values, place, part, image_size)
        for part in ("train", "val", "test")
        if f"x_{part}" in arrays
    }
    shape = tuple(splits["train"].images.shape[1:])
    for part, split in splits.items():
        if tuple(split.images.shape[1:]) != shape:
            raise DataError(
                f"{place}: images of x_{part} are {tuple(split.images.shape[1:])} (C, H, W) but "
                f"those of x_train {shape}; expected one size and number of "
                f"channels: --image-size 32 makes the sizes equal"
            )
    return splits["train"], splits.get("val"), splits.get("test")


def unknown(name: str) -> DataError:
    """The error for a name that means nothing, with what may have been meant."""
    known = [known_name for known_name, _ in names()]
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        hint = f"did you mean {close[0]!r}? "
    elif name.endswith(".npz"):
        hint = f"did you mean 'npz:{name}'? "
    elif Path(name).is_dir():
        hint = f"did you mean 'folder:{name}'? "
    else:
        hint = ""
    return DataError(f"data {name!r}: {hint}expected folder:PATH, npz:FILE, or one of {', '.join(known)}")
