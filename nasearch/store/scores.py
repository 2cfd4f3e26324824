"""Scores without training, by network: kept as they are made, so that none is made twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from nasearch.store.database import Database, Dialected, insert_for
from nasearch.store.door import finite, score, scored, whole_seed
from nasearch.store.measurements import architecture_row
from nasearch.store.records import ScreenedRecord
from nasearch.store.tables import ARCHITECTURES, SCORES, SCREENED

_ALL = select(SCORES.c.key, SCORES.c.name, SCORES.c.value).where(SCORES.c.study_id == bindparam("study"))
_ALL = _ALL.order_by(SCORES.c.key, SCORES.c.name)
_ONE = _ALL.where(SCORES.c.key == bindparam("key"))


class Scores:
    """The rows of `nasearch_scores` and `nasearch_screened`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, study_id: int, key: str, scores: Mapping[str, float], *, batch: int, seed: int) -> None:
        """Keep scores of a network, each in place of an earlier one of its name.

        A power cut may lose the last ones, which can be made again.

        Args:
            study_id: the study.
            key: of the architecture.
            scores: by name; -inf for a network that lets no signal through.
            batch: images that they were made on.
            seed: of weights and noise.

        Raises:
            MeasurementError: if a score is NaN or infinite otherwise.
        """
        common = {
            "study_id": study_id,
            "key": key,
            "batch": batch,
            "seed": whole_seed(seed),
            "scored_at": datetime.now(UTC),
        }
        rows = [
            {**common, "name": name, "value": score(value, f"{name} of {key}")}
            for name, value in scores.items()
        ]
        if rows:
            with self._database.write(durable=False) as connection:
                connection.execute(_putting(connection.dialect.name), rows)

    def all(self, study_id: int) -> dict[str, dict[str, float]]:
        """Every score of a study by key and name; -inf where there was no signal."""
        with self._database.read() as connection:
            return _scores(connection, study_id)

    def of(self, study_id: int, key: str) -> dict[str, float]:
        """The scores of a network by name; empty where it has none."""
        with self._database.read() as connection:
            return _scores(connection, study_id, key).get(key, {})

    def put_screen(self, study_id: int, candidates: Sequence[ScreenedRecord]) -> None:
        """Keep what a screen made of its candidates, in place of an earlier screen; scores are kept by `put`.

        Raises:
            MeasurementError: if a cost is not finite.
        """
        now = datetime.now(UTC)
        with self._database.write() as connection:
            connection.execute(delete(SCREENED).where(SCREENED.c.study_id == study_id))
            rows = [
                {
                    "study_id": study_id,
                    "key": each.key,
                    "architecture_id": architecture_row(connection, each.key, each.architecture_json),
                    "place": each.place,
                    "fate": each.fate,
                    "measured": finite(each.values, f"costs of {each.key}"),
                    "reason": None if each.reason is None else each.reason.replace("\0", ""),
                    "screened_at": now,
                }
                for each in candidates
            ]
            if rows:
                connection.execute(insert(SCREENED), rows)

    def screen(self, study_id: int) -> tuple[ScreenedRecord, ...]:
        """What the last screen of a study looked at, the most promising first; empty without one."""
        query = (
            select(SCREENED, ARCHITECTURES.c.body)
            .join(ARCHITECTURES, ARCHITECTURES.c.id == SCREENED.c.architecture_id)
            .where(SCREENED.c.study_id == study_id)
            .order_by(SCREENED.c.place)
        )
        with self._database.read() as connection:
            records = [
                ScreenedRecord(row.key, row.body, row.place, row.fate, row.measured, {}, row.reason)
                for row in connection.execute(query)
            ]
            scores = _scores(connection, study_id) if records else {}
        return tuple(replace(each, scores=scores.get(each.key, {})) for each in records)


def _scores(connection: Connection, study_id: int, key: str | None = None) -> dict[str, dict[str, float]]:
    chosen: dict[str, Any] = {"study": study_id} if key is None else {"study": study_id, "key": key}
    found: dict[str, dict[str, float]] = {}
    for row in connection.execute(_ALL if key is None else _ONE, chosen):
        found.setdefault(row.key, {})[row.name] = scored(row.value)
    return found


@lru_cache
def _putting(dialect: str) -> Dialected:
    statement = insert_for(dialect, SCORES)
    names = [column.name for column in SCORES.c if not column.primary_key]
    return statement.on_conflict_do_update(
        index_elements=["study_id", "key", "name"],
        set_={name: statement.excluded[name] for name in names},
    )
