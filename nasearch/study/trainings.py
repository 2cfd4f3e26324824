"""What became of a network beyond its study's own search: confirmed, audited, trained to teach or to win."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nasearch.store.records import FinishRecord
from nasearch.study.given import GivenRole, find_given

if TYPE_CHECKING:
    from nasearch.study.study import Study


@dataclass(frozen=True)
class Training:
    """One training of a trial's network that is not the proxy's.

    Attributes:
        role: what it was for.
        accuracy: on the validation split.
        spent: epochs and images, or epochs and recipe, in words.
        start: the weights that it began with, in words; empty for fresh ones.
        study: the sibling that keeps it; the study itself of teachers and winners.
        test_accuracy: of a winner.
        teacher: number of the trial that taught a winner; None without one.
    """

    role: Literal["confirmed", "audit", "teacher", "winner"]
    accuracy: float
    spent: str
    start: str
    study: str
    test_accuracy: float | None = None
    teacher: int | None = None


def trainings_of(study: Study, number: int) -> tuple[Training, ...]:
    """The trainings of a trial's network; errors as in the `Study`."""
    key = study.trial(number).key
    is_sibling = study.identity.kinship is not None
    beside = [] if is_sibling else [_given(study, role, key) for role in ("confirmed", "audit")]
    finished = [each for record in study.finishes for each in _finished(study, record, number)]
    return (*(each for each in beside if each is not None), *finished)


def _given(study: Study, role: GivenRole, key: str) -> Training | None:
    """The complete training of a network in a sibling; None where there is none."""
    sibling = find_given(study, role)
    if sibling is None:
        return None
    with sibling:
        record = sibling._store.measurement(sibling._record.id, key)
        if record is None or record.state != "complete":
            return None
        spent, start = str(sibling.identity.found["fidelity"]), sibling.identity.fixed.get("start")
        return Training(role, record.values["accuracy"], spent, start or "", sibling.name)


def _finished(study: Study, record: FinishRecord, number: int) -> list[Training]:
    """What a finish trained of a trial."""
    taught: dict[str, Any] | None = record.details["teacher"]
    found = []
    if taught is not None and taught["number"] == number:
        found.append(Training("teacher", taught["val_accuracy"], _spent(taught), _start(taught), study.name))
    if record.number == number:
        facts: dict[str, Any] = record.details["winner"]
        training = Training(
            "winner",
            record.val_accuracy,
            _spent(facts),
            _start(facts),
            study.name,
            record.test_accuracy,
            record.teacher,
        )
        found.append(training)
    return found


def _spent(facts: dict[str, Any]) -> str:
    epochs, recipe = facts["epochs"], facts["recipe"]["name"]
    return f"{epochs} epoch{'' if epochs == 1 else 's'} by the recipe {recipe}"


def _start(facts: dict[str, Any]) -> str:
    return str(facts.get("start", ""))
