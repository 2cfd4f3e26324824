from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nasearch.data import Dataset, load, stratified_share
from nasearch.errors import TrainingError
from nasearch.measure.trained import Fidelity, train_proxy
from nasearch.nets import build
from nasearch.space import Architecture, SearchSpace
from nasearch.training import RECIPES, CurvePoint, train

RECIPE = replace(RECIPES["proxy"], name="test", epochs=2, images=256, batch_size=32)
SHARED = Path(
    os.environ.get("NASEARCH_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    whole = load("fashion-mnist-12k")
    return replace(whole, val=stratified_share(whole.val, 200, 0))


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    return SearchSpace.load("tiny").sample(seed=0)


def test_the_same_seed_gives_the_same_result_and_touches_no_global_generator(
    dataset: Dataset, architecture: Architecture
) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    points: list[CurvePoint] = []
    one = train_proxy(architecture, dataset, RECIPE, seed=3, on_epoch=points.append)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    two = train_proxy(architecture, dataset, RECIPE, seed=3)
    other = train_proxy(architecture, dataset, RECIPE, seed=4)
    assert one.accuracy == two.accuracy
    assert [p.val_loss for p in one.curve] == [p.val_loss for p in two.curve] == [p.val_loss for p in points]
    assert [p.val_loss for p in one.curve] != [p.val_loss for p in other.curve]
    assert (one.seed, other.seed) == (3, 4)
    assert one.seconds > 0


def test_it_is_build_then_train(dataset: Dataset, architecture: Architecture) -> None:
    torch.manual_seed(9)
    network = build(architecture, num_classes=10, in_channels=1)
    expected = train(network, dataset, RECIPE, seed=9)
    result = train_proxy(architecture, dataset, RECIPE, seed=9)
    assert [p.val_loss for p in result.curve] == [p.val_loss for p in expected.curve]


def test_fidelity_says_what_was_spent(dataset: Dataset, architecture: Architecture) -> None:
    result = train_proxy(architecture, dataset, RECIPE)
    assert result.fidelity == Fidelity(2, 256, (28, 28))
    assert result.fidelity.text == "2 epochs x 256 images at 28x28"
    assert json.loads(json.dumps(result.fidelity.to_dict())) == {
        "epochs": 2,
        "images": 256,
        "resolution": [28, 28],
        "text": "2 epochs x 256 images at 28x28",
    }


@pytest.mark.parametrize(
    ("epochs", "images", "text"),
    [
        (1, 4096, "1 epoch x 4,096 images"),
        (2, None, "2 epochs x 8,000 images"),
        (3, 50_000, "3 epochs x 8,000 images"),
    ],
)
def test_fidelity_counts_the_images_there_are(
    dataset: Dataset, epochs: int, images: int | None, text: str
) -> None:
    assert Fidelity.of(replace(RECIPE, epochs=epochs, images=images), dataset).text == f"{text} at 28x28"


def test_a_diverging_candidate_raises_its_reason(dataset: Dataset, architecture: Architecture) -> None:
    with pytest.raises(TrainingError, match="diverged at epoch"):
        train_proxy(architecture, dataset, replace(RECIPE, lr=1e30, grad_clip=0.0))


def test_a_candidate_learns_real_colour_images(architecture: Architecture) -> None:
    file = SHARED / "cifar10" / "cifar10_small.npz"
    if not file.is_file():
        pytest.skip(f"{file} is not there (an excerpt of CIFAR-10)")
    dataset = load(f"npz:{file}")
    assert dataset.input_shape == (3, 32, 32)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (8_000, 2_000, 2_000)
    result = train_proxy(architecture, dataset, replace(RECIPE, images=2048))
    assert result.accuracy > 0.15  # ten classes; 0.10 +- 0.007 would be chance
