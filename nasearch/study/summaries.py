"""A store at a glance, without the spaces of its studies: those may need blocks that are not known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasearch.report.content import StudySummary
from nasearch.store import Store
from nasearch.store.records import StudyRecord
from nasearch.study.identity import Identity
from nasearch.study.proxies.names import accuracy_of

if TYPE_CHECKING:
    from nasearch.study.study import Study


def summaries_of(storage: str) -> list[StudySummary]:
    """A line for every study of a store, oldest first.

    Raises:
        StoreError: if the store cannot be read.
    """
    with Store.open(storage) as store:
        return [_summary(store, record) for record in store.list_studies()]


def summary_of(study: Study) -> StudySummary:
    """A study's line in the table of studies."""
    return _summary(study._store, study._record)


def _summary(store: Store, record: StudyRecord) -> StudySummary:
    identity = Identity.from_dict(record.identity)
    kin = identity.kinship
    accuracies = [
        measured.values["accuracy"]
        for measured in store.measurements(record.id)
        if measured.state == "complete"
    ]
    return StudySummary(
        name=record.name,
        space=str(identity.found["space"]),
        data=str(identity.found["data"]),
        objectives=tuple(identity.fixed["objectives"]),
        budget_used=store.budget_used(record.id),
        created_at=record.created_at.isoformat(timespec="seconds"),
        best_accuracy=max(accuracies, default=None),
        accuracy=accuracy_of(str(identity.found.get("proxy", "trained"))),
        sibling_of=None if kin is None else kin.of,
        role=None if kin is None else kin.role,
    )
