"""The one door that numbers pass before they are written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from nasearch.errors import MeasurementError

MAX_SEED = 2**63 - 1


def finite(values: Mapping[str, Any], what: str) -> dict[str, float]:
    """Plain finite numbers by name; whole ones stay whole, NumPy's become Python's.

    Raises:
        MeasurementError: naming every value that is no finite number.
    """
    bad = {name: value for name, value in values.items() if not _is_finite(value)}
    if bad:
        found = ", ".join(f"{name} is {value!r}" for name, value in bad.items())
        raise MeasurementError(f"{what}: {found}; expected finite numbers")
    return {
        name: int(value) if isinstance(value, Integral) else float(value) for name, value in values.items()
    }


def score(value: float, what: str) -> float | None:
    """A score as a column holds it: None for -inf, "no signal", which neither SQL nor JSON can hold.

    Raises:
        MeasurementError: for NaN, infinity, and what is no number.
    """
    if value == -math.inf:
        return None
    return float(finite({"score": value}, what)["score"])


def scored(value: float | None) -> float:
    """What `score` was given: -inf, which ranks lowest, for None."""
    return -math.inf if value is None else value


def plain(data: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The data as JSON gives it back: tuples as lists, nothing that is not finite.

    Raises:
        MeasurementError: if JSON cannot hold it.
    """
    try:
        result: dict[str, Any] = json.loads(json.dumps(dict(data), allow_nan=False))
    except (TypeError, ValueError) as problem:
        raise MeasurementError(
            f"{what}: {problem}; expected text, finite numbers, lists and mappings"
        ) from problem
    return result


def whole_seed(seed: int) -> int:
    """A seed the database can hold.

    Raises:
        MeasurementError: outside 0 to 2**63 - 1.
    """
    if not 0 <= seed <= MAX_SEED:
        raise MeasurementError(f"seed is {seed}; expected 0 to {MAX_SEED}")
    return int(seed)


def _is_finite(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
