"""Training: recipes as data, one loop, distillation, evaluation."""

from __future__ import annotations

from nasearch.training.distillation import Distillation, distillation_loss
from nasearch.training.evaluate import evaluate, settle
from nasearch.training.loop import global_generators_kept, train
from nasearch.training.recipe import FULL_IMAGES, RECIPES, Recipe, find_recipe, longer_on_few
from nasearch.training.results import CurvePoint, TrainResult
from nasearch.training.schedule import learning_rate
from nasearch.training.supernet import SupernetPoint, SupernetResult, inherited_accuracy, train_supernet

__all__ = [
    "FULL_IMAGES",
    "RECIPES",
    "CurvePoint",
    "Distillation",
    "Recipe",
    "SupernetPoint",
    "SupernetResult",
    "TrainResult",
    "distillation_loss",
    "evaluate",
    "find_recipe",
    "global_generators_kept",
    "inherited_accuracy",
    "learning_rate",
    "longer_on_few",
    "settle",
    "train",
    "train_supernet",
]
