"""The box that hypervolumes are taken in where networks are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nasearch.pareto.objectives import Objective

ROOM = 1.1
"""Reference costs over the dearest: at the dearest itself the most accurate networks would add nothing."""


def reference_corner(
    objectives: Sequence[Objective], dearest: Mapping[str, float], num_classes: int
) -> tuple[float, ...]:
    """The reference point: the error of guessing, and a tenth above the dearest.

    Args:
        objectives: in the order of the losses' columns.
        dearest: the largest value of each cost that is seen or may come, by name.
        num_classes: of the data, which give the error of guessing.

    Returns:
        (objectives,) losses. A cost of which there is none anywhere gets a box of one unit.
    """
    return tuple(
        (ROOM * float(dearest[objective.name]) or 1.0) if objective.is_cost else 1 - 1 / num_classes
        for objective in objectives
    )
