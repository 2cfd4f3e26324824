"""Scores without training of a study's networks: made once, kept in its store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nasearch.data import Prepared
from nasearch.errors import BuildError, MeasurementError, OutOfMemory, StudyError
from nasearch.measure.zero_cost import score_architectures
from nasearch.measure.zero_cost.promise import SCREEN_SCORES
from nasearch.space import Architecture

if TYPE_CHECKING:
    from torch import Tensor

    from nasearch.study.study import Study

BATCH = 64
"""Training images that scores are made on, the same for all networks of a study."""


class Scorer:
    """Gives scores of networks on the study's images and device; what its store has is not made again.

    Args:
        study: whose training split the images are from, and whose seed draws the weights.
        names: of the scores.

    Raises:
        StudyError: if the study has no images.
    """

    def __init__(self, study: Study, names: Sequence[str] = SCREEN_SCORES) -> None:
        if not study.has_images:
            raise StudyError(
                f"study {study.name!r} measures from a table and has no images to score networks on; "
                "make it with --data that names some of the shape that the table's networks take"
            )
        self._study, self.names = study, tuple(names)
        self._known = study._store.scores.all(study._record.id)

    @cached_property
    def _batch(self) -> tuple[Tensor, Tensor]:
        sample = Prepared.of(self._study.dataset, self._study.device).sample(
            BATCH, images=None, batch_size=BATCH, channels_last=False
        )
        return next(sample.epoch())

    def known(self, architecture: Architecture) -> dict[str, float] | None:
        """The scores of a network where all of them are kept."""
        found = self._known.get(architecture.key, {})
        return {name: found[name] for name in self.names} if set(self.names) <= set(found) else None

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """The scores of a network, made and kept where they were not.

        Raises:
            MeasurementError: if it cannot be scored.
            BuildError: if it cannot be built.
        """
        known = self.known(architecture)
        if known is not None:
            return known
        study, key = self._study, architecture.key
        there = self._known.setdefault(key, {})
        missing = [name for name in self.names if name not in there]
        images, labels = self._batch
        try:
            (made,) = score_architectures(
                [architecture], images, labels, len(study.classes), missing, seed=study.seed
            )
        except OutOfMemory as problem:
            raise MeasurementError(f"cannot be scored: {problem}") from problem
        study._store.scores.put(study._record.id, key, made, batch=len(images), seed=study.seed)
        there |= made
        return {name: there[name] for name in self.names}

    def lowest(self, name: str) -> float:
        """The lowest score of that name that a network with a signal has; 0 before there is one."""
        values = (scores[name] for scores in self._known.values() if name in scores)
        return min((value for value in values if value != -math.inf), default=0.0)


def as_features(scorer: Scorer, architecture: Architecture) -> Sequence[float]:
    """A network's scores as numbers for a model: no signal counts as the lowest score there is.

    A network that cannot be scored tells nothing, which is NaN.
    """
    try:
        scores: Mapping[str, float] = scorer(architecture)
    except (BuildError, MeasurementError):
        return [math.nan] * len(scorer.names)
    return [
        scorer.lowest(name) if value == -math.inf else value
        for name, value in ((name, scores[name]) for name in scorer.names)
    ]
