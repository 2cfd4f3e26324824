"""What a study was told last holds until it is told anew, however it is gone on with."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nasearch.errors import SettingsError
from nasearch.study import Study, StudySettings, ledger
from nasearch.study.settings import KEPT
from nasearch.study.told import NOTE

Make = Callable[..., Study]

TOLD: dict[str, Any] = {
    "sampler": "surrogate",
    "features": True,
    "racing": False,
    "precision": "bfloat16",
    "winner_recipe": "proxy",
    "winner_epochs": 2,
    "teacher": False,
    "formats": ("module",),
}
ANEW: dict[str, Any] = {
    "sampler": "local",
    "features": False,
    "racing": True,
    "precision": "auto",  # what would hold had nothing ever been said
    "winner_recipe": "full",
    "winner_epochs": 1,
    "teacher": True,
    "formats": ("module", "pt2"),
}


def kept(study: Study) -> dict[str, Any]:
    return {name: getattr(study.settings, name) for name in TOLD}


def loaded(study: Study) -> dict[str, Any]:
    with Study.load(study.name, storage=study.settings.storage) as found:
        return kept(found)


def test_every_setting_that_is_kept_is_looked_at_here() -> None:
    assert set(TOLD) | {"confirm"} == set(ANEW) | {"confirm"} == set(KEPT)


def test_what_a_study_was_told_holds_until_it_is_told_anew(make_study: Make) -> None:
    made = make_study(**TOLD)
    assert loaded(made) == TOLD  # also before the first run
    made.run(budget=0)
    again = make_study(sampler=None)
    assert kept(again) == loaded(again) == TOLD
    again.run(budget=0)
    assert loaded(again) == TOLD

    one = make_study(sampler=None, precision="float32")
    assert kept(one) == {**TOLD, "precision": "float32"}
    one.run(budget=0)
    assert loaded(one) == {**TOLD, "precision": "float32"}

    other = make_study(**ANEW)
    assert kept(other) == ANEW
    other.run(budget=0)
    assert loaded(other) == ANEW


def test_a_run_that_has_not_begun_tells_nothing(make_study: Make) -> None:
    make_study(winner_epochs=2).run(budget=0)
    assert loaded(make_study(winner_epochs=7)) == loaded(make_study())
    with Study.load("s", storage=make_study().settings.storage) as study:
        assert study.settings.winner_epochs == 2


def test_features_and_racing_go_with_the_sampler(make_study: Make) -> None:
    make_study(sampler="surrogate", features=True, racing=False).run(budget=0)
    moved = make_study(sampler="random").settings
    assert (moved.features, moved.racing, moved.races) == (None, None, True)
    same = make_study(sampler="surrogate").settings
    assert (same.features, same.racing) == (True, False)
    make_study("t", sampler=None, features=True, racing=False).run(budget=0)
    named = make_study("t", sampler="surrogate").settings  # which it was, without being said
    assert (named.features, named.racing) == (True, False)
    with pytest.raises(SettingsError, match="features is on and sampler is 'random'; expected surrogate"):
        make_study(sampler="random", features=True)


def test_settings_are_checked_with_what_was_told_before(make_study: Make, scored: list[str]) -> None:
    def made(name: str, **given: Any) -> Study:
        return make_study(name, **{"proxy": "zero-cost", "sampler": None, **given})

    made("s", sampler="surrogate", confirm=0).run(budget=1)
    assert made("s", features=True).settings.features
    with pytest.raises(SettingsError, match="workers is 2 and confirm is 0; expected 1 worker"):
        made("s", workers=2)
    assert made("s", workers=2, confirm=1).settings.confirms == 1
    for given in ({}, {"fresh": True}):
        with pytest.raises(SettingsError, match="features is on and sampler is 'evolution'; expected surr"):
            made("t", features=True, **given)
    assert [record.name for record in Study.records(made("s").settings.storage)] == ["s"]


def test_what_does_not_go_together_is_said_at_once_where_nothing_was_told(tmp_path: Path) -> None:
    code = (
        "import sys; from nasearch.cli.main import main\n"
        "try: main(['run', '--proxy', 'zero-cost', '--features'])\n"
        "finally: print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 1
    assert "features is on and sampler is 'evolution'; expected surrogate" in found.stderr
    assert found.stdout == "False\n"
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_said_is_not_noted(make_study: Make, scored: list[str]) -> None:
    given: dict[str, Any] = {"proxy": "zero-cost", "sampler": None, "confirm": 0}
    study = make_study(**given)
    study.run(budget=1)
    with Study.load("s", storage=study.settings.storage, device="cpu", out=study.directory) as loaded:
        loaded.run(budget=2)
        assert loaded._optuna.user_attrs[NOTE] == {"confirm": 0}
    assert make_study(**{**given, "confirm": None}).recalled == {"confirm": 0}


def test_the_note_is_written_where_something_else_is_told(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(formats=("module",)).run(budget=0)
    study = make_study()
    written: list[str] = []
    monkeypatch.setattr(study._optuna, "set_user_attr", lambda name, _: written.append(name))
    study.run(budget=0)
    assert written == []
    study.settings = study.settings.merge(formats=("pt2",))
    study.run(budget=0)
    assert written == [NOTE]


def test_as_many_are_confirmed_as_was_told(make_study: Make, scored: list[str]) -> None:
    def made(**given: Any) -> Study:
        return make_study(proxy="zero-cost", sampler=None, racing=None, **given)

    made(confirm=3).run(budget=5)
    assert len(made().confirmed()) == 3
    with Study.load("s", storage=made().settings.storage, out=made().directory) as study:
        study.confirm()
        assert len(study.confirmed()) == 3
    made(confirm=4).run(budget=5)
    assert len(made().confirmed()) == made().settings.confirms == 4
    made(confirm=0).run(budget=5)
    again = made()
    assert again.settings.confirms == 0  # and not the ten of the proxy
    assert again.confirm() is None


def test_trainings_go_on_in_the_precision_that_was_told(make_study: Make) -> None:
    make_study(precision="bfloat16").run(budget=1)
    make_study().run(budget=2)
    with Study.load("s", storage=make_study().settings.storage, device="cpu") as study:
        study.run(budget=3)
        study.settings = study.settings.merge(precision="float32")
        study.run(budget=4)
        found = [ledger.find(study._optuna, trial.number) for trial in study.trials()]
    used = [each.user_attrs[ledger.TRAINING]["precision"] for each in found if each is not None]
    assert used == ["bfloat16", "bfloat16", "bfloat16", "float32"]


def test_winner_and_audit_are_trained_as_the_run_was_told(make_study: Make, tmp_path: Path) -> None:
    file = tmp_path / "slow.yaml"
    file.write_text("extends: full\nlr: 0.001\n")
    made = make_study(winner_recipe=file, winner_epochs=1, teacher=False)
    made.run(budget=3)
    with Study.load("s", storage=made.settings.storage, device="cpu", out=tmp_path / "out") as study:
        study.finish()
        (record,) = study.finishes
        assert record.teacher is None
        assert (record.details["training"]["recipe"]["lr"], record.details["winner"]["epochs"]) == (0.001, 1)
        study.audit(2, epochs=1)
    with Study.load("s.audit", storage=made.settings.storage) as audit:
        assert audit.recipe.lr == 0.001


def test_a_recipe_file_is_found_from_any_folder(
    make_study: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.yaml").write_text("extends: full\n")
    monkeypatch.chdir(tmp_path)
    made = make_study(winner_recipe="slow.yaml")
    assert loaded(made)["winner_recipe"] == str(tmp_path / "slow.yaml")


def test_a_study_that_is_older_than_the_note_goes_on_as_before(make_study: Make, tmp_path: Path) -> None:
    study = make_study(sampler="evolution")
    study.run(budget=0)
    study._optuna.set_user_attr("nasearch:racing", True)  # as it was noted then
    with closing(sqlite3.connect(tmp_path / "n.db")) as database, database:
        database.execute("DELETE FROM study_user_attributes WHERE key = ?", (NOTE,))
    assert loaded(study)["sampler"] == "evolution"
    assert make_study(sampler=None).settings.racing is True
    assert make_study(sampler=None).raced


@pytest.mark.parametrize(
    ("sampler", "raced", "said"),
    [
        ("surrogate", True, {}),  # both are what a study has of which nothing is said
        ("surrogate", False, {"racing": False}),
        ("evolution", False, {"sampler": "evolution"}),
        ("random", True, {"sampler": "random"}),
    ],
)
def test_of_an_older_study_what_was_usual_is_not_recalled(
    make_study: Make, tmp_path: Path, sampler: str, raced: bool, said: dict[str, Any]
) -> None:
    study = make_study(sampler=sampler)
    study.run(budget=0)
    study._optuna.set_user_attr("nasearch:racing", raced)
    with closing(sqlite3.connect(tmp_path / "n.db")) as database, database:
        database.execute("DELETE FROM study_user_attributes WHERE key = ?", (NOTE,))
    again = make_study(sampler=None)
    assert again.recalled == said
    assert (again.settings.proposer, again.settings.races, again.raced) == (sampler, raced, raced)


def test_settings_say_what_holds_where_nothing_is_said() -> None:
    nothing = StudySettings()
    assert (nothing.computes_in, nothing.finishes_by, nothing.teaches) == ("auto", "full", True)
    assert nothing.told == {}
