"""Training: recipes as data, one loop, distillation, evaluation."""

from __future__ import annotations

from nasearch.training.distillation import Distillation, distillation_loss
from nasearch.training.evaluate import evaluate
from nasearch.training.loop import global_generators_kept, train
from nasearch.training.recipe import FULL_IMAGES, RECIPES, Recipe, find_recipe, longer_on_few
from nasearch.training.results import CurvePoint, TrainResult
from nasearch.training.schedule import learning_rate

__all__ = [
    "FULL_IMAGES",
    "RECIPES",
    "CurvePoint",
    "Distillation",
    "Recipe",
    "TrainResult",
    "distillation_loss",
    "evaluate",
    "find_recipe",
    "global_generators_kept",
    "learning_rate",
    "longer_on_few",
    "train",
]
