"""An image folder as data: PATH/class/image.png, or PATH/train/class/image.png beside val and test."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.datasets.folder import IMG_EXTENSIONS

from nasearch.data.dataset import Split
from nasearch.errors import DataError

LAYOUT = "expected PATH/CLASS/image.png, or PATH/train/CLASS/image.png with val and test beside train"
VAL_NAMES = ("val", "valid", "validation")
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "F")


@dataclass(frozen=True)
class Picture:
    """Where an image is on the disk, and the index of its class."""

    path: Path
    label: int


def read_folder(
    root: Path, image_size: int | None
) -> tuple[Split, Split | None, Split | None, tuple[str, ...]]:
    """Training, validation and test part of an image folder (None where it has none), and the class names.

    Classes are the sub-folders of the training part in alphabetical order; files in folders further down
    count, hidden files do not.

    Raises:
        DataError: naming the folder or file at fault and what to do.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; {LAYOUT}")
    names = {path.name for path in subfolders(root)}
    val_name = next((name for name in VAL_NAMES if name in names and subfolders(root / name)), None)
    test_name = "test" if "test" in names and subfolders(root / "test") else None
    if "train" in names and subfolders(root / "train"):
        base = root / "train"
    elif val_name or test_name:
        raise DataError(f"{root}: has {val_name or test_name} but no train folder with classes; {LAYOUT}")
    else:
        base, val_name, test_name = root, None, None
    classes = tuple(path.name for path in subfolders(base))
    if not classes:
        raise DataError(f"{base}: has no class folders; {LAYOUT}")
    parts = {"train": find_pictures(base, classes)}
    if val_name:
        parts["val"] = find_pictures(root / val_name, classes)
    if test_name:
        parts["test"] = find_pictures(root / test_name, classes)
    splits = read_pictures(parts, image_size)
    return splits["train"], splits.get("val"), splits.get("test"), classes


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder, sorted by name, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def find_pictures(base: Path, classes: tuple[str, ...]) -> list[Picture]:
    """The image files of one part, sorted."""
    pictures: list[Picture] = []
    for folder in subfolders(base):
        if folder.name not in classes:
            raise DataError(f"{folder}: a class that the training part does not have ({', '.join(classes)})")
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in IMG_EXTENSIONS and not path.name.startswith(".") and path.is_file()
        )
        if not files:
            raise DataError(
                f"{folder}: class folder without images; expected files that end in "
                f"{' '.join(IMG_EXTENSIONS)}, or remove the folder"
            )
        pictures.extend(Picture(path, classes.index(folder.name)) for path in files)
    return pictures


def read_pictures(parts: dict[str, list[Picture]], image_size: int | None) -> dict[str, Split]:
    """Decode all parts alike: one size and one number of channels for the whole data set."""
    pictures = [picture for part in parts.values() for picture in part]
    # threads, not processes: Pillow lets go of the interpreter lock while it decodes and resizes
    with ThreadPoolExecutor() as pool:
        arrays = list(pool.map(lambda picture: read_image(picture.path, image_size), pictures))
    arrays = alike(arrays, [str(picture.path) for picture in pictures], image_size)
    splits: dict[str, Split] = {}
    start = 0
    for name, part in parts.items():
        stacked = np.stack(arrays[start : start + len(part)]).transpose(0, 3, 1, 2)
        labels = torch.tensor([picture.label for picture in part], dtype=torch.int64)
        splits[name] = Split(torch.from_numpy(np.ascontiguousarray(stacked)), labels)
        start += len(part)
    return splits


def read_image(path: Path, image_size: int | None) -> np.ndarray:
    """One image file as (H, W, 1 or 3) uint8; with `image_size` its centred square resized to that side."""
    try:
        with Image.open(path) as image:
            return image_array(image, image_size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error).replace(str(path), "").strip()
        raise DataError(f"{path}: unreadable image ({reason}); repair or remove the file") from error


def image_array(image: Image.Image, image_size: int | None) -> np.ndarray:
    """A Pillow image as (H, W, 1 or 3) uint8: grey modes give one channel, all others RGB without alpha."""
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow's own conversion clips 16-bit grey to 255 instead of scaling it
        image = Image.fromarray((np.asarray(image).astype(np.uint32).clip(0, 65535) >> 8).astype(np.uint8))
    image = image.convert("L" if image.mode in GREY_MODES else "RGB")
    if image_size is not None:
        image = ImageOps.fit(image, (image_size, image_size), method=Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def alike(arrays: list[np.ndarray], places: list[str], image_size: int | None) -> list[np.ndarray]:
    """Check that all images have one shape; with an image size, grey ones among colour ones become colour.

    Raises:
        DataError: naming the first image that differs, and `--image-size`, which makes all alike.
    """
    if image_size is not None and len({array.shape[2] for array in arrays}) > 1:
        return [np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array for array in arrays]
    first = arrays[0]
    for array, place in zip(arrays, places, strict=True):
        if array.shape[:2] != first.shape[:2]:
            raise DataError(
                f"{place}: image of {array.shape[1]}x{array.shape[0]} pixels beside {first.shape[1]}x"
                f"{first.shape[0]} ({places[0]}); expected one size: "
                "give --image-size, such as --image-size 32"
            )
        if array.shape[2] != first.shape[2]:
            raise DataError(
                f"{place}: image of {array.shape[2]} channel(s) beside {first.shape[2]} ({places[0]}); "
                f"expected grey or colour throughout: give --image-size, such as --image-size 32, and "
                f"all become colour"
            )
    return arrays
