"""Optuna's storage on our database, with our durability."""

from __future__ import annotations

import logging
import time

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from nasearch.errors import StoreError
from nasearch.store.database import Database, engine_options

_PATIENCE_S = 15.0


def open_optuna(database: Database) -> RDBStorage:
    """Optuna's tables, made if they are not there.

    Raises:
        StoreError: if they cannot be made, or belong to another version of Optuna.
    """
    # Optuna greets every new study at INFO, in the middle of a progress display.
    logging.getLogger("optuna.storages").setLevel(logging.WARNING)
    url = database.url.replace("{", "{{").replace("}", "}}")  # Optuna formats its URL as a template
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return RDBStorage(url, engine_kwargs=engine_options(make_url(database.url)))
        except RuntimeError as problem:
            text = str(problem).splitlines()[0]
            raise StoreError(f"{database.shown}: Optuna's tables do not fit ({text})") from problem
        except (SQLAlchemyError, StorageInternalError) as problem:
            # Optuna looks for its tables and then makes them, without a lock; of two processes that do
            # so at once one fails, and finds the tables when it looks again.
            if time.monotonic() > deadline:
                raise database.explain(problem.__cause__ or problem) from problem
            time.sleep(0.1)
