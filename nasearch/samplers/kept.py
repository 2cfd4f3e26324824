"""What was worked out of finished trials, kept between proposals: they never change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

MOST = 100_000
"""Values kept before all are forgotten, of studies whose storage makes its trials anew at each reading."""

T = TypeVar("T")


class Kept:
    """Values by a name and the parameters that they were made of: by the very object, which is kept too.

    A copy, by pickle as well, begins empty.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[Hashable, int], tuple[Mapping[str, Any], Any]] = {}

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return Kept, ()

    def of(self, name: Hashable, params: Mapping[str, Any], make: Callable[[Mapping[str, Any]], T]) -> T:
        """What `make` gives for the parameters of a finished trial; it is asked once for each object.

        O(1); the parameters are not compared.
        """
        found = self._values.get((name, id(params)))
        if found is not None:  # its parameters are alive with it, so nothing else has their id
            value: T = found[1]
            return value
        if len(self._values) >= MOST:
            self._values.clear()
        value = make(params)
        self._values[name, id(params)] = (params, value)
        return value
