"""Limits: what a network may cost at most, written as a person would write it.

params <= 200k      macs <= 30M      peak_activation_bytes <= 256kB      latency_ms <= 2      accuracy >= 90%
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from nasearch.errors import SelectionError
from nasearch.pareto.objectives import OBJECTIVES, Unit, find_objective

# Accepted suffixes of a bound and what they multiply it by.
SUFFIXES: dict[Unit, dict[str, Decimal]] = {
    "fraction": {"%": Decimal("0.01"), "": Decimal(1)},
    "count": {
        "": Decimal(1),
        "k": Decimal(10**3),
        "M": Decimal(10**6),
        "G": Decimal(10**9),
        "T": Decimal(10**12),
    },
    "bytes": {
        "B": Decimal(1),
        "": Decimal(1),
        "kB": Decimal(10**3),
        "MB": Decimal(10**6),
        "GB": Decimal(10**9),
        "KiB": Decimal(2**10),
        "MiB": Decimal(2**20),
        "GiB": Decimal(2**30),
    },
    "ms": {"": Decimal(1), "ms": Decimal(1)},
}
_EXAMPLES: dict[Unit, str] = {"fraction": "90% or 0.9", "count": "200k", "bytes": "256kB", "ms": "2 or 2ms"}
_SHAPE = re.compile(r"\s*(?P<metric>[^\s<>=!]+)\s*(?P<relation>[<>=!]+)\s*(?P<bound>[^<>=!]*?)\s*")
_BOUND = re.compile(
    r"(?P<number>[+-]?(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(?P<suffix>\D*)"
)


@dataclass(frozen=True)
class Limit:
    """A bound that a network must keep.

    Attributes:
        metric: name of an objective.
        relation: "<=" or ">=".
        bound: positive and finite, in the objective's unit (a fraction for accuracy).
        text: canonical form; equal limits have equal texts, and `parse_limit(text)` gives the limit back.
    """

    metric: str
    relation: Literal["<=", ">="]
    bound: float
    text: str

    def margin(self, value: float) -> float:
        """How far `value` breaks the limit, as a share of the bound; kept when <= 0.

        value / bound - 1 for "<=", 1 - value / bound for ">=": 0.1 is ten per cent beyond it.

        Raises:
            SelectionError: if `value` is not finite.
        """
        if not math.isfinite(value):
            raise SelectionError(f"limit {self.text!r}: {self.metric} is {value}; expected a finite number")
        # The sign of a quotient near 1 can be lost in rounding; that of the comparison cannot.
        if value == self.bound:
            return 0.0
        share = value / self.bound - 1.0
        return share if self.relation == "<=" else -share

    def allows(self, value: float) -> bool:
        """Whether `value` keeps the limit; raises as `margin` does."""
        return self.margin(value) <= 0.0


def parse_limit(text: str) -> Limit:
    """Read a limit such as "params <= 200k".

    Suffixes: k, M, G, T for counts; B, kB, MB, GB, KiB, MiB, GiB for bytes; ms for latency; % for accuracy.

    Raises:
        SelectionError: if the metric is unknown, the relation is not <= or >=, the number or its unit cannot
            be read, or the bound is not positive; the text says what is accepted.
    """
    shape = _SHAPE.fullmatch(str(text))  # a study file may hold a bare number here
    if shape is None:
        raise SelectionError(
            f"limit {text!r} is not of the form 'METRIC <= BOUND' or 'METRIC >= BOUND', "
            f"such as 'params <= 200k'; metrics are {', '.join(OBJECTIVES)}"
        )
    try:
        objective = find_objective(shape["metric"])
    except SelectionError as error:
        raise SelectionError(f"limit {text!r}: {error}") from None
    relation = shape["relation"]
    if relation not in ("<=", ">="):
        raise SelectionError(f"limit {text!r}: the relation is {relation!r}; expected '<=' or '>='")
    bound = _parse_bound(text, shape["bound"], objective.unit)
    canonical = f"{objective.name} {relation} {format_bound(bound, objective.unit)}"
    return Limit(objective.name, "<=" if relation == "<=" else ">=", float(bound), canonical)


def parse_limits(texts: Sequence[str]) -> tuple[Limit, ...]:
    """Read limits in the order given; of equal ones the first is kept.

    Raises:
        SelectionError: as `parse_limit` does, and if an upper bound of a metric is below its lower one.
    """
    if isinstance(texts, str):
        raise SelectionError(f"limits is the text {texts!r}; expected a list such as ['params <= 200k']")
    limits = tuple(dict.fromkeys(parse_limit(text) for text in texts))
    for upper in limits:
        for lower in limits:
            opposed = upper.metric == lower.metric and (upper.relation, lower.relation) == ("<=", ">=")
            if opposed and upper.bound < lower.bound:
                raise SelectionError(f"limits {lower.text!r} and {upper.text!r} leave no value between them")
    return limits


def _parse_bound(text: str, bound: str, unit: Unit) -> Decimal:
    suffixes = SUFFIXES[unit]
    accepted = f"expected a number such as {_EXAMPLES[unit]}; units are {', '.join(s for s in suffixes if s)}"
    match = _BOUND.fullmatch(bound)
    if match is None:
        raise SelectionError(f"limit {text!r}: the bound is {bound!r}; {accepted}")
    suffix = match["suffix"].strip()
    if suffix not in suffixes:
        raise SelectionError(f"limit {text!r}: the unit is {suffix!r}; {accepted}")
    # Decimal, because 8.2 * 10**6 is not 8200000 in binary and equal limits must have one canonical text.
    value = Decimal(match["number"].replace("_", "")) * suffixes[suffix]
    if value <= 0 or not 0 < float(value) < math.inf:
        raise SelectionError(f"limit {text!r}: the bound is {bound!r}; expected a positive number")
    if unit == "fraction" and value > 1:
        raise SelectionError(
            f"limit {text!r}: the bound is {bound!r}; expected at most 100% (or 1 as a fraction)"
        )
    return value


def format_bound(value: Decimal, unit: Unit) -> str:
    """The shortest exact text of a bound that does not begin with a zero where it can: 200k, not 0.2M."""
    texts = []
    for suffix, factor in SUFFIXES[unit].items():
        if unit == "fraction" and suffix != "%":
            continue  # one form for all: per cent, as tables show it
        quotient = value / factor
        if quotient * factor == value:
            texts.append((quotient < 1, f"{_plain(quotient)}{suffix}", -factor))
    return min(texts, key=lambda found: (found[0], len(found[1]), found[2]))[1]


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
