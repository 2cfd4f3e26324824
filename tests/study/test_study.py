"""What a study is for ever: identity, names, determinism, and finding it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from nasearch.errors import StoreError, StudyError
from nasearch.measure import Latency, timed_by
from nasearch.space import SearchSpace
from nasearch.store.records import RunRecord
from nasearch.study import Study
from nasearch.study.identity import default_name, limits_of
from tests.study.conftest import write_images

Make = Callable[..., Study]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, r"seed \(0, now 1\)"),
        ({"space": "mobile"}, r"space \(tiny, now mobile\)"),
        ({"epochs": 2}, r"recipe \(epochs 1, now 2\);"),
        ({"objectives": ["accuracy", "params"]}, r"objectives \(accuracy, macs, now accuracy, params\)"),
        ({"limits": ["params <= 9k"]}, r"limits \(none, now params <= 9k\)"),
        ({"deterministic": True}, r"deterministic \(off, now on\)"),
        ({"recipe": "full"}, r"recipe \(proxy, now full\)"),
        ({"proxy": "inherited"}, r"proxy \(trained, now inherited\); give"),
    ],
)
def test_another_study_of_the_same_name_is_refused(
    make_study: Make, change: dict[str, object], words: str
) -> None:
    make_study()
    with pytest.raises(StudyError, match=f"study 's' exists with another .*{words}.*--fresh"):
        make_study(**change)


def test_changed_images_are_another_study(make_study: Make, tmp_path: Path) -> None:
    path = write_images(tmp_path / "a.npz", seed=0)
    make_study(data=f"npz:{path}")
    write_images(path, seed=1)
    with pytest.raises(StudyError, match=r"exists with another data \(npz:.*a.npz has other contents now\)"):
        make_study(data=f"npz:{path}")
    loaded = Study.load("s", storage=f"sqlite:///{tmp_path}/n.db")
    with pytest.raises(StudyError, match="have changed since it was made; put the old ones back"):
        _ = loaded.dataset
    loaded.close()


def test_fresh_starts_beside_under_the_next_free_name(make_study: Make) -> None:
    make_study().run(budget=1)
    second, third = make_study(fresh=True), make_study(fresh=True)
    assert (second.name, third.name) == ("s-2", "s-3")
    assert (second.spent, third.spent) == (0, 0)


def test_the_default_name_is_space_and_data(make_study: Make, images: Path) -> None:
    assert make_study(None).name == "tiny-stripes"
    assert default_name("my space", "folder:/x/y") == "my-space-y"


def test_a_limit_of_the_study_replaces_the_spaces_own_on_the_same_cost() -> None:
    space = SearchSpace.load("mobile")
    assert [limit.text for limit in limits_of(space, [])] == ["macs <= 8M"]
    assert [limit.text for limit in limits_of(space, ["params <= 9k"])] == ["macs <= 8M", "params <= 9k"]
    assert [limit.text for limit in limits_of(space, ["macs <= 30M"])] == ["macs <= 30M"]


def test_loading_finds_space_data_and_trials_again(make_study: Make, tmp_path: Path) -> None:
    made = make_study()
    made.run(budget=2)
    storage = f"sqlite:///{tmp_path}/n.db"
    with Study.load(storage=storage) as loaded:
        assert loaded.name == "s"
        assert loaded.space.text == made.space.text
        assert loaded.trials() == made.trials()
        assert loaded.dataset.fingerprint == made.dataset.fingerprint
        loaded.run(budget=3)
        assert loaded.spent == 3
    with pytest.raises(StudyError, match=r"no study 'x' in .*n.db; it has s"):
        Study.load("x", storage=storage)
    with pytest.raises(StudyError, match=r"no study yet in .*; it has none; start one with nasearch run"):
        Study.load(storage=f"sqlite:///{tmp_path}/empty.db")


def test_a_study_has_one_owner(make_study: Make) -> None:
    owner, other = make_study(), make_study()
    with (
        owner._store.acquire_lease(owner._record.id, "test"),
        pytest.raises(StoreError, match=r"study 's' is being run by process \d+ on"),
    ):
        other.run(budget=1)
    other.run(budget=1)
    assert other.spent == 1


def test_deterministic_studies_repeat_their_candidates_and_accuracies(make_study: Make) -> None:
    first = make_study("a", deterministic=True, sampler="tpe", epochs=2)
    first.run(budget=14)  # TPE draws at random for its first ten
    second = make_study("b", deterministic=True, sampler="tpe", epochs=2)
    for budget in (2, 11, 14):  # stopping in between changes nothing
        second.run(budget=budget)

    def story(study: Study) -> list[tuple[object, ...]]:
        return [(trial.key, trial.outcome, trial.values.get("accuracy")) for trial in study.trials()]

    assert story(first) == story(second)


def test_a_deterministic_study_keeps_its_threads(make_study: Make) -> None:
    before = torch.get_num_threads()
    made = make_study(deterministic=True)
    torch.set_num_threads(before + 1)
    try:
        again = make_study(deterministic=True)
        assert again.threads == made.threads == before
        again.run(budget=1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_latency_of_another_runtime_is_taken_again(make_study: Make) -> None:
    study = make_study()
    architecture = study.space.sample(0)
    foreign = Latency(9e9, 9e9, 0.0, 30, 1, "GPU X", "onnxruntime 1 CUDA")
    study._store.put_latency(study._record.id, architecture.key, foreign.to_dict())
    taken = study.latency(architecture)
    assert taken.median_ms < 1e6
    assert (taken.device, taken.runtime) == timed_by("cpu")
    assert study.latency(architecture) == taken


def test_the_reports_time_ends_with_the_last_sign_of_life(make_study: Make) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    beat, found = began + timedelta(seconds=60), began + timedelta(days=300)
    common: dict[str, Any] = {
        "study_id": 1,
        "owner": "o",
        "host": "h",
        "pid": 1,
        "started_at": began,
        "heartbeat_at": beat,
    }
    died = RunRecord(id=1, ended_at=found, ending="taken over", **common)
    ended = RunRecord(id=2, ended_at=beat + timedelta(seconds=5), ending="released", **common)
    assert (died.seconds, ended.seconds) == (60, 65)


def test_the_report_names_who_proposed_and_hides_passwords(make_study: Make, tmp_path: Path) -> None:
    make_study().run(budget=1, command="nasearch run --sampler random")
    study = make_study(sampler="nsga2")
    study.run(budget=2, command="nasearch run --storage postgresql://me:***@host/db")
    study.close()
    with Study.load("s", storage=f"sqlite:///{tmp_path}/n.db") as loaded:
        text = loaded.report(tmp_path / "r")[2].read_text()
    assert "random, nsga2" in text
    assert "nasearch run --storage postgresql://me:***@host/db" in text
    assert "--sampler random" not in text  # the last command is what goes on


def test_other_seeds_give_other_candidates(make_study: Make) -> None:
    first, second = make_study("a"), make_study("b", seed=1)
    first.run(budget=3)
    second.run(budget=3)
    assert [trial.key for trial in first.trials()] != [trial.key for trial in second.trials()]


def test_latency_as_objective_and_limit_is_timed_before_training(make_study: Make) -> None:
    study = make_study(objectives=["accuracy", "latency_ms"], limits=["latency_ms <= 1000"])
    study.run(budget=2)
    for trial in study.trials():
        latency = study._store.latency(study._record.id, trial.key)
        assert latency is not None
        assert latency["runtime"]
        assert latency["repeats"] >= 30
        assert trial.values["latency_ms"] == latency["median_ms"] > 0


def test_a_latency_limit_nothing_keeps_ends_the_search(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasearch.study.proposals.PATIENCE", 3)
    study = make_study(limits=["latency_ms <= 0.000001ms"])
    assert study.run(budget=2).stopped == "exhausted"
    assert study.spent == 0
