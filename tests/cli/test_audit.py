"""`nasearch audit`: table, JSON, picture, and what a second call does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nasearch.cli.main import main
from nasearch.executors import InProcess
from nasearch.study import Study
from tests.study.conftest import write_images


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/n.db"
    images = write_images(tmp_path / "stripes.npz")
    with Study.create(
        "s",
        space="tiny",
        data=f"npz:{images}",
        sampler="random",
        epochs=1,
        storage=url,
        device="cpu",
        workers=1,
    ) as study:
        study.run(budget=3)
    return url


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["audit", *words])
    return result.exit_code, result.stdout, result.stderr


def test_it_prints_the_table_and_then_prints_it_again_without_training(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(
        "s", "--n", "3", "--epochs", "1", "--workers", "1", "--device", "cpu", "--storage", storage
    )
    assert code == 0, out
    assert "3 networks of s trained for 1 epoch x 48 images at 8x8 and judged on 12 validation images" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["proxy", "accuracy", "3"] in [row[:3] for row in rows]
    assert ["parameters", "3"] in [row[:2] for row in rows]
    assert "Fewer than 8 networks have no interval" in out
    picture = tmp_path / "studies" / "s" / "audit.png"
    assert picture.exists()
    assert out.endswith("wrote studies/s/audit.png\n")
    report = picture.parent / "report.md"
    assert not report.exists()  # none was asked for

    monkeypatch.setattr(InProcess, "measure", lambda *_: pytest.fail("trained again"))
    report.write_text("of before the audit", encoding="utf-8")
    code, again, _ = run("--storage", storage)  # the last study, and not its sibling
    assert code == 0
    assert "3 networks of s trained for 1 epoch" in report.read_text(encoding="utf-8")
    written = ["front.png", "front.html", "report.md", "audit.png"]
    table = out[out.index("3 networks of s") :].removesuffix("wrote studies/s/audit.png\n")
    assert again == table + "".join(f"wrote studies/s/{name}\n" for name in written)
    code, text, _ = run("s", "--storage", storage, "--json")
    found = json.loads(text)
    assert (code, found["study"], found["sibling"], len(found["networks"])) == (0, "s", "s.audit", 3)
    assert [row["proxy"]["name"] for row in found["rows"]] == ["proxy accuracy", "params", "macs"]
    assert found["picture"] == "studies/s/audit.png"


def test_mistakes_are_a_line(storage: str) -> None:
    assert run("s", "--n", "1", "--storage", storage)[0] == 2
    code, _, err = run("s", "--recipe", "fulll", "--storage", storage)
    assert (code, err.count("\n")) == (1, 1)
    assert "recipe is 'fulll'" in err
