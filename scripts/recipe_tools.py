"""What the scripts that compare recipes share: changed recipes, and networks to train by them."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import yaml

from nasearch import Architecture, SearchSpace, architecture_cost
from nasearch.data import Dataset
from nasearch.pareto import parse_limits
from nasearch.training import Recipe


def variant(recipe: Recipe, text: str) -> Recipe:
    """The recipe with the changes of a text such as `epochs=1 flip=true`."""
    changes: dict[str, Any] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        changes[name] = yaml.safe_load(value)
    return dataclasses.replace(recipe, **changes)


def networks(space: SearchSpace, dataset: Dataset, count: int, seed: int = 0) -> list[Architecture]:
    """Random networks of the space, each once, that keep its limits on what is known without training."""
    limits, generator = parse_limits(space.limits), random.Random(seed)
    found: dict[str, Architecture] = {}
    while len(found) < count:
        architecture = space.sample(generator)
        cost = architecture_cost(architecture, dataset.input_shape, dataset.num_classes)
        if all(limit.allows(getattr(cost, limit.metric)) for limit in limits):
            found.setdefault(architecture.key, architecture)
    return list(found.values())
