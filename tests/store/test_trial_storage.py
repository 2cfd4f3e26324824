"""Our storage for Optuna keeps Optuna's own contract, and what is flushed is there for every other reader."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from nasearch.store import Store
from nasearch.store.trial_storage import TrialStorage


class TestContract(StorageTestCase):
    @pytest.fixture
    def storage(self, url: str) -> Iterator[TrialStorage]:
        with Store.open(url) as store:
            yield store.optuna
