"""Numbers as people read them: 91.23 %, 1.24 M, 256 kB, 1.31 ms ± 0.05."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from nasearch.pareto import OBJECTIVES
from nasearch.report.content import FrontRow, Reference, ScreenedRow

MISSING = "–"
CONFIRMED = "confirmed_accuracy"
"""Metric of a row: the accuracy of its own training, beside one that is no trained network's."""
NO_SIGNAL = "no signal"
TITLES = {
    "accuracy": "accuracy",
    "zero_cost_score": "zero-cost score",
    "params": "parameters",
    "macs": "MACs",
    "peak_activation_bytes": "peak memory",
    "latency_ms": "latency",
}


def percent(fraction: float) -> str:
    """0.91234 -> "91.23 %"."""
    return f"{100 * fraction:.2f} %"


def count(number: float) -> str:
    """1_240_000 -> "1.24 M": three digits and a decimal prefix; below a thousand as it is."""
    return _prefixed(number, ("", "k", "M", "G", "T"), "")


def size(number: float) -> str:
    """256_000 -> "256 kB": three digits and a decimal prefix."""
    return _prefixed(number, ("", "k", "M", "G", "T"), "B")


def milliseconds(median: float, iqr: float | None = None) -> str:
    """1.312, 0.1 -> "1.31 ms ± 0.05", three digits: what follows ± is half the interquartile range."""
    digits = 4 if median < 0.1 else 3 if median < 1 else 2 if median < 10 else 1 if median < 100 else 0
    text = f"{median:.{digits}f} ms"
    return text if iqr is None else f"{text} ± {iqr / 2:.{digits}f}"


def duration(seconds: float) -> str:
    """95.2 -> "1 min 35 s"; below ten seconds with one decimal."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def metric(name: str, value: float | None, iqr_ms: float | None = None) -> str:
    """The value of a metric in the form its unit asks for; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    unit = OBJECTIVES[name].unit if name in OBJECTIVES else "fraction" if is_accuracy(name) else ""
    if unit == "fraction":
        return percent(value)
    if unit == "count":
        return count(value)
    if unit == "bytes":
        return size(value)
    if unit == "ms":
        return milliseconds(value, iqr_ms)
    return f"{value:.4g}"


def is_accuracy(name: str) -> bool:
    """Whether a metric is an accuracy of some kind, such as `inherited_accuracy`."""
    return name == "accuracy" or name.endswith("_accuracy")


def score(value: float | None) -> str:
    """A score without training: four digits, "no signal" for -inf, a dash where there is none."""
    if value is None:
        return MISSING
    return NO_SIGNAL if value == -math.inf else f"{value:.4g}"


def score_names(rows: Iterable[FrontRow | ScreenedRow]) -> list[str]:
    """Names of all scores in `rows`, by the alphabet."""
    return sorted({name for row in rows for name in row.scores})


def title(name: str) -> str:
    """Heading of a metric's column or axis."""
    return TITLES.get(name, name.replace("_", " "))


def metric_names(rows: Iterable[FrontRow | Reference | ScreenedRow], first: Sequence[str]) -> list[str]:
    """Names of all metrics in `rows`: those in `first`, then the others as in the table of objectives."""
    seen = {name for row in rows for name in row.values}
    known = [name for name in (CONFIRMED, *OBJECTIVES) if name in seen and name not in first]
    return [*first, *known, *sorted(seen - set(first) - set(known))]


def _prefixed(number: float, prefixes: Sequence[str], unit: str) -> str:
    if not math.isfinite(number):
        return MISSING
    # Rounded first, so that 999_999 is 1.00 M and not 1000 k.
    rounded = float(f"{number:.3g}")
    step = 0
    while abs(rounded) >= 1000 and step < len(prefixes) - 1:
        rounded /= 1000
        step += 1
    suffix = prefixes[step] + unit
    if step == 0:
        text = f"{number:.0f}" if float(number).is_integer() else f"{number:.3g}"
    else:
        magnitude = abs(rounded)
        digits = 2 if magnitude < 9.995 else 1 if magnitude < 99.95 else 0
        text = f"{rounded:.{digits}f}"
        if unit and "." in text:  # sizes are often round: 256 kB, 1.5 MB
            text = text.rstrip("0").rstrip(".")
    return f"{text} {suffix}".rstrip()
