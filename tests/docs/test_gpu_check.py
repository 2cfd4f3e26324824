"""The script that checks what needs a GPU: its table, and what it says where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scripts.gpu_table import page, rows

ROOT = Path(__file__).resolve().parents[2]

OUTPUT = """\
== anything else
seed 0 side by side: 4 in 3.25 s
| | candidates a minute |
| --- | --- |
| plain script | 6.1 |
one at a time: 11.20 (10.1 to 12.3) times as fast
accuracy: 80.10 % plain, 81.20 % nasearch
target 10 times; not reached in 0 of 1 seeds
14 passed in 33.10s
took 95 s
"""


def test_rows_are_the_lines_with_figures() -> None:
    assert rows(OUTPUT.splitlines()) == [
        ("seed 0 side by side", "4 in 3.25 s"),
        ("one at a time", "11.20 (10.1 to 12.3) times as fast"),
        ("accuracy", "80.10 % plain, 81.20 % nasearch"),
        ("target", "10 times; not reached in 0 of 1 seeds"),
        ("tests", "14 passed in 33.10s"),
        ("took", "95 s"),
    ]


def test_a_failed_step_is_seen() -> None:
    assert rows(["failed: python scripts/bench_proxy.py"]) == [("failed", "python scripts/bench_proxy.py")]


def test_the_page_has_the_machine_and_every_step() -> None:
    text = page([("device", "A GPU")], [("bench", OUTPUT), ("empty", "")])
    assert text.startswith("| machine |  |\n| --- | --- |\n| device | A GPU |\n\n### bench\n\n| | candidates")
    assert "| plain script | 6.1 |\n\n|  |  |\n| --- | --- |\n| seed 0 side by side |" in text
    assert text.endswith("### empty\n\n|  |  |\n| --- | --- |")


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_the_check_says_so(tmp_path: Path) -> None:
    # the environment counts as set up: nothing is to be installed
    environment = tmp_path / "venv" / "bin"
    environment.mkdir(parents=True)
    (environment / "python").symlink_to(sys.executable)
    script = (ROOT / "scripts" / "gpu_check.sh").read_text(encoding="utf-8")
    (tmp_path / "setup.sh").write_text(
        f'ROOT="{ROOT}"\nfail() {{ printf "error: %s\\n" "$*" >&2; exit 1; }}\n'
        f'prepare() {{ BIN="{environment}"; }}\n',
        encoding="utf-8",
    )
    (tmp_path / "gpu_check.sh").write_text(script, encoding="utf-8")
    result = subprocess.run(
        ["bash", str(tmp_path / "gpu_check.sh")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: no CUDA device here")
