"""`front.html`: the front to point at, in one file that needs no network.

plotly.js is inside the file (about 4.8 MB, nearly all of its size), so that it opens on a machine without a
network and in ten years.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nasearch.report import audit_text, formatting, layout, tables
from nasearch.report.audit import Audit
from nasearch.report.budget_plot import comparison_html
from nasearch.report.content import FrontPicture, FrontRow, Reference
from nasearch.report.curves import FrontComparison
from nasearch.report.files import write_text
from nasearch.report.layout import BLUE, GREEN, GREY, INK, VERMILLION, Axis, Panel

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #22262B; max-width: 1180px; margin: 2rem auto;
  padding: 0 1rem; }}
h1 {{ font-size: 1.6rem; margin: 0; }}
p.about {{ color: #555B63; margin: .2rem 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; margin-top: 1rem; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: .35rem .7rem; border-bottom: 1px solid #E6E8EB; }}
th {{ color: #555B63; font-weight: 600; }}
th:last-child, td:last-child, th:first-child, td:first-child {{ text-align: left; }}
td:not(:last-child) {{ white-space: nowrap; }}
tr.knee {{ background: #FBEFE7; font-weight: 600; }}
tr.reference {{ color: #00694D; }}
</style>
</head>
<body>
<h1>{title}</h1>
{fronts}
{comparisons}
{audit}
</body>
</html>
"""


def front_html(
    pictures: Sequence[FrontPicture],
    path: str | Path,
    comparisons: Sequence[FrontComparison] = (),
    audit: Audit | None = None,
) -> Path:
    """Write the page: each front with every trial's numbers under the pointer, and as a table.

    Below are the comparisons with other searches, each with its curves and their table, and the audit.

    Args:
        pictures: of one study, the front to choose from first.
        path: of the page.
        comparisons: may be none.
        audit: may be none.

    Raises:
        ExportError: if the file cannot be written.
    """
    page = _PAGE.format(
        title=html.escape(pictures[0].study),
        fronts="\n".join(_front(picture, is_first=i == 0) for i, picture in enumerate(pictures)),
        comparisons="\n".join(map(comparison_html, comparisons)),
        audit="" if audit is None else _audit(audit),
    )
    return write_text(path, page)


def _front(picture: FrontPicture, *, is_first: bool) -> str:
    """What a front is, its figure and its table; the first brings plotly.js for all."""
    heading = f"<h2>Front, {html.escape(picture.kind)}</h2>\n" if picture.kind else ""
    figure = front_figure(picture).to_html(
        full_html=False, include_plotlyjs=is_first, config={"displaylogo": False, "responsive": True}
    )
    about = html.escape(layout.subtitle(picture))
    return f'{heading}<p class="about">{about}</p>\n{figure}\n{_table(picture)}'


def _audit(audit: Audit) -> str:
    """A heading, the table of agreements and what is to be said of it."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in audit_text.heads(audit))
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
        for row in audit_text.cells(audit)
    )
    said = "".join(f"<li>{html.escape(note)}</li>" for note in audit_text.notes(audit))
    return (
        f"<h2>Audit of the proxies</h2>\n"
        f'<p class="about">{html.escape(audit_text.audit_line(audit))}</p>\n'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n<ul>{said}</ul>"
    )


def front_figure(picture: FrontPicture) -> go.Figure:
    """The plotly figure of the page: a panel for each cost, the front as a step line for two objectives."""
    rows = layout.drawn(picture)
    panels = layout.panels(picture)
    figure = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, horizontal_spacing=0.04)
    for column, panel in enumerate(panels, start=1):
        _draw(figure, picture, rows, panel, column)
        _axes(figure, picture, rows, panel, column)
        _limits(figure, picture, panel, column)
    figure.update_layout(
        template="plotly_white",
        height=560,
        margin={"l": 70, "r": 20, "t": 40, "b": 60},
        font={"size": 14, "color": INK},
        legend={"orientation": "h", "y": 1.08, "x": 0},
        hoverlabel={"align": "left", "font": {"size": 13}},
    )
    return figure


def _draw(
    figure: go.Figure, picture: FrontPicture, rows: Sequence[FrontRow], panel: Panel, column: int
) -> None:
    front = layout.front_rows(rows, panel)
    has_steps = len(picture.objectives) == 2
    style = _Style(figure, picture, panel, column)
    style.points(
        "dominated", [row for row in rows if not row.is_front], {"color": GREY, "opacity": 0.5, "size": 8}
    )
    if len(picture.objectives) == 1 and rows:
        best = layout.running_best(rows, picture.objectives[0])
        line = {"color": BLUE, "width": 2, "shape": "hv"}
        xs, ys = [number for number, _ in best], [value for _, value in best]
        figure.add_scatter(x=xs, y=ys, mode="lines", line=line, name="best so far", hoverinfo="skip")
    style.points(
        "front",
        front,
        {"color": BLUE, "size": 10, "line": {"color": "white", "width": 1}},
        line={"color": BLUE, "width": 2, "shape": "hv"} if has_steps else None,
    )
    ring = {"color": "rgba(0,0,0,0)", "size": 18, "line": {"width": 3}}
    knees, winners = (
        [row for row in rows if row.is_knee],
        [row for row in rows if row.is_winner and not row.is_knee],
    )
    style.points("knee", knees, {**ring, "line": {"color": VERMILLION, "width": 3}})
    style.points("winner", winners, {**ring, "line": {"color": GREEN, "width": 3}})
    style.references(rows)


class _Style:
    """Adds traces to one panel; the legend lists each kind once."""

    def __init__(self, figure: go.Figure, picture: FrontPicture, panel: Panel, column: int) -> None:
        self.figure, self.picture, self.panel, self.column = figure, picture, panel, column

    def points(
        self,
        name: str,
        items: Sequence[FrontRow | Reference],
        marker: dict[str, Any],
        line: dict[str, Any] | None = None,
    ) -> None:
        x, y = self.panel.x.value, self.panel.y.value
        shown = [item for item in items if math.isfinite(x(item)) and math.isfinite(y(item))]
        if not shown:
            return
        self.figure.add_scatter(
            x=[x(item) for item in shown],
            y=[y(item) for item in shown],
            mode="markers" if line is None else "lines+markers",
            line=line,
            marker=marker,
            name=name,
            legendgroup=name,
            showlegend=self.column == 1,
            text=[hover(item) for item in shown],
            hovertemplate="%{text}<extra></extra>",
            row=1,
            col=self.column,
        )

    def references(self, rows: Sequence[FrontRow]) -> None:
        """Known networks with their names; those far below the view are named at its edge as well."""
        panel = self.panel
        if panel.x.name == layout.TRIAL:
            self._lines()
            return
        known = sorted(layout.placed(self.picture.references, panel), key=panel.x.value)
        if not rows or not known:
            return
        low = layout.visible_low(rows, panel, self.picture.references)
        self.figure.add_scatter(
            x=[panel.x.value(each) for each in known],
            y=[panel.y.value(each) for each in known],
            mode="markers+text",
            marker={"color": GREEN, "size": 11, "symbol": "diamond"},
            text=[html.escape(each.name) for each in known],
            # Neighbours in cost are often neighbours in accuracy, too: their names on different sides.
            textposition=["bottom right" if i % 2 else "top right" for i in range(len(known))],
            textfont={"color": GREEN},
            name="reference",
            legendgroup="reference",
            showlegend=self.column == 1,
            hovertext=[hover(each) for each in known],
            hovertemplate="%{hovertext}<extra></extra>",
            row=1,
            col=self.column,
        )
        number = "" if self.column == 1 else str(self.column)
        hidden = [each for each in known if panel.y.value(each) < low]
        for i, each in enumerate(hidden):
            value, height = panel.x.value(each), panel.y.value(each)
            self.figure.add_annotation(
                text=f"▼ {html.escape(each.name)} {panel.y.text(height)}",
                x=math.log10(value) if panel.x.is_log else value,
                y=0.0,
                yref=f"y{number} domain",
                yanchor="bottom",
                yshift=16 * i,
                showarrow=False,
                font={"color": GREEN},
                hovertext=hover(each),
                row=1,
                col=self.column,
            )

    def _lines(self) -> None:
        """Where only accuracy counts, a reference is a line across the trials."""
        for each in self.picture.references:
            height = self.panel.y.value(each)
            if math.isfinite(height):
                self.figure.add_hline(
                    height,
                    line={"color": GREEN, "width": 1.5, "dash": "dot"},
                    annotation={"text": html.escape(each.name), "font": {"color": GREEN}},
                )


def hover(item: FrontRow | Reference) -> str:
    """What the pointer shows: the network and all its numbers, escaped for plotly's markup."""
    if isinstance(item, Reference):
        lines = [f"<b>{html.escape(item.name)}</b> (reference)", *filter(None, [html.escape(item.label)])]
    else:
        mark = tables.mark(item)
        lines = [f"<b>trial {item.number}</b>{f' ({mark})' if mark else ''}", html.escape(item.label)]
    lines.extend(
        f"{html.escape(formatting.title(name))}: "
        f"{formatting.metric(name, item.values[name], item.latency_iqr_ms)}"
        for name in formatting.metric_names([item], [])
    )
    return "<br>".join(lines)


def _axes(
    figure: go.Figure, picture: FrontPicture, rows: Sequence[FrontRow], panel: Panel, column: int
) -> None:
    updates: tuple[tuple[Callable[..., object], Axis], ...] = (
        (figure.update_xaxes, panel.x),
        (figure.update_yaxes, panel.y),
    )
    items: list[FrontRow | Reference] = [*rows, *layout.placed(picture.references, panel)]
    for update, axis in updates:
        options: dict[str, Any] = {"row": 1, "col": column, "zeroline": False}
        if axis is panel.x or column == 1:
            options["title_text"] = axis.title + (" (log scale)" if axis.is_log else "")
        if axis.is_log:
            step = 1 if layout.is_crowded(picture, axis, items) else "D2"
            options |= {"type": "log", "dtick": step, "tickformat": "~s"}
        elif formatting.is_accuracy(axis.name):
            options["tickformat"] = ".1~%"
            if rows and axis is panel.y:
                # The view only: a double click shows the few networks far below, too.
                low = layout.visible_low(rows, panel, picture.references)
                high = max(axis.value(item) for item in items)
                pad = (high - low) or 0.02
                options["range"] = [low - 0.06 * pad, high + 0.08 * pad]
        elif axis.name == "latency_ms":
            options["ticksuffix"] = " ms"
        elif axis.name != layout.TRIAL:
            options["tickformat"] = "~s"
        update(**options)


def _limits(figure: go.Figure, picture: FrontPicture, panel: Panel, column: int) -> None:
    for axis, add in ((panel.x, figure.add_vline), (panel.y, figure.add_hline)):
        for limit in layout.limits_near(picture, axis):
            place: dict[str, Any] = {"row": 1, "col": column}
            add(limit.bound, line={"color": VERMILLION, "width": 1.5, "dash": "dash"}, **place)
            # Texts of their own: those that plotly adds to lines are misplaced on logarithmic axes.
            spot = math.log10(limit.bound) if axis.is_log else limit.bound
            number = "" if column == 1 else str(column)
            along = (
                {"x": spot, "y": 0.02, "yref": f"y{number} domain", "xanchor": "right", "yanchor": "bottom"}
                if axis is panel.x
                else {"y": spot, "x": 0.99, "xref": f"x{number} domain", "xanchor": "right", "yanchor": "top"}
            )
            text = html.escape(limit.text)
            figure.add_annotation(text=text, showarrow=False, font={"color": VERMILLION}, **along, **place)


def _table(picture: FrontPicture) -> str:
    names = [objective.name for objective in picture.objectives]
    rows = tables.front_and_winner(picture)
    columns = formatting.metric_names([*rows, *picture.references], names)
    head = "".join(
        f"<th>{html.escape(text)}</th>" for text in ["trial", *map(formatting.title, columns), "network"]
    )
    body = []
    for row in rows:
        mark = tables.mark(row)
        words = [f"#{row.number}{f' {mark}' if mark else ''}", *tables.cells(row, columns), row.label]
        body.append(_line(words, "knee" if row.is_knee else ""))
    for reference in picture.references:
        words = ["reference", *tables.cells(reference, columns)]
        words.append(reference.name + (f", failed: {reference.reason}" if reference.reason else ""))
        body.append(_line(words, "reference"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>" if body else ""


def _line(cells: Sequence[str], kind: str) -> str:
    shown = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    return f'<tr class="{kind}">{shown}</tr>' if kind else f"<tr>{shown}</tr>"
