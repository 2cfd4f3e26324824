"""Studies whose candidates are trained side by side, raced, killed and taken up."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

import nasearch.executors.processes as processes
import nasearch.study.search as search
from nasearch.errors import SettingsError
from nasearch.executors import Processes
from nasearch.space import SearchSpace
from nasearch.study import Progress, Study

Make = Callable[..., Study]


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[Processes]:
    """The pools that are opened during a test."""
    opened: list[Processes] = []
    start = Processes.__init__

    def noting(self: Processes, *given: Any) -> None:
        start(self, *given)
        opened.append(self)

    monkeypatch.setattr(processes.Processes, "__init__", noting)
    return opened


@pytest.mark.slow
def test_two_workers_spend_exactly_the_budget(make_study: Make, pools: list[Processes]) -> None:
    study = make_study(workers=2, epochs=2, racing=False)
    summary = study.run(budget=9)
    assert len(pools) == 1
    assert (summary.stopped, study.spent, summary.outcomes["complete"]) == ("budget", 9, 9)
    one = make_study("one", workers=1, epochs=2, racing=False)
    one.run(budget=9)
    accuracies = {trial.key: trial.values["accuracy"] for trial in one.trials()}
    # the sampler is `random`, which repeats its candidates, and each training has a seed of its own
    assert accuracies == {
        trial.key: trial.values["accuracy"] for trial in study.trials() if trial.outcome == "complete"
    }


class Killer(Progress):
    """Kills one of the workers that have a job at every fifth epoch that is seen."""

    def __init__(self, pools: list[Processes]) -> None:
        self.pools, self.generator, self.seen, self.kills = pools, random.Random(0), 0, 0

    def epoch(self, number: int, point: Any, epochs: int) -> None:
        self.seen += 1
        if self.seen % 5 == 0:
            busy = [worker.process.pid for worker in self.pools[0]._workers if worker.job is not None]
            os.kill(self.generator.choice(busy), signal.SIGKILL)
            self.kills += 1


@pytest.mark.slow
def test_killed_workers_do_a_study_no_damage(make_study: Make, pools: list[Processes]) -> None:
    study = make_study(workers=2, epochs=6, racing=False, sampler="random")
    killer = Killer(pools)
    study.run(budget=15, progress=killer)
    assert killer.kills == killer.seen // 5 >= 15 * 3 // 5
    measured = study._store.measurements(study._record.id)
    assert len({entry.key for entry in measured}) == len(measured) == 15
    assert Counter(entry.state for entry in measured) == {"complete": 15}
    for entry in measured:
        curve = study._store.curve(study._record.id, entry.key)
        assert [point.epoch for point in curve] == [1, 2, 6]
    trials = optuna.load_study(study_name=study.name, storage=study._store.optuna).get_trials(deepcopy=False)
    assert all(trial.state.is_finished() for trial in trials)
    assert not list(study.directory.glob("checkpoints-*"))


DEADLY = """
import os, signal
import nasearch as nas
from torch import nn

class Deadly(nn.Module):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 1, stride)

    def forward(self, x):
        if x.shape[0] > 2:  # costs are taken with fewer images
            os.kill(os.getpid(), signal.SIGNAL)
        return self.conv(x)

nas.register_block(nas.BlockSpec("deadly", {}, "ends its process", attention=False), Deadly)
"""
ONE_DEADLY = """
stem: {kind: conv, channels: 4, stride: 2}
stages:
  - {channels: [4, 8], block: {one_of: [{kind: conv}, {kind: deadly}]}}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("SIGSEGV", 2), ("SIGKILL", 3)])
def test_a_network_at_which_workers_die_is_recorded_as_the_cause(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    import nasearch as nas
    from tests.support.plugins import plugins_forgotten

    file = tmp_path / "deadly.py"
    file.write_text(DEADLY.replace("SIGNAL", name), encoding="utf-8")
    monkeypatch.setattr(search, "MOST_DEATHS", {"crash": 2, "kill": 3})
    with plugins_forgotten():
        nas.load_plugins(file)
        space = SearchSpace.parse(ONE_DEADLY, "deadly")
        study = Study.create(
            "d",
            space=space,
            plugins=[file],
            data=f"npz:{images}",
            epochs=1,
            workers=2,
            sampler="random",
            storage=f"sqlite:///{tmp_path}/n.db",
            device="cpu",
            out=tmp_path / "out",
        )
        study.run(budget=4)
        failed = [trial for trial in study.trials() if trial.outcome == "failed"]
        assert len(failed) == 2
        for trial in failed:
            assert trial.reason == (
                f"its worker process was ended by signal {signal.Signals[name].value} ({name}), "
                f"{most} times without a validated epoch between"
            )
        assert study.outcomes()["complete"] == 2
        study.close()


def test_blocks_of_the_program_itself_cannot_go_to_workers(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch import nn

    import nasearch as nas
    from nasearch.space import plugins
    from tests.support.plugins import plugins_forgotten

    class Narrow(nn.Module):
        def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
            super().__init__()
            self.conv = nn.Conv2d(in_channels, channels, 1, stride)

        def forward(self, x: Any) -> Any:
            return self.conv(x)

    with plugins_forgotten():
        nas.register_block(nas.BlockSpec("narrow", {}, "a narrow one", attention=False), Narrow)
        monkeypatch.setitem(plugins._origins, "narrow", "__main__")
        space = SearchSpace.parse(
            "{stem: {kind: conv, channels: 4}, stages: [{channels: [4, 8, 12], block: {kind: narrow}}]}",
            "narrow",
        )
        given: dict[str, Any] = {
            "space": space,
            "data": f"npz:{images}",
            "epochs": 1,
            "device": "cpu",
            "storage": f"sqlite:///{tmp_path}/n.db",
            "out": tmp_path / "out",
        }
        with (
            Study.create("two", workers=2, **given) as study,
            pytest.raises(SettingsError, match="the block 'narrow' is registered by this program itself"),
        ):
            study.run(budget=3)
        with Study.create("found", **given) as study:
            study.run(budget=3)
            assert study.spent == 3


def test_a_deterministic_study_has_one_worker(make_study: Make) -> None:
    with pytest.raises(SettingsError, match="workers is 2 in a deterministic study; expected 1"):
        make_study(workers=2, deterministic=True)


# racing


def test_racing_stops_candidates_and_keeps_what_they_showed(make_study: Make) -> None:
    study = make_study(epochs=9, workers=1, racing=True)
    assert study.rungs == (1, 3, 9)
    study.run(budget=20)
    stopped = [trial for trial in study.trials() if trial.outcome == "raced_out"]
    assert stopped
    assert study.spent == 20
    frozen = {
        trial.number: trial
        for trial in optuna.load_study(study_name=study.name, storage=study._store.optuna).trials
    }
    for record in stopped:
        trial = study.trial(record.number)
        epochs = [point.epoch for point in trial.curve]
        assert epochs in ([1], [1, 3])
        assert trial.reason is not None
        assert f"stopped after {epochs[-1]} of 9 epochs" in trial.reason
        assert "accuracy" not in trial.values
        assert trial.values["macs"] > 0
        assert frozen[trial.number].state == TrialState.PRUNED
        assert frozen[trial.number].user_attrs["nasearch:rungs"] == [
            [point.epoch, point.val_accuracy] for point in trial.curve
        ]
    assert not {trial.number for trial in stopped} & {trial.number for trial in study.front()}
    for trial in study.trials():
        if trial.outcome == "complete":
            assert [point.epoch for point in study.trial(trial.number).curve] == [1, 3, 9]


def test_races_where_the_sampler_can_learn_from_it_unless_told(make_study: Make) -> None:
    for sampler, races in (
        ("surrogate", True),
        ("random", True),
        ("tpe", True),
        ("evolution", False),
        ("local", False),
        ("nsga2", False),
        ("nsga3", False),
        ("gp", False),
    ):
        assert make_study(sampler, sampler=sampler).settings.races is races
    assert make_study("a", sampler="gp", racing=True).settings.races
    assert not make_study("b", sampler="tpe", racing=False).settings.races


def test_a_study_that_is_loaded_races_as_it_did(make_study: Callable[..., Study]) -> None:
    for name, sampler, racing in (("off", "surrogate", False), ("on", "evolution", True)):
        made = make_study(name, sampler=sampler, racing=racing)
        made.run(budget=0)
        with Study.load(name, storage=made.settings.storage) as study:
            assert (study.settings.proposer, study.settings.races) == (sampler, racing)
            assert study.settings.merge(racing=not racing).races is not racing


class Stop(Progress):
    """Presses Ctrl-C at an epoch of a candidate."""

    def __init__(self, at: tuple[int, int]) -> None:
        self.at = at

    def epoch(self, number: int, point: Any, epochs: int) -> None:
        if (number, point.epoch) == self.at:
            raise KeyboardInterrupt


def test_a_candidate_in_flight_goes_on_from_its_last_epoch(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_study("whole", epochs=9, workers=1, racing=False, precision="float32")
    whole.run(budget=3)
    first = make_study("cut", epochs=9, workers=1, racing=False, precision="float32")
    with pytest.raises(KeyboardInterrupt):
        first.run(budget=3, progress=Stop((1, 3)))
    assert [file.name for file in first.directory.glob("checkpoints-cut-*/*")] == ["trial1.pt"]
    make_study("other", seed=1, workers=1).run(budget=1)  # has the same folder, and leaves it alone
    trained: list[tuple[int, int]] = []

    class Watch(Progress):
        def epoch(self, number: int, point: Any, epochs: int) -> None:
            trained.append((number, point.epoch))

    again = make_study("cut", epochs=9, workers=1, racing=False, precision="float32")
    again.run(budget=3, progress=Watch())
    assert trained == [(1, 3), (1, 9), (2, 1), (2, 3), (2, 9)]  # the first epoch of trial 1 is kept
    for trial in whole.trials():
        assert again.trial(trial.number).key == trial.key
        assert [point.val_loss for point in again.trial(trial.number).curve] == [
            point.val_loss for point in whole.trial(trial.number).curve
        ]
    assert not list(again.directory.glob("checkpoints-*"))
