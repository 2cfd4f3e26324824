"""Two studies of a store, compared on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from nasearch.cli.bench_studies import compare_studies
from nasearch.errors import StudyError
from nasearch.study import Study
from tests.study.conftest import images, make_study  # noqa: F401  (fixtures)

Make = Callable[..., Study]


@click.command()
@click.argument("studies", nargs=-1)
@click.option("--storage")
@click.option("--json", "as_json", is_flag=True)
@click.option("--out")
def command(studies: tuple[str, ...], storage: str, as_json: bool, out: str | None) -> None:
    """As the command that calls it."""
    compare_studies(studies, storage, as_json=as_json, out=out)


@pytest.fixture
def storage(make_study: Make) -> str:  # noqa: F811
    study = make_study("s")
    study.run(budget=2)
    study.run_baseline()
    make_study("none-yet")
    return study.settings.storage


def bench(*words: str) -> Result:
    return CliRunner().invoke(command, [*words], catch_exceptions=False)


def test_both_curves_are_printed_and_written(storage: str, tmp_path: Path) -> None:
    result = bench("s", "s.random", "--storage", storage, "--out", str(tmp_path / "new"))
    assert result.exit_code == 0
    assert "s and s.random at equal budget" in result.stdout
    assert "\nat 2 candidates each, random (s) has a hypervolume of " in result.stdout
    assert result.stdout.endswith(
        f"wrote {tmp_path / 'new' / 'curves.png'}\nwrote {tmp_path / 'new' / 'curves.csv'}\n"
    )
    assert (tmp_path / "new" / "curves.csv").read_text().startswith("candidates,seen:s,corrected:s,")
    found = json.loads(bench("s.random", "s", "--storage", storage, "--json").stdout)
    assert (found["first"]["study"], found["second"]["study"], found["budget"]) == ("s.random", "s", 2)


def test_what_is_no_pair_of_studies_is_refused(storage: str) -> None:
    for words, shown in ((("s", "s"), "s s"), (("s",), "s"), ((), "missing"), (("a", "b", "c"), "a b c")):
        result = bench(*words, "--storage", storage)
        assert result.exit_code == 2
        assert f"STUDY is {shown}; expected two different studies" in result.stderr
    with pytest.raises(StudyError, match="no study 'x'"):
        bench("s", "x", "--storage", storage)
    with pytest.raises(StudyError, match="'none-yet' has no candidate yet"):
        bench("s", "none-yet", "--storage", storage)
