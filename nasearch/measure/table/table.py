"""A table of trained networks, looked up by the decisions of a search space."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasearch.errors import TableError, did_you_mean
from nasearch.pareto import ARITHMETIC, Objective
from nasearch.pareto.objectives import Floats
from nasearch.space import Scalar, SearchSpace
from nasearch.space.choices import Choice

INACTIVE = -1
_UNKNOWN = -2


@dataclass(frozen=True)
class CostColumn:
    """Where a cost stands: `column * scale - minus` is in the unit of the objective."""

    column: str
    scale: float = 1.0
    minus: float = 0.0


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are.

    Attributes:
        observe: accuracy that a search sees; of several columns the mean.
        judge: accuracy that what it found is judged by.
        test: accuracy on a test split, for reports; may be empty.
        percent: accuracies are in per cent, not fractions.
        costs: by name of the objective.
    """

    observe: tuple[str, ...]
    judge: tuple[str, ...]
    test: tuple[str, ...] = ()
    percent: bool = True
    costs: Mapping[str, CostColumn] = field(default_factory=dict)


@dataclass(frozen=True)
class TableFidelity:
    """What an accuracy from a table stands for.

    Attributes:
        table: name of the table.
        columns: whose mean it is.
        fingerprint: of the table.
    """

    table: str
    columns: tuple[str, ...]
    fingerprint: str

    @property
    def text(self) -> str:
        """For people: "table nasbench201_cifar10, c10_valid_200"."""
        return f"table {self.table}, {', '.join(self.columns)}"

    def to_dict(self) -> dict[str, object]:
        """JSON values, with the text beside them."""
        return {
            "table": self.table,
            "columns": list(self.columns),
            "fingerprint": self.fingerprint,
            "text": self.text,
        }


@dataclass(frozen=True, eq=False)
class Table:
    """Trained networks, one a row.

    Attributes:
        name: the file's stem.
        source: path, for error texts.
        choices: what decides a network; in the order of `space` where there is one.
        decisions: (rows, choices) index into the choice's values, `INACTIVE` where it is not asked.
        columns: (rows,) float64 each, as the file has them.
        roles: what the columns are.
        space: the search space that the networks belong to, where it is known.
        input_shape: (channels, height, width) that they were trained on.
        num_classes: of the data that they were trained on.
    """

    name: str
    source: str
    choices: tuple[Choice, ...]
    decisions: NDArray[np.int64]
    columns: Mapping[str, Floats]
    roles: Roles
    space: SearchSpace | None = None
    input_shape: tuple[int, int, int] = (3, 32, 32)
    num_classes: int = 10

    def __post_init__(self) -> None:
        """Refuse rows that describe one and the same network, and roles that no column can play."""
        if not self._rows:
            raise TableError(f"{self.source}: no rows; expected a trained network in each")
        if self.space is None and (self.decisions == INACTIVE).any():
            raise TableError(
                f"{self.source}: choices without a value; expected `space:` in the description, which says "
                "where a choice is not asked"
            )
        for role in ("observe", "judge"):
            self.accuracy(role)
        if self.roles.test:
            self.accuracy("test")
        for name in self.roles.costs:
            self.cost(name)

    def __len__(self) -> int:
        return len(self.decisions)

    def __repr__(self) -> str:
        return f"<Table {self.name}: {len(self):,} networks, {len(self.choices)} choices>"

    def with_roles(
        self,
        *,
        observe: Sequence[str] = (),
        judge: Sequence[str] = (),
        test: Sequence[str] = (),
        latency: str | None = None,
    ) -> Table:
        """The same networks with other columns in the roles that are given.

        A column to observe is the judge too, unless one is named.

        Raises:
            TableError: for a column that is not there or cannot play its role.
        """
        roles = self.roles
        if observe:
            roles = replace(roles, observe=tuple(observe), judge=tuple(observe))
        if judge:
            roles = replace(roles, judge=tuple(judge))
        if test:
            roles = replace(roles, test=tuple(test))
        if latency is not None:
            roles = replace(roles, costs={**roles.costs, "latency_ms": CostColumn(latency)})
        return replace(self, roles=roles)

    # numbers

    def accuracy(self, role: str) -> Floats:
        """(rows,) accuracy as a fraction in the role `observe`, `judge` or `test`.

        Raises:
            TableError: if no column plays the role, or one is not finite or no accuracy.
        """
        names: tuple[str, ...] = getattr(self.roles, role)
        if not names:
            raise TableError(f"{self.source}: no column is named for {role}; it has {self._known}")
        found = np.mean([self._column(name) for name in names], axis=0)
        found = found / 100 if self.roles.percent else found
        self._check(found, "/".join(names), 1.0, self._accuracy_words)
        return np.asarray(found, dtype=np.float64)

    def cost(self, name: str) -> Floats:
        """(rows,) of a cost in the unit of its objective.

        Raises:
            TableError: if the table has none of that name, or it is negative or not finite.
        """
        if name not in self.roles.costs:
            known = ", ".join(self.roles.costs) or "none"
            raise TableError(
                f"{self.source}: no column is named for {name}; "
                f"it has costs {known}, and columns {self._known}"
            )
        given = self.roles.costs[name]
        found = self._column(given.column) * given.scale - given.minus
        self._check(found, given.column, np.inf, "a cost, finite and not negative")
        return np.asarray(found, dtype=np.float64)

    def values(self, objectives: Sequence[Objective], role: str = "observe") -> Floats:
        """(rows, objectives) in the units of the objectives, accuracy in the given role."""
        return np.column_stack(
            [self.cost(each.name) if each.is_cost else self.accuracy(role) for each in objectives]
        )

    @property
    def _known(self) -> str:
        return ", ".join(self.columns)

    @property
    def _accuracy_words(self) -> str:
        if self.roles.percent:
            return "an accuracy in per cent (accuracy.unit: fraction where it is in [0, 1])"
        return "an accuracy in [0, 1] (accuracy.unit: percent where it goes to 100)"

    def _column(self, name: str) -> Floats:
        if name not in self.columns:
            raise TableError(
                f"{self.source}: no column {name!r}; {did_you_mean(name, self.columns)}it has {self._known}"
            )
        return self.columns[name]

    def _check(self, found: Floats, column: str, most: float, accepted: str) -> None:
        wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0) & (found <= most)))
        if len(wrong):
            text = "/".join(
                f"{self.columns[name][wrong[0]]:g}" for name in column.split("/") if name in self.columns
            )
            raise TableError(f"{self.source}: row {wrong[0]}, column {column} is {text}; expected {accepted}")

    # networks

    def find(self, params: Mapping[str, Scalar]) -> int | None:
        """The row of the network that these decisions make, choice name to value; None if it has none."""
        key = tuple(
            places.get(params[name], _UNKNOWN) if name in params else INACTIVE
            for name, places in self._places.items()
        )
        return self._rows.get(key)

    def params(self, row: int) -> dict[str, Scalar]:
        """The active decisions of a row, choice name to value."""
        return {
            choice.name: choice.values[index]
            for choice, index in zip(self.choices, self.decisions[row].tolist(), strict=True)
            if index != INACTIVE
        }

    def propose(self, suggest: Callable[[str, Sequence[Scalar]], Scalar]) -> dict[str, Scalar]:
        """Decisions that `suggest(name, values)` makes, asked as `SearchSpace.propose` asks them."""
        if self._is_flat or self.space is None:
            return {choice.name: suggest(choice.name, choice.values) for choice in self.choices}
        return dict(self.space.propose(suggest).decisions)

    def draw(self, generator: random.Random) -> dict[str, Scalar]:
        """Decisions of a network of the table: choices drawn uniformly where it has all, else a row."""
        if not self.is_complete:
            return self.params(generator.randrange(len(self)))
        return self.propose(lambda _, values: generator.choice(values))

    @cached_property
    def is_complete(self) -> bool:
        """Whether every network that the choices allow has a row."""
        if self.space is not None:
            return self.space.size == len(self)
        return len(self) == math.prod(len(choice.values) for choice in self.choices)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the networks and of the columns that play a role."""
        digest = hashlib.sha256(self.decisions.astype("<i8").tobytes())
        digest.update(json.dumps([[choice.name, *choice.values] for choice in self.choices]).encode())
        roles = self.roles
        used = [*roles.observe, *roles.judge, *roles.test, *(cost.column for cost in roles.costs.values())]
        for name in used:
            digest.update(name.encode() + self.columns[name].astype("<f8").tobytes())
        return digest.hexdigest()

    @cached_property
    def _rows(self) -> dict[tuple[int, ...], int]:
        first: dict[tuple[int, ...], int] = {}
        for row, entry in enumerate(map(tuple, self.decisions.tolist())):
            if first.setdefault(entry, row) != row:
                raise TableError(
                    f"{self.source}: row {row} is the same network as row {first[entry]}; expected each once"
                )
        return first

    @cached_property
    def _is_flat(self) -> bool:
        return not (self.decisions == INACTIVE).any()

    @cached_property
    def _places(self) -> dict[str, dict[Scalar, int]]:
        return {
            choice.name: {value: index for index, value in enumerate(choice.values)}
            for choice in self.choices
        }


def with_computed_costs(table: Table, names: Sequence[str]) -> Table:
    """The table with those costs that no column gives computed from its space, where it has one.

    Args:
        table: of trained networks.
        names: costs that are wanted; what arithmetic does not tell (latency) is left as it is.
    """
    from nasearch.measure.cost import architecture_cost

    missing: list[str] = [name for name in names if name in ARITHMETIC and name not in table.roles.costs]
    if table.space is None or not missing:
        return table
    costs = [
        architecture_cost(table.space.decode(table.params(row)), table.input_shape, table.num_classes)
        for row in range(len(table))
    ]
    columns = {
        f"computed {name}": np.array([getattr(cost, name) for cost in costs], float) for name in missing
    }
    added = {name: CostColumn(f"computed {name}") for name in missing}
    roles = replace(table.roles, costs={**table.roles.costs, **added})
    return replace(table, columns={**table.columns, **columns}, roles=roles)
