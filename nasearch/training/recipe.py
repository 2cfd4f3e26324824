"""Recipes: how long and how a network is trained, as data that a study can keep and compare."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nasearch.errors import TrainingError, did_you_mean
from nasearch.space.reader import Document, read_yaml

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "cosine_restarts")


@dataclass(frozen=True)
class Recipe:
    """One training, as data. Two studies with equal recipes train alike.

    Attributes:
        name: of the recipe.
        epochs: passes over the images; the learning-rate schedule spans them all.
        images: size of the fixed stratified share of the training split that is used; None is all of it.
        batch_size: most images a step.
        lr: peak learning rate.
        weight_decay: on weights of convolutions and linear layers; norms and biases go without. Decoupled
            from the gradient with adamw, a part of it with sgd.
        warmup_share: share of the steps in which the rate climbs linearly; the schedule takes the rest.
        label_smoothing: share of each target that is spread over all classes.
        grad_clip: largest norm of the gradient; 0 is no clipping.
        crop_padding: pixels of reflected border for random crops; 0 is no crops.
        flip: mirror half of the images.
        mixup_alpha, cutmix_alpha: of the Beta distributions of the mixing shares.
        mixup_share, cutmix_share: shares of the batches that are mixed so; the rest stays plain.
        optimizer: adamw, or sgd with Nesterov momentum.
        momentum: of sgd; 0 is plain gradient descent. adamw has its own.
        schedule: cosine, half a cosine to 0; or cosine_restarts, several of them in a row.
        restarts: half cosines of cosine_restarts; 1 with cosine.
        cycle_growth: each half cosine of cosine_restarts is this many times longer than the one before.
        ema: decay of the moving average of the weights that is validated and kept; 0 is no average.
        patience: validations in a row without a lower validation loss after which the training ends; 0 is to
            the last epoch.
    """

    name: str
    epochs: int
    images: int | None = None
    batch_size: int = 128
    lr: float = 3e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.2
    label_smoothing: float = 0.1
    grad_clip: float = 1.0
    crop_padding: int = 2
    flip: bool = True
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    mixup_share: float = 0.25
    cutmix_share: float = 0.25
    optimizer: str = "adamw"
    momentum: float = 0.9
    schedule: str = "cosine"
    restarts: int = 1
    cycle_growth: float = 1.0
    ema: float = 0.0
    patience: int = 0

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, accepted in mistakes(values):
            raise TrainingError(f"recipe {self.name!r}: {name} is {values[name]!r}; expected {accepted}")

    def to_dict(self) -> dict[str, object]:
        """Every field by name, as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Recipe:
        """The recipe that `to_dict` described.

        Raises:
            TrainingError: for a key that is no field, a missing one without default, or an impossible value.
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise TrainingError(f"recipe: unknown key {key!r}; expected one of {', '.join(known)}")
        for key in ("name", "epochs"):
            if key not in values:
                raise TrainingError(f"recipe: {key} is missing; expected at least name and epochs")
        return cls(**values)  # type: ignore[arg-type]  # __post_init__ checks every value

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe from a YAML file, whose keys are the fields.

        `extends: proxy`, `extends: full` or `extends: FILE` (beside this one) gives the values that the file
        leaves out. The name is the file's if it is not given.

        Raises:
            TrainingError: with every mistake of the file, each with its line, key and what is accepted.
        """
        return _read(Path(path), ())


def mistakes(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields of a whole recipe that have an impossible value, each with what is accepted."""
    images, mixup, restarted = (
        values["images"],
        values["mixup_share"],
        values["schedule"] == "cosine_restarts",
    )
    for name, accepted, good in (
        ("name", "a text", isinstance(values["name"], str)),
        ("epochs", "a whole number from 1", is_whole(values["epochs"], 1)),
        ("images", "a whole number from 2, or none for all", images is None or is_whole(images, 2)),
        ("batch_size", "a whole number from 2", is_whole(values["batch_size"], 2)),
        ("lr", "a number above 0", is_number(values["lr"]) and values["lr"] > 0),
        ("weight_decay", "a number from 0", is_from_zero(values["weight_decay"])),
        ("warmup_share", "a share from 0 to below 1", is_below_one(values["warmup_share"])),
        ("label_smoothing", "a share from 0 to below 1", is_below_one(values["label_smoothing"])),
        ("grad_clip", "a number from 0", is_from_zero(values["grad_clip"])),
        ("crop_padding", "a whole number from 0", is_whole(values["crop_padding"], 0)),
        ("flip", "true or false", isinstance(values["flip"], bool)),
        ("mixup_alpha", "a number above 0", is_number(values["mixup_alpha"]) and values["mixup_alpha"] > 0),
        (
            "cutmix_alpha",
            "a number above 0",
            is_number(values["cutmix_alpha"]) and values["cutmix_alpha"] > 0,
        ),
        ("mixup_share", "a share from 0 to 1", is_from_zero(mixup) and mixup <= 1),
        (
            "cutmix_share",
            "a share from 0 to 1, with mixup_share at most 1",
            is_from_zero(values["cutmix_share"])
            and (not is_number(mixup) or values["cutmix_share"] + mixup <= 1 + 1e-9),  # .8 + .2 may round up
        ),
        ("optimizer", f"one of {', '.join(OPTIMIZERS)}", values["optimizer"] in OPTIMIZERS),
        ("momentum", "a share from 0 to below 1", is_below_one(values["momentum"])),
        ("schedule", f"one of {', '.join(SCHEDULES)}", values["schedule"] in SCHEDULES),
        (
            "restarts",
            "a whole number from 2 with schedule cosine_restarts" if restarted else "1 with schedule cosine",
            is_whole(values["restarts"], 2)
            if restarted
            else values["schedule"] != "cosine" or is_whole(values["restarts"], 1, 1),
        ),
        (
            "cycle_growth",
            "a number from 1",
            is_number(values["cycle_growth"]) and values["cycle_growth"] >= 1,
        ),
        ("ema", "a share from 0 to below 1", is_below_one(values["ema"])),
        ("patience", "a whole number from 0", is_whole(values["patience"], 0)),
    ):
        if not good:
            yield name, accepted


def is_number(value: object) -> bool:
    """A finite number that is no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_from_zero(value: Any) -> bool:
    """A finite number from 0."""
    return is_number(value) and value >= 0


def is_below_one(value: Any) -> bool:
    """A share from 0 to below 1."""
    return is_number(value) and 0 <= value < 1


def is_whole(value: object, least: int, most: float = math.inf) -> bool:
    """A whole number from `least` to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


# docs/decisions.md has the tables behind both. The proxy's few steps want many small updates, images as they
# will be judged, and the average of the weights, which foretells the end in the middle of the schedule, so
# that candidates can race. The full recipe crops nothing because these images are centred; photographs may
# want crop_padding 2 to 4. Neither mixes: in so short trainings mixed batches lost on the same networks.
RECIPES: dict[str, Recipe] = {
    "proxy": Recipe(
        "proxy",
        epochs=9,
        images=2048,
        batch_size=32,
        lr=1e-2,
        warmup_share=0.05,
        crop_padding=0,
        flip=False,
        mixup_share=0.0,
        cutmix_share=0.0,
        ema=0.95,
    ),
    "full": Recipe(
        "full", epochs=10, batch_size=64, lr=1e-2, crop_padding=0, mixup_share=0.0, cutmix_share=0.0
    ),
    "supernet": Recipe(
        "supernet",
        epochs=10,
        batch_size=64,
        lr=1e-2,
        warmup_share=0.05,
        crop_padding=0,
        flip=False,
        mixup_share=0.0,
        cutmix_share=0.0,
    ),
}


def find_recipe(name: str) -> Recipe:
    """A built-in recipe, or one in a YAML file.

    Raises:
        TrainingError: if there is none of that name, or the file holds none; with its mistakes.
    """
    if name in RECIPES:
        return RECIPES[name]
    if name.endswith((".yaml", ".yml")):
        return Recipe.load(name)
    raise TrainingError(
        f"recipe is {name!r}; {did_you_mean(name, RECIPES)}"
        f"expected one of {', '.join(RECIPES)}, or a YAML file"
    )


FULL_IMAGES = 8_000
"""Training images for which the full recipe's epochs were chosen."""

MOST_TIMES_LONGER = 20


def longer_on_few(epochs: int, usual: int, images: int) -> int:
    """Epochs on fewer images than a recipe was chosen for, so that it takes about as many steps.

    A training of 8 steps tells networks apart no better than chance. At most 20 times the recipe's own
    epochs: beyond that a small data set is learnt by heart.

    Args:
        epochs: of the recipe.
        usual: images in an epoch for which they were chosen.
        images: images in an epoch that there are.
    """
    return math.ceil(epochs * min(max(usual / images, 1.0), MOST_TIMES_LONGER))


def _read(path: Path, seen: tuple[Path, ...]) -> Recipe:
    """A recipe file; `seen` are the files that extend it."""
    document = read_yaml(path, TrainingError)
    if not isinstance(document.data, dict):
        raise TrainingError(f"{path}: expected keys such as extends, epochs and lr")
    known = [field.name for field in fields(Recipe)]
    document.check_keys("", document.data, ["extends", *known])
    document.finish()
    base = _base(document, path, seen)
    given = {key: value for key, value in document.data.items() if key != "extends"}
    values = {**base, "name": path.stem, **given}
    if "epochs" not in values:
        document.complain("", "epochs is missing; expected a whole number from 1, or extends with a recipe")
        document.finish()
    for name, accepted in mistakes(
        {field.name: values.get(field.name, field.default) for field in fields(Recipe)}
    ):
        document.complain(name, f" is {values.get(name)!r}; expected {accepted}")
    document.finish()
    return Recipe.from_dict(values)


def _base(document: Document, path: Path, seen: tuple[Path, ...]) -> dict[str, object]:
    """The values of the recipe that a file extends, none if it extends none."""
    if "extends" not in document.data:
        return {}
    name = document.data["extends"]
    if isinstance(name, str) and name in RECIPES:
        return RECIPES[name].to_dict()
    if isinstance(name, str) and name.endswith((".yaml", ".yml")):
        chain = (*seen, path.resolve())
        file = path.parent / Path(name).expanduser()
        if file.resolve() not in chain:
            return _read(file, chain).to_dict()
        document.complain("extends", f" is {name!r}, which extends this file; expected no circle")
    else:
        document.complain(
            "extends",
            f" is {name!r}; {did_you_mean(name, RECIPES)}expected {', '.join(RECIPES)} or a .yaml file",
        )
    document.finish()
    raise AssertionError("a mistake was noted")
