from __future__ import annotations

import io
import os
import threading
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from nasearch.errors import ExportError
from nasearch.report import layout
from nasearch.report.content import FrontPicture, Reference
from nasearch.report.html import front_figure, front_html, hover
from nasearch.report.plots import front_png
from nasearch.report.terminal_plot import terminal_plot
from tests.report.examples import ONE, PICTURE, PICTURES, ROWS, THREE


@pytest.mark.parametrize("name", PICTURES)
def test_every_front_can_be_drawn(name: str, tmp_path: Path) -> None:
    path = front_png(PICTURES[name], tmp_path / "new" / "front.png")
    pixels = image.imread(io.BytesIO(path.read_bytes()), format="png")
    assert pixels.shape[0] > 700
    assert pixels.shape[1] >= 1380
    assert list(path.parent.iterdir()) == [path]  # no passing file is left
    vermillion = np.abs(pixels[..., :3] - np.array([0xD5, 0x5E, 0x00]) / 255).max(axis=-1) < 0.02
    assert vermillion.any() == (name != "empty")  # the knee is ringed
    green = np.abs(pixels[..., :3] - np.array([0x00, 0x9E, 0x73]) / 255).max(axis=-1) < 0.02
    # The winner is the knee in all of them, so what is green is a reference.
    assert green.any() == (name in ("two", "three", "one"))


def test_threads_draw_the_same_picture(tmp_path: Path) -> None:
    threads = [threading.Thread(target=front_png, args=(PICTURE, tmp_path / f"{i}.png")) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()


def test_names_with_dollars_are_no_mathematics(tmp_path: Path) -> None:
    picture = replace(
        PICTURE, study="a $x_{ b$ study", references=(replace(PICTURE.references[0], name="$\\bad$"),)
    )
    assert front_png(picture, tmp_path / "front.png").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ExportError, match=r"front\.png: cannot be written"):
        front_png(PICTURE, tmp_path / "front.png")


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"front\.html: cannot be written \(.*\); expected a folder"):
        front_html([PICTURE], tmp_path / "file" / "front.html")


def test_layout_of_axes() -> None:
    (panel,) = layout.panels(PICTURE)
    assert (panel.x.name, panel.x.is_log, panel.y.name, panel.y.is_log) == ("macs", True, "accuracy", False)
    assert [(p.x.name, p.y.name) for p in layout.panels(THREE)] == [
        ("macs", "accuracy"),
        ("params", "accuracy"),
    ]
    assert [(p.x.name, p.y.name) for p in layout.panels(ONE)] == [("trial", "accuracy")]
    turned = replace(PICTURE, objectives=PICTURE.objectives[::-1])
    assert [(p.x.name, p.y.name) for p in layout.panels(turned)] == [("macs", "accuracy")]
    narrow = replace(PICTURE, rows=ROWS[2:4])
    assert not layout.panels(narrow)[0].x.is_log  # 2 M to 3 M is no decade


def test_only_complete_values_are_drawn_and_the_best_runs_on() -> None:
    assert [row.number for row in layout.drawn(PICTURE)] == [0, 1, 2, 3, 4]
    assert layout.running_best(layout.drawn(ONE)[::-1], ONE.objectives[0]) == [
        (0, 0.60),
        (1, 0.86),
        (2, 0.86),
        (3, 0.88),
        (4, 0.89),
    ]


def test_limits_far_away_are_not_drawn() -> None:
    (panel,) = layout.panels(PICTURE)
    assert [limit.text for limit in layout.limits_near(PICTURE, panel.x)] == ["macs <= 9M"]
    tight = replace(PICTURE, limits=(replace(PICTURE.limits[0], bound=1e12),))
    assert layout.limits_near(tight, panel.x) == []
    assert layout.limits_near(replace(PICTURE, rows=()), panel.x) == []


def test_references_widen_the_axes() -> None:
    """Of costs always, so that a dearer one is seen; of accuracy where it presses nothing together."""
    far = Reference("far", {"accuracy": 0.84, "macs": 900_000_000})
    narrow = replace(PICTURE, rows=ROWS[2:4], references=(far,))
    assert layout.panels(narrow)[0].x.is_log  # without it, 2 M to 3 M is no decade
    (panel,) = layout.panels(PICTURE)
    rows = layout.drawn(PICTURE)  # accuracies .60 to .89
    assert layout.visible_low(rows, panel) == 0.60
    low = Reference("low", {"accuracy": 0.50, "macs": 900_000_000})
    assert layout.visible_low(rows, panel, [low]) == 0.50
    assert layout.visible_low(rows, panel, [replace(low, values={"accuracy": 0.10, "macs": 1e9})]) == 0.60


def test_a_reference_far_below_is_named_at_the_edge(tmp_path: Path) -> None:
    hidden = replace(PICTURE, references=(Reference("untaught", {"accuracy": 0.10, "macs": 9e8}),))
    (note,) = [n for n in front_figure(hidden).layout.annotations if "untaught" in n.text]
    assert note.text == "▼ untaught 10.00 %"
    assert "1 below 60.00 %" in terminal_plot(hidden).plain
    assert "reference: untaught, 10.00 %, 900 M MACs" in terminal_plot(hidden).plain
    assert (
        front_png(hidden, tmp_path / "a.png").read_bytes()
        != front_png(PICTURE, tmp_path / "b.png").read_bytes()
    )


def test_trials_that_beat_a_reference() -> None:
    known = PICTURE.references[0]  # .85 for 4 M
    assert [row.number for row in layout.beaten_by(known, PICTURE)] == [1, 3]  # .86 for 1.24 M, .88 for 3 M
    equal = replace(known, values=dict(ROWS[1].values))
    assert layout.beaten_by(equal, PICTURE) == []  # as good in everything is not better
    best = replace(known, values={"accuracy": 0.99, "macs": 1})
    assert layout.beaten_by(best, PICTURE) == []
    assert layout.beaten_by(PICTURE.references[1], PICTURE) == []  # it has failed


class Outside(HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.parametrize("name", PICTURES)
def test_the_page_needs_no_network(name: str, tmp_path: Path) -> None:
    path = front_html([PICTURES[name]], tmp_path / "front.html")
    text = path.read_text(encoding="utf-8")
    parser = Outside()
    parser.feed(text)
    assert parser.fetched == []
    assert "plotly.js v" in text  # it is inside
    assert path.stat().st_size < 6_000_000
    assert "tiny-fashion" in text


def trace(picture: FrontPicture, name: str) -> list[object]:
    return [data for data in front_figure(picture).data if data.name == name]


def test_the_page_has_every_trial_under_the_pointer() -> None:
    (dominated,), (front,), (knee,) = (trace(PICTURE, name) for name in ("dominated", "front", "knee"))
    assert list(dominated.x) == [2_000_000]  # type: ignore[attr-defined]
    assert list(front.x) == [200_000, 1_240_000, 3_000_000, 8_000_000]  # type: ignore[attr-defined]
    assert front.line.shape == "hv"  # type: ignore[attr-defined]
    assert knee.text == (hover(ROWS[1]),)  # type: ignore[attr-defined]
    assert hover(ROWS[1]) == (
        "<b>trial 1</b> (knee winner)<br>3 stages, mbconv k5 e4 [se]<br>accuracy: 86.00 %"
        "<br>parameters: 52.3 k<br>MACs: 1.24 M<br>peak memory: 256 kB<br>latency: 1.31 ms ± 0.05"
    )
    (known,) = trace(PICTURE, "reference")
    assert known.text == ("resnet-8",)  # type: ignore[attr-defined]
    assert known.hovertext == (  # type: ignore[attr-defined]
        "<b>resnet-8</b> (reference)<br>3x residual<br>accuracy: 85.00 %<br>MACs: 4.00 M",
    )
    assert [shape.y0 for shape in front_figure(ONE).layout.shapes] == [0.85]
    assert len(trace(THREE, "front")) == 2
    assert len(trace(ONE, "best so far")) == 1


def test_a_page_of_two_fronts_has_both_and_plotly_once(tmp_path: Path) -> None:
    pictures = [replace(PICTURE, kind="confirmed", left=2, wanted=9), replace(THREE, kind="by others")]
    page = front_html(pictures, tmp_path / "front.html").read_text(encoding="utf-8")
    assert page.index("<h2>Front, confirmed</h2>") < page.index("<h2>Front, by others</h2>")
    assert page.count("<table>") == 2
    assert "2 of 9 still to be confirmed" in page
    one = front_html(pictures[:1], tmp_path / "one.html")
    assert len(page) - len(one.read_text(encoding="utf-8")) < 100_000  # plotly.js is 4.8 MB


def test_names_are_escaped_on_the_page(tmp_path: Path) -> None:
    picture = replace(PICTURE, study="<script>x</script>", rows=(replace(ROWS[1], label="<b>&"),))
    text = front_html([picture], tmp_path / "front.html").read_text(encoding="utf-8")
    assert "<script>x" not in text
    assert "<td>&lt;b&gt;&amp;</td>" in text
    assert hover(picture.rows[0]).split("<br>")[1] == "&lt;b&gt;&amp;"


def test_a_front_in_characters() -> None:
    text = terminal_plot(PICTURE, width=60, height=9).plain
    lines = text.splitlines()
    grid = [line for line in lines if "│" in line or "┤" in line]
    assert len(grid) == 9
    assert max(len(line) for line in lines[1:]) <= 60
    assert grid[0].startswith(" 89.00 % ┤")
    assert grid[0].endswith("o")  # the dearest and best: top right
    assert grid[-1].startswith(" 60.00 % ┤o")  # the cheapest and worst: bottom left
    assert sum(line.count("K") for line in grid) == 1
    assert sum(line.count("·") for line in grid) == 1
    assert "knee: trial 1, 86.00 %, 1.24 M MACs" in lines
    assert sum(line.count("R") for line in grid) == 1  # one of the two has failed
    assert "reference: resnet-8, 85.00 %, 4.00 M MACs" in lines
    assert all(part in text for part in ("200 k", "8.00 M", "MACs (log scale)"))


@pytest.mark.parametrize("name", PICTURES)
def test_every_front_fits_the_terminal(name: str) -> None:
    lines = terminal_plot(PICTURES[name], width=50, height=8).plain.splitlines()
    assert "tiny-fashion" in lines[0]
    assert all(len(line) <= 50 for line in lines[1:] if not line.startswith(("knee", "reference")))
    assert ("no complete trial yet" in lines) == (name == "empty")
