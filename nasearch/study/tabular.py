"""Studies that measure from a table of trained networks instead of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nasearch.errors import MeasurementError, SettingsError, TableError
from nasearch.executors import InProcess, Job
from nasearch.measure import Latency
from nasearch.measure.table import Table, TableFidelity, load_table
from nasearch.measure.trained import ProxyResult
from nasearch.space import Architecture, SearchSpace
from nasearch.study.settings import TABLE, StudySettings, default_of

if TYPE_CHECKING:
    from nasearch.data import Dataset
    from nasearch.training import CurvePoint

LOOKED_AT = 100
"""Random architectures of a space that are looked up before a study on a table begins."""


def table_of(settings: StudySettings) -> Table | None:
    """The table that settings measure from, or None where they train.

    Raises:
        TableError: if it cannot be read.
    """
    return load_table(settings.proxy.removeprefix(TABLE)) if settings.proxy.startswith(TABLE) else None


def space_of(settings: StudySettings, table: Table | None) -> SearchSpace:
    """The space that settings name; the table's own where they name none and it has one."""
    if table is not None and table.space is not None and settings.space == default_of("space"):
        return table.space
    return SearchSpace.load(settings.space)


def wants_images(settings: StudySettings) -> bool:
    """Whether images are to be loaded: on a table only where some are named, to finish with."""
    return not settings.proxy.startswith(TABLE) or settings.data != default_of("data")


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


def fidelity_of(table: Table) -> TableFidelity:
    """What a measurement from this table stands for."""
    return TableFidelity(table.name, table.roles.observe, table.fingerprint)


def identity_parts(table: Table) -> dict[str, Any]:
    """The fixed parts of a study on a table that differ from one that trains."""
    columns = ", ".join(table.roles.observe)
    return {"proxy": f"table {table.name} ({columns}; {table.fingerprint[:16]})", "recipe": {}}


def looking_up(table: Table) -> InProcess:
    """Measures a candidate by looking it up."""
    accuracies, fidelity = table.accuracy("observe"), fidelity_of(table)

    def proxy(job: Job, on_point: Callable[[CurvePoint], bool | None]) -> ProxyResult:
        del on_point  # a table has no learning curves
        accuracy = float(accuracies[_row(table, job.architecture)])
        return ProxyResult(accuracy, (), 0.0, fidelity, job.seed)

    return InProcess(proxy)


def table_latency(table: Table, architecture: Architecture) -> Latency:
    """The latency that a table has of a network.

    Raises:
        MeasurementError: if it has none.
    """
    timed = table.roles.costs.get("latency_ms")
    if timed is None:
        raise MeasurementError(
            f"{table.source} names no column for latency_ms, and a study on a table times nothing; "
            "name one under costs in a YAML file for the table"
        )
    value = float(table.cost("latency_ms")[_row(table, architecture)])
    return Latency(value, value, 0.0, 1, 1, f"table {table.name}", f"column {timed.column}")
