"""Two studies at equal budget: whose front grew further with the same number of trained candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nasearch.errors import StudyError
from nasearch.pareto import curve_draws, hypervolume_curve, losses, noisy_shares, reference_corner
from nasearch.report.curves import FrontComparison, SearchCurve
from nasearch.store.records import MeasurementRecord

if TYPE_CHECKING:
    from nasearch.study.study import Study

Floats = NDArray[np.float64]

DRAWS = 300
"""Of the bootstrap: its 2.5 % and 97.5 % points are then known to a tenth of the interval's width."""

MOST_COUNTS = 20
"""Numbers of candidates that get an interval; each takes a hypervolume a draw."""

_LIKE = ("data", "objectives", "device of the measured latency")


@dataclass(frozen=True)
class _Spent:
    """The first candidates of a study, in the order of their trials.

    Attributes:
        losses: (candidates, objectives), NaN where a candidate adds nothing to the front.
        keys: of the candidates' networks, with the accuracy that was seen.
    """

    study: Study
    losses: Floats
    keys: tuple[tuple[str, float], ...]
    states: tuple[str, ...]

    @property
    def is_chance(self) -> bool:
        """Whether the candidates could have come in any order.

        Chance alone proposed, and no race stopped one for what came before it.
        """
        return self.study.samplers == ("random",) and "raced_out" not in self.states

    @property
    def images(self) -> int:
        """Validation images that an accuracy was read on."""
        found = self.study.identity.found.get("val_images")  # studies of older versions do not note it
        return len(self.study.dataset.val) if found is None else int(found)


def compare_fronts(first: Study, second: Study, *, draws: int = DRAWS, seed: int = 0) -> FrontComparison:
    """Compare how the fronts of two studies grew with the number of distinct candidates that were trained.

    Both are cut to the smaller number of candidates and measured in one box: up to the error of guessing, and
    1.1 times the dearest network that either measured completely. Raced out and failed candidates count as
    spent and add nothing. An accuracy is a share of n validation images, so its noise is drawn from the
    binomial distribution, the same noise for a measurement that both share; where chance alone proposed and
    no race judged, the order of the candidates is drawn as well. Intervals hold these two and nothing else:
    not what another seed would have proposed or trained.

    Args:
        first: the study that is asked about.
        second: the one to compare it with.
        draws: of the bootstrap; 200 at least are sensible.
        seed: of the draws.

    Raises:
        StudyError: if a study has no candidate, none is complete, or their accuracies or latencies are not
            of the same data or device.
    """
    unlike = first.identity.differing(second.identity)
    apart = [word for word in unlike if word in _LIKE]
    if apart:
        raise StudyError(
            f"studies {first.name!r} and {second.name!r} differ in {', '.join(apart)}; "
            "expected two of the same data and objectives, which can be compared"
        )
    budget = min(first.spent, second.spent)
    if budget == 0:
        empty = first if first.spent == 0 else second
        raise StudyError(f"study {empty.name!r} has no candidate yet; expected two that were run")
    spent = (_spent(first, budget), _spent(second, budget))
    corner = _corner(spent)
    counts = tuple(int(count) for count in np.unique(np.linspace(1, budget, MOST_COUNTS).round()))
    drawn = _draw(spent, counts, corner, draws, np.random.default_rng(seed))
    seen = tuple(_seen(each, corner) for each in spent)
    low, high = np.percentile(drawn[0] - drawn[1], (2.5, 97.5), axis=0)
    return FrontComparison(
        first=_curve(spent[0], drawn[0], seen[0], float(seen[1][-1])),
        second=_curve(spent[1], drawn[1], seen[1], float(seen[0][-1])),
        objectives=first.objectives,
        reference=corner,
        counts=counts,
        difference=_floats((drawn[0] - drawn[1]).mean(axis=0)),
        low=_floats(low),
        high=_floats(high),
        images=(spent[0].images, spent[1].images),
        draws=draws,
        unlike=tuple(unlike),
    )


def _spent(study: Study, budget: int) -> _Spent:
    records = study._store.measurements(study._record.id)[:budget]  # by trial, one a network
    rows = [_row(study, record) for record in records]
    keys = tuple((record.key, record.values.get("accuracy", 0.0)) for record in records)
    return _Spent(study, np.array(rows), keys, tuple(record.state for record in records))


def _row(study: Study, record: MeasurementRecord) -> list[float]:
    """A candidate's losses; NaN for one that was not measured completely or breaks a limit."""
    values, names = record.values, [objective.name for objective in study.objectives]
    broken = any(limit.metric in values and not limit.allows(values[limit.metric]) for limit in study.limits)
    if record.state != "complete" or broken or any(name not in values for name in names):
        return [np.nan] * len(names)
    row: list[float] = losses([[values[name] for name in names]], study.objectives)[0].tolist()
    return row


def _corner(spent: tuple[_Spent, _Spent]) -> tuple[float, ...]:
    study = spent[0].study
    rows = np.concatenate([each.losses for each in spent])
    rows = rows[~np.isnan(rows).any(axis=1)]
    if not len(rows):
        raise StudyError(
            f"studies {study.name!r} and {spent[1].study.name!r} have no complete candidate to compare"
        )
    names = [objective.name for objective in study.objectives]
    dearest = dict(zip(names, rows.max(axis=0).tolist(), strict=True))
    return reference_corner(study.objectives, dearest, len(study.classes))


def _seen(spent: _Spent, corner: tuple[float, ...]) -> Floats:
    """(candidates,) hypervolume after each, as a share of the box."""
    counted = ~np.isnan(spent.losses).any(axis=1)
    curve = np.concatenate([[0.0], hypervolume_curve(spent.losses[counted], corner)])
    volumes: Floats = curve[np.cumsum(counted)] / np.prod(corner)
    return volumes


def _draw(
    spent: tuple[_Spent, _Spent],
    counts: tuple[int, ...],
    corner: tuple[float, ...],
    draws: int,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    """(draws, counts) hypervolumes of each, with the noise of each measurement the same for both."""
    names = [objective.name for objective in spent[0].study.objectives]
    column = names.index("accuracy")
    fixed = [each.study.identity.fixed["data_fingerprint"] for each in spent]
    groups = (0, 0 if fixed[0] == fixed[1] else 1)  # on other images the same network errs otherwise
    noise: dict[tuple[int, tuple[str, float]], Floats] = {}
    result = []
    for each, group in zip(spent, groups, strict=True):
        for key in each.keys:
            if (group, key) not in noise:
                noise[group, key] = noisy_shares([key[1]], each.images, draws, random)[:, 0]
        errors = 1 - np.stack([noise[group, key] for key in each.keys], axis=1)
        orders = None
        if each.is_chance:
            orders = np.stack([random.permutation(len(each.keys)) for _ in range(draws)])
        result.append(curve_draws(each.losses, errors, column, counts, corner, orders))
    return result[0], result[1]


def _curve(spent: _Spent, drawn: Floats, seen: Floats, target: float) -> SearchCurve:
    study = spent.study
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    reached = np.flatnonzero(seen >= target - 1e-12)  # sums of the same boxes can differ in their last bits
    return SearchCurve(
        study=study.name,
        sampler=", ".join(study.samplers) or study.settings.proposer,
        spent=study.spent,
        raced_out=spent.states.count("raced_out"),
        failed=spent.states.count("failed"),
        is_any_order=spent.is_chance,
        seen=_floats(seen),
        corrected=_floats(drawn.mean(axis=0)),
        low=_floats(low),
        high=_floats(high),
        reached_other=int(reached[0]) + 1 if len(reached) else None,
    )


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
