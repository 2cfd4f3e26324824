"""Torchvision's classification sets by name: a table from name to how its parts are asked for."""

from __future__ import annotations

import http.client
import os
import socket
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision.datasets

from nasearch.data.arrays import array_split
from nasearch.data.dataset import Split
from nasearch.data.folder import alike, image_array
from nasearch.errors import DataError

DOWNLOAD_TIMEOUT_S = 30


@dataclass(frozen=True)
class VisionSet:
    """How one set is read.

    Attributes:
        cls: class in torchvision.datasets.
        train, val, test: arguments that give the part; None where the set has no such part.
        layout: axes of its `data` array, or "" where it holds image files, which are then decoded.
        sizes: "one" where all images have one size, else "many": `image_size` is needed.
        about: one line for people.
    """

    cls: str
    about: str
    train: Mapping[str, object]
    test: Mapping[str, object] | None
    val: Mapping[str, object] | None = None
    layout: str = ""
    sizes: str = "one"


FLAG: tuple[Mapping[str, object], Mapping[str, object]] = ({"train": True}, {"train": False})
WORD: tuple[Mapping[str, object], Mapping[str, object]] = ({"split": "train"}, {"split": "test"})
VAL: Mapping[str, object] = {"split": "val"}

VISION_SETS: dict[str, VisionSet] = {
    "mnist": VisionSet("MNIST", "handwritten digits, 28x28 grey, 10 classes", *FLAG, layout="NHW"),
    "fashion-mnist": VisionSet("FashionMNIST", "clothes, 28x28 grey, 10 classes", *FLAG, layout="NHW"),
    "kmnist": VisionSet("KMNIST", "handwritten kana, 28x28 grey, 10 classes", *FLAG, layout="NHW"),
    "emnist": VisionSet(
        "EMNIST",
        "letters and digits (balanced), 28x28 grey, 47 classes; transposed, as torchvision gives them",
        {"split": "balanced", "train": True},
        {"split": "balanced", "train": False},
        layout="NHW",
    ),
    "usps": VisionSet("USPS", "handwritten digits, 16x16 grey, 10 classes", *FLAG, layout="NHW"),
    "semeion": VisionSet("SEMEION", "handwritten digits, 16x16 grey, 10 classes", {}, None, layout="NHW"),
    "cifar10": VisionSet("CIFAR10", "objects and animals, 32x32 colour, 10 classes", *FLAG, layout="NHWC"),
    "cifar100": VisionSet("CIFAR100", "objects and animals, 32x32 colour, 100 classes", *FLAG, layout="NHWC"),
    "svhn": VisionSet("SVHN", "house numbers, 32x32 colour, 10 classes", *WORD, layout="NCHW"),
    "stl10": VisionSet("STL10", "objects and animals, 96x96 colour, 10 classes", *WORD, layout="NCHW"),
    "eurosat": VisionSet("EuroSAT", "land use from satellites, 64x64 colour, 10 classes", {}, None),
    "pcam": VisionSet("PCAM", "tissue with and without metastasis, 96x96 colour, 2 classes", *WORD, val=VAL),
    "gtsrb": VisionSet("GTSRB", "traffic signs, many sizes, colour, 43 classes", *WORD, sizes="many"),
    "flowers102": VisionSet(
        "Flowers102", "flowers, many sizes, colour, 102 classes", *WORD, val=VAL, sizes="many"
    ),
    "food101": VisionSet("Food101", "dishes, many sizes, colour, 101 classes", *WORD, sizes="many"),
    "oxford-iiit-pet": VisionSet(
        "OxfordIIITPet",
        "cats and dogs, many sizes, colour, 37 classes",
        {"split": "trainval"},
        {"split": "test"},
        sizes="many",
    ),
    "dtd": VisionSet("DTD", "textures, many sizes, colour, 47 classes", *WORD, val=VAL, sizes="many"),
    "fgvc-aircraft": VisionSet(
        "FGVCAircraft", "aircraft, many sizes, 100 classes", *WORD, val=VAL, sizes="many"
    ),
    "stanford-cars": VisionSet("StanfordCars", "cars, many sizes, 196 classes", *WORD, sizes="many"),
    "country211": VisionSet(
        "Country211",
        "photographs by country, many sizes, 211 classes",
        *WORD,
        val={"split": "valid"},
        sizes="many",
    ),
    "rendered-sst2": VisionSet("RenderedSST2", "sentences as images, 448x448, 2 classes", *WORD, val=VAL),
    "imagenette": VisionSet(
        "Imagenette",
        "ten easy classes of ImageNet, short side 160, colour",
        {"split": "train", "size": "160px"},
        {"split": "val", "size": "160px"},
        sizes="many",
    ),
    "sun397": VisionSet("SUN397", "scenes, many sizes, colour, 397 classes", {}, None, sizes="many"),
    "caltech101": VisionSet("Caltech101", "objects, many sizes, 101 classes", {}, None, sizes="many"),
    "caltech256": VisionSet("Caltech256", "objects, many sizes, 257 classes", {}, None, sizes="many"),
}


def cache_folder() -> Path:
    """Where downloads go: $NASEARCH_CACHE, else nasearch in $XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("NASEARCH_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nasearch"


def read_vision_set(
    name: str, root: Path | None, image_size: int | None
) -> tuple[Split, Split | None, Split | None, tuple[str, ...]]:
    """Training, validation and test part (None where the set has none) and the class names.

    Args:
        name: key of VISION_SETS.
        root: folder in which torchvision's own layout lies; nothing is downloaded there. None: the cache
            folder, into which the set is downloaded once.
        image_size: side to which every image is resized; None: as they are.

    Raises:
        DataError: if the set is not there and cannot be downloaded, or needs an image size.
    """
    row = VISION_SETS[name]
    if row.sizes == "many" and image_size is None:
        raise DataError(f"data {name!r} has images of many sizes; give --image-size, such as --image-size 64")
    if root is not None and not root.is_dir():
        raise DataError(f"--data-root {root}: no such folder; expected the folder that holds {name!r}")
    sources = {
        part: open_part(name, row, arguments, root)
        for part, arguments in (("train", row.train), ("val", row.val), ("test", row.test))
        if arguments is not None
    }
    read = read_arrays if row.layout else read_images
    splits = read(name, row, sources, image_size)
    count = 1 + max(int(split.labels.max()) for split in splits.values())
    return splits["train"], splits.get("val"), splits.get("test"), set_classes(sources["train"], count)


def open_part(name: str, row: VisionSet, arguments: Mapping[str, object], root: Path | None) -> Any:
    """Torchvision's data set object for one part, downloaded first where that is allowed and needed."""
    cls = getattr(torchvision.datasets, row.cls)
    folder = root if root is not None else cache_folder()
    try:
        return cls(str(folder), download=False, **arguments)
    except ImportError as error:
        raise DataError(f"data {name!r} needs a package that is not installed: {error}") from error
    except (RuntimeError, OSError, ValueError) as error:
        if root is not None:
            raise DataError(
                f"--data-root {root}: {name!r} is not there or not whole ({first_line(error)}); expected "
                f"what torchvision.datasets.{row.cls}({str(root)!r}) reads, or leave "
                f"--data-root out to download it"
            ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with network_timeout(DOWNLOAD_TIMEOUT_S):
            return cls(str(folder), download=True, **arguments)
    except (
        RuntimeError,
        OSError,
        ValueError,
        ImportError,
        EOFError,
        http.client.HTTPException,
        zipfile.BadZipFile,
        tarfile.TarError,
    ) as error:
        raise DataError(
            f"data {name!r} is not in {folder} and could not be downloaded ({first_line(error)}); without "
            f"network use --data fashion-mnist-12k, which is built in, "
            f"or --data-root FOLDER where {name!r} lies"
        ) from error


@contextmanager
def network_timeout(seconds: float) -> Iterator[None]:
    """Torchvision opens its connections without a time limit: a dead network would hang for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def first_line(error: BaseException) -> str:
    """The error in one line; torchvision's own hint to pass download=True is no help on a command line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". You can use download=True")[0].split(" You can use download=True")[0][:200]


def read_arrays(
    name: str, row: VisionSet, sources: dict[str, Any], image_size: int | None
) -> dict[str, Split]:
    """Parts of a set that keeps all images in one array."""
    train_labels = part_labels(sources["train"])
    values = tuple(np.unique(train_labels).tolist())
    splits = {}
    for part, source in sources.items():
        images = np.asarray(source.data)
        if row.layout == "NCHW":
            images = images.transpose(0, 2, 3, 1)
        splits[part] = array_split(images, part_labels(source), values, name, part, image_size)
    return splits


def part_labels(source: Any) -> np.ndarray:
    """(N,) integer labels, under whichever of its two names torchvision keeps them."""
    return np.asarray(source.targets if hasattr(source, "targets") else source.labels).astype(np.int64)


def read_images(
    name: str, _row: VisionSet, sources: dict[str, Any], image_size: int | None
) -> dict[str, Split]:
    """Parts of a set that keeps image files, all decoded alike."""

    def one(job: tuple[Any, int]) -> tuple[np.ndarray, int]:
        source, index = job
        try:
            image, label = source[index]
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"data {name!r}, image {index}: unreadable ({first_line(error)})") from error
        return image_array(image, image_size), int(label)

    jobs = [(source, index) for source in sources.values() for index in range(len(source))]
    with ThreadPoolExecutor() as pool:
        pairs = list(pool.map(one, jobs))
    places = [f"data {name!r}, image {index}" for _, index in jobs]
    arrays = alike([array for array, _ in pairs], places, image_size)
    labels = np.array([label for _, label in pairs], dtype=np.int64)
    splits = {}
    start = 0
    for part, source in sources.items():
        stop = start + len(source)
        images = np.stack(arrays[start:stop]).transpose(0, 3, 1, 2)
        splits[part] = Split(
            torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels[start:stop])
        )
        start = stop
    return splits


def set_classes(source: Any, count: int) -> tuple[str, ...]:
    """Class names where torchvision has as many as there are classes, else the numbers."""
    for attribute in ("classes", "categories"):
        names = getattr(source, attribute, None)
        if names is not None and len(names) == count:
            return tuple(name if isinstance(name, str) else ", ".join(name) for name in names)
    return tuple(str(label) for label in range(count))
