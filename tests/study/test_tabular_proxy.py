"""Studies that look their candidates up in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasearch import SearchSpace
from nasearch.errors import SettingsError, StudyError, TableError
from nasearch.measure.table import load_table
from nasearch.study import Study, StudySettings
from nasearch.study.proxies.table import Looked, check_fits
from nasearch.study.reporting import report_of
from nasearch.study.tabular_bench import bench_table
from tests.study.conftest import write_images
from tests.support.small_tables import accuracy_of, write_flat, write_tiny

Make = Callable[..., Study]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_tiny(folder)
    write_flat(folder)
    return folder


@pytest.fixture
def tabular(folder: Path, tmp_path: Path) -> Iterator[Make]:
    made: list[Study] = []

    def make(**given: Any) -> Study:
        settings: dict[str, Any] = {
            "proxy": f"table:{folder / 'tiny_table.yaml'}",
            "sampler": "random",
            "storage": f"sqlite:///{tmp_path}/n.db",
            "device": "cpu",
            "out": tmp_path / "out",
        }
        study = Study.create(**(settings | given))
        made.append(study)
        return study

    yield make
    for study in made:
        study.close()


def test_accuracies_come_from_the_table_and_costs_from_arithmetic(tabular: Make, tmp_path: Path) -> None:
    study = tabular()  # the space is the table's
    assert (study.name, study.space.name, study.has_images) == ("tiny-tiny_table", "tiny", False)
    assert (study.input_shape, len(study.classes), study.rungs) == ((1, 8, 8), 3, ())
    study.run(budget=6)
    assert study.spent == 6
    complete = [trial for trial in study.trials() if trial.outcome == "complete"]
    assert len(complete) == 6
    for trial in complete:
        assert trial.values["accuracy"] == accuracy_of(trial.architecture)
        assert trial.values["macs"] > 0
        assert "latency_ms" not in trial.values
    study.measure_front_latency()  # times nothing
    report = report_of(study, tmp_path)
    assert report.picture.fidelity == "table tiny_table, val"
    assert (report.data.train, report.recipes) == (0, {})
    text = study.report()[-1].read_text(encoding="utf-8")
    assert "looked up in a table" in text
    assert "training split" not in text


def test_it_goes_on_by_name_and_by_the_same_settings(tabular: Make, tmp_path: Path) -> None:
    tabular().run(budget=3)
    with Study.load("tiny-tiny_table", storage=f"sqlite:///{tmp_path}/n.db", device="cpu") as loaded:
        loaded.run(budget=5)
        assert loaded.spent == 5
        assert all(
            trial.values["accuracy"] == accuracy_of(trial.architecture)
            for trial in loaded.trials()
            if trial.outcome == "complete"
        )
    assert tabular().spent == 5


def test_a_latency_of_the_table_as_an_objective(tabular: Make) -> None:
    study = tabular(objectives=["accuracy", "latency_ms"], name="timed")
    study.run(budget=4)
    assert isinstance(study.proxy, Looked)
    table = study.proxy.table
    for trial in study.trials():
        row = table.find(dict(trial.architecture.decisions))
        assert trial.values["latency_ms"] == table.columns["milliseconds"][row]


def test_limits_refuse_before_the_table_is_asked(tabular: Make) -> None:
    study = tabular(limits=["params <= 2k"], name="limited")
    study.run(budget=4)
    assert study.outcomes()["complete"] == 4
    assert all(trial.values["params"] <= 2000 for trial in study.trials() if trial.outcome == "complete")


def test_finishing_needs_images_of_the_tables_shape(tabular: Make, tmp_path: Path) -> None:
    study = tabular(name="bare")
    study.run(budget=2)
    with pytest.raises(StudyError, match="'bare' measures from a table and has no images"):
        study.finish()
    write_images(tmp_path / "stripes.npz")  # grey, 8 x 8, three classes
    fitting = tabular(name="whole", data=f"npz:{tmp_path / 'stripes.npz'}")
    assert fitting.has_images
    fitting.run(budget=2)
    fitting.finish(epochs=1)
    assert len(fitting.finishes) == 1
    with pytest.raises(
        SettingsError, match=r"images of 3x32x32 and 10 classes; the networks of .* 1x8x8 and 3"
    ):
        tabular(name="other", data="npz:" + str(write_colour(tmp_path / "colour.npz")))


def write_colour(path: Path) -> Path:
    np.savez(path, x_train=np.zeros((40, 32, 32, 3), np.uint8), y_train=np.arange(40) % 10)
    return path


def test_what_does_not_fit_is_refused_at_creation(tabular: Make, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match=r"the space nasbench201 has a choice edge0-1, which the table lacks"
    ):
        tabular(space="nasbench201")
    with pytest.raises(TableError, match="No such file"):
        tabular(proxy=f"table:{tmp_path / 'gone.npz'}")
    expected = "proxy is 'tabel:x'; expected trained, inherited, zero-cost or table:FILE"
    with pytest.raises(SettingsError, match=expected):
        StudySettings(proxy="tabel:x")
    (tmp_path / "part").mkdir()
    partial = write_tiny(tmp_path / "part", leave_out=1)
    with pytest.raises(TableError, match="the space tiny has 84 architectures, the table 83"):
        tabular(proxy=f"table:{partial}")
    flat = str(folder / "flat.yaml")
    with pytest.raises(TableError, match=r"has a choice stage1\.channels, which the table lacks"):
        tabular(proxy=f"table:{flat}", space="tiny")


def test_another_space_with_the_same_choices_is_told_apart(folder: Path) -> None:
    table = load_table(folder / "tiny_table.yaml")
    text = (Path(__file__).parents[2] / "search_spaces" / "tiny.yaml").read_text(encoding="utf-8")
    part = text.replace("        - {kind: skip}\n", "").replace("[8, 16]", "[16, 8]")
    check_fits(table, SearchSpace.parse(part))  # fewer values, in another order
    with pytest.raises(TableError, match="is another network in tiny"):
        check_fits(table, SearchSpace.parse(text.replace("expand: 2", "expand: 3")))
    with pytest.raises(TableError, match=r"stage1\.channels of the space tiny can be 24; the table has"):
        check_fits(table, SearchSpace.parse(text.replace("[8, 16]", "[8, 24]")))


def test_a_table_that_changed_is_another_study(tabular: Make, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    path = write_tiny(tmp_path / "own")
    study = tabular(proxy=f"table:{path}", name="mine")
    study.run(budget=1)
    file = tmp_path / "own" / "tiny_table.csv"
    line = file.read_text().splitlines()[1]
    file.write_text(file.read_text().replace(line, line.replace(",0.", ",0.1", 1)))
    with pytest.raises(StudyError, match="'mine' exists with another proxy"):
        tabular(proxy=f"table:{path}", name="mine")
    with (
        Study.load("mine", storage=f"sqlite:///{tmp_path}/n.db", device="cpu") as loaded,
        pytest.raises(StudyError, match=r"the table .* of study 'mine' has changed since it was made"),
    ):
        loaded.run(budget=2)


def test_a_study_file_names_a_table_beside_it(folder: Path) -> None:
    (folder / "study.yaml").write_text("proxy: table:tiny_table.yaml\n", encoding="utf-8")
    assert StudySettings.load(folder / "study.yaml").proxy == f"table:{folder / 'tiny_table.yaml'}"


def test_the_bench_proposes_as_such_a_study_does(tabular: Make, folder: Path) -> None:
    """The same sampler and seed: the same networks, as long as none is refused and no two fold into one."""
    bench = bench_table(folder / "tiny_table.yaml", ["tpe"], budget=5, seeds=1)
    study = tabular(sampler="tpe", name="twin")
    study.run(budget=5)
    table = bench.problem.table
    ours = [table.find(dict(trial.architecture.decisions)) for trial in study.trials()]
    assert list(bench.runs["tpe"][0].rows)[:4] == list(dict.fromkeys(ours))[:4]
