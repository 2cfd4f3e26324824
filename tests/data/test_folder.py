from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nasearch.data import load
from nasearch.errors import DataError


def write(path: Path, value: int = 0, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fill = value if mode in ("L", "I;16") else (value,) * len(mode)
    Image.new(mode, size, fill).save(path)


def fill_classes(root: Path, count: int = 10) -> Path:
    for label, name in enumerate(("cat", "dog")):
        for index in range(count):
            write(root / name / f"{index:02}.png", 100 * label + index)
    return root


def test_a_flat_folder_is_split_three_ways(tmp_path: Path) -> None:
    fill_classes(tmp_path, 20)
    (tmp_path / "dog" / "notes.txt").write_text("not an image")
    (tmp_path / ".thumbnails").mkdir()
    dataset = load(f"folder:{tmp_path}")
    assert dataset.classes == ("cat", "dog")
    assert dataset.input_shape == (3, 4, 6)
    assert (len(dataset.test), len(dataset.val), len(dataset.train)) == (
        6,
        6,
        28,
    )  # 3 of 20; round(3.4) of 17
    seen = []
    for split in (dataset.train, dataset.val, dataset.test):
        values = split.images[:, 0, 0, 0].long()
        assert torch.equal(split.labels, values // 100)
        seen.extend(values.tolist())
    assert sorted(seen) == [*range(20), *range(100, 120)]
    assert "test: 15% of the images" in dataset.about


@pytest.mark.parametrize("val_name", ["val", "valid", "validation"])
def test_given_parts_are_kept(tmp_path: Path, val_name: str) -> None:
    for part, count in (("train", 5), (val_name, 3), ("test", 2)):
        fill_classes(tmp_path / part, count)
    dataset = load(f"folder:{tmp_path}")
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (10, 6, 4)
    assert dataset.about.endswith("10 training, 6 validation, 4 test images")


def test_train_and_test_without_val(tmp_path: Path) -> None:
    for part, count in (("train", 10), ("test", 2)):
        fill_classes(tmp_path / part, count)
    dataset = load(f"folder:{tmp_path}")
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (16, 4, 4)


def test_grey_alpha_palette_and_sixteen_bits(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for index in range(3):
            write(tmp_path / name / f"{index}.png", 77, mode="L")
    Image.fromarray(np.full((4, 6), 77 * 256 + 5, dtype=np.uint16)).save(tmp_path / "a" / "1.png")
    dataset = load(f"folder:{tmp_path}")
    assert dataset.input_shape == (1, 4, 6)
    every = torch.cat([split.images for split in (dataset.train, dataset.val, dataset.test)])
    assert set(every.flatten().tolist()) == {77}


def test_image_size_makes_sizes_and_channels_alike(tmp_path: Path) -> None:
    fill_classes(tmp_path)
    write(tmp_path / "cat" / "wide.png", 50, (12, 5))
    write(tmp_path / "dog" / "grey.jpg", 60, (7, 9), "L")
    dataset = load(f"folder:{tmp_path}", image_size=3)
    assert dataset.input_shape == (3, 3, 3)
    assert len(dataset.train) + len(dataset.val) + len(dataset.test) == 22


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder; expected PATH/CLASS/image.png"):
        load(f"folder:{tmp_path}/nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no class folders; expected PATH/CLASS/image\.png"):
        load(f"folder:{tmp_path}")


def test_a_class_without_images(tmp_path: Path) -> None:
    fill_classes(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"empty: class folder without images; expected files that end in \.jpg"
    ):
        load(f"folder:{tmp_path}")


@pytest.mark.parametrize("content", [b"not an image", b""])
def test_a_corrupt_image_is_named(tmp_path: Path, content: bytes) -> None:
    fill_classes(tmp_path)
    (tmp_path / "dog" / "broken.png").write_bytes(content)
    with pytest.raises(
        DataError, match=r"dog/broken\.png: unreadable image \(.*\); repair or remove the file"
    ):
        load(f"folder:{tmp_path}")


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    fill_classes(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "dog" / "cut.jpg")
    raw = (tmp_path / "dog" / "cut.jpg").read_bytes()
    (tmp_path / "dog" / "cut.jpg").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match=r"dog/cut\.jpg: unreadable image"):
        load(f"folder:{tmp_path}", image_size=8)


def test_one_class_only(tmp_path: Path) -> None:
    write(tmp_path / "cat" / "0.png")
    with pytest.raises(DataError, match=r"one class only \(cat\); expected at least two"):
        load(f"folder:{tmp_path}")


def test_images_of_different_sizes(tmp_path: Path) -> None:
    fill_classes(tmp_path)
    write(tmp_path / "dog" / "big.png", 0, (9, 9))
    with pytest.raises(DataError, match=r"big\.png: image of 9x9 pixels beside 6x4 .*--image-size 32"):
        load(f"folder:{tmp_path}")


def test_mixed_channels(tmp_path: Path) -> None:
    fill_classes(tmp_path)
    write(tmp_path / "dog" / "grey.png", 0, mode="L")
    with pytest.raises(DataError, match=r"grey\.png: image of 1 channel\(s\) beside 3 .*--image-size 32"):
        load(f"folder:{tmp_path}")


def test_a_class_too_small_to_split(tmp_path: Path) -> None:
    fill_classes(tmp_path)
    write(tmp_path / "rare" / "0.png")
    with pytest.raises(DataError, match=r"class 'rare' has too few images to split .*; expected at least 3"):
        load(f"folder:{tmp_path}")


def test_a_test_class_that_is_not_trained(tmp_path: Path) -> None:
    fill_classes(tmp_path / "train")
    write(tmp_path / "test" / "fox" / "0.png")
    with pytest.raises(DataError, match=r"fox: a class that the training part does not have \(cat, dog\)"):
        load(f"folder:{tmp_path}")


def test_test_without_train(tmp_path: Path) -> None:
    fill_classes(tmp_path / "test")
    with pytest.raises(DataError, match="has test but no train folder with classes"):
        load(f"folder:{tmp_path}")


@pytest.mark.parametrize("image_size", [0, -3])
def test_an_impossible_image_size(tmp_path: Path, image_size: int) -> None:
    with pytest.raises(DataError, match=rf"--image-size {image_size}; expected a number of pixels"):
        load(f"folder:{tmp_path}", image_size=image_size)
