"""Candidates judged by scores without training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from nasearch.errors import BuildError, MeasurementError
from nasearch.executors import InProcess, Job
from nasearch.measure.trained import ProxyResult
from nasearch.measure.zero_cost.absolute import Scale, absolute_score, scales_of
from nasearch.measure.zero_cost.promise import SCREEN_SCORES
from nasearch.space import SearchSpace
from nasearch.study.opening import make_rules
from nasearch.study.progress import Progress
from nasearch.study.proxies.proxy import Untrained
from nasearch.study.proxies.trained import proxy_recipe
from nasearch.study.scoring import BATCH, Scorer
from nasearch.study.screening import draw

if TYPE_CHECKING:
    from nasearch.data import Dataset
    from nasearch.study.study import Study
    from nasearch.training import CurvePoint

CALIBRATED_ON = 50
"""Random networks that the scale of each score is learnt on; with 100 the ranks were no better."""


@dataclass(frozen=True)
class ZeroCostFidelity:
    """What a zero-cost score stands for.

    Attributes:
        scores: by name.
        networks: random ones, that they are held against.
        batch: images.
    """

    scores: tuple[str, ...] = SCREEN_SCORES
    networks: int = CALIBRATED_ON
    batch: int = BATCH

    @property
    def text(self) -> str:
        """For people."""
        return (
            f"no training: {' and '.join(self.scores)} on {self.batch} images, "
            f"on the scale of {self.networks} random networks"
        )

    def to_dict(self) -> dict[str, object]:
        """JSON values, with the text beside the figures."""
        return {**asdict(self), "scores": list(self.scores), "text": self.text}


class ZeroCost(Untrained):
    """`zero-cost`: each candidate is judged by `absolute_score`, which is no accuracy and is not called one.

    The recipe of the study is that of the best candidates' own trainings, `NAME.confirmed`.
    """

    judged = "Zero-cost score: of an untrained network on a batch of training images; it is no accuracy."
    scale = "a score is on its space's own scale alone"
    judging = "scores candidates"

    def fixed(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """The scores and what their scale is learnt on, and the recipe of those that are confirmed."""
        assert dataset is not None
        fidelity = ZeroCostFidelity()
        recipe = proxy_recipe(self.settings, dataset).to_dict()
        return {"proxy": f"zero-cost ({fidelity.text})", "recipe": recipe}

    def found(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """The kind, and the fidelity in words."""
        return {"proxy": "zero-cost", "fidelity": ZeroCostFidelity().text}

    def fidelity(self, study: Study) -> ZeroCostFidelity:
        """The same for all studies."""
        return ZeroCostFidelity()

    def prepare(self, study: Study, progress: Progress) -> None:
        """Score the random networks that make the scale; those that were scored are kept.

        Where no network keeps the limits there are none, and the search says that the space is exhausted.
        """
        self._scales(study, Scorer(study), progress)

    def _scales(self, study: Study, scorer: Scorer, progress: Progress) -> dict[str, Scale]:
        """The scale of each score; none where no network that was drawn keeps the limits.

        Raises:
            MeasurementError: if none of those drawn can be scored, or a score has no signal in any.
        """
        drawn, _ = draw(make_rules(study), CALIBRATED_ON, study.seed)
        rows, reason = [], ""
        for done, each in enumerate(drawn, 1):
            is_new = scorer.known(each.architecture) is None
            try:
                rows.append(scorer(each.architecture))
            except (BuildError, MeasurementError) as problem:  # such a one has no place on a scale
                reason = str(problem)
                continue
            if is_new:
                progress.screening(done, len(drawn))
        if not drawn:
            return {}
        if not rows:
            raise MeasurementError(f"none of {len(drawn)} random networks can be scored: {reason}")
        return scales_of({name: [row[name] for row in rows] for name in scorer.names})

    def in_process(self, study: Study) -> InProcess:
        """Scores with every core or the one GPU; the scale is there when the first candidate comes."""

        @cache
        def ready() -> tuple[Scorer, dict[str, Scale]]:
            scorer = Scorer(study)
            return scorer, self._scales(study, scorer, Progress())

        def proxy(job: Job, on_point: Callable[[CurvePoint], bool | None]) -> ProxyResult:
            del on_point  # nothing is trained, so there are no epochs
            scorer, scales = ready()
            if not scales:
                raise MeasurementError("no scale to judge by: no random network keeps the limits")
            started = time.monotonic()
            value = absolute_score(scorer(job.architecture), scales)
            return ProxyResult(value, (), time.monotonic() - started, ZeroCostFidelity(), job.seed)

        return InProcess(proxy)
