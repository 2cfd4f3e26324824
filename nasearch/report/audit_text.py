"""An audit in words, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from nasearch.pareto import DRAWS, LEAST_NETWORKS, Agreement
from nasearch.report.audit import LEAST, Audit
from nasearch.report.formatting import MISSING, TITLES
from nasearch.report.style import counted, plain_table
from nasearch.report.tables import scores_json

Json = dict[str, object]
_STYLES = {"verdict": "bold", "cost": "dim"}
NOT_MADE = "never held against a full training"
AUDIT_PICTURE = "audit.png"
"""Name of the file with the picture."""


def proxy_words(audit: Audit | None, proxy: str | None = None) -> str:
    """What stands beside a figure of a proxy: its tau with its doubt, or that there is none.

    Args:
        audit: None where there is none.
        proxy: whose figure it is, by its name in the audit; the accuracy that the study goes by if not given.
    """
    if audit is None:
        return NOT_MADE
    row = audit.row(audit.verdict if proxy is None else proxy)
    if row is None or row.tau is None:
        have = audit.having(proxy or audit.verdict)
        return f"held against {counted(have, 'full training')}, too few for a tau" if have else NOT_MADE
    return f"tau with full training {in_words(row.tau)}"


def in_words(found: Agreement) -> str:
    """`+0.71 (95 % +0.40 to +0.90), n = 12`."""
    if found.low is None or found.high is None:
        return f"{found.value:+.2f} (n = {found.n}, no interval)"
    return f"{found.value:+.2f} (95 % {found.low:+.2f} to {found.high:+.2f}), n = {found.n}"


def heads(audit: Audit) -> tuple[str, ...]:
    """Headings of the rows of `cells`."""
    best = f"best {audit.best}"
    return ("proxy", "n", "Kendall's tau", "Spearman's rho", f"tau, {best}", f"rho, {best}")


def cells(audit: Audit) -> list[tuple[str, ...]]:
    """A proxy a row, in text."""
    return [
        (
            TITLES.get(row.proxy.name, row.proxy.name),
            str(audit.having(row.proxy.name)),
            *(
                MISSING if found is None else found.text
                for found in (row.tau, row.rho, row.best_tau, row.best_rho)
            ),
        )
        for row in audit.rows
    ]


def audit_line(audit: Audit) -> str:
    """What was done, in a line."""
    return (
        f"{counted(len(audit.networks), 'network')} of {audit.study} trained for {audit.fidelity} "
        f"and judged on {audit.images:,} validation images"
    )


def notes(audit: Audit) -> list[str]:
    """What is to be said below the table, a sentence or two each."""
    few = ": too few for a tau" if audit.best < LEAST else ""
    seed = ", with another seed than in the study" if audit.trained_in_study else ""
    found = [
        "Tau: pairs of networks that the proxy orders as the full training does, less those that it turns.",
        f"In brackets: 95 % of {DRAWS:,} resamplings of the networks (percentiles).",
        f"The best {audit.best} are those by the full training{few}.",
        "Costs are no proxies of the study: one that orders no better than they do is worth nothing.",
        f"Each network was trained once{seed}: chance makes every tau smaller.",
    ]
    short = [row for row in audit.rows if audit.having(row.proxy.name) < len(audit.networks)]
    raced = ", ".join(row.proxy.name for row in short if row.proxy.kind in ("rung", "verdict"))
    if raced:
        found.append(f"{raced}: of networks that came so far; they are more alike, which makes tau smaller.")
    if any(row.proxy.kind == "confirmed" for row in short):
        found.append(
            "Confirmed: of the audited networks that were; they are more alike, which makes tau smaller."
        )
    scored = ", ".join(row.proxy.name for row in short if row.proxy.kind == "score")
    if scored:
        found.append(f"{scored}: of networks that have this score; --scores makes the others'.")
    if len(audit.networks) < LEAST_NETWORKS:
        found.append(
            f"Fewer than {LEAST_NETWORKS} networks have no interval: it would hold the truth too seldom."
        )
    elif audit.best < LEAST_NETWORKS:
        found.append(
            f"The best {audit.best} are too few for an interval; {LEAST_NETWORKS} of them need "
            f"--n {3 * LEAST_NETWORKS - 2}."
        )
    if audit.failed:
        found.append(f"{counted(audit.failed, 'network')} failed in the full training and are left out.")
    return found


def audit_table(audit: Audit) -> Table:
    """A proxy a row: how far it orders networks as the full training does."""
    table = plain_table(f"Audit of {audit.study}")
    for i, head in enumerate(heads(audit)):
        table.add_column(head, justify="left" if i == 0 else "right", no_wrap=True)
    kind = None
    for row, texts in zip(audit.rows, cells(audit), strict=True):
        if row.proxy.kind == "cost" and kind != "cost":
            table.add_section()
        kind = row.proxy.kind
        name, *rest = texts
        table.add_row(Text(name), *rest, style=_STYLES.get(kind, ""))
    return table


def audit_json(audit: Audit) -> Json:
    """Everything with raw values."""
    raw: Json = asdict(audit)
    networks = [{**asdict(network), "known": scores_json(network.known)} for network in audit.networks]
    return {**raw, "networks": networks, "best": audit.best}
