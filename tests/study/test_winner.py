"""The winner: chosen, taught, tested once, exported, reported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from nasearch.cli.main import main
from nasearch.errors import SelectionError, StudyError, TrainingError
from nasearch.nets import Normalized
from nasearch.study import Progress, Study
from nasearch.study.reporting import rows_of
from nasearch.training import evaluate

Make = Callable[..., Study]


@pytest.fixture
def searched(make_study: Make) -> Study:
    study = make_study()
    study.run(budget=5)
    return study


def test_picking_under_a_bound_takes_the_most_accurate_that_keeps_it(searched: Study) -> None:
    complete = [trial for trial in searched.trials() if trial.outcome == "complete"]
    bound = sorted(trial.values["params"] for trial in complete)[2]
    kept = [trial.values["accuracy"] for trial in complete if trial.values["params"] <= bound]
    winner = searched.winner(f"params <= {bound}")
    assert winner.values["params"] <= bound
    assert winner.values["accuracy"] == max(kept)
    with pytest.raises(SelectionError, match="none of 5 trials keeps params <= 1"):
        searched.winner("params <= 1")
    with pytest.raises(SelectionError, match="did you mean 'params'"):
        searched.winner("parms <= 1")


def test_finishing_trains_teaches_and_reads_the_test_split_once(searched: Study) -> None:
    model = searched.finish(epochs=2)
    assert isinstance(model, Normalized)
    assert not model.training
    (record,) = searched.finishes
    knee = searched.knee()
    assert knee is not None
    assert record.number == knee.number
    best = max(searched.front(), key=lambda trial: trial.values["accuracy"])
    if best.key != knee.key:
        assert record.teacher == best.number
    assert record.teacher != record.number

    images = searched.dataset.test.images.float() / 255
    with torch.no_grad():
        correct = (model(images).argmax(1) == searched.dataset.test.labels).float().mean().item()
    assert record.test_accuracy == pytest.approx(correct)
    accuracy, _ = evaluate(model.network, searched.dataset.test, searched.dataset, "cpu")
    assert accuracy == pytest.approx(correct)


def test_finishing_again_reads_the_weights_back_and_does_not_test_again(searched: Study) -> None:
    first = searched.finish(epochs=1)
    second = searched.finish(epochs=1)
    assert len(searched.finishes) == 1
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    searched.finish(epochs=2)
    assert len(searched.finishes) == 2


def test_recipe_epochs_and_teacher_are_said_to_finish_or_set_before(make_study: Make, tmp_path: Path) -> None:
    file = tmp_path / "slow.yaml"
    file.write_text("extends: full\nlr: 0.001\n")
    study = make_study(winner_recipe=file, winner_epochs=1, teacher=False, formats=["module"])
    study.run(budget=3)
    study.finish()
    study.finish(recipe="full", epochs=2, teacher=True)
    study.finish()  # the first one again
    said, told = study.finishes  # what was finished last is the last
    assert told.teacher is None
    assert (told.details["training"]["recipe"]["lr"], told.details["winner"]["epochs"]) == (0.001, 1)
    assert said.teacher is not None
    assert (said.details["training"]["recipe"]["name"], said.details["winner"]["epochs"]) == ("full", 2)
    assert {file.name for file in study.export().files} == {
        "model.py",
        "weights.safetensors",
        "metadata.json",
    }
    with pytest.raises(TrainingError, match="recipe is 'ful'; did you mean full"):
        study.finish(recipe="ful")


def test_a_bound_that_was_set_chooses_the_winner(make_study: Make, searched: Study) -> None:
    params = sorted(trial.values["params"] for trial in searched.trials() if trial.outcome == "complete")
    bound = f"params <= {params[0]}"
    assert make_study(pick=bound).winner().values["params"] == params[0]


def test_a_bound_that_cannot_be_read_is_refused_before_a_study_is_made(
    make_study: Make, tmp_path: Path
) -> None:
    with pytest.raises(SelectionError, match="limit 'rubbish' is not of the form"):
        make_study(pick="rubbish")
    assert not (tmp_path / "n.db").exists()


def test_exporting_takes_the_winner_as_it_was_finished_last(searched: Study) -> None:
    model = searched.finish(epochs=1)
    report = searched.export(formats=["module"])
    assert len(searched.finishes) == 1
    written = load_file(report.directory / "weights.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, written[name]), name


def test_what_is_read_back_is_what_is_handed_over(searched: Study, tmp_path: Path) -> None:
    knee, other = searched.winner(), next(t for t in searched.front() if t.number != searched.winner().number)
    searched.finish(epochs=1)
    searched.finish(trial=other.number, epochs=1)
    searched.finish(epochs=1)  # read back
    assert len(searched.finishes) == 2
    report = searched.export(tmp_path / "knee", formats=["module"])
    metadata = json.loads((report.directory / "metadata.json").read_text(encoding="utf-8"))
    assert metadata["trial"] == knee.number
    with Study.load("s", storage=searched.settings.storage) as loaded:
        assert [record.number for record in loaded.finishes] == [other.number, knee.number]
        (winner,) = [row.number for row in rows_of(loaded) if row.is_winner]
        assert winner == knee.number


def test_exporting_what_is_no_knee_says_what_it_wrote(searched: Study, tmp_path: Path) -> None:
    other = next(t for t in searched.front() if t.number != searched.winner().number)
    searched.finish(trial=other.number, epochs=1)
    words = ["export", "s", "--storage", searched.settings.storage, "--out", str(tmp_path / "x")]
    result = CliRunner().invoke(main, [*words, "--format", "module"], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"trial {other.number}" in result.stdout


def test_a_lone_network_is_trained_without_a_teacher(make_study: Make) -> None:
    study = make_study()
    study.run(budget=1)
    study.finish(epochs=1)
    assert study.finishes[0].teacher is None


def test_a_trial_that_was_not_trained_cannot_be_finished(make_study: Make) -> None:
    study = make_study(limits=["params <= 300"])
    study.run(budget=1)
    refused = next(trial for trial in study.trials() if trial.outcome == "refused")
    with pytest.raises(StudyError, match=f"trial {refused.number} of 's' is refused; expected"):
        study.finish(trial=refused.number)
    with pytest.raises(StudyError, match="has no trial 99; expected 0 to"):
        study.finish(trial=99)


def test_no_epochs_are_refused_and_not_taken_for_the_usual(searched: Study) -> None:
    for train in (searched.finish, searched.audit):
        with pytest.raises(
            TrainingError, match=r"recipe 'full': epochs is 0; expected a whole number from 1"
        ):
            train(epochs=0)
    assert (searched.finishes, searched.audited()) == ([], None)


def test_epochs_of_a_winner_are_those_that_were_trained(searched: Study, tmp_path: Path) -> None:
    file = tmp_path / "patient.yaml"
    file.write_text("name: patient\nepochs: 6\npatience: 1\nlr: 1e-9\n")  # which learns nothing
    searched.settings = searched.settings.merge(winner_recipe=str(file))
    seen: dict[str, int] = {}

    class Words(Progress):
        def stage(self, name: str, epochs: int) -> None:
            self.name = name.partition(",")[0]

        def stage_epoch(self, point: object, epochs: int) -> None:
            seen[self.name] = seen.get(self.name, 0) + 1

    searched.finish(progress=Words())
    (record,) = searched.finishes
    assert {role: record.details[role]["epochs"] for role in ("teacher", "winner")} == seen
    assert seen["winner"] < record.details["winner"]["recipe"]["epochs"]


def test_what_was_picked_is_what_is_exported(searched: Study, tmp_path: Path) -> None:
    knee = searched.knee()
    assert knee is not None
    other = next(trial for trial in searched.trials() if trial.key != knee.key)
    searched.finish(trial=other.number, epochs=1)
    with Study.load("s", storage=searched.settings.storage, out=tmp_path / "elsewhere") as loaded:
        report = loaded.export(formats=["module"])
        assert f"- trial: {other.number}\n" in (report.directory / "model.py").read_text()
        assert len(loaded.finishes) == 1  # the weights were found, and the test split not read again


@pytest.mark.slow
def test_export_and_report_hand_everything_over(searched: Study, tmp_path: Path) -> None:
    searched.settings = searched.settings.merge(winner_epochs=1)
    searched.run(budget=6, command="nasearch run --space tiny")
    searched.measure_front_latency()
    report = searched.export(formats=["module"])
    assert {path.name for path in report.files} == {"model.py", "weights.safetensors", "metadata.json"}
    assert report.directory == tmp_path / "out" / "winner"
    assert report.checked["module"] < 1e-5
    code = (
        "import sys; sys.modules['nasearch'] = None; sys.path.insert(0, '.'); import model, torch; "
        "print(tuple(model.load()(torch.rand(2, 1, 8, 8)).shape))"
    )
    shape = subprocess.run(
        [sys.executable, "-c", code], cwd=report.directory, capture_output=True, text=True, check=True
    )
    assert shape.stdout.strip() == "(2, 3)"

    written = searched.report()
    assert [path.name for path in written] == ["front.png", "front.html", "report.md"]
    text = written[2].read_text()
    for words in (
        "48",  # training images: 3 classes x 20, less the fifth for validation
        "1 epoch x 48 images at 8x8",
        "nasearch run --space tiny",
        f"trial {searched.finishes[0].number}",
        torch.__version__.partition("+")[0],
        "seed",
    ):
        assert words in text, words
    assert written[0].read_bytes().startswith(b"\x89PNG")
