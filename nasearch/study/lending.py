"""What a study may take over of another's measurements without measuring anything else by that."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from nasearch.executors import Job, Recall
from nasearch.measure.trained import ProxyResult
from nasearch.study import ledger
from nasearch.training import CurvePoint

if TYPE_CHECKING:
    from nasearch.study.search import Bench
    from nasearch.study.study import Study


def lent_by(lender: Study, bench: Bench) -> Recall:
    """What a study has measured of a job's network, where training it again would be the same training.

    The same network, seed, fidelity and device with its libraries, trained to the last epoch: one that was
    raced out or failed there says too little.

    Args:
        lender: with the borrower's data and recipe.
        bench: of the borrower.
    """
    store, study_id = lender._store, lender._record.id
    fidelity = lender.proxy.fidelity(lender)

    def recall(job: Job) -> ProxyResult | None:
        known = store.measurement(study_id, job.architecture.key)
        if known is None or known.state != "complete":
            return None
        there = (known.seed, known.fidelity, known.device)
        if there != (job.seed, dict(bench.fidelity()), dict(bench.device)):
            return None
        trial = ledger.find(lender._optuna, known.number)
        facts = {} if trial is None else trial.user_attrs.get(ledger.TRAINING) or {}
        curve = store.curve(study_id, job.architecture.key)
        return ProxyResult(
            known.values["accuracy"],
            tuple(CurvePoint(**asdict(row)) for row in curve),
            known.seconds or 0.0,
            fidelity,
            known.seed,
            epochs=max((row.epoch for row in curve), default=0),
            facts={**facts, "taken_from": lender.name},
        )

    return recall
