"""Studies that judge by inherited weights: the supernet, candidates, confirmation, the winner."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nasearch.errors import SelectionError, SettingsError, StudyError, TrainingError
from nasearch.executors import InProcess
from nasearch.nets import Subnet, Supernet
from nasearch.pareto import Objective, parse_limit, parse_objectives
from nasearch.report.audit_text import proxy_words
from nasearch.report.layout import subtitle
from nasearch.report.tables import front_json, front_table
from nasearch.store import Store
from nasearch.store.records import TrialRecord
from nasearch.study import Progress, Study, StudySettings, supernets
from nasearch.study.choosing import picked, why
from nasearch.study.confirming import best_of
from nasearch.study.given import find_given, open_given
from nasearch.study.places import places_of
from nasearch.study.reporting import objectives_of, pictures_of, values_of
from nasearch.training import RECIPES, CurvePoint
from nasearch.training.batches import TrainingData
from nasearch.training.supernet import inherited_accuracy, train_supernet

Make = Callable[..., Study]


class Words(Progress):
    """Keeps what it is told; presses Ctrl-C after so many epochs of a stage."""

    def __init__(self, interrupt_after: int | None = None) -> None:
        self.lines: list[str] = []
        self.epochs = 0
        self._most = interrupt_after

    def message(self, text: str) -> None:
        self.lines.append(text)

    def stage(self, name: str, epochs: int) -> None:
        self.lines.append(f"{name}: {epochs}")

    def stage_epoch(self, point: CurvePoint, epochs: int) -> None:
        self.epochs += 1
        self.lines.append(f"epoch {point.epoch}")
        if self.epochs == self._most:
            raise KeyboardInterrupt


@pytest.fixture
def inherit(make_study: Make) -> Make:
    def make(name: str = "s", **given: Any) -> Study:
        settings = {
            "proxy": "inherited",
            "sampler": None,
            "workers": None,
            "supernet_epochs": 1,
            "confirm": 2,
        }
        return make_study(name, **(settings | given))

    return make


def test_candidates_have_the_accuracy_of_the_supernets_weights(inherit: Make) -> None:
    study = inherit(confirm=0)
    words = Words()
    study.run(budget=4, progress=words)
    assert words.lines[0] == "supernet: 1"
    assert words.epochs == 1
    assert study.samplers == ("evolution",)
    assert not study.raced
    recipe = supernets.recipe_of(study, 1)
    supernet = supernets.load(study)
    data = TrainingData(study.dataset, recipe, torch.device("cpu"), 0)
    for trial in study.trials():
        assert trial.values["accuracy"] == inherited_accuracy(supernet, trial.architecture, data)
    note = supernets.trained(study)
    records = study._store.measurements(study._record.id)
    assert {record.fidelity["supernet"] for record in records} == {note.fingerprint[:16]}
    assert records[0].fidelity["text"] == "inherited from a supernet of 1 epoch at 8x8"
    study.run(budget=5, progress=words)  # it is not trained again
    assert words.epochs == 1


def test_a_supernet_interrupted_is_as_if_it_had_not_been(inherit: Make, images: Path, tmp_path: Path) -> None:
    whole = inherit("whole", supernet_epochs=3, confirm=0, out=tmp_path / "whole")
    whole.run(budget=1)
    cut = inherit("cut", supernet_epochs=3, confirm=0, out=tmp_path / "cut")
    with pytest.raises(KeyboardInterrupt):
        cut.run(budget=1, progress=Words(interrupt_after=2))
    assert cut.spent == 0
    words = Words()
    cut.run(budget=1, progress=words)
    # what is taken up is told before it goes on; the third epoch alone is left
    assert words.lines[:3] == ["supernet: 3", "the supernet's checkpoint taken up after epoch 2", "epoch 3"]
    assert words.epochs == 1
    ours, theirs = (load_file(supernets.file_of(study)) for study in (cut, whole))
    assert all(np.array_equal(ours[name].numpy(), theirs[name].numpy()) for name in theirs)
    assert not list((tmp_path / "cut").glob("*.checkpoint"))


def test_a_checkpoint_that_cannot_be_read_is_told_before_the_training(inherit: Make) -> None:
    study = inherit(supernet_epochs=2, confirm=0)
    study.directory.mkdir(parents=True)
    supernets.file_of(study).with_suffix(".checkpoint").write_bytes(b"no checkpoint")
    words = Words()
    study.run(budget=1, progress=words)
    problem = "the supernet's checkpoint ignored, for it cannot be read: UnpicklingError"
    assert words.lines[:4] == ["supernet: 2", problem, "epoch 1", "epoch 2"]


def test_studies_of_one_folder_have_a_supernet_each(inherit: Make, tmp_path: Path) -> None:
    kept = {
        name: inherit(name[0], confirm=0, seed=seed, storage=f"sqlite:///{tmp_path}/{name}.db")
        for name, seed in (("s", 0), ("t", 1), ("s2", 2))  # two of a name, in two stores
    }
    for study in kept.values():
        study.run(budget=1)
    files = sorted(tmp_path.joinpath("out").glob("supernet-*.safetensors"))
    assert files == sorted(Path(supernets.trained(study).file) for study in kept.values())
    assert len(files) == 3
    for study in kept.values():
        study.run(budget=2)
        assert study.spent == 2


def test_a_supernet_under_an_older_name_is_found(inherit: Make, tmp_path: Path) -> None:
    study = inherit(confirm=0)
    study.run(budget=1)
    old = tmp_path / "out" / "supernet.safetensors"
    supernets.file_of(study).rename(old)
    note = dataclasses.replace(supernets.trained(study), file=str(old))
    study._optuna.set_user_attr(supernets.NOTE, dataclasses.asdict(note))
    words = Words()
    study.run(budget=2, progress=words)
    assert (study.spent, words.epochs) == (2, 0)


def test_a_supernet_moves_with_its_folder(inherit: Make, tmp_path: Path) -> None:
    study = inherit(confirm=0)
    study.run(budget=2)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    moved = inherit(confirm=0, out=tmp_path / "elsewhere")
    words = Words()
    moved.run(budget=3, progress=words)
    moved.run_baseline("random", progress=words)  # which has a folder of its own in it
    assert (moved.spent, words.epochs) == (3, 0)
    file = tmp_path / "elsewhere" / Path(supernets.trained(moved).file).name
    file.unlink()
    with pytest.raises(StudyError) as raised:
        moved.run_baseline("random", budget=4)
    assert str(raised.value).startswith("the supernet of study 's', ")
    assert f"back there or at {file}, or start" in str(raised.value)
    with Study.load("s.random", storage=study.settings.storage, device="cpu") as alone:
        note = supernets.trained(alone)
        with pytest.raises(StudyError) as raised:
            supernets.load(alone)
    assert f"back there or at {Path('studies', 's', Path(note.file).name)}, or start" in str(raised.value)


def test_a_study_hands_out_its_supernet(inherit: Make, make_study: Make) -> None:
    study = inherit(confirm=0)
    with pytest.raises(StudyError, match="study 's' has no supernet yet; run it first"):
        study.supernet()
    study.run(budget=3)
    supernet = study.supernet()
    assert not supernet.training
    by_hand = Supernet(study.space, len(study.classes), study.input_shape[0])
    by_hand.load_state_dict(load_file(supernets.trained(study).file))
    for trial in study.trials():
        for each in (supernet, by_hand):
            accuracy = inherited_accuracy(each, trial.architecture, study.dataset)
            assert accuracy == trial.values["accuracy"]
    with pytest.raises(StudyError, match="'t' has no supernet, for its proxy is trained; expected a"):
        make_study("t").supernet()


def test_a_supernet_that_did_not_fit_whole_is_told(inherit: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Subnet.forward

    def limited(subnet: Subnet, images: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and len(images) > 40:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(subnet, images)

    monkeypatch.setattr(Subnet, "forward", limited)
    words = Words()
    study = inherit(confirm=0)
    study.run(budget=1, progress=words)
    # of 60 images 48 are learnt from, in one batch
    assert "batches of the supernet did not fit cpu whole: 2 parts of each" in words.lines


def test_two_supernets_are_never_mixed(inherit: Make) -> None:
    study = inherit(confirm=0)
    study.run(budget=2)
    file = supernets.file_of(study)
    kept = file.read_bytes()
    file.unlink()
    study.run(budget=2)  # nothing is left to be judged
    with pytest.raises(
        StudyError,
        match=r"the supernet of study 's', .*, is gone; .* \w{16} back there, or start with --fresh$",
    ):  # the folder has not moved, and no second place is named
        study.run(budget=3)
    other = bytearray(kept)
    other[-1] ^= 1
    file.write_bytes(bytes(other))
    with pytest.raises(StudyError, match="is another one now"):
        study.run(budget=3)
    assert study.spent == 2
    file.write_bytes(kept)
    study.run(budget=3)
    assert study.spent == 3


def test_the_supernet_is_part_of_what_a_study_is(inherit: Make) -> None:
    inherit(supernet_epochs=1)
    with pytest.raises(StudyError, match=r"exists with another supernet \(epochs 1, now 2\); give"):
        inherit(supernet_epochs=2)
    with pytest.raises(
        StudyError, match=r"supernet \(epochs 1, now none; time in seconds none, now 60\.0\); give"
    ):
        inherit(supernet_epochs=None, supernet_time="1m")
    with pytest.raises(StudyError, match="exists with another proxy"):
        inherit(proxy="trained", supernet_epochs=None, confirm=None)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"supernet_epochs": 2, "supernet_time": "1m"}, "expected one of the two"),
        ({"supernet_time": "soon"}, "supernet_time is 'soon'; expected a time such as 90s, 30m or 2h"),
        ({"supernet_epochs": 0}, "supernet_epochs is 0; expected a whole number of at least 1"),
        ({"confirm": -1}, "confirm is -1; expected a whole number of at least 0"),
        ({"references": ["resnet18"]}, "a supernet holds networks of its space alone"),
        ({"racing": True}, "racing is on; expected it off"),
        ({"workers": 2, "confirm": 0}, "workers is 2 and confirm is 0; expected 1 worker"),
        ({"supernet_recipe": "long"}, "recipe is 'long'"),
    ],
)
def test_settings_that_do_not_go_with_it_are_refused(inherit: Make, given: Any, text: str) -> None:
    with pytest.raises((SettingsError, TrainingError), match=text):
        inherit(**({"supernet_epochs": None} | given))


def test_known_networks_are_drawn_beside_the_confirmed_ones(inherit: Make) -> None:
    study = inherit()
    study.run(budget=1)
    own = "references are resnet18, x.yaml; a supernet holds networks of its space alone: "
    command = "nasearch front s.confirmed --reference resnet18 --reference x.yaml"

    def refused(study: Study) -> str:
        with pytest.raises(SettingsError) as raised:
            study.add_references(["resnet18", "x.yaml"])
        return str(raised.value)

    assert refused(study) == f"{own}draw them beside the confirmed: {command}"
    alone = inherit("alone", confirm=0)
    later = "give none; confirming the best (--confirm) makes alone.confirmed, and then "
    assert refused(alone).startswith(f"{own}{later}nasearch front alone.confirmed --reference resnet18")
    study.run_baseline("random")
    with Study.load("s.random", storage=study.settings.storage, device="cpu") as baseline:
        assert refused(baseline) == refused(study)  # the best of its study are confirmed, not its own


def test_workers_are_those_of_the_confirmed(inherit: Make) -> None:
    study = inherit(workers=2)
    assert isinstance(study.proxy.executor(study, 5), InProcess)
    with open_given(study, "confirmed", study.recipe) as sibling:
        assert len(places_of(sibling, 5)) == 2


def test_without_a_budget_nothing_is_trained(inherit: Make) -> None:
    study = inherit()
    assert study.run(budget=0).stopped == "budget"
    assert supernets.note_of(study) is None


def test_defaults_of_its_own() -> None:
    inherited, trained = StudySettings(proxy="inherited"), StudySettings()
    assert (inherited.proposer, inherited.confirms, inherited.races) == ("evolution", 10, False)
    assert (trained.proposer, trained.confirms, trained.races) == ("surrogate", 0, True)
    assert StudySettings(proxy="inherited", sampler="random", confirm=0).confirms == 0
    assert RECIPES["supernet"].images is None  # of all training images


def test_a_time_becomes_epochs_before_the_training(inherit: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {12: 1.0, 20: 1.5}  # a fixed part of 1/4 s and 1/16 s an image: 48 images take 3.25 s an epoch

    def timed(supernet: Supernet, dataset: object, recipe: Any, **rest: Any) -> Any:
        result = train_supernet(supernet, dataset, recipe, **rest)  # type: ignore[arg-type]
        return dataclasses.replace(result, seconds=seconds.get(recipe.images, result.seconds))

    monkeypatch.setattr(supernets, "train_supernet", timed)
    monkeypatch.setattr(supernets, "TIMED_STEPS", 2)
    monkeypatch.setitem(RECIPES, "supernet", dataclasses.replace(RECIPES["supernet"], batch_size=4))
    study = inherit(supernet_epochs=None, supernet_time="10s", confirm=0)
    words = Words()
    study.run(budget=1, progress=words)
    assert "supernet: 3" in words.lines  # 3 epochs of 3.25 s fit into 10 s
    assert supernets.trained(study).epochs == 3
    fidelity = study._store.measurements(study._record.id)[0].fidelity
    assert fidelity["epochs"] == 3


def record(number: int, accuracy: float, macs: float) -> TrialRecord:
    return TrialRecord(
        number=number,
        outcome="complete",
        key=str(number),
        architecture=None,  # type: ignore[arg-type]
        values={"accuracy": accuracy, "macs": macs},
        seconds=None,
        reason=None,
    )


def test_the_best_are_the_front_and_then_the_ranks_behind_it() -> None:
    objectives = pair()
    rows = [(0.9, 9.0), (0.8, 5.0), (0.79, 4.9), (0.5, 1.0), (0.7, 6.0), (0.4, 2.0)]
    trials = [record(i, accuracy, macs) for i, (accuracy, macs) in enumerate(rows)]

    def best(count: int) -> set[int]:
        return {trial.number for trial in best_of(trials, objectives, count)}

    # the knee lies farthest from the line between the ends: shares of their distances .25 + .5 < .275 + .4875
    assert best(1) == {1}
    assert best(2) == {0, 1}  # and the most accurate
    assert best(3) == {0, 1, 3}  # 2 and the knee crowd each other
    assert best(4) == {0, 1, 2, 3}
    assert best(6) == best(60) == {0, 1, 2, 3, 4, 5}
    assert best_of([], objectives, 3) == ()
    # one that is asked for goes first, though others dominate it
    assert [trial.number for trial in best_of(trials, objectives, 1, [trials[5]])] == [5]
    assert [trial.number for trial in best_of(trials, objectives, 4, [trials[5]])] == [5, 1, 0, 3]


def pair() -> tuple[Objective, ...]:
    return parse_objectives(("accuracy", "macs"))


def test_the_best_are_trained_beside_it_from_the_weights_that_they_inherit(
    inherit: Make, tmp_path: Path
) -> None:
    study = inherit()
    study.run(budget=5)
    confirmed = study.confirmed()
    assert len(confirmed) == 2
    assert {trial.key for trial in confirmed} <= {trial.key for trial in study.trials()}
    fingerprint = supernets.trained(study).fingerprint[:16]
    sibling = find_given(study, "confirmed")
    assert sibling is not None
    with sibling:
        assert sibling.name == "s.confirmed"
        assert sibling.identity.kinship is not None
        assert sibling.identity.kinship.text == "confirmed of s"
        records = sibling._store.measurements(sibling._record.id)
        assert {each.fidelity["start"] for each in records} == {f"the weights of supernet {fingerprint}"}
        assert {each.key: each.values["accuracy"] for each in records} == {
            trial.key: trial.values["accuracy"] for trial in confirmed
        }
    assert study.confirm(2) is not None  # again: nothing is trained twice
    assert [trial.key for trial in study.confirmed()] == [trial.key for trial in confirmed]
    study.confirm(4)
    assert len(study.confirmed()) == 4
    with pytest.raises(SettingsError, match="count is -1; expected a whole number from 0"):
        study.confirm(-1)
    assert not (tmp_path / "out" / "s.confirmed").exists()  # the weights that trainings began with are gone


def test_winner_and_its_training_come_from_the_confirmed(inherit: Make) -> None:
    study = inherit()
    study.run(budget=5)
    winner = study.winner()
    accuracies = {trial.key: trial.values["accuracy"] for trial in study.confirmed()}
    assert winner.values["accuracy"] == accuracies[winner.key]
    assert study.knee() == winner
    best = study.winner(pick="macs <= 1G")
    assert best.values["accuracy"] == max(accuracies.values())
    study.finish(epochs=1)
    facts = study.finishes[-1].details
    text = f"the weights of supernet {supernets.trained(study).fingerprint[:16]}"
    assert facts["winner"]["start"] == facts["teacher"]["start"] == facts["training"]["start"] == text
    assert facts["winner"]["proxy_name"] == "confirmed accuracy"
    assert facts["winner"]["proxy_accuracy"] == accuracies[study.finishes[-1].key]
    assert facts["why"] == "knee of the 2 confirmed"
    export = study.export(formats=["module"])
    (file,) = [file for file in export.files if file.name == "metadata.json"]
    assert json.loads(file.read_text(encoding="utf-8"))["trained from"] == text
    (report,) = [file for file in study.report() if file.name == "report.md"]
    assert report.read_text(encoding="utf-8").count(f", from {text}") == 3  # the confirmed, winner, teacher


def test_without_its_file_the_winner_begins_with_fresh_weights(inherit: Make) -> None:
    study = inherit()
    study.run(budget=3)
    supernets.file_of(study).unlink()
    study.finish(epochs=1)
    assert "start" not in study.finishes[-1].details["training"]


def test_a_winner_that_is_finished_needs_the_file_no_more(inherit: Make) -> None:
    study = inherit()
    study.run(budget=3)
    study.finish(epochs=1)
    supernets.file_of(study).unlink()
    study.finish(epochs=1)
    assert len(study.finishes) == 1  # read back: the test split is not read again
    assert study.confirm(len(study.confirmed())) is not None  # they are there
    audit = study.audit(n=2, epochs=1)
    assert (audit.verdict, audit.trained_in_study) == ("inherited accuracy", False)


def test_tables_json_and_report_call_it_by_its_name(inherit: Make) -> None:
    study = inherit()
    study.run(budget=4)
    names = [objective.name for objective in objectives_of(study)]
    assert names == ["inherited_accuracy", "macs"]
    pictures = pictures_of(study)
    assert [picture.title for picture in pictures] == ["s, confirmed", "s, by inherited accuracy"]
    found: Any = front_json(pictures)
    front = found["front"]
    confirmed = {trial.number: trial.values["accuracy"] for trial in study.confirmed()}
    assert found["confirmed"]["objectives"] == ["confirmed_accuracy", "macs"]
    assert [row["number"] for row in found["confirmed"]["front"]] == [
        trial.number for trial in study.confirmed_front()
    ]
    for row in (*front, *found["confirmed"]["front"]):
        assert "accuracy" not in row["values"]
        assert row["values"]["inherited_accuracy"] == study.trial(row["number"]).values["accuracy"]
        assert row["values"].get("confirmed_accuracy") == confirmed.get(row["number"])
    number = next(iter(confirmed))
    assert values_of(study, study.trial(number))["confirmed_accuracy"] == confirmed[number]
    assert pictures[0].fidelity.endswith("(study s.confirmed)")
    text = study.report()[-1].read_text(encoding="utf-8")
    assert "inherited accuracy (more is better)" in text
    assert "Inherited accuracy is that of the proxy: inherited from a supernet of 1 epoch at 8x8" in text
    assert "Confirmed accuracy is that of a training of its own: 1 epoch x 48 images at 8x8, from" in text
    assert "\nSupernet: name supernet, epochs 1," in text
    assert "\nConfirmed: name proxy, epochs 1," in text
    assert "proxy's last epoch" not in text
    json.dumps(found)


class Stopping(Progress):
    """Presses Ctrl-C when so many candidates of a confirming have begun."""

    def __init__(self, begun: int) -> None:
        self._left = begun

    def candidate(self, number: int, label: str) -> None:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


def test_a_confirming_that_was_interrupted_says_what_is_left(inherit: Make) -> None:
    study = inherit(confirm=3)
    with pytest.raises(KeyboardInterrupt):
        study.run(budget=5, progress=Stopping(5 + 3))
    picture, _ = pictures_of(study)
    assert (len(study.confirmed()), picture.left, picture.wanted) == (2, 1, 3)
    said = "1 of 3 still to be confirmed: run goes on with them"
    assert said in subtitle(picture)
    assert front_table(picture).caption == said
    assert said in study.report()[-1].read_text(encoding="utf-8")
    found: Any = front_json([picture, picture])["confirmed"]
    assert (found["wanted"], found["left"]) == (3, 1)
    words = Words()
    study.finish(epochs=1, progress=words)
    assert words.lines[0] == "1 of 3 still to be confirmed: the winner is chosen among the others"
    study.run(budget=5)
    assert pictures_of(study)[0].so_far == ""
    study.confirm(2)  # fewer are wanted now, and they are there
    assert (pictures_of(study)[0].wanted, pictures_of(study)[0].left) == (2, 0)


def test_the_most_accurate_and_what_is_picked_are_confirmed(inherit: Make) -> None:
    study = inherit(confirm=0)
    study.run(budget=12)
    trials = sorted(study.trials(), key=lambda trial: trial.values["macs"])
    small = [trial for trial in trials if trial.values["macs"] <= trials[3].values["macs"]]
    bound = f"macs <= {trials[3].values['macs']:.0f}"
    best, best_small = (max(each, key=lambda trial: trial.values["accuracy"]) for each in (trials, small))
    study.confirm(2)
    assert best.number in {trial.number for trial in study.confirmed()}
    kept = {trial.number for trial in study.confirmed()} & {trial.number for trial in small}
    assert not kept  # or the test shows nothing
    words = r"none of 2 confirmed trials keeps macs <= .* others of 's' keep it"
    with pytest.raises(SelectionError, match=words):
        study.winner(bound)
    study.settings = study.settings.merge(pick=bound)
    study.confirm(1)
    winner = study.winner()
    assert winner.number == best_small.number
    assert winner.values["inherited_accuracy"] == best_small.values["accuracy"]
    assert why(study, None, bound).startswith("most accurate of the 3 confirmed with macs <= ")
    alone = inherit("alone", confirm=0)
    assert why(alone, None, None) == "knee of the front by inherited accuracy"
    with pytest.raises(SelectionError, match="none of 3 confirmed trials keeps macs <= 1; the smallest"):
        study.winner("macs <= 1")


def test_the_confirmed_are_held_against_full_trainings_apart(inherit: Make) -> None:
    study = inherit(confirm=3)
    study.run(budget=6)
    audit = study.audit(n=6, epochs=1)
    row = audit.row("confirmed accuracy")
    assert row is not None
    own = {trial.number: trial.values["accuracy"] for trial in study.confirmed()}
    assert {each.number: each.known.get("confirmed accuracy") for each in audit.networks} == {
        trial.number: own.get(trial.number) for trial in study.trials()
    }
    picture, candidates = pictures_of(study)
    assert picture.agreement == proxy_words(audit, "confirmed accuracy") != candidates.agreement
    (text,) = [each.read_text(encoding="utf-8") for each in study.report() if each.name == "report.md"]
    assert f"(study s.confirmed); {picture.agreement}" in text
    assert "- Confirmed: of the audited networks that were" in text


def test_the_accuracy_of_a_network_by_number_is_that_of_its_name(inherit: Make) -> None:
    study = inherit()
    study.run(budget=5)
    own = {trial.number: trial.values["accuracy"] for trial in study.confirmed()}
    alone = next(trial for trial in study.trials() if trial.number not in own)
    for number, accuracy, name in (
        *((number, accuracy, "confirmed accuracy") for number, accuracy in own.items()),
        (alone.number, alone.values["accuracy"], "inherited accuracy"),
    ):
        study.finish(trial=number, epochs=1, teacher=False)
        facts = study.finishes[-1].details["winner"]
        assert (facts["proxy_accuracy"], facts["proxy_name"]) == (accuracy, name)


def test_a_bound_on_accuracy_asks_for_no_inherited_one(inherit: Make) -> None:
    study = inherit(confirm=0)
    study.run(budget=3)
    assert all(trial.values["accuracy"] > 0.01 for trial in study.trials())
    assert picked(study, parse_limit("accuracy >= 1%")) is None
    assert picked(study, parse_limit("macs >= 1")) is not None


def test_one_confirmed_network_is_taught_by_another_candidate(inherit: Make) -> None:
    study = inherit(confirm=1)
    study.run(budget=4)
    study.finish(epochs=1)
    assert study.finishes[-1].teacher is not None


def test_what_is_to_be_confirmed_is_said_before_the_first_is(inherit: Make) -> None:
    study = inherit(confirm=3)
    with pytest.raises(KeyboardInterrupt):
        study.run(budget=4, progress=Stopping(4))
    (picture,) = pictures_of(study)
    assert (picture.left, picture.wanted) == (3, 3)
    study.settings = study.settings.merge(confirm=0)
    assert pictures_of(study)[0].so_far == ""


def test_a_study_that_trains_has_nothing_to_confirm(make_study: Make) -> None:
    study = make_study()
    with pytest.raises(StudyError, match="are trained themselves"):
        study.confirm(3)


def test_a_baseline_is_judged_by_the_same_supernet(inherit: Make) -> None:
    study = inherit(confirm=0)
    study.run(budget=4)
    words = Words()
    study.run_baseline("random", progress=words)
    assert words.epochs == 0
    with Study.load("s.random", storage=study.settings.storage, device="cpu") as sibling:
        found = sibling._store.measurements(sibling._record.id)
        assert {entry.fidelity["supernet"] for entry in found} == {supernets.trained(study).fingerprint[:16]}


RUN = """
import sys, nasearch as nas

class Words(nas.Progress):
    def stage_epoch(self, point, epochs):
        print("epoch", flush=True)
    def candidate(self, number, label):
        print("candidate", flush=True)

study = nas.Study.create("s", space="tiny", data="npz:" + sys.argv[1], proxy="inherited", epochs=2, confirm=2,
                         supernet_epochs=3, storage="sqlite:///" + sys.argv[2] + "/n.db", device="cpu",
                         workers=1, out=sys.argv[2] + "/out")
study.run(budget=6, progress=Words())
"""


@pytest.mark.slow
def test_killed_in_the_supernet_in_judging_and_in_confirming_it_ends_exactly(
    images: Path, tmp_path: Path
) -> None:
    """Words of each process before its kill; the supernet has three epochs, the judging six candidates."""

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RUN, str(images), str(tmp_path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    said: list[str] = []
    for words in (2, 3, 5):
        process = start()
        assert process.stdout is not None
        said += [process.stdout.readline().strip() for _ in range(words)]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    process = start()
    rest, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    said += rest.split()
    assert said.count("epoch") in (3, 4)  # an epoch that was done is not trained again
    with Store.open(f"sqlite:///{tmp_path}/n.db") as store:
        for name, count in (("s", 6), ("s.confirmed", 2)):
            found = store.find_study(name)
            assert found is not None
            measurements = store.measurements(found.id)
            assert len({entry.key for entry in measurements}) == len(measurements) == count
            assert {entry.state for entry in measurements} == {"complete"}
