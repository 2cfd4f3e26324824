from __future__ import annotations

import json
from dataclasses import fields

import pytest

from nasearch.errors import TrainingError
from nasearch.training import RECIPES, Recipe, longer_on_few


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert list(recipe.to_dict()) == [field.name for field in fields(Recipe)]


def test_an_unknown_key_is_named_with_what_is_accepted() -> None:
    with pytest.raises(
        TrainingError, match="recipe: unknown key 'epoch'; expected one of name, epochs, images"
    ):
        Recipe.from_dict({"name": "mine", "epoch": 3})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(TrainingError, match="recipe: epochs is missing"):
        Recipe.from_dict({"name": "mine"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("epochs", True),
        ("images", 1),
        ("batch_size", 1),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", "fast"),
        ("weight_decay", -1.0),
        ("warmup_share", 1.0),
        ("label_smoothing", 1.0),
        ("grad_clip", -0.1),
        ("crop_padding", -1),
        ("flip", "yes"),
        ("mixup_alpha", 0.0),
        ("cutmix_alpha", -1.0),
        ("mixup_share", 1.1),
        ("cutmix_share", 1.1),
    ],
)
def test_impossible_values_are_named(key: str, value: object) -> None:
    with pytest.raises(TrainingError, match=rf"recipe 'mine': {key} is .*; expected"):
        Recipe.from_dict({"name": "mine", "epochs": 1} | {key: value})


def test_mixing_shares_must_leave_room_for_each_other() -> None:
    with pytest.raises(
        TrainingError, match=r"cutmix_share is 0\.6; expected a share .* with mixup_share at most 1"
    ):
        Recipe("mine", 1, mixup_share=0.5, cutmix_share=0.6)


@pytest.mark.parametrize(
    ("images", "epochs"), [(4096, 2), (8000, 2), (2048, 4), (3000, 3), (100, 40), (2, 40)]
)
def test_few_images_are_passed_more_often(images: int, epochs: int) -> None:
    """2 epochs of 4,096 images: as many steps on fewer, but never more than 20 times as often."""
    assert longer_on_few(2, 4096, images) == epochs
