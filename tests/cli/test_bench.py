"""`nasearch bench --table`, as a person would call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nasearch.cli.main import main
from tests.support.small_tables import write_flat


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_flat(tmp_path)


def bench(*words: str) -> Result:
    return CliRunner().invoke(main, ["bench", *words], catch_exceptions=False)


def test_a_table_of_samplers() -> None:
    result = bench("--table", "flat.yaml", "--samplers", "random,nsga2", "--budget", "4", "--seeds", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line for line in result.stdout.splitlines() if line.strip(" ─")]
    assert lines[0] == "flat: 6 networks; accuracy is first, judged by first, second; macs is macs"
    # the median judged accuracy lies below 70 %
    corner = "accuracy >= 65.25 %, macs <= 40.0 M"
    score = f"score: share of the true front's hypervolume, of {corner}"
    assert lines[1] == f"{score}; costs known before measuring: macs"
    assert lines[2].split() == ["sampler", "@4", "rank", "seeds", "repeats", "s/network"]
    assert [line.split()[0] for line in lines[3:5]] == ["random", "nsga2"]
    assert "against the others, paired by seed" in lines[5]
    folder = Path("studies/bench-flat-accuracy-macs")
    assert lines[-3:] == [f"wrote {folder / name}" for name in ("curves.csv", "curves.png", "bench.json")]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")

    again = bench("--table", "flat.yaml", "--samplers", "random,nsga2", "--budget", "4", "--seeds", "3")
    assert again.stdout == result.stdout  # the very searches, read back
    other = bench("--table", "flat.yaml", "--known", "none", "--samplers", "random")
    assert other.exit_code == 1
    assert other.stderr == (
        f"error: {folder} holds a bench with another known (macs, now ); give another --out, or --fresh to "
        "write over it\n"
    )
    assert bench("--table", "flat.yaml", "--known", "none", "--fresh", "--seeds", "1").exit_code == 0


def test_json_and_one_objective() -> None:
    result = bench(
        "--table", "flat.yaml", "--objective", "accuracy", "--observe", "second", "--judge", "first,second",
        "--budget", "6", "--seeds", "2", "--samplers", "random", "--out", "here", "--json",
    )  # fmt: skip
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert (found["score"], found["objectives"], found["higher_is_better"]) == ("regret", ["accuracy"], False)
    assert (found["observe"], found["judge"], found["known"]) == (["second"], ["first", "second"], [])
    # by the second column row 4 is the best of all six, and by the judges too
    assert found["standings"][0]["mean"] == pytest.approx(0.0)
    assert found["samplers"]["random"]["test_accuracy"] == pytest.approx(0.71)
    assert found["files"][0] == "here/curves.csv"


def test_three_objectives_with_a_latency() -> None:
    words = ["--objective", "accuracy", "--objective", "macs", "--objective", "latency_ms"]
    result = bench(
        "--table", "flat.yaml", *words, "--latency-column", "lat_a", "--reference", "latency_ms <= 8",
        "--budget", "6", "--seeds", "1", "--samplers", "random",
    )  # fmt: skip
    assert (result.exit_code, result.stderr) == (0, "")
    assert "latency_ms <= 8.00 ms; costs known before measuring: macs\n" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to compare; expected --table FILE"),
        (["a", "b", "--table", "flat.yaml"], "studies a, b beside --table; expected one of them"),
        (["--table", "gone.npz"], "gone.npz: No such file or directory; expected a readable table"),
        (["--table", "flat.yaml", "--samplers", "best"], "sampler is 'best'; expected one of surrogate, "),
        (["--table", "flat.yaml", "--judge", "third"], "no column 'third'"),
    ],
)
def test_mistakes(words: list[str], message: str) -> None:
    result = bench(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
