from __future__ import annotations

import math
from dataclasses import replace

import pytest

from nasearch.report.content import ScreenedRow
from nasearch.report.markdown import report_md
from tests.report.examples import EMPTY, REPORT, ROWS, WINNER

TEXT = report_md(REPORT)


@pytest.mark.parametrize(
    "fact",
    [
        "# tiny-fashion",
        "![The front of tiny-fashion](front.png)",
        "[front.html](front.html)",
        "| data | `fashion-mnist-12k`: Fashion-MNIST, MIT |",
        "1 x 28 x 28",
        "| training split | 8,000 images |",
        "| validation split | 2,000 images |",
        "| test split | 2,001 images |",
        "| fingerprint of the data | `ab12",
        "Proxy: 2 epochs x 4,096 images at 28x28. epochs 2, batch size 128, lr 0.003.",
        "Winner: epochs 30, lr 0.002.",
        "Teacher: epochs 20, lr 0.001.",
        "| seed | 42 |",
        "| threads | 2 |",
        "| torch | 2.15.0 |",
        "| sampler | `tpe` |",
        "| limits | `macs <= 9M` |",
        "| budget | 6 of 50 candidates spent |",
        "| trials | 5 complete, 1 failed, 1 refused |",
        "- trial 5: diverged at epoch 1, step 37: loss is nan",
        "| time | 6 min 12 s |",
        "| space | `tiny`: for tests; 1,944 networks |",
        "| 1 | knee winner | 86.00 % | 1.24 M | 52.3 k | 256 kB | 1.31 ms ± 0.05 | ",
        "## References",
        "trained by the same proxy beside the search: outside its budget and its limits.",
        "have not read the test split",
        "| network | accuracy | MACs | beaten by trial |",
        "| resnet-8 | 85.00 % | 4.00 M | 1, 3 |",
        "- giant: RuntimeError: out of memory",
        "Hypervolume: 81.23 % of the box up to (error 100.00 %, MACs 9.00 M).",
        "| chosen as | knee of the front |",
        "| **test accuracy** | **89.87 %** of 2,000 test images (read once, by this network) |",
        "| validation accuracy | 90.12 % after the full training |",
        "| in the search | 86.00 % validation accuracy by the proxy; never held against a full training |",
        "| MACs | 1.24 M (1,240,123) |",
        "| training | 30 epochs, 1 min 35 s, seed 7 |",
        "| 3 stages, mbconv k5 e4 \\[se\\] |",
        "| teacher | trial 4: inception; 91.50 % validation accuracy after its own training (20 epochs, ",
        "(20 epochs, 1 min 1 s, seed 8); temperature 4, alpha 0.5 |",
        "1.31 ms ± 0.05, 95th percentile 1.90 ms; batch 1, 300 repeats, onnxruntime 1.31.1 CPU, 1 thread",
        "| [winner/model.py](winner/model.py) | module | 5.3 kB | 0.0e+00 |",
        "| [winner/model.onnx](winner/model.onnx) | onnx | 212 kB | 3.1e-06 |",
        "| [winner/metadata.json](winner/metadata.json) | metadata | 900 B | – |",
        "```sh\nnasearch run --space tiny --seed 42\n```",
        "`sqlite:///studies/nasearch.db`",
    ],
)
def test_the_report_says(fact: str) -> None:
    assert fact in TEXT


def test_without_references_nothing_is_said_of_them() -> None:
    text = report_md(replace(REPORT, picture=replace(REPORT.picture, references=())))
    assert "References" not in text
    assert "reference" not in text


def test_tables_are_tables() -> None:
    """Every row of a table has as many cells as its head; a pipe in a name would make one more."""
    report = replace(
        REPORT, picture=replace(REPORT.picture, rows=(replace(ROWS[1], label="a|b\n# c"), *ROWS[3:]))
    )
    width = 0
    for line in report_md(report).splitlines():
        cells = line.replace("\\|", "").count("|")
        assert cells == 0 or line.startswith("| ")
        assert width in (0, cells) or cells == 0
        width = cells
    assert "a\\|b \\# c" in report_md(report)


def test_an_unfinished_study_says_so() -> None:
    text = report_md(replace(REPORT, winner=None, picture=EMPTY, spent=1, seconds=None))
    assert "the test split is unread" in text
    assert "No candidate was measured completely" in text
    assert "1 candidate from the space" in text
    assert "| trials | no trials |" in text
    assert "Hypervolume" not in text
    for words in ("Test accuracy: of the trained winner", "not with the winner's test accuracy"):
        assert words in text
        text = text.replace(words, "")
    assert "test accuracy" not in text


def test_a_second_reading_of_the_test_split_is_counted() -> None:
    winner = replace(WINNER, test_readings=2, teacher=None, latency=None, files=())
    text = report_md(replace(REPORT, winner=winner))
    assert "(reading number 2 of it)" in text
    assert "| teacher | none |" in text
    assert "| latency | not measured |" in text
    assert "Nothing was exported." in text


def test_a_deterministic_study_promises_the_same_again() -> None:
    assert "same candidates and accuracies" in report_md(replace(REPORT, deterministic=True))
    assert "same candidates and accuracies" not in TEXT


def test_a_screen_is_told_of_where_there_was_one() -> None:
    assert "| screen |" not in TEXT
    screened = (ScreenedRow(0, "a", "kept", {"macs": 1}, {"synflow": 1.0}),)
    assert "| screen | 1 networks looked at by synflow: 1 kept |" in report_md(
        replace(REPORT, screened=screened)
    )


def test_scores_of_the_front_are_said_to_be_no_accuracies() -> None:
    assert "Scores without training" not in TEXT
    rows = (replace(ROWS[0], scores={"synflow": 14.80818, "jacov": -math.inf}), *ROWS[1:])
    found = report_md(replace(REPORT, picture=replace(REPORT.picture, rows=rows)))
    section = found.partition("## Scores without training")[2].partition("\n## ")[0]
    assert "| trial | `jacov` | `synflow` |" in section
    assert "| 0 | no signal | 14.81 |" in section
    assert "no accuracy here is one" in section
