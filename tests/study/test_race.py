"""Racing: rungs, forecasts, and who goes on."""

from __future__ import annotations

import numpy as np
import pytest

from nasearch.pareto import parse_objectives
from nasearch.study.race import Race, foretell, rungs_of

OBJECTIVES = parse_objectives(["accuracy", "macs"])


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(1, (1,)), (2, (1, 2)), (9, (1, 3, 9)), (10, (1, 2, 4, 10)), (27, (1, 3, 9, 27))]
)
def test_rungs_end_at_the_top_and_grow_by_three(epochs: int, rungs: tuple[int, ...]) -> None:
    assert rungs_of(epochs) == rungs
    assert all(low < high <= 3 * low for low, high in zip(rungs_of(epochs), rungs_of(epochs)[1:], strict=False))


def race_of(*done: tuple[float, dict[int, float]], rungs: tuple[int, ...] = (1, 3, 9)) -> Race:
    race = Race(rungs, OBJECTIVES)
    for macs, curve in done:
        race.note({"macs": macs}, curve)
    return race


GOOD = {1: 0.6, 3: 0.8, 9: 0.9}


def test_nobody_is_stopped_before_anything_is_known() -> None:
    assert race_of().judge({"macs": 5.0}, {1: 0.1}).goes_on


def test_a_candidate_cheaper_than_all_goes_on_however_bad() -> None:
    assert race_of(*[(10.0, GOOD)] * 5).judge({"macs": 9.0}, {1: 0.11}).goes_on


def test_a_dearer_and_worse_candidate_is_stopped_and_told_why() -> None:
    race = race_of(*[(10.0, {1: 0.6 + i / 100, 3: 0.8, 9: 0.9 + i / 1000}) for i in range(6)])
    verdict = race.judge({"macs": 11.0}, {1: 0.2})
    assert not verdict.goes_on
    assert "after 1 of 9 epochs at 20.0%" in verdict.reason
    assert "a network no dearer has 90.5%" in verdict.reason


def test_the_best_at_a_rung_goes_on_whatever_it_costs() -> None:
    race = race_of(*[(10.0, GOOD)] * 6)
    assert race.judge({"macs": 99.0}, {1: 0.61}).goes_on


def test_between_rungs_and_at_the_top_nobody_is_stopped() -> None:
    race = race_of(*[(10.0, GOOD)] * 6)
    assert race.judge({"macs": 11.0}, {1: 0.1, 2: 0.1}).goes_on
    assert race.judge({"macs": 11.0}, {1: 0.1, 9: 0.1}).goes_on


def test_without_rungs_there_is_no_race() -> None:
    race = race_of(*[(10.0, GOOD)] * 6, rungs=())
    assert race.judge({"macs": 11.0}, {1: 0.1}).goes_on


def test_stopped_candidates_count_at_their_rungs_and_not_at_the_top() -> None:
    """Fourteen stopped ones with better first epochs push a candidate out of the best third."""
    race = race_of(*[(10.0, GOOD)] * 12)
    for _ in range(14):
        race.note({"macs": 9.5}, {1: 0.6})
    assert not race.judge({"macs": 10.0}, {1: 0.4}).goes_on
    assert race.judge({"macs": 9.4}, {1: 0.4}).goes_on  # nothing that reached the top is as cheap


def test_a_forecast_follows_the_line_of_many_exact_pairs() -> None:
    x = np.linspace(0.3, 0.7, 200)
    forecast = foretell(0.5, [(value, 0.6 + 0.3 * value) for value in x])
    assert forecast.mean == pytest.approx(0.75, abs=1e-3)
    assert forecast.most == pytest.approx(0.75, abs=5e-3)


def test_a_forecast_from_one_pair_is_open() -> None:
    """The prior by hand: slope 0.5 +- 0.5 times the noise; of the noise 2 of 3 parts are left of 0.02^2."""
    forecast = foretell(0.5, [(0.6, 0.9)])
    assert forecast.mean == pytest.approx(0.9 - 0.5 * 0.1)
    noise = (2 / 3) ** 0.5 * 0.02
    slope = (2 / 3) ** 0.5 * 0.5
    assert forecast.most - forecast.mean == pytest.approx((2 * noise**2 + (0.1 * slope) ** 2) ** 0.5)


def test_noise_widens_a_forecast() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(0.3, 0.7, 100)
    calm = foretell(0.5, list(zip(x, x + generator.normal(0, 0.01, 100), strict=True)))
    wild = foretell(0.5, list(zip(x, x + generator.normal(0, 0.1, 100), strict=True)))
    assert wild.most - wild.mean > 5 * (calm.most - calm.mean)
