from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nasearch.cli.main import main

pytestmark = pytest.mark.gpu


@pytest.mark.slow
def test_the_main_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "--space", "tiny", "--budget", "4", "--device", "cuda", "--study", "gpu"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "4 of 4 candidates done" in result.stdout
    assert (tmp_path / "studies" / "gpu" / "winner" / "model.py").is_file()

    again = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False)
    assert again.exit_code == 0
    assert json.loads(again.stdout)
