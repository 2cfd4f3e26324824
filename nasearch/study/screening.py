"""The screen: many candidates looked at without training, so that a search begins with promising ones.

A score is a stand-in for accuracy and says little of a network without what the network costs. So candidates
are compared as trials are, by dominance: the screen keeps those that no other beats in score and costs. It
cannot find the winner; it saves the search from training what is bad for its price.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nasearch.errors import BuildError, MeasurementError
from nasearch.measure.zero_cost.promise import by_promise
from nasearch.pareto import Objective
from nasearch.samplers import SAMPLERS, trial_seed
from nasearch.space import Architecture, Scalar
from nasearch.store.records import ScreenedRecord
from nasearch.study.proposals import DRAWS
from nasearch.study.rules import Rules
from nasearch.study.scoring import Scorer

if TYPE_CHECKING:
    from nasearch.study.progress import Progress
    from nasearch.study.study import Study

Decided: TypeAlias = tuple[tuple[str, Scalar], ...]
"""The decisions of an architecture, as it has them: a name and a value each."""

SHARE = 0.1
"""Of the networks that were scored, at most this share is kept."""


@dataclass(frozen=True)
class Drawn:
    """A network that keeps every limit that arithmetic can check, with what it costs."""

    architecture: Architecture
    values: Mapping[str, float]


def screen(
    study: Study, rules: Rules, count: int, progress: Progress, until: float | None = None
) -> tuple[Architecture, ...]:
    """Score `count` random networks that keep the limits, and keep the most promising for training.

    The same seed draws the same networks. Scores are kept as they are made, so that a screen that was stopped
    goes on where it was. What it found is written down in the store, and costs no budget.

    Args:
        study: that a run owns.
        rules: of the study.
        count: networks to score; the draws that break a limit come on top.
        progress: whoever watches.
        until: `time.monotonic()` after which no further network is scored.

    Returns:
        Those kept, the most promising first.

    Raises:
        StudyError: if the study has no images to score on.
    """
    scorer = Scorer(study)
    drawn, broken = draw(rules, count, study.identity.proposal_seed)
    made = sum(scorer.known(each.architecture) is None for each in drawn)
    progress.screening(len(drawn) - made, len(drawn))
    scored: list[tuple[Drawn, dict[str, float]]] = []
    failed: list[tuple[Drawn, str]] = []
    for each in drawn:
        is_new = scorer.known(each.architecture) is None
        if is_new and until is not None and time.monotonic() >= until:
            break
        try:
            scored.append((each, scorer(each.architecture)))
        except (BuildError, MeasurementError) as problem:
            failed.append((each, str(problem)))
        if is_new:
            progress.screening(len(scored) + len(failed), len(drawn))
    records = judged_by_promise(scored, study.objectives, SAMPLERS[study.settings.proposer].begins)
    records += [
        ScreenedRecord(
            each.architecture.key,
            each.architecture.to_json(),
            len(records) + place,
            "failed",
            dict(each.values),
            reason=reason,
        )
        for place, (each, reason) in enumerate(failed)
    ]
    study._store.scores.put_screen(study._record.id, records)
    kept = tuple(record.architecture for record in records if record.fate == "kept")
    limits = f", {broken} more broke a limit or cannot work" if broken else ""
    failures = f", {len(failed)} could not be scored" if failed else ""
    progress.message(
        f"screen: {len(scored)} networks scored by {' and '.join(scorer.names)}, "
        f"the {len(kept)} most promising at their costs go first{limits}{failures}"
    )
    return kept


def draw(rules: Rules, count: int, seed: int) -> tuple[list[Drawn], int]:
    """Random distinct networks that keep what arithmetic can check, and how many others were drawn.

    Fewer than `count` where the space has no more; after `DRAWS` draws in a row without a new one it is left
    at that.
    """
    generator = random.Random(trial_seed(seed, 0, stream=2))
    found: dict[str, Drawn] = {}
    broken: set[str] = set()
    seen: set[Decided] = set()
    idle = 0
    while len(found) < count and idle < DRAWS and len(seen) < rules.space.size:
        architecture = rules.space.sample(generator)
        idle += 1
        if architecture.decisions in seen:
            continue
        seen.add(architecture.decisions)
        key = architecture.key
        if key in found or key in broken:
            continue
        try:
            values = rules.costs(architecture)
            lost = rules.broken(values, rules.block_costs(architecture)) or rules.hopeless(architecture)
            if not lost:
                found[key], idle = Drawn(architecture, values), 0
                continue
        except (BuildError, MeasurementError):  # cannot be built for these data
            pass
        broken.add(key)
    return list(found.values()), len(broken)


def judged_by_promise(
    scored: Sequence[tuple[Drawn, Mapping[str, float]]], objectives: Sequence[Objective], begins: int | None
) -> list[ScreenedRecord]:
    """What becomes of networks that were scored, the most promising first.

    Args:
        scored: networks with their scores.
        objectives: of the study: its costs are what scores are weighed against. MACs stand for a latency,
            which nobody knows before it is measured.
        begins: networks that the sampler makes use of before its own proposals; None for any number.
    """
    if not scored:
        return []
    names = tuple(scored[0][1])
    costs = ["macs" if each.name == "latency_ms" else each.name for each in objectives if each.is_cost]
    columns = {name: [scores[name] for _, scores in scored] for name in names}
    table = np.array([[each.values[name] for name in costs] for each, _ in scored]).reshape(len(scored), -1)
    order = by_promise(columns, table)
    most = max(1, math.floor(SHARE * len(scored)))
    most = most if begins is None else min(most, begins)
    records = []
    for place, row in enumerate(order):
        each, scores = scored[row]
        silent = [name for name, value in scores.items() if value == -math.inf]
        reason = None
        if silent:
            reason = f"lets no signal through ({', '.join(silent)})"
        elif place >= most:
            reason = f"place {place + 1} of {len(scored)} by {', '.join((*names, *costs))}; {most} are kept"
        records.append(
            ScreenedRecord(
                each.architecture.key,
                each.architecture.to_json(),
                place,
                "kept" if reason is None else "screened_out",
                dict(each.values),
                dict(scores),
                reason,
            )
        )
    return records
