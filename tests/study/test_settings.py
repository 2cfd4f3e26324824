"""Study files and options: every mistake says where it is and what is accepted."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from nasearch.errors import SettingsError
from nasearch.study import Study
from nasearch.study.settings import PRECISIONS, StudySettings, names, seconds_of
from nasearch.training import precision


def test_a_file_and_its_settings_are_the_same(tmp_path: Path) -> None:
    settings = StudySettings(
        space="tiny", objectives=("accuracy", "params"), limits=("params <= 9k",), time="30m"
    )
    path = tmp_path / "study.yaml"
    path.write_text(settings.to_yaml())
    assert StudySettings.load(path) == settings
    assert settings.time_s == 1800


def test_defaults_are_those_that_are_promised() -> None:
    settings = StudySettings()
    assert (settings.budget, settings.seed, settings.objectives) == (50, 0, ("accuracy", "macs"))
    assert (settings.data, settings.device) == ("fashion-mnist-12k", "auto")
    assert StudySettings().to_yaml() == "{}\n"


def test_python_takes_every_setting_but_those_of_one_run() -> None:
    taken = set(inspect.signature(Study.create).parameters)
    assert taken - {"name"} == set(names()) - {"study", "budget", "time", "finish"}


def test_the_precisions_are_those_of_the_training() -> None:
    """Two lists, for settings are read without torch."""
    assert PRECISIONS == precision.PRECISIONS


def test_none_confirmed_goes_with_every_proxy() -> None:
    assert StudySettings(confirm=0).confirms == StudySettings(proxy="zero-cost", confirm=0).confirms == 0


def test_a_single_text_stands_for_a_list_of_one(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("limits: params <= 9k\ntime: 90\n")
    assert StudySettings.load(path).limits == ("params <= 9k",)
    assert StudySettings.load(path).time_s == 90


def test_a_space_file_beside_the_study_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("x: 1")
    path = tmp_path / "study.yaml"
    path.write_text("space: mine.yaml\n")
    assert StudySettings.load(path).space == str(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "budgt: 3",
            r"study.yaml:1: budgt is not a key here; did you mean budget\?; expected one of b",
        ),
        ("budget: many", "study.yaml:1: budget is 'many'; expected a whole number"),
        ("budget: true", "budget is True; expected a whole number"),
        ("budget: 0", "study.yaml:1: budget is 0; expected a whole number of at least 1"),
        ("space: tiny\ntime: soon", "study.yaml:2: time is 'soon'; expected a time such as 90s, 30m or 2h"),
        (
            "space: tiny\n\nsupernet_time: fast\nproxy: inherited",
            "study.yaml:3: supernet_time is 'fast'; exp",
        ),
        ("# mine\ngpus: x", "study.yaml:2: gpus is 'x'; expected numbers with commas between, such as 0,1"),
        ("seed: 1\ngpus: 0,0", "study.yaml:2: gpus is '0,0'; expected each number once"),
        ("seed: 1\nprecision: half", "study.yaml:2: precision is 'half'; expected one of auto, float32"),
        ("seed: 1\nproxy: guess", "study.yaml:2: proxy is 'guess'; expected trained"),
        ("deterministic: true\nworkers: 2", "study.yaml:2: workers is 2 in a deterministic study"),
        ("seed: 1\nfeatures: true\nsampler: tpe", "study.yaml:2: features is on and sampler is 'tpe'"),
        ("deterministic: 3", "deterministic is 3; expected true or false"),
        ("objectives: [1]", r"objectives is \[1\]; expected a list of texts"),
        ("time: soon", "time is 'soon'; expected a time such as 90s, 30m or 2h"),
        ("seed: -1", "seed is -1; expected a whole number from 0 to 4294967295"),
        ("seed: 4294967296", "seed is 4294967296; expected a whole number from 0 to 4294967295"),
        ("study: ..", "study is '..'; expected a name of letters"),
        ("study: '12'", "study is '12'; expected a name .* and is no number"),
        ("study: a/b", "study is 'a/b'; expected a name of letters, digits"),
        (
            "supernet_epochs: 3",
            "yaml:1: supernet_epochs is 3 and proxy is 'trained'; expected proxy inherited",
        ),
        ("supernet_time: 30m\nproxy: zero-cost", "supernet_time is '30m' and proxy is 'zero-cost'; expected"),
        ("supernet_recipe: quick", "is 'trained'; expected proxy inherited, or no supernet_recipe"),
        ("confirm: 3", "confirm is 3 .* trained anyway; expected proxy inherited or zero-cost, or confirm 0"),
        ("confirm: 3\nproxy: table:t.csv", "confirm is 3 and proxy is 'table:t.csv', whose candidates"),
        ("proxy: guess", "proxy is 'guess'; expected trained"),
        ("- 3", "expected keys such as space, data and budget"),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        StudySettings.load(path)


def test_plugins_of_a_file_lie_beside_it_and_others_are_added(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("plugins: [stars.py, /opt/more.py]\n")
    settings = StudySettings.load(path)
    assert settings.plugins == (str(tmp_path / "stars.py"), "/opt/more.py")
    assert settings.merge(plugins=("mine.py", "/opt/more.py")).plugins == (*settings.plugins, "mine.py")


def test_merging_keeps_what_is_not_given() -> None:
    settings = StudySettings(space="tiny").merge(budget=3, limits=["macs <= 1M"])
    assert (settings.space, settings.budget, settings.limits) == ("tiny", 3, ("macs <= 1M",))
    with pytest.raises(SettingsError, match="'budgt' is no setting; expected one of space"):
        settings.merge(budgt=3)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5h", 5400), ("2d", 172800), ("45", 45)])
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
