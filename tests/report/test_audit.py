"""Audits as values, words, tables, JSON and a picture."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasearch.pareto import Agreement
from nasearch.report import audit_plot
from nasearch.report.audit import Audit, AuditedNetwork, Proxy, agreements, best_count
from nasearch.report.audit_plot import audit_png
from nasearch.report.audit_text import (
    NOT_MADE,
    audit_json,
    audit_line,
    audit_table,
    cells,
    heads,
    in_words,
    notes,
    proxy_words,
)
from nasearch.report.formatting import MISSING
from nasearch.report.html import front_html
from nasearch.report.markdown import report_md
from tests.report.audits import AUDIT, NETWORKS
from tests.report.examples import PICTURE, REPORT


def test_agreements_by_hand() -> None:
    """Of ten pairs at epoch 1 one is turned, of the six that have a verdict one, of the costs' ten one."""
    assert [row.proxy.name for row in AUDIT.rows] == ["epoch 1", "proxy accuracy", "macs"]  # no snip is known
    taus = [row.tau for row in AUDIT.rows if row.tau is not None]
    assert [tau.value for tau in taus] == pytest.approx([0.8, 4 / 6, 0.8])
    assert [tau.n for tau in taus] == [5, 4, 5]
    # Spearman's rho with two neighbours of four exchanged: 1 - 6 x 2 / (4 x 15)
    rho = AUDIT.rows[1].rho
    assert rho is not None
    assert rho.value == pytest.approx(0.8)


def test_the_best_third_is_by_the_full_training_and_rounded_up() -> None:
    assert [best_count(n) for n in (2, 3, 4, 6, 12, 13)] == [1, 1, 2, 2, 4, 5]
    worse = (AuditedNetwork(8, "f", 0.5, {}), AuditedNetwork(9, "g", 0.4, {}))
    verdict, cost = agreements((*NETWORKS, *worse), [row.proxy for row in AUDIT.rows[1:]])
    # Within d, c and b the proxy turns c and b, and MACs turn d and c: one of three pairs each.
    for row in (verdict, cost):
        assert row.best_tau is not None
        assert row.best_tau.value == pytest.approx(1 / 3)
        assert row.best_tau.n == 3


def test_a_best_third_of_one_pair_has_no_tau() -> None:
    for row in AUDIT.rows:
        assert (row.best_tau, row.best_rho) == (None, None)
    assert "The best 2 are those by the full training: too few for a tau." in notes(AUDIT)
    (alone,) = agreements(NETWORKS[:1], [Proxy("macs", "cost")])
    assert (alone.tau, alone.rho, alone.best_tau) == (None, None, None)


def test_what_stands_beside_a_figure_of_the_proxy() -> None:
    assert proxy_words(AUDIT) == "tau with full training +0.67 (n = 4, no interval)"
    assert in_words(Agreement(0.714, 0.4, 0.9, 12)) == "+0.71 (95 % +0.40 to +0.90), n = 12"
    assert proxy_words(None) == NOT_MADE
    few = replace(AUDIT, rows=AUDIT.rows[:1])
    assert proxy_words(few) == "held against 4 full trainings, too few for a tau"  # four were not raced out
    assert proxy_words(AUDIT, "confirmed accuracy") == NOT_MADE


def test_table_and_line() -> None:
    assert audit_line(AUDIT) == (
        "5 networks of digits trained for 10 epochs x 8,000 images at 28x28 "
        "and judged on 2,000 validation images"
    )
    assert heads(AUDIT)[-2:] == ("tau, best 2", "rho, best 2")
    assert cells(AUDIT)[1] == ("proxy accuracy", "4", "+0.67", "+0.80", MISSING, MISSING)
    assert audit_table(AUDIT).row_count == 3


def test_notes_say_what_the_numbers_cannot() -> None:
    said = " ".join(notes(AUDIT))
    assert "Fewer than 8 networks have no interval" in said
    assert "proxy accuracy: of networks that came so far" in said
    assert "have this score" not in said
    row = replace(AUDIT.rows[1], proxy=Proxy("snip", "score"))
    said = " ".join(notes(replace(AUDIT, rows=(AUDIT.rows[0], row, AUDIT.rows[2]))))
    assert "snip: of networks that have this score; --scores makes the others'" in said
    assert "came so far" not in said
    assert "1 network failed in the full training" in said
    many = tuple(AuditedNetwork(i, "x", i / 20, {"proxy accuracy": (i * 7 % 12) / 12}) for i in range(12))
    enough = replace(AUDIT, networks=many, rows=agreements(many, [Proxy("proxy accuracy", "verdict")]))
    said = " ".join(notes(enough))
    assert "The best 4 are too few for an interval; 8 of them need --n 22." in said
    assert best_count(22) == 8
    assert best_count(21) == 7


def test_where_the_study_trained_nothing_no_seed_is_named() -> None:
    assert "once, with another seed than in the study: chance" in " ".join(notes(AUDIT))
    said = " ".join(notes(replace(AUDIT, trained_in_study=False)))
    assert "Each network was trained once: chance makes every tau smaller." in said


def spots_of(audit: Audit) -> Axes:
    axes = Figure().subplots()
    audit_plot._spots(axes, audit)
    return axes


def test_a_score_is_no_percentage_in_the_picture() -> None:
    axes = spots_of(AUDIT)
    assert axes.xaxis.get_major_formatter()(0.5).endswith(" %")
    scored = tuple(
        replace(each, known={"zero-cost score": each.known.get("proxy accuracy", 0.2)}) for each in NETWORKS
    )
    audit = replace(AUDIT, networks=scored, rows=(), verdict="zero-cost score", trained_in_study=False)
    axes = spots_of(audit)
    assert axes.xaxis.get_major_formatter().format_ticks([0.2, 0.5]) == ["0.2", "0.5"]
    assert axes.yaxis.get_major_formatter()(0.5).endswith(" %")
    assert axes.get_legend_handles_labels()[1] == ["behind the front", "on the front"]


def test_json_has_the_raw_values_and_no_infinity() -> None:
    silent = replace(NETWORKS[0], known={"snip": -math.inf})
    found = json.loads(
        json.dumps(audit_json(replace(AUDIT, networks=(silent, *NETWORKS[1:]))), allow_nan=False)
    )
    assert found["networks"][0]["known"] == {"snip": None}
    assert found["networks"][1]["known"]["macs"] == 200.0
    assert found["rows"][1]["proxy"] == {"name": "proxy accuracy", "kind": "verdict"}
    assert found["rows"][1]["tau"] == {"value": pytest.approx(4 / 6), "low": None, "high": None, "n": 4}
    assert (found["best"], found["wanted"], found["failed"]) == (2, 6, 1)


@pytest.mark.parametrize("networks", [NETWORKS, NETWORKS[:1]])
def test_the_picture_is_a_png(tmp_path: Path, networks: tuple[AuditedNetwork, ...]) -> None:
    audit = replace(AUDIT, networks=networks, rows=agreements(networks, [row.proxy for row in AUDIT.rows]))
    assert audit_png(audit, tmp_path / "audit.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_says_it_beside_every_figure_of_the_proxy() -> None:
    words = proxy_words(AUDIT)
    text = report_md(replace(REPORT, audit=AUDIT))
    assert f"86.00 % validation accuracy by the proxy; {words} |" in text  # of the winner
    assert f"at 28x28; {words}." in text  # of the front
    assert f"The proxy: {words}." in text  # of the references
    assert "\n## Audit of the proxies\n\n5 networks of digits trained" in text
    assert "| proxy accuracy | 4 | +0.67 | +0.80 | – | – |" in text
    assert "![Proxy and full training](audit.png)" in text


def test_the_report_says_that_there_was_none() -> None:
    text = report_md(REPORT)
    assert text.count(NOT_MADE) == 3
    assert "Audit of the proxies" not in text


def test_the_page_has_the_table(tmp_path: Path) -> None:
    page = front_html(
        [replace(PICTURE, agreement=proxy_words(AUDIT))], tmp_path / "front.html", (), AUDIT
    ).read_text()
    assert "<td>proxy accuracy</td><td>4</td><td>+0.67</td>" in page
    assert f"{proxy_words(AUDIT)}  ·" in page
