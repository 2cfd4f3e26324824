from __future__ import annotations

import optuna
import pytest

from nasearch.errors import StoreError
from nasearch.store import Store


def test_a_study_keeps_its_identity(store: Store) -> None:
    made = store.create_study("digits", {"space": "tiny", "objectives": ("accuracy", "macs"), "seed": 0})
    assert store.find_study("digits") == made
    assert made.identity == {"space": "tiny", "objectives": ["accuracy", "macs"], "seed": 0}
    assert made.created_at.tzinfo is not None


def test_studies_are_listed_in_the_order_of_their_making(store: Store) -> None:
    assert store.list_studies() == []
    names = ["b", "a", "c.confirmed"]
    assert [store.create_study(name, {}) for name in names] == store.list_studies()
    assert [study.name for study in store.list_studies()] == names


def test_a_name_is_taken_once(store: Store) -> None:
    store.create_study("digits", {"seed": 0})
    with pytest.raises(StoreError, match="a study named 'digits' is there already"):
        store.create_study("digits", {"seed": 1})
    found = store.find_study("digits")
    assert found is not None
    assert found.identity == {"seed": 0}
    assert store.find_study("letters") is None


def test_studies_outlive_the_store(url: str) -> None:
    with Store.open(url) as store:
        made = store.create_study("digits", {"seed": 0})
    with Store.open(url) as again:
        assert again.list_studies() == [made]


def test_optuna_lives_in_the_same_database(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with Store.open(url) as store:
        study = optuna.create_study(study_name="digits", storage=store.optuna, directions=["maximize"] * 2)
        trial = study.ask({"kernel": optuna.distributions.CategoricalDistribution([3, 5])})
        study.tell(trial, [0.5, 3.0])
    with Store.open(url) as again:
        loaded = optuna.load_study(study_name="digits", storage=again.optuna)
        assert [trial.values for trial in loaded.trials] == [[0.5, 3.0]]
    assert "A new study" not in "".join(capfd.readouterr())
    assert optuna.logging.get_verbosity() == optuna.logging.INFO  # other people's studies speak as before


def test_guard_turns_optunas_errors_into_ours(blank_url: str) -> None:
    with Store.open(blank_url) as store:
        study = optuna.create_study(study_name="digits", storage=store.optuna)
        trial = study.ask()
        with store.optuna.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE trial_user_attributes")
        trial.set_user_attr("a", 1)
        with pytest.raises(StoreError, match="trial_user_attributes"), store.guard():
            study.tell(trial, 1.0)  # what was noted is written here
