from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

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
        ("optimizer", "adam"),
        ("optimizer", ["sgd"]),
        ("momentum", 1.0),
        ("schedule", "step"),
        ("restarts", 0),
        ("cycle_growth", 0.5),
        ("ema", 1.0),
        ("patience", 1.5),
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
    assert Recipe("mine", 1, mixup_share=0.8, cutmix_share=0.2).cutmix_share == 0.2  # 1 - .8 is less than .2


@pytest.mark.parametrize(
    ("images", "epochs"), [(4096, 2), (8000, 2), (2048, 4), (3000, 3), (100, 40), (2, 40)]
)
def test_few_images_are_passed_more_often(images: int, epochs: int) -> None:
    """2 epochs of 4,096 images: as many steps on fewer, but never more than 20 times as often."""
    assert longer_on_few(2, 4096, images) == epochs


def test_a_dict_of_an_older_version_trains_as_it_did() -> None:
    """The keys of version 0.1; what came since stands at the value that changes nothing."""
    old = {
        "name": "proxy", "epochs": 2, "images": 4096, "batch_size": 32, "lr": 0.01, "weight_decay": 0.05,
        "warmup_share": 0.2, "label_smoothing": 0.1, "grad_clip": 1.0, "crop_padding": 0, "flip": False,
        "mixup_alpha": 0.2, "cutmix_alpha": 1.0, "mixup_share": 0.0, "cutmix_share": 0.0,
    }  # fmt: skip
    recipe = Recipe.from_dict(old)
    assert (recipe.optimizer, recipe.schedule, recipe.ema, recipe.patience) == ("adamw", "cosine", 0, 0)
    assert (recipe.restarts, recipe.cycle_growth) == (1, 1)
    assert old.items() <= recipe.to_dict().items()


def test_half_of_the_batches_are_mixed_unless_a_recipe_says_otherwise() -> None:
    recipe = Recipe("mine", 1)
    assert (recipe.mixup_share, recipe.cutmix_share) == (0.25, 0.25)
    assert all(built_in.mixup_share == built_in.cutmix_share == 0 for built_in in RECIPES.values())


def test_a_file_extends_a_built_in_recipe(tmp_path: Path) -> None:
    file = tmp_path / "sgd.yaml"
    file.write_text("extends: proxy\noptimizer: sgd\nlr: 1e-1\nimages: null\n")
    expected = replace(RECIPES["proxy"], name="sgd", optimizer="sgd", lr=0.1, images=None)
    assert Recipe.load(file) == expected
    again = tmp_path / "again.yaml"
    again.write_text("extends: sgd.yaml\nname: mine\nmomentum: 0\n")
    assert Recipe.load(str(again)) == replace(expected, name="mine", momentum=0)


def test_a_file_may_stand_alone(tmp_path: Path) -> None:
    file = tmp_path / "alone.yaml"
    file.write_text("epochs: 3\nschedule: cosine_restarts\nrestarts: 3\ncycle_growth: 2\n")
    assert Recipe.load(file) == Recipe("alone", 3, schedule="cosine_restarts", restarts=3, cycle_growth=2)


def test_every_field_survives_a_file(tmp_path: Path) -> None:
    recipe = Recipe("mine", 3, images=100, optimizer="sgd", ema=0.9, patience=2, flip=False, lr=0.2)
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(recipe.to_dict()))
    assert Recipe.load(file) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 2\nlerning: 3\n", "{}:2: lerning is not a key here; .*expected one of .*weight_decay"),
        ("extends: proxy\nlr: fast\n", "{}:2: lr is 'fast'; expected a number above 0"),
        (
            "extends: proxi\n",
            "{}:1: extends is 'proxi'; did you mean proxy.; expected proxy",
        ),
        ("extends: 3\n", "{}:1: extends is 3; expected proxy, full, supernet or a .yaml file"),
        ("extends: mine.yaml\n", "{}:1: extends is 'mine.yaml', which extends this file; expected no circle"),
        ("extends: gone.yaml\n", "gone.yaml: No such file or directory"),
        ("lr: 0.1\n", "{}:1: epochs is missing; expected a whole number from 1, or extends"),
        ("- a\n", "expected keys such as extends"),
        ("extends: full\nrestarts: 2\n", "{}:2: restarts is 2; expected 1 with schedule cosine"),
        (
            "extends: full\nschedule: cosine_restarts\n",
            "restarts is 1; expected a whole number from 2 with schedule cosine_restarts",
        ),
        ("extends: full\nname: 3\n", "{}:2: name is 3; expected a text"),
        ("extends: full\noptimizer: adam\n", "{}:2: optimizer is 'adam'; expected one of adamw, sgd"),
    ],
)
def test_mistakes_of_a_file_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(TrainingError, match=message.format(re.escape(str(file)))):
        Recipe.load(file)


def test_all_mistakes_of_a_file_are_told_together(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 0\nema: 1\npatience: -1\nschedule: steps\n")
    with pytest.raises(TrainingError) as caught:
        Recipe.load(file)
    told = str(caught.value).splitlines()
    assert [line.split(": ")[1].split(" ")[0] for line in told] == [
        "epochs",
        "schedule",
        "ema",
        "patience",
    ]
