"""Reference networks: measured as candidates are, beside the search and never in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nasearch.errors import BuildError, MeasurementError, SpaceError, StoreError
from nasearch.executors import InProcess
from nasearch.measure import architecture_cost
from nasearch.measure.trained import train_proxy
from nasearch.space import fixed_network
from nasearch.study import Progress, Study
from nasearch.study.reporting import pictures_of
from nasearch.study.search import training_seed

Make = Callable[..., Study]

NETWORK = """
name: {name}
stem: {{kind: conv, channels: 4, stride: 2}}
stages:
  - {{channels: {channels}, block: {{kind: conv, kernel: 3}}}}
"""


def write(folder: Path, name: str, channels: int = 8, file: str | None = None) -> Path:
    path = folder / f"{file or name}.yaml"
    path.write_text(NETWORK.format(name=name, channels=channels), encoding="utf-8")
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path, "small")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return write(tmp_path, "large", channels=64)


class Ear(Progress):
    """Notes every line and training; presses Ctrl-C or dies in one of them if told to."""

    def __init__(self, stop_in: str = "", error: type[BaseException] = KeyboardInterrupt) -> None:
        self.heard: list[str] = []
        self._stop_in, self._error, self._stage = stop_in, error, ""

    def finished(self, summary: object) -> None:
        self.heard.append("finished")

    def stage(self, name: str, epochs: int) -> None:
        self.heard.append(f"{name}: {epochs}")
        self._stage = name

    def stage_epoch(self, point: object, epochs: int) -> None:
        if self._stage == self._stop_in:
            raise self._error

    def message(self, text: str) -> None:
        self.heard.append(text)


class Died(BaseException):
    """Stands for a kill at one exact place; nothing in the code under test catches it."""


def test_a_reference_has_the_candidates_proxy_seed_and_costs(make_study: Make, small: Path) -> None:
    study = make_study(deterministic=True, epochs=2)
    (record,) = study.add_references([small])
    network = fixed_network(small)
    assert (record.name, record.key, record.state) == ("small", network.key, "complete")
    assert record.seed == training_seed(study.seed, network.key)
    again = train_proxy(network, study.dataset, study.recipe, seed=record.seed)
    assert record.values["accuracy"] == pytest.approx(again.accuracy, abs=1e-9)
    # 1x8x8 images; 3x3 convolutions without bias to 4 and 8 channels at 4x4, a batch norm each, 3 classes.
    assert record.values["macs"] == 4 * 4 * (9 * 1 * 4 + 9 * 4 * 8) + 8 * 3
    assert record.values["params"] == 9 * 1 * 4 + 9 * 4 * 8 + 2 * (4 + 8) + 8 * 3 + 3
    peak = architecture_cost(network, (1, 8, 8), 3).peak_activation_bytes
    assert record.values["peak_activation_bytes"] == peak
    assert record.fidelity["epochs"] == 2


def test_references_are_no_trials_and_cost_no_budget(make_study: Make, small: Path, large: Path) -> None:
    plain = make_study("plain")
    plain.run(budget=3)
    study = make_study("s", references=[small, large], limits=["params <= 100k"])
    study.run(budget=3)
    assert study.spent == 3
    assert [record.name for record in study.references()] == ["small", "large"]
    assert [trial.number for trial in study.trials()] == [trial.number for trial in plain.trials()]
    assert [trial.key for trial in study.trials()] == [trial.key for trial in plain.trials()]
    assert study.hypervolume() == plain.hypervolume()


def test_references_are_held_to_no_limit(make_study: Make, large: Path) -> None:
    study = make_study(limits=["params <= 900"], references=[large])
    study.run(budget=1)
    (record,) = study.references()
    assert record.state == "complete"
    assert record.values["params"] > 900
    assert study.winner().values["params"] <= 900


def test_they_are_trained_after_the_search_and_once(make_study: Make, small: Path, large: Path) -> None:
    study, ear = make_study(references=[small]), Ear()
    study.run(budget=1, progress=ear)
    line = ear.heard.pop()
    assert line.startswith("reference small: 375 parameters, accuracy ")  # as counted above
    assert line.endswith(" %")
    assert ear.heard == ["finished", "reference small: 1"]
    before = study.references()
    ear = Ear()
    study.run(budget=1, progress=ear)
    assert ear.heard == ["finished"]
    again = make_study(references=[small, large])  # more of them is no other study
    again.run(budget=1, progress=ear)
    assert [record.name for record in again.references()] == ["small", "large"]
    assert again.references()[0] == before[0]


def test_a_study_gets_references_later_and_finds_them_again(make_study: Make, small: Path) -> None:
    study = make_study()
    assert study.references() == ()
    records = study.add_references([small, small])
    assert [record.name for record in records] == ["small"]
    storage = study.settings.storage
    with Study.load("s", storage=storage) as loaded:
        assert loaded.references() == records
        loaded.run(budget=1)
        assert loaded.references() == records


def test_interrupting_keeps_what_was_measured(make_study: Make, small: Path, large: Path) -> None:
    for _ in range(4):  # interrupts are no failed attempts
        study = make_study(references=[small, large])
        with pytest.raises(KeyboardInterrupt):
            study.run(budget=1, progress=Ear("reference large"))
        assert [record.name for record in study.references()] == ["small"]
    small_one = study.references()[0]
    study = make_study(references=[small, large])
    study.run(budget=1)
    assert [record.name for record in study.references()] == ["small", "large"]
    assert study.references()[0] == small_one
    assert study._store.references.find(study._record.id, "large").attempts == 1  # type: ignore[union-attr]
    assert {run.ending for run in study._store.runs(study._record.id)} == {"released"}


def test_a_reference_at_three_deaths_is_not_tried_again(
    make_study: Make, small: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(InProcess, "measure", lambda *_: (_ for _ in ()).throw(Died))
        for _ in range(3):
            with pytest.raises(Died):
                make_study().add_references([small])
    ear = Ear()
    records = make_study().add_references([small, large], ear)
    assert [(record.name, record.state) for record in records] == [("small", "failed"), ("large", "complete")]
    assert records[0].reason == "the process died 3 times while this network was measured"
    assert ear.heard[0] == f"reference small is not tried a fourth time: {records[0].reason}"


def test_one_that_fails_does_so_alone_and_may_be_tried_again(
    make_study: Make, small: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, ear = make_study(), Ear()
    train = InProcess.measure

    def broken(self: InProcess, job: object, on_epoch: object) -> object:
        monkeypatch.setattr(InProcess, "measure", train)
        raise_ = InProcess(lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory\nsecond line")))
        return raise_.measure(job, on_epoch)  # type: ignore[arg-type]

    monkeypatch.setattr(InProcess, "measure", broken)
    first, second = study.add_references([small, large], ear)
    assert (first.state, first.reason) == ("failed", "RuntimeError: out of memory")
    assert "reference small failed: RuntimeError: out of memory" in ear.heard
    assert second.state == "complete"
    shown = pictures_of(study)[-1].references  # those that failed last
    assert [(each.name, each.reason) for each in shown] == [
        ("large", ""),
        ("small", "RuntimeError: out of memory"),
    ]
    again, _ = study.add_references([small])
    assert (again.state, again.attempts) == ("complete", 2)


def test_a_network_that_cannot_be_built_for_the_data_fails_with_its_place(
    make_study: Make, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise BuildError("stage1.block1 (conv): 8x8 is too small")

    study, ear = make_study(), Ear()
    monkeypatch.setattr("nasearch.study.opening.architecture_cost", broken)
    (record,) = study.add_references([small], ear)
    assert (record.state, record.reason) == ("failed", "stage1.block1 (conv): 8x8 is too small")
    assert ear.heard == ["reference small failed: stage1.block1 (conv): 8x8 is too small"]


def test_a_network_the_search_has_measured_is_not_trained_again(make_study: Make, tmp_path: Path) -> None:
    from nasearch.space import SearchSpace

    space = SearchSpace.parse(NETWORK.format(name="four", channels="[8, 16, 24, 32]"), "four")
    study = make_study(space=space)
    study.run(budget=4)
    trial = next(t for t in study.trials() if t.outcome == "complete" and t.values["params"] == 375)
    ear = Ear()
    (record,) = study.add_references([write(tmp_path, "small")], ear)
    assert record.values["accuracy"] == trial.values["accuracy"]
    assert record.seconds == trial.seconds
    assert len(ear.heard) == 1
    # Under another name likewise.
    ear = Ear()
    records = study.add_references([write(tmp_path, "twin")], ear)
    assert [entry.values["accuracy"] for entry in records] == [trial.values["accuracy"]] * 2
    assert len(ear.heard) == 1


def test_a_file_that_holds_another_network_by_now_replaces_the_old(make_study: Make, tmp_path: Path) -> None:
    study = make_study()
    (old,) = study.add_references([write(tmp_path, "mine", 8)])
    (new,) = study.add_references([write(tmp_path, "mine", 16)])
    assert (new.name, new.state) == ("mine", "complete")
    assert new.key != old.key
    assert new.values["params"] > old.values["params"]


def test_what_is_no_network_is_refused_before_anything_is_made(make_study: Make, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"'tiny' is a space of [\d,]+ networks; expected one of .*, or the"):
        make_study(references=["tiny"])
    with pytest.raises(SpaceError, match="no fixed network 'resnet19'; expected one of "):
        make_study(references=["resnet19"])
    with pytest.raises(
        SpaceError, match=r"references: .*b\.yaml' is named 'a', as another network before it"
    ):
        make_study(references=[write(tmp_path, "a"), write(tmp_path, "a", 16, file="b")])
    assert not (tmp_path / "n.db").exists()
    study = make_study()
    with pytest.raises(SpaceError):
        study.add_references([write(tmp_path, "a"), "tiny"])
    assert study.references() == ()


def test_they_wait_for_the_study_as_a_run_does(make_study: Make, small: Path) -> None:
    owner, other = make_study(), make_study()
    with (
        owner._store.acquire_lease(owner._record.id, "test"),
        pytest.raises(StoreError, match=r"study 's' is being run by process \d+ on"),
    ):
        other.add_references([small])


def test_references_are_timed_with_the_front(
    make_study: Make, small: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(references=[small])
    study.run(budget=1)
    assert "latency_ms" not in study.references()[0].values
    study.measure_front_latency()
    latency = study._store.latency(study._record.id, study.references()[0].key)
    assert latency is not None
    assert study.references()[0].values["latency_ms"] == latency["median_ms"] > 0
    assert pictures_of(study)[-1].references[0].latency_iqr_ms == latency["iqr_ms"]
    # The front is timed by now, so one that comes later is timed at once.
    assert "latency_ms" in study.add_references([large])[1].values

    def unknown(self: Study, architecture: object) -> object:
        raise MeasurementError("no runtime knows an operator")

    with monkeypatch.context() as patch:
        patch.setattr(Study, "latency", unknown)
        ear = Ear()
        study.add_references([write(small.parent, "third", 12)], ear)
    assert "reference third has no latency: no runtime knows an operator" in ear.heard
    assert [record.state for record in study.references()] == ["complete"] * 3


def test_where_latency_is_an_objective_references_are_timed(make_study: Make, small: Path) -> None:
    study = make_study(objectives=["accuracy", "latency_ms"], references=[small])
    study.run(budget=1)
    assert study.references()[0].values["latency_ms"] > 0


def test_the_winner_is_never_a_reference(make_study: Make, small: Path) -> None:
    study = make_study(references=[small])
    study.run(budget=2)
    network = fixed_network(small).key
    assert network not in {trial.key for trial in study.front()}
    study.finish(epochs=1)
    assert network not in {record.key for record in study.finishes}
    assert len(study.finishes) == 1  # the test split is read by the winner alone


def test_the_report_and_the_pictures_have_them(make_study: Make, small: Path, tmp_path: Path) -> None:
    study = make_study(references=[small])
    study.run(budget=2)
    (reference,) = pictures_of(study)[-1].references
    assert (reference.name, reference.label) == ("small", fixed_network(small).label)
    assert reference.values == study.references()[0].values
    written = {path.name: path for path in study.report()}
    assert "\n| small | " in written["report.md"].read_text()
    assert '<tr class="reference"><td>reference</td>' in written["front.html"].read_text()
