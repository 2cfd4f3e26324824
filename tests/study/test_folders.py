"""A folder with the report of one study is not overwritten by another's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nasearch.errors import StudyError
from nasearch.study import Study
from nasearch.study.folders import OWNER, check_folder, made
from nasearch.study.siblings import siblings_of

Make = Callable[..., Study]


def test_the_heading_of_a_report_says_whose_folder_it_is(make_study: Make, tmp_path: Path) -> None:
    study = make_study("my_first-1.0")  # whose heading has a sign that Markdown would read
    study.run(budget=1)
    study.report()
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# my\\_first-1.0\n")
    (tmp_path / "out" / OWNER).unlink()  # as an older version left it
    check_folder(tmp_path / "out", "my_first-1.0")
    check_folder(tmp_path / "nowhere", "other")
    (tmp_path / "report.md").write_text("of something else")
    check_folder(tmp_path, "other")
    with pytest.raises(
        StudyError, match=r"report.md is the report of another study, 'my_first-1.0', and wou"
    ):
        check_folder(tmp_path / "out", "other")


def test_another_study_is_refused_before_it_is_made(make_study: Make, tmp_path: Path) -> None:
    first = make_study("first")
    first.run(budget=1)
    first.report()
    before = (tmp_path / "out" / "report.md").read_bytes()
    with pytest.raises(
        StudyError, match=r"another study, 'first', made .*; its .* would be overwritten by those of 'second'"
    ):
        make_study("second")
    with pytest.raises(StudyError, match="overwritten by those of 'first-2'"):
        make_study("first", fresh=True)
    assert [record.name for record in Study.records(first.settings.storage)] == ["first"]

    second = make_study("second", out=tmp_path / "other")
    second.run(budget=1)
    with pytest.raises(StudyError, match="another study, 'first'"):
        second.report(tmp_path / "out")
    with (
        Study.load("second", storage=first.settings.storage, out=tmp_path / "out") as loaded,
        pytest.raises(StudyError, match="another study, 'first'"),
    ):
        loaded.export()
    assert (tmp_path / "out" / "report.md").read_bytes() == before
    assert not (tmp_path / "out" / "winner").exists()
    make_study("first").report()  # its own goes on


def test_a_study_of_the_same_name_in_another_store_is_another(make_study: Make, tmp_path: Path) -> None:
    first = make_study()
    first.run(budget=1)
    first.report()
    folder, other = tmp_path / "out", f"sqlite:///{tmp_path}/other.db"
    before = (folder / "report.md").read_bytes()
    year = str(first._record.created_at.year)
    remedy = r"expected another folder: --out FOLDER; to overwrite them, delete .*/out/\.study$"
    with pytest.raises(StudyError, match=rf"/out belongs to another study, 's', made {year}.*{remedy}"):
        make_study(storage=other)
    assert Study.records(other) == []
    make_study(storage=other, out=tmp_path / "else").run(budget=1)
    with Study.load("s", storage=other, out=folder) as second:
        for write in (second.finish, second.export, second.report, lambda: second.run(1, command="nasearch")):
            with pytest.raises(StudyError, match="belongs to another study, 's'"):
                write()
    assert (folder / "report.md").read_bytes() == before
    assert not (folder / "trained").exists()

    (folder / OWNER).unlink()  # as the message says: from now on it is that of the second
    make_study(storage=other).report()
    assert (folder / "report.md").read_bytes() != before
    with pytest.raises(StudyError, match="belongs to another study, 's'"):
        first.report()


def test_nobody_is_locked_out_of_the_folder_where_it_was_first(make_study: Make, tmp_path: Path) -> None:
    first, second = make_study("first"), make_study("second")
    first.run(budget=1, command="nasearch run")  # and was interrupted: no report
    with pytest.raises(StudyError, match=r"another study, 'first', made .* by those of 'second'; .*FOLDER$"):
        second.report()
    with pytest.raises(StudyError, match="another study, 'first'"):
        make_study("third")
    assert make_study("first").report()
    assert second.report(tmp_path / "fresh")
    with pytest.raises(StudyError, match="another study, 'second'"):
        first.report(tmp_path / "fresh")


def test_what_wrote_nothing_claims_nothing(make_study: Make, tmp_path: Path) -> None:
    study = make_study("first")
    study.run(budget=0)
    for write in (study.finish, study.export):
        with pytest.raises(StudyError, match="no complete trial"):
            write()
    assert not (tmp_path / "out" / OWNER).exists()
    assert make_study("second").report()


def test_a_folder_and_a_store_can_be_moved(make_study: Make, tmp_path: Path) -> None:
    study = make_study()
    study.run(budget=1)
    study.report()
    study.close()
    (tmp_path / "out").rename(tmp_path / "moved")
    shutil.copy(tmp_path / "n.db", tmp_path / "copy.db")
    moved = make_study(storage=f"sqlite:///{tmp_path}/copy.db", out=tmp_path / "moved")
    assert moved.spent == 1
    assert moved.report()


def test_a_folder_of_an_older_version_gets_its_owner(make_study: Make, tmp_path: Path) -> None:
    study = make_study()
    study.run(budget=1)
    study.report()
    file = tmp_path / "out" / OWNER
    note = file.read_text(encoding="utf-8")
    for older in (None, "", "unreadable\n"):
        file.unlink()
        if older is not None:
            file.write_text(older, encoding="utf-8")
        with pytest.raises(StudyError, match="is the report of another study, 's'"):
            make_study("other")
        assert make_study().report()
        assert file.read_text(encoding="utf-8") == note == f"{made(study._record)}\n"


def test_siblings_have_folders_of_their_own(make_study: Make, tmp_path: Path) -> None:
    study = make_study(baseline="random", sampler="nsga2")
    study.run(budget=2)
    study.report()
    study.run(budget=3)  # the baseline goes on beside the report
    (record,) = siblings_of(study._store, "s", "baseline")
    with Study.load(record.name, storage=study.settings.storage) as sibling:
        sibling.report(tmp_path / "out" / "s.random")
        assert sibling.spent == 3
    assert study.audit(2, epochs=1).networks


def test_a_report_elsewhere_names_the_files_where_they_lie(make_study: Make, tmp_path: Path) -> None:
    study = make_study()
    study.run(budget=1)
    study.finish(epochs=1)
    study.report()
    assert "Nothing was exported." in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    study.export(formats=["module"])
    with Study.load("s", storage=study.settings.storage, out=tmp_path / "else" / "where") as loaded:
        loaded.report()
    text = (tmp_path / "else" / "where" / "report.md").read_text(encoding="utf-8")
    assert "Nothing was exported." not in text
    assert "(../../out/winner/model.py)" in text
    assert (tmp_path / "else" / "where" / "../../out/winner/model.py").exists()


def test_a_report_lists_the_files_of_the_network_that_it_tells_of(make_study: Make, tmp_path: Path) -> None:
    study = make_study()
    study.run(budget=3)
    first, other = [trial for trial in study.trials() if trial.outcome == "complete"][:2]
    file = tmp_path / "out" / "report.md"

    def reported() -> str:
        study.report()
        return file.read_text(encoding="utf-8")

    study.finish(trial=first.number, epochs=1)
    study.export(formats=["module"])
    assert "(winner/model.py)" in reported()
    study.finish(trial=other.number, epochs=1)  # what lies in winner/ is still the first
    text = reported()
    assert f"trial {other.number}" in text
    assert "Nothing was exported." in text
    assert "winner/model.py" not in text

    study.export(formats=["module"])
    weights = tmp_path / "out" / "winner" / "weights.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    text = reported()
    assert "(winner/model.py)" in text
    assert "weights.safetensors)" not in text
    weights.write_bytes(kept)
    metadata = tmp_path / "out" / "winner" / "metadata.json"
    whole = json.loads(metadata.read_text(encoding="utf-8"))
    for broken in ("[]", "{", "", json.dumps({**whole, "max_abs_difference": None})):
        metadata.write_text(broken, encoding="utf-8")
        assert "Nothing was exported." in reported(), broken
