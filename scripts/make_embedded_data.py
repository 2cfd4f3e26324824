"""Make the embedded data set fashion-mnist-12k from the IDX files of Fashion-MNIST.

    python scripts/make_embedded_data.py [--source FOLDER] [--out FILE]

Takes 1,000 training and 200 test images a class, drawn by a fixed seed from the training and the test part
of Fashion-MNIST (Xiao et al. 2017, MIT licence), writes them as one npz file, and prints its size and the
checksum of its contents. Debian's package `dataset-fashion-mnist` puts the IDX files in the default folder.
The same files give the same contents, on any machine.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
from pathlib import Path

import numpy as np

SOURCE = Path("/usr/share/datasets/fashion-mnist")
OUT = Path(__file__).resolve().parent.parent / "nasearch" / "data" / "embedded" / "fashion_mnist_12k.npz"
SEED = 0
PER_CLASS = {"train": 1000, "test": 200}
LARGEST_BYTES = 6_000_000


def read_idx(path: Path) -> np.ndarray:
    """One IDX file (gzip) of unsigned bytes: magic number, sizes as big-endian int32, then the values."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\x00\x00\x08":
        raise SystemExit(f"{path}: does not start as an IDX file of unsigned bytes")
    sizes = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


def balanced(
    images: np.ndarray, labels: np.ndarray, per_class: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """`per_class` rows of each class, in the order of the source. RandomState's stream is frozen by NumPy."""
    random = np.random.RandomState(seed)
    rows = [random.permutation(np.flatnonzero(labels == label))[:per_class] for label in np.unique(labels)]
    chosen = np.sort(np.concatenate(rows))
    return images[chosen], labels[chosen]


def checksum(arrays: dict[str, np.ndarray]) -> str:
    """sha256 over names, shapes and bytes, in the order of the names; the compressor has no part in it."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def make(source: Path) -> dict[str, np.ndarray]:
    """The four arrays of the embedded set, as `npz:FILE` names them; images (N, 28, 28), all uint8."""
    arrays: dict[str, np.ndarray] = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
        arrays[f"x_{part}"], arrays[f"y_{part}"] = balanced(images, labels, PER_CLASS[part], SEED)
    return arrays


def main() -> None:
    """Make the file and print what was made."""
    parser = argparse.ArgumentParser(description="Make the embedded data set fashion-mnist-12k.")
    parser.add_argument("--source", type=Path, default=SOURCE, help="folder of the IDX files (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (%(default)s)")
    given = parser.parse_args()
    if not given.source.is_dir():
        raise SystemExit(f"{given.source}: no such folder; install dataset-fashion-mnist or give --source")
    arrays = make(given.source)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(given.out, **arrays)  # type: ignore[arg-type]
    size = given.out.stat().st_size
    if size > LARGEST_BYTES:
        raise SystemExit(f"{given.out}: {size:,} bytes; at most {LARGEST_BYTES:,} may ship in the wheel")
    for name, array in arrays.items():
        print(f"{name} {array.dtype} {array.shape}")
    print(f"{size:,} bytes")
    print(f"sha256 {checksum(arrays)}")


if __name__ == "__main__":
    main()
