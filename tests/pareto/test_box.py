"""The box in which networks are compared."""

from __future__ import annotations

import pytest

from nasearch.pareto import parse_objectives, reference_corner


def test_the_error_of_guessing_and_a_tenth_above_the_dearest() -> None:
    objectives = parse_objectives(["macs", "accuracy", "params"])
    corner = reference_corner(objectives, {"macs": 200.0, "params": 10.0, "accuracy": 0.5}, 4)
    assert corner == pytest.approx((220.0, 0.75, 11.0))


def test_a_cost_that_nothing_has_still_has_a_box() -> None:
    assert reference_corner(parse_objectives(["accuracy", "params"]), {"params": 0.0}, 10) == (0.9, 1.0)
