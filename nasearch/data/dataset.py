"""What a study sees of its images: three splits of one data set, fixed by seed.

`Split` and `Dataset` are plain data; `make_dataset` turns the parts a source gives (training, perhaps
validation and test) into a `Dataset`, splitting off what is missing. Everything here is uint8 on the CPU;
normalisation, augmentation and the device are the loader's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nasearch.errors import DataError

TEST_SHARE = 0.15
"""Share of the training part that becomes the test split where a source has none."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, C, H, W) uint8 and their labels (N,) int64, which index `Dataset.classes`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: np.ndarray) -> Split:
        """The split of these rows only; rows (n,) integers."""
        chosen = torch.from_numpy(rows)
        return Split(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set as a study keeps it.

    Attributes:
        train, val, test: the splits. Search sees `train` and `val`; `test` is read by `evaluate` alone.
        classes: names, in the order of the labels.
        mean, std: a figure a channel, of the training split scaled to [0, 1].
        fingerprint: sha256 of pixels, labels and splits; two data sets are the same when it is.
        about: one line: where the images are from and how they were split.
    """

    name: str
    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    about: str

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def in_channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.input_shape[0]


def stratified_rows(labels: np.ndarray, quotas: dict[int, int], seed: int) -> np.ndarray:
    """Rows (sum of quotas,), ascending, with `quotas[label]` drawn from each label.

    Drawn with NumPy's legacy RandomState, whose stream NumPy promises never to change: a study that is
    taken up after years must find the same validation images.
    """
    random = np.random.RandomState(seed)
    rows = [
        random.permutation(np.flatnonzero(labels == label))[:count] for label, count in sorted(quotas.items())
    ]
    return np.sort(np.concatenate(rows))


def stratified_share(split: Split, n: int, seed: int) -> Split:
    """A fixed share of `n` images in which each class keeps its proportion to within one image.

    Args:
        split: what is shared; all of it is returned as it is.
        n: 1 to len(split).
        seed: of the draw.

    Raises:
        DataError: if `n` is out of range.

    Source: largest remainders (Hamilton's apportionment).
    """
    if n == len(split):
        return split
    return split.rows(share_rows(split.labels.numpy(), n, seed))


def share_rows(labels: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows (n,), ascending, of the images of a `stratified_share`.

    Raises:
        DataError: if `n` is out of range.
    """
    if not 1 <= n <= len(labels):
        raise DataError(f"share of {n} images; expected 1 to {len(labels)}, the images of the split")
    present, counts = np.unique(labels, return_counts=True)
    exact = counts * n / len(labels)
    quotas = np.floor(exact).astype(int)
    # stable: among equal remainders the smaller label wins, on every machine
    largest_remainders = np.argsort(quotas - exact, kind="stable")[: n - quotas.sum()]
    quotas[largest_remainders] += 1
    return stratified_rows(labels, dict(zip(present.tolist(), quotas.tolist(), strict=True)), seed)


def split_off(
    split: Split, share: float, seed: int, *, place: str, classes: tuple[str, ...]
) -> tuple[Split, Split]:
    """Divide into (rest, share), stratified: of each class round(share * count) images, at least one a side.

    Raises:
        DataError: if a class has a single image, which cannot be on both sides.
    """
    labels = split.labels.numpy()
    quotas: dict[int, int] = {}
    for label, name in enumerate(classes):
        count = int((labels == label).sum())
        if count < 2:
            raise DataError(
                f"{place}: class {name!r} has too few images to split ({count} left for training and what is "
                f"split off); expected at least 3 of each class, or splits of your own"
            )
        quotas[label] = min(max(round(count * share), 1), count - 1)
    taken = stratified_rows(labels, quotas, seed)
    return split.rows(np.setdiff1d(np.arange(len(labels)), taken)), split.rows(taken)


def make_dataset(
    name: str,
    train: Split,
    val: Split | None,
    test: Split | None,
    *,
    classes: tuple[str, ...],
    val_share: float,
    seed: int,
    about: str,
) -> Dataset:
    """A `Dataset` of the parts of a source; missing test and validation splits are split off, in that order.

    Raises:
        DataError: if there is one class only, a class without training images, or too few to split.
    """
    if not 0.0 < val_share < 1.0:
        raise DataError(f"val_share is {val_share}; expected a share between 0 and 1, such as 0.2")
    if len(classes) < 2:
        raise DataError(f"{name}: one class only ({', '.join(classes)}); expected at least two to tell apart")
    notes = []
    if test is None:
        train, test = split_off(train, TEST_SHARE, seed, place=name, classes=classes)
        notes.append(f"test: {TEST_SHARE:.0%} of the images, split off (stratified, seed {seed})")
    if val is None:
        train, val = split_off(train, val_share, seed, place=name, classes=classes)
        notes.append(f"validation: {val_share:.0%} of the training part (stratified, seed {seed})")
    counts = torch.bincount(train.labels, minlength=len(classes))
    if not bool(counts.all()):
        raise DataError(f"{name}: class {classes[int(counts.argmin())]!r} has no training images")
    mean, std = channel_statistics(train.images)
    sizes = f"{len(train):,} training, {len(val):,} validation, {len(test):,} test images"
    return Dataset(
        name,
        train,
        val,
        test,
        classes,
        mean,
        std,
        fingerprint(train, val, test),
        "; ".join([about, sizes, *notes]),
    )


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation a channel of uint8 images (N, C, H, W), scaled to [0, 1].

    Exact to float64: from the histogram of the 256 values, without a float copy of the images.
    """
    values = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in range(images.shape[1]):
        weights = torch.bincount(images[:, channel].flatten(), minlength=256).double()
        weights /= weights.sum()
        mean = float((weights * values).sum())
        variance = float((weights * (values - mean) ** 2).sum())
        means.append(mean)
        # a channel of one value would divide by zero; half a grey level leaves it at zero after the mean
        stds.append(max(variance**0.5, 0.5 / 255))
    return tuple(means), tuple(stds)


def fingerprint(train: Split, val: Split, test: Split) -> str:
    """sha256 of shapes, pixels and labels of the three splits, in order."""
    digest = hashlib.sha256()
    for part, split in (("train", train), ("val", val), ("test", test)):
        digest.update(f"{part} {tuple(split.images.shape)}\n".encode())
        digest.update(split.images.contiguous().numpy().data)
        digest.update(split.labels.contiguous().numpy().data)
    return digest.hexdigest()
