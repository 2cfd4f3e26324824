"""A search on a table of trained networks, posed: what is observed, what is known, how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nasearch.errors import SelectionError, SettingsError, TableError
from nasearch.measure.table import Table
from nasearch.measure.table.table import with_computed_costs
from nasearch.measure.topology import architecture_topology
from nasearch.measure.traits import architecture_traits
from nasearch.pareto import ARITHMETIC, Objective, hypervolume, losses, parse_limit, parse_objectives
from nasearch.pareto.objectives import Floats
from nasearch.report.formatting import metric
from nasearch.samplers import Knowledge, TreeDomain
from nasearch.space import Scalar

WORST_ACCURACY = 0.70
"""The corner of the box unless another is given: networks below this accuracy count nothing."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A search on a table.

    Attributes:
        table: of trained networks.
        objectives: in order, accuracy among them.
        values: (rows, objectives) as a search observes them, in the objectives' units.
        judged: (rows, objectives) losses by which what was found is judged.
        reference: (objectives,) the worst loss that counts.
        known: indexes of the objectives that samplers may know exactly.
        count_repeats: whether a network that is proposed again spends budget, as in a plain Optuna study.
    """

    table: Table
    objectives: tuple[Objective, ...]
    values: Floats
    judged: Floats
    reference: Floats
    known: tuple[int, ...]
    count_repeats: bool = False

    @property
    def is_single(self) -> bool:
        """Whether accuracy is the only objective: what counts is then the regret, not a front."""
        return len(self.objectives) == 1

    @property
    def score(self) -> str:
        """Name of what samplers are compared by."""
        return "regret" if self.is_single else "hypervolume"

    def goal(self, budget: int) -> int:
        """How many networks a search of that budget measures."""
        if self.count_repeats or 2 * budget < len(self.table):
            return budget
        return min(budget, sum(self.is_allowed(row) for row in range(len(self.table))))

    @cached_property
    def _traits(self) -> dict[int, tuple[float, ...]]:
        return {}

    def traits(self, row: int) -> tuple[float, ...]:
        """What is known of a network of the table's space without training; empty where nothing can come."""
        if row not in self._traits:
            table = self.table
            assert table.space is not None
            network = (table.space.decode(table.params(row)), table.input_shape, table.num_classes)
            known = (self.objectives[index].name for index in self.known)
            names = [name for name in known if name in ARITHMETIC]
            alive = architecture_topology(*network).is_connected
            self._traits[row] = architecture_traits(*network, without=names) if alive else ()
        return self._traits[row]

    def is_allowed(self, row: int | None) -> bool:
        """Whether a study would measure it: it is in the table, and an image can reach its output."""
        return row is not None and (self.table.space is None or bool(self.traits(row)))

    def knowledge(self) -> Knowledge:
        """What its samplers may know."""
        table = self.table

        def row_of(params: Mapping[str, Scalar]) -> int:
            row = table.find(params)
            if row is None:
                raise TableError(f"{table.source}: no network with {dict(params)}")
            return row

        def value(index: int, params: Mapping[str, Scalar]) -> float:
            return float(self.values[row_of(params), index])

        def exact(index: int) -> Callable[[Mapping[str, Scalar]], float]:
            return lambda params: value(index, params)

        known = {index: exact(index) for index in self.known}
        choices = {choice.name: choice.values for choice in table.choices}
        domain = TreeDomain(choices, table.propose)
        return Knowledge(
            domain,
            known,
            lambda params: self.is_allowed(table.find(params)),
            traits=None if table.space is None else lambda params: self.traits(row_of(params)),
        )

    def identity(self) -> dict[str, object]:
        """What must be equal for two runs to be of one bench; plain data."""
        roles = self.table.roles
        costs = [objective.name for objective in self.objectives if objective.is_cost]
        return {
            "table": self.table.fingerprint,
            "objectives": [objective.name for objective in self.objectives],
            "observe": list(roles.observe),
            "judge": list(roles.judge),
            "test": list(roles.test),
            "costs": {name: roles.costs[name].column for name in costs},
            "reference": self.reference.tolist(),
            "known": [self.objectives[index].name for index in self.known],
            "count_repeats": self.count_repeats,
        }


def make_problem(
    table: Table,
    objectives: Sequence[str] = ("accuracy", "macs"),
    *,
    reference: Sequence[str] = (),
    known: Sequence[str] | None = None,
    count_repeats: bool = False,
) -> Problem:
    """A search on a table.

    Args:
        table: of trained networks.
        objectives: accuracy, and costs that the table has or that its space gives.
        reference: the worst that counts, such as "accuracy >= 70%" or "macs <= 100M". What is not said: an
            accuracy of 70 %, or the table's median where that is lower, and the largest of each cost.
        known: costs that samplers may know before a network is measured; params, macs and
            peak_activation_bytes, which need no device, unless given.
        count_repeats: whether a network that is proposed again spends budget.

    Raises:
        SettingsError: if accuracy is no objective, or a known cost is none of them.
        SelectionError: if an objective or a reference cannot be read.
        TableError: if the table lacks a column, or nothing in it is within the reference.
    """
    found = parse_objectives(objectives)
    names = [objective.name for objective in found]
    if "accuracy" not in names:
        raise SettingsError(f"objectives are {', '.join(names)}; expected accuracy among them")
    if known is None:
        known = [name for name in names if name in ARITHMETIC]
    for name in known:
        if name not in names or name == "accuracy":
            costs = ", ".join(name for name in names if name != "accuracy") or "none"
            raise SettingsError(f"known is {name!r}; expected costs among the objectives: {costs}")
    table = with_computed_costs(table, names)
    judged = losses(table.values(found, "judge"), found)
    corner = _corner(found, judged, reference)
    if len(found) > 1 and hypervolume(judged, corner) == 0:
        raise TableError(
            f"{table.source}: no network is within the reference {corner_text(found, corner)}; "
            "give a worse one with --reference"
        )
    indexes = tuple(names.index(name) for name in known)
    return Problem(table, found, table.values(found), judged, corner, indexes, count_repeats)


def _corner(objectives: Sequence[Objective], judged: Floats, reference: Sequence[str]) -> Floats:
    """The reference point, in losses."""
    corner: Floats = judged.max(axis=0)
    for i, objective in enumerate(objectives):
        if not objective.is_cost:
            corner[i] = max(1 - WORST_ACCURACY, float(np.median(judged[:, i])))
    places = {objective.name: i for i, objective in enumerate(objectives)}
    for text in reference:
        limit = parse_limit(text)
        if limit.metric not in places:
            raise SelectionError(f"reference {text!r}: expected one of the objectives {', '.join(places)}")
        objective = objectives[places[limit.metric]]
        if (limit.relation == "<=") != objective.is_cost:
            accepted = f"{limit.metric} {'<=' if objective.is_cost else '>='} {text.split()[-1]}"
            raise SelectionError(f"reference {text!r}: the worst that counts; expected {accepted!r}")
        corner[places[limit.metric]] = limit.bound if objective.is_cost else 1 - limit.bound
    return corner


def corner_text(objectives: Sequence[Objective], corner: Floats) -> str:
    """For people: `accuracy >= 70.00 %, macs <= 100 M`."""
    return ", ".join(
        f"{each.name} <= {metric(each.name, loss)}"
        if each.is_cost
        else f"{each.name} >= {metric(each.name, 1 - loss)}"
        for each, loss in zip(objectives, corner, strict=True)
    )
