"""Our storage keeps Optuna's own contract, writes little, and is read by every other Optuna tool."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState
from sqlalchemy import event

from nasearch.store import Store
from nasearch.store.trial_storage import TrialStorage

PROGRAM = Path(__file__).parents[1] / "support" / "store_process.py"


class TestContract(StorageTestCase):
    @pytest.fixture
    def storage(self, url: str) -> Iterator[TrialStorage]:
        with Store.open(url) as store:
            yield store.optuna


@pytest.fixture
def mine(store: Store) -> optuna.Study:
    return optuna.create_study(study_name="s", storage=store.optuna, directions=["maximize", "minimize"])


@pytest.fixture
def theirs(store: Store, mine: optuna.Study) -> Iterator[optuna.Study]:
    """The same study as any other program sees it."""
    storage = RDBStorage(store.url)
    yield optuna.load_study(study_name="s", storage=storage)
    storage.remove_session()
    storage.engine.dispose()


def decide(trial: optuna.Trial) -> None:
    """Choices whose values are equal and whose types are not, attributes, a constraint."""
    trial.suggest_categorical("a", [1, 0])
    trial.suggest_categorical("b", [True, False])
    trial.suggest_categorical("c", [1.0, 0.0])
    trial.suggest_categorical("d", ["x", None])
    trial.suggest_float("e", 0.5, 2.0, log=True)
    trial.set_user_attr("label", ["tuple", 1.5])
    trial.set_constraint("params <= 1", -0.25)


def test_optuna_uses_it_as_it_is(store: Store, mine: optuna.Study) -> None:
    """`get_storage` would put its cache before a subclass of RDBStorage."""
    assert mine._storage is store.optuna


def test_other_programs_read_what_was_told(mine: optuna.Study, theirs: optuna.Study) -> None:
    for values in ([0.5, 3.0], [0.25, math.inf]):
        trial = mine.ask()
        decide(trial)
        mine.tell(trial, values)
    pruned = mine.ask()
    decide(pruned)
    mine.tell(pruned, state=TrialState.PRUNED)
    assert theirs.get_trials() == mine.get_trials()
    read = theirs.get_trials()[0]
    assert [type(read.params[name]) for name in "abc"] == [int, bool, float]
    assert read.constraints == {"params <= 1": -0.25}
    assert [trial.state.name for trial in theirs.get_trials()] == ["COMPLETE", "COMPLETE", "PRUNED"]


def test_what_other_programs_wrote_is_read_alike(
    store: Store, mine: optuna.Study, theirs: optuna.Study
) -> None:
    for number in range(3):
        trial = theirs.ask()
        decide(trial)
        theirs.tell(trial, [0.1 * number, 1.0])
    theirs.enqueue_trial({"a": 1})
    theirs.ask()
    assert mine.get_trials() == theirs.get_trials()
    with Store.open(store.url) as fresh:  # at once, where the other was read trial by trial
        loaded = optuna.load_study(study_name="s", storage=fresh.optuna)
        assert loaded.get_trials() == theirs.get_trials()


def test_a_running_trial_is_seen_here_at_once_and_elsewhere_when_flushed(
    store: Store, mine: optuna.Study, theirs: optuna.Study
) -> None:
    trial = mine.ask()
    decide(trial)
    here = mine.get_trials()[0]
    assert here.params == trial.params
    assert here.user_attrs == {"label": ["tuple", 1.5]}
    assert here.constraints == {"params <= 1": -0.25}
    before = theirs.get_trials()[0]
    assert (before.state, before.params, before.user_attrs) == (TrialState.RUNNING, {}, {})
    store.optuna.flush(trial._trial_id)
    assert theirs.get_trials()[0] == here
    trial.set_user_attr("later", 1)
    assert theirs.get_trials()[0] == here
    mine.tell(trial, [1.0, 2.0])
    assert theirs.get_trials()[0].user_attrs == {"label": ["tuple", 1.5], "later": 1}


def test_a_trial_of_twenty_choices_is_three_writes(store: Store, mine: optuna.Study) -> None:
    written: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        word = statement.split(maxsplit=1)[0]
        if word in ("INSERT", "UPDATE", "COMMIT"):
            written.append(word)

    commits: list[int] = []
    event.listen(store._database._engine, "commit", lambda connection: commits.append(len(written)))
    event.listen(store._database._engine, "before_cursor_execute", note)
    trial = mine.ask()
    for number in range(20):
        trial.suggest_categorical(f"c{number}", [0, 1])
        trial.set_user_attr(f"u{number}", number)
    store.optuna.flush(trial._trial_id)
    mine.tell(trial, [1.0, 2.0])
    # Transactions that wrote anything: as it was made, flushed, told.
    assert len({count for count in commits if count}) == 3
    assert (
        sum(written.count(word) for word in ("INSERT", "UPDATE")) == 5
    )  # trial; params, attrs; values, state


def test_numbers_are_given_once_whoever_asks(store: Store, mine: optuna.Study, theirs: optuna.Study) -> None:
    with Store.open(store.url) as third:
        other = optuna.load_study(study_name="s", storage=third.optuna)
        numbers = [study.ask().number for _ in range(3) for study in (mine, theirs, other)]
    assert numbers == list(range(9))
    assert [trial.number for trial in mine.get_trials()] == numbers
    assert store.optuna.count(mine._study_id) == 9


def test_what_was_enqueued_elsewhere_is_asked_next(mine: optuna.Study, theirs: optuna.Study) -> None:
    mine.ask()
    theirs.enqueue_trial({"a": 1})
    asked = mine.ask()
    assert asked.number == 1
    assert asked.suggest_categorical("a", [0, 1]) == 1
    assert [trial.state.name for trial in theirs.get_trials()] == ["RUNNING", "RUNNING"]


def test_a_trial_ended_elsewhere_is_not_ended_twice(
    store: Store, mine: optuna.Study, theirs: optuna.Study
) -> None:
    trial = mine.ask()
    decide(trial)
    theirs.tell(trial.number, state=TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError, match="Trial#0"):
        store.optuna.flush(trial._trial_id)
    with pytest.raises(ValueError, match="FAIL"):
        mine.tell(trial, [1.0, 2.0])
    assert mine.get_trials() == theirs.get_trials()


def test_what_others_note_on_a_running_trial_stays(mine: optuna.Study, theirs: optuna.Study) -> None:
    trial = mine.ask()
    decide(trial)
    theirs._storage.set_trial_user_attr(trial._trial_id, "note", "looks odd")
    mine.tell(trial, [1.0, 2.0])
    assert mine.get_trials()[0].user_attrs == {"label": ["tuple", 1.5], "note": "looks odd"}
    assert mine.get_trials() == theirs.get_trials()


@pytest.fixture
def other(store: Store, mine: optuna.Study) -> Iterator[TrialStorage]:
    """A second storage of ours on the same database, as another live process has it."""
    with Store.open(store.url) as second:
        yield second.optuna


def test_what_is_noted_on_a_trial_that_runs_elsewhere_is_written_at_once(
    mine: optuna.Study, theirs: optuna.Study, other: TrialStorage
) -> None:
    trial = mine.ask()
    decide(trial)
    other.set_trial_user_attr(trial._trial_id, "note", "looks odd")
    other.set_trial_system_attr(trial._trial_id, "mark", 1)
    other.set_trial_intermediate_value(trial._trial_id, 3, 0.5)
    other.set_trial_param(trial._trial_id, "x", 0.25, FloatDistribution(0, 1))
    for reader in (other, theirs._storage):
        seen = reader.get_trial(trial._trial_id)
        assert (seen.user_attrs, seen.system_attrs) == ({"note": "looks odd"}, {"mark": 1})
        assert (seen.intermediate_values, seen.params) == ({3: 0.5}, {"x": 0.25})
    mine.tell(trial, [1.0, 2.0])
    assert mine.get_trials()[0].user_attrs == {"label": ["tuple", 1.5], "note": "looks odd"}


def test_who_noted_something_goes_on_seeing_what_the_other_does(
    store: Store, mine: optuna.Study, other: TrialStorage
) -> None:
    trial = mine.ask()
    other.set_trial_user_attr(trial._trial_id, "note", "looks odd")
    decide(trial)
    store.optuna.flush(trial._trial_id)
    seen = other.get_trial(trial._trial_id)
    assert seen.params == trial.params
    assert seen.user_attrs == {"label": ["tuple", 1.5], "note": "looks odd"}
    mine.tell(trial, [1.0, 2.0])
    with pytest.raises(UpdateFinishedTrialError, match="Trial#0"):
        other.set_trial_user_attr(trial._trial_id, "late", 1)


def test_a_flushed_trial_of_another_process_runs_here_from_then_on(
    mine: optuna.Study, theirs: optuna.Study, other: TrialStorage
) -> None:
    trial_id = mine.ask()._trial_id
    other.flush(trial_id)
    other.set_trial_user_attr(trial_id, "label", 1)
    assert theirs.get_trials()[0].user_attrs == {}
    assert other.get_trial(trial_id).user_attrs == {"label": 1}
    other.flush(trial_id)
    assert theirs.get_trials()[0].user_attrs == {"label": 1}


def test_a_running_trial_of_a_dead_process_is_taken_up(store: Store, mine: optuna.Study) -> None:
    trial = mine.ask()
    decide(trial)
    store.optuna.flush(trial._trial_id)
    with Store.open(store.url) as later:
        study = optuna.load_study(study_name="s", storage=later.optuna)
        again = optuna.Trial(study, trial._trial_id)
        assert again.params == trial.params
        again.suggest_categorical("late", ["y", "z"])
        study.tell(again, [1.0, 2.0])
        told = study.get_trials()
    # The first process comes back: it sees that its trial has been ended.
    assert mine.get_trials() == told
    assert told[0].params.keys() == {"a", "b", "c", "d", "e", "late"}


def test_a_parameter_has_to_fit_what_other_processes_gave(mine: optuna.Study, theirs: optuna.Study) -> None:
    theirs.ask().suggest_categorical("a", [0, 1])
    trial = mine.ask()
    with pytest.raises(ValueError, match="different distribution kind"):
        trial.suggest_float("a", 0.0, 1.0)
    with pytest.raises(ValueError, match="dynamic value space"):
        mine._storage.set_trial_param(trial._trial_id, "a", 0, CategoricalDistribution([0, 1, 2]))
    mine._storage.set_trial_param(trial._trial_id, "b", 0.5, FloatDistribution(0, 1))
    assert mine.get_trials()[-1].params == {"b": 0.5}


def test_killed_with_a_flushed_trial_it_is_whole_and_its_number_is_gone(url: str) -> None:
    for task in ("flushed", "unflushed"):
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), task, url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.communicate()
    with Store.open(url) as store:
        study = optuna.load_study(study_name="s", storage=store.optuna)
        whole, bare = study.get_trials()
        assert study.ask().number == 2
    assert whole.params == {f"c{number}": number % 3 for number in range(20)}
    assert whole.user_attrs == {"label": "whole"}
    assert whole.constraints == {"params <= 1": 0.5}
    assert (bare.params, bare.user_attrs, bare.state) == ({}, {}, TrialState.RUNNING)
