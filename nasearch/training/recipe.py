"""Recipes: how long and how a network is trained, as data that a study can keep and compare."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from nasearch.errors import TrainingError


@dataclass(frozen=True)
class Recipe:
    """One training, as data. Two studies with equal recipes train alike.

    Attributes:
        name: of the recipe.
        epochs: passes over the images; the learning-rate schedule spans them all.
        images: size of the fixed stratified share of the training split that is used; None is all of it.
        batch_size: most images a step.
        lr: peak learning rate of AdamW.
        weight_decay: of AdamW, on weights of convolutions and linear layers; norms and biases go without.
        warmup_share: share of the steps in which the rate climbs linearly; the rest is a cosine to 0.
        label_smoothing: share of each target that is spread over all classes.
        grad_clip: largest norm of the gradient; 0 is no clipping.
        crop_padding: pixels of reflected border for random crops; 0 is no crops.
        flip: mirror half of the images.
        mixup_alpha, cutmix_alpha: of the Beta distributions of the mixing shares.
        mixup_share, cutmix_share: shares of the batches that are mixed so.
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
    mixup_share: float = 0.0
    cutmix_share: float = 0.0

    def __post_init__(self) -> None:
        for name, accepted, good in (
            ("epochs", "a whole number from 1", is_whole(self.epochs, 1)),
            (
                "images",
                "a whole number from 2, or none for all",
                self.images is None or is_whole(self.images, 2),
            ),
            ("batch_size", "a whole number from 2", is_whole(self.batch_size, 2)),
            ("lr", "a number above 0", is_number(self.lr) and self.lr > 0),
            ("weight_decay", "a number from 0", is_number(self.weight_decay) and self.weight_decay >= 0),
            (
                "warmup_share",
                "a share from 0 to below 1",
                is_number(self.warmup_share) and 0 <= self.warmup_share < 1,
            ),
            (
                "label_smoothing",
                "a share from 0 to below 1",
                is_number(self.label_smoothing) and 0 <= self.label_smoothing < 1,
            ),
            ("grad_clip", "a number from 0", is_number(self.grad_clip) and self.grad_clip >= 0),
            ("crop_padding", "a whole number from 0", is_whole(self.crop_padding, 0)),
            ("flip", "true or false", isinstance(self.flip, bool)),
            ("mixup_alpha", "a number above 0", is_number(self.mixup_alpha) and self.mixup_alpha > 0),
            ("cutmix_alpha", "a number above 0", is_number(self.cutmix_alpha) and self.cutmix_alpha > 0),
            (
                "mixup_share",
                "a share from 0 to 1",
                is_number(self.mixup_share) and 0 <= self.mixup_share <= 1,
            ),
            (
                "cutmix_share",
                "a share from 0 to 1, with mixup_share at most 1",
                is_number(self.cutmix_share) and 0 <= self.cutmix_share <= 1 - self.mixup_share,
            ),
        ):
            if not good:
                raise TrainingError(
                    f"recipe {self.name!r}: {name} is {getattr(self, name)!r}; expected {accepted}"
                )

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


def is_number(value: object) -> bool:
    """A finite number that is no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object, least: int) -> bool:
    """A whole number from `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


# Both were chosen by validation accuracy on fashion-mnist-12k; docs/decisions.md has the tables, and
# scripts/compare_recipes.py makes them. The proxy's few steps want many small updates, and images as they
# will be judged. The full recipe crops nothing because these images are centred; photographs may want
# crop_padding 2 to 4. That the recipe of the highest accuracy ranks networks best has not been measured.
RECIPES: dict[str, Recipe] = {
    "proxy": Recipe("proxy", epochs=2, images=4096, batch_size=32, lr=1e-2, crop_padding=0, flip=False),
    "full": Recipe("full", epochs=10, batch_size=64, lr=1e-2, crop_padding=0),
}

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
