"""Audits: some networks of a study are trained in full, to see how far its proxies order them alike.

They are trained in the sibling study `NAME.audit`, on the training split, and judged on the validation split;
the test split is not read. What came out is made anew from both studies' measurements when it is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nasearch.errors import BuildError, MeasurementError, StudyError
from nasearch.measure.zero_cost import SCORES, aggregates
from nasearch.pareto import ARITHMETIC
from nasearch.report.audit import Audit, AuditedNetwork, Proxy, agreements, best_count
from nasearch.report.formatting import CONFIRMED, title
from nasearch.store.records import MeasurementRecord, TrialRecord
from nasearch.study.given import find_given, long_recipe, measure_given
from nasearch.study.progress import Progress
from nasearch.study.proxies.names import accuracy_of
from nasearch.study.scoring import Scorer
from nasearch.training import Recipe

if TYPE_CHECKING:
    from nasearch.study.study import Study

USUAL = 12
"""Networks of an audit where no number is given; what so many tell is in docs/audit.md."""
NOTE = "nasearch:audit"
"""Under this user attribute the sibling notes how many networks are wanted, and the seed of their choice."""
COSTS = ("params", "macs")
EPOCH = "epoch "
"""Before the number of a rung in its name."""


@dataclass(frozen=True)
class Auditable:
    """A network of a study that could be trained in full.

    Attributes:
        trial: the first of the network that is complete or was raced out.
        accuracy: in the study; of one that was raced out, the last that it reached.
        is_front: whether it is on the front, or on that of the confirmed.
    """

    trial: TrialRecord
    accuracy: float
    is_front: bool


def audit(
    study: Study,
    n: int | None,
    epochs: int | None,
    recipe: str | None,
    seed: int | None,
    scores: bool,
    progress: Progress,
) -> Audit:
    """Train what is missing and say what there is; arguments and errors as in `Study.audit`."""
    if n is not None and n < 2:
        raise StudyError(f"n is {n}; expected at least 2 networks, of which an order can be told")
    before = find_given(study, "audit")
    noted: dict[str, Any] = {}
    begun: Recipe | None = None
    records: list[MeasurementRecord] = []
    if before is not None:
        with before:
            noted, begun = dict(before._optuna.user_attrs.get(NOTE, {})), before.recipe
            records = before._store.measurements(before._record.id)
    wanted = n if n is not None else int(noted.get("n", USUAL))
    chance = seed if seed is not None else int(noted.get("seed", study.seed))
    training = _recipe(study, epochs, recipe, begun)
    pool = auditable(study)
    if len(pool) < 2:
        raise StudyError(
            f"study {study.name!r} has {len(pool)} networks that were measured; expected at least 2 to audit"
        )
    taken = [record.key for record in records]
    missing = choose(pool, taken, wanted, _spread_over(study), chance)
    if missing or any(record.state == "running" for record in records):
        if wanted > len(pool):
            progress.message(f"{wanted} networks are wanted, and the study has {len(pool)}: all are audited")
        measure_given(
            study,
            "audit",
            [each.trial.architecture for each in missing],
            training,
            progress,
            note={NOTE: {"n": wanted, "seed": chance}},
        )
    found = audited(study)
    if found is None:
        raise StudyError(f"no network of {study.name!r} could be trained in full; look at {study.name}.audit")
    if not scores:
        return found
    score_all(study, found, progress)
    found = audited(study)
    assert found is not None
    return found


def score_all(study: Study, found: Audit, progress: Progress) -> None:
    """Give the networks of an audit the scores without training that they lack; the store keeps them."""
    scorer = Scorer(study, [name for name in SCORES if name not in COSTS])
    for number in (network.number for network in found.networks):
        try:
            scorer(study.trial(number).architecture)
        except (BuildError, MeasurementError) as problem:  # it stays without, and so do the aggregates
            progress.message(f"trial {number} has no scores: {problem}")


def audited(study: Study) -> Audit | None:
    """What an audit has shown so far; None where no network was trained for one. Nothing is trained here."""
    sibling = find_given(study, "audit")
    if sibling is None:
        return None
    with sibling:
        records = {record.key: record for record in sibling._store.measurements(sibling._record.id)}
        accuracies = {
            key: record.values["accuracy"] for key, record in records.items() if record.state == "complete"
        }
        failed = sum(record.state == "failed" for record in records.values())
        noted = sibling._optuna.user_attrs.get(NOTE, {})
        name, fidelity = sibling.name, str(sibling.identity.found["fidelity"])
        images = int(sibling.identity.found["val_images"])
    if not accuracies:
        return None
    verdict = verdict_name(study)
    confirmed = {trial.key: trial.values["accuracy"] for trial in study.confirmed()}
    top = study.rungs[-1] if study.rungs else None
    networks = [
        AuditedNetwork(
            each.trial.number,
            each.trial.architecture.label,
            accuracies[each.trial.key],
            _known(each.trial, verdict, top, confirmed.get(each.trial.key)),
            each.is_front,
        )
        for each in sorted(auditable(study), key=lambda each: each.trial.number)
        if each.trial.key in accuracies
    ]
    networks = with_aggregates(networks, verdict)
    return Audit(
        study.name,
        name,
        fidelity,
        images,
        tuple(networks),
        agreements(networks, _proxies(networks, verdict)),
        failed,
        int(noted.get("n", len(records))),
        verdict,
        bool(study.rungs),
    )


def with_aggregates(networks: Sequence[AuditedNetwork], verdict: str) -> list[AuditedNetwork]:
    """The networks with aggregates of their scores among themselves; as they are without scores."""
    shared = set.intersection(*(set(network.known) for network in networks)) if networks else set()
    names = [name for name in SCORES if name in shared and name != verdict]
    if not set(names) - set(COSTS):
        return list(networks)
    columns = {name: [network.known[name] for network in networks] for name in names}
    extra = aggregates(columns)
    return [
        replace(network, known={**network.known, **{name: float(extra[name][i]) for name in extra}})
        for i, network in enumerate(networks)
    ]


def verdict_name(study: Study) -> str:
    """What the accuracies of a study are called: `proxy accuracy`, or as tables call them after others."""
    name = accuracy_of(study.settings.proxy)
    return "proxy accuracy" if name == "accuracy" else title(name)


def auditable(study: Study) -> list[Auditable]:
    """Every distinct network of a study that has an accuracy of some kind, in the order of the trials."""
    front = {trial.key for trial in (*study.front(), *study.confirmed_front())}
    found: dict[str, Auditable] = {}
    for trial in study.trials():
        if trial.outcome == "complete":
            accuracy: float | None = trial.values.get("accuracy")
        else:
            accuracy = trial.rungs[-1][1] if trial.outcome == "raced_out" and trial.rungs else None
        if accuracy is not None:
            found.setdefault(trial.key, Auditable(trial, accuracy, trial.key in front))
    return list(found.values())


def choose(
    pool: Sequence[Auditable], taken: Sequence[str], wanted: int, cost: str, seed: int
) -> list[Auditable]:
    """Networks that are to be trained beside those that were: half of the best, spread over their costs.

    The other half are spread over the quantiles of what the study knew of the rest, one by chance of each.
    Best are the front and the best third of the complete networks. A network is chosen once; where one of the
    two has too few, the other gives more.

    Args:
        pool: distinct networks.
        taken: keys of those that were trained before, which count.
        wanted: networks in all.
        cost: that the first half is spread over.
        seed: of what is chance.

    Returns:
        At most `wanted` less those taken, the halves in turn, so that a part of them is a fair choice too.
    """
    complete = sorted(
        (each for each in pool if each.trial.outcome == "complete"), key=lambda each: -each.accuracy
    )
    best_keys = {each.trial.key for each in complete[: best_count(len(complete))]}
    best = [each for each in pool if each.is_front or each.trial.key in best_keys]
    field = [each for each in pool if not (each.is_front or each.trial.key in best_keys)]
    best.sort(key=lambda each: (each.trial.values[cost], each.trial.number))
    field.sort(key=lambda each: (each.accuracy, each.trial.number))
    of_best = min((wanted + 1) // 2, len(best))
    of_field = min(wanted - of_best, len(field))
    of_best = min(wanted - of_field, len(best))
    chance = random.Random(seed)
    picked = _in_turn(_evenly(best, of_best), _one_of_each(field, of_field, chance))
    rest = [each for each in pool if each not in picked]
    chance.shuffle(rest)
    fresh = [each for each in (*picked, *rest) if each.trial.key not in set(taken)]
    return fresh[: max(0, wanted - len(set(taken)))]


def _evenly(items: Sequence[Auditable], count: int) -> list[Auditable]:
    """So many in equal steps, both ends among them."""
    if count < 2:
        return list(items[len(items) // 2 :][:count])
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _one_of_each(items: Sequence[Auditable], count: int, chance: random.Random) -> list[Auditable]:
    """One by chance of each of so many equal parts."""
    edges = [round(i * len(items) / count) for i in range(count + 1)] if count else []
    return [items[chance.randrange(low, high)] for low, high in pairwise(edges)]


def _in_turn(one: list[Auditable], other: list[Auditable]) -> list[Auditable]:
    most = max(len(one), len(other))
    return [each for i in range(most) for part in (one, other) for each in part[i : i + 1]]


def _spread_over(study: Study) -> str:
    """The study's first objective that is a cost and known of every network, else MACs."""
    costs = [objective.name for objective in study.objectives if objective.is_cost]
    return next((name for name in costs if name in ARITHMETIC), "macs")


def _recipe(study: Study, epochs: int | None, recipe: str | None, begun: Recipe | None) -> Recipe:
    """What the networks are trained by; as before, where nothing else is said."""
    if begun is not None and recipe is None:
        training = replace(begun, epochs=begun.epochs if epochs is None else epochs)
    else:
        training = long_recipe(recipe or study.settings.finishes_by, study.dataset, epochs)
    if begun is not None and training != begun:
        raise StudyError(
            f"the audit of {study.name!r} was begun with the recipe {begun.name}, epochs {begun.epochs}, and "
            f"now {training.name}, epochs {training.epochs} is wanted; expected the same, or none to go on"
        )
    return training


def _known(trial: TrialRecord, verdict: str, top: int | None, confirmed: float | None) -> dict[str, float]:
    """What the study knew of a network, by the names of its proxies."""
    known = {f"{EPOCH}{epoch}": accuracy for epoch, accuracy in trial.rungs if epoch != top}
    if trial.outcome == "complete":
        known[verdict] = trial.values["accuracy"]
    if confirmed is not None:
        known[title(CONFIRMED)] = confirmed
    known |= {name: value for name, value in trial.scores.items() if name not in COSTS}
    return known | {cost: float(trial.values[cost]) for cost in COSTS if cost in trial.values}


def _proxies(networks: Sequence[AuditedNetwork], verdict: str) -> list[Proxy]:
    names = {name for network in networks for name in network.known}
    rungs = [name for name in names if name.startswith(EPOCH)]
    scores = sorted(names - {*rungs, verdict, title(CONFIRMED), *COSTS})
    return [
        *(Proxy(name, "rung") for name in sorted(rungs, key=lambda name: int(name.removeprefix(EPOCH)))),
        Proxy(verdict, "verdict"),
        Proxy(title(CONFIRMED), "confirmed"),
        *(Proxy(name, "score") for name in scores),
        *(Proxy(name, "cost") for name in COSTS),
    ]
