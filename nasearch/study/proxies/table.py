"""Candidates looked up in a table of trained networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nasearch.errors import MeasurementError, SettingsError, StudyError, TableError
from nasearch.executors import InProcess, Job
from nasearch.measure import Latency
from nasearch.measure.table import Table, TableFidelity, load_table
from nasearch.measure.trained import ProxyResult
from nasearch.space import Architecture, SearchSpace
from nasearch.study.proxies.names import argument_of
from nasearch.study.proxies.proxy import StudyProxy, lasting
from nasearch.study.settings import default_of

if TYPE_CHECKING:
    from nasearch.data import Dataset
    from nasearch.study.identity import Identity
    from nasearch.study.settings import StudySettings
    from nasearch.study.study import Study
    from nasearch.training import CurvePoint

WITHOUT_NOISE = 10**9
"""Validation images of a table's accuracies: they are taken as they are."""
LOOKED_AT = 100
"""Random architectures of a space that are looked up before a study on a table begins."""


class Looked(StudyProxy):
    """`table:FILE`: each candidate is looked up in a table of trained networks.

    Images are only there to train the winner on.
    """

    judged = "Accuracy in the search: looked up in a table of networks that were trained before."

    def __init__(self, settings: StudySettings) -> None:
        """Read the table; TableError if it cannot be read."""
        super().__init__(settings)
        self.table = load_table(argument_of(settings.proxy))

    @property
    def trains(self) -> bool:
        """They were, before."""
        return True

    @property
    def wants_images(self) -> bool:
        """Only where some are named, to finish with."""
        return bool(self.settings.data != default_of("data"))

    def space(self) -> SearchSpace:
        """The space that the settings name; the table's own where they name none and it has one."""
        if self.table.space is not None and self.settings.space == default_of("space"):
            return self.table.space
        return super().space()

    def check(self, space: SearchSpace, dataset: Dataset | None) -> None:
        """As `check_fits` and `check_images`."""
        check_fits(self.table, space)
        if dataset is not None:
            check_images(self.table, dataset)

    def name_of_data(self, dataset: Dataset | None) -> str:
        """The table's: it says more of a study than the images that its winner may be trained on."""
        return self.settings.proxy

    def fixed(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """Which table, and the columns that are read."""
        return {"proxy": self._text, "recipe": {}}

    def found(self, space: SearchSpace, dataset: Dataset | None) -> Mapping[str, Any]:
        """Where the table lies, and its networks' images where the study has none."""
        found = {
            "proxy": lasting(self.settings.proxy),
            "fidelity": self._fidelity.text,
            "val_images": WITHOUT_NOISE,
        }
        if dataset is not None:
            return found
        return found | {
            "data": found["proxy"],
            "data_about": "none: networks that were trained before",
            "input_shape": list(self.table.input_shape),
            "classes": [str(number) for number in range(self.table.num_classes)],
        }

    def timed_on(self) -> str:
        """The table's column; TableError if it has none."""
        self.table.cost("latency_ms")
        return f"column {self.table.roles.costs['latency_ms'].column} of the table"

    def check_same(self, identity: Identity, name: str) -> None:
        """Raises: StudyError: if the table's contents have changed."""
        if self._text != identity.fixed["proxy"]:
            raise StudyError(
                f"the table {self.table.source} of study {name!r} has changed since it was made; "
                "put the old one back, or start with --fresh"
            )

    @property
    def _text(self) -> str:
        columns = ", ".join(self.table.roles.observe)
        return f"table {self.table.name} ({columns}; {self.table.fingerprint[:16]})"

    @property
    def _fidelity(self) -> TableFidelity:
        return TableFidelity(self.table.name, self.table.roles.observe, self.table.fingerprint)

    def fidelity(self, study: Study) -> TableFidelity:
        """The table's columns."""
        return self._fidelity

    def in_process(self, study: Study) -> InProcess:
        """Looks a candidate up."""
        accuracies, fidelity = self.table.accuracy("observe"), self._fidelity

        def proxy(job: Job, on_point: Callable[[CurvePoint], bool | None]) -> ProxyResult:
            del on_point  # a table has no learning curves
            accuracy = float(accuracies[_row(self.table, job.architecture)])
            return ProxyResult(accuracy, (), 0.0, fidelity, job.seed)

        return InProcess(proxy)

    @property
    def times_here(self) -> bool:
        """No: the table has a latency or has none, and this machine's would not compare."""
        return False

    def latency(self, architecture: Architecture) -> Latency:
        """The table's.

        Raises:
            MeasurementError: if it has none.
        """
        timed = self.table.roles.costs.get("latency_ms")
        if timed is None:
            raise MeasurementError(
                f"{self.table.source} names no column for latency_ms, and a study on a table times nothing; "
                "name one under costs in a YAML file for the table"
            )
        value = float(self.table.cost("latency_ms")[_row(self.table, architecture)])
        return Latency(value, value, 0.0, 1, 1, f"table {self.table.name}", f"column {timed.column}")

    def fingerprint(self, study: Study) -> str:
        """Of the table."""
        return self.table.fingerprint


def check_fits(table: Table, space: SearchSpace) -> None:
    """Refuse a space that has networks which the table lacks.

    Names, values and numbers are compared, and `LOOKED_AT` random architectures looked up; where the table
    knows its space, they must also be the same networks there.

    Raises:
        TableError: naming what differs.
    """
    known = {choice.name: choice for choice in table.choices}
    for choice in space.choices:
        if choice.name not in known:
            raise TableError(
                f"{table.source}: the space {space.name} has a choice {choice.name}, which the table lacks; "
                f"expected those of the table: {', '.join(known)}"
            )
        for value in choice.values:
            if value not in known[choice.name].values:
                accepted = ", ".join(map(str, known[choice.name].values))
                raise TableError(
                    f"{table.source}: {choice.name} of the space {space.name} can be {value!r}; "
                    f"the table has {accepted}"
                )
    if space.size > len(table):
        raise TableError(
            f"{table.source}: the space {space.name} has {space.size:,} architectures, "
            f"the table {len(table):,}; expected one for each"
        )
    for seed in range(LOOKED_AT):
        architecture = space.sample(seed)
        _row(table, architecture)
        if table.space is not None and table.space.text != space.text:
            theirs = table.space.decode(dict(architecture.decisions))
            if theirs.key != architecture.key:
                raise TableError(
                    f"{table.source}: {architecture.label} of the space {space.name} is another network in "
                    f"{table.space.name}, which the table is of; expected that space, or a part of it"
                )


def check_images(table: Table, dataset: Dataset) -> None:
    """Refuse images to finish with that are not what the table's networks were trained on.

    Raises:
        SettingsError: naming both shapes.
    """
    there, wanted = (dataset.input_shape, dataset.num_classes), (table.input_shape, table.num_classes)
    if there != wanted:
        raise SettingsError(
            f"data {dataset.name} has images of {_words(*there)}; the networks of {table.name} take "
            f"{_words(*wanted)}; give such data, or none to search without finishing"
        )


def _words(shape: tuple[int, int, int], classes: int) -> str:
    return f"{'x'.join(map(str, shape))} and {classes} classes"


def _row(table: Table, architecture: Architecture) -> int:
    row = table.find(dict(architecture.decisions))
    if row is None:
        raise TableError(f"{table.source}: no network {architecture.label} ({dict(architecture.decisions)})")
    return row
