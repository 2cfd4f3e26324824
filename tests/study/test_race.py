"""Racing: rungs, forecasts, and who goes on."""

from __future__ import annotations

import numpy as np
import pytest

from nasearch.pareto import parse_limits, parse_objectives
from nasearch.samplers.forecast import Forecast, foretell
from nasearch.study.race import Race, rungs_of

OBJECTIVES = parse_objectives(["accuracy", "macs"])


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(1, (1,)), (2, (1, 2)), (9, (1, 3, 9)), (10, (1, 2, 4, 10)), (27, (1, 3, 9, 27))]
)
def test_rungs_end_at_the_top_and_grow_by_three(epochs: int, rungs: tuple[int, ...]) -> None:
    assert rungs_of(epochs) == rungs
    assert all(
        low < high <= 3 * low for low, high in zip(rungs_of(epochs), rungs_of(epochs)[1:], strict=False)
    )


def race_of(*done: tuple[float, dict[int, float]], rungs: tuple[int, ...] = (1, 3, 9)) -> Race:
    race = Race(rungs, OBJECTIVES)
    for macs, curve in done:
        race.note({"macs": macs, "accuracy": curve[max(rungs, default=9)]}, curve)
    return race


def test_nobody_is_stopped_before_anything_is_known() -> None:
    assert race_of().judge({"macs": 5.0}, {1: 0.1}).goes_on


def many(macs: float = 10.0) -> list[tuple[float, dict[int, float]]]:
    """Twenty that reached the top, along the line final = 0.6 + 0.5 x first epoch."""
    return [(macs, {1: 0.4 + i / 100, 3: 0.7, 9: 0.8 + i / 200}) for i in range(20)]


def test_a_candidate_much_cheaper_than_all_goes_on_though_it_is_worse() -> None:
    assert race_of(*many()).judge({"macs": 2.0}, {1: 0.3}).goes_on


def test_a_dearer_and_worse_candidate_is_stopped_and_told_why() -> None:
    verdict = race_of(*many()).judge({"macs": 11.0}, {1: 0.2})
    assert not verdict.goes_on
    assert "after 1 of 9 epochs at 20.0%: foretold 70.0%" in verdict.reason
    assert "expected to add 0.00% to the front's hypervolume; 0.2% would go on" in verdict.reason


def test_one_foretold_to_be_the_most_accurate_goes_on_whatever_it_costs() -> None:
    assert race_of(*many()).judge({"macs": 10.9}, {1: 0.7}).goes_on
    assert race_of(*many()).judge({"macs": 1e9}, {1: 0.7}).goes_on


def test_one_that_could_add_next_to_nothing_is_stopped() -> None:
    """As cheap as one on the front and a little worse: a hair of probability, and a hair of gain."""
    assert not race_of(*many(), (9.0, {1: 0.6, 3: 0.8, 9: 0.9})).judge({"macs": 8.999}, {1: 0.55}).goes_on


def test_the_expected_gain_is_that_of_a_second_implementation() -> None:
    """One on the front, a candidate half as dear: its gain is a rectangle, (accuracy - guessing) x width."""
    race = race_of((10.0, {1: 0.6, 9: 0.9}))
    forecast = foretell(0.5, [(0.6, 0.9)])
    generator = np.random.default_rng(0)
    accuracies = np.clip(generator.normal(forecast.mean, forecast.deviation, 200_000), 0, 1)
    # the box: accuracies from 0.1, costs to 11; the front has 0.8 x 1, the candidate adds 0.5 x 10 wide steps
    expected = float((np.maximum(accuracies - 0.1, 0) * 5 + np.maximum(accuracies - 0.9, 0) * 1).mean()) / 0.8
    assert race._expected_gain(forecast, {"macs": 5.0}) == pytest.approx(expected, rel=2e-3)


def test_between_rungs_and_at_the_top_nobody_is_stopped() -> None:
    race = race_of(*many())
    assert race.judge({"macs": 11.0}, {1: 0.1, 2: 0.1}).goes_on
    assert race.judge({"macs": 11.0}, {1: 0.1, 9: 0.1}).goes_on


def test_without_rungs_there_is_no_race() -> None:
    assert race_of(*many(), rungs=()).judge({"macs": 11.0}, {1: 0.1}).goes_on


def test_stopped_candidates_change_no_verdict() -> None:
    race = race_of(*many())
    before = race.judge({"macs": 9.0}, {1: 0.45})
    race.note({"macs": 1.0}, {1: 0.9, 3: 0.95})
    assert race.judge({"macs": 9.0}, {1: 0.45}) == before


def test_one_that_ended_early_by_its_recipe_counts_with_its_last_accuracy() -> None:
    race = Race((1, 3, 9), OBJECTIVES)
    race.note({"macs": 1.0, "accuracy": 0.9}, {1: 0.6, 3: 0.9})
    assert not race.judge({"macs": 9.0}, {1: 0.2}).goes_on


def test_a_limit_ends_the_box_of_hypervolumes() -> None:
    """Nine tenths of the room beside the front are gone, and with them the gain."""
    wide = Race((1, 9), OBJECTIVES, parse_limits(["macs <= 100"]))
    narrow = Race((1, 9), OBJECTIVES, parse_limits(["macs <= 10"]))
    for race in (wide, narrow):
        race.note({"macs": 9.0, "accuracy": 0.8}, {1: 0.5, 9: 0.8})
    forecast = Forecast(0.75, 0.001)
    gains = [race._expected_gain(forecast, {"macs": 8.0}) for race in (wide, narrow)]
    assert gains[0] == pytest.approx(0.65 * 1 / (0.7 * 101))
    assert gains[1] == pytest.approx(0.65 * 1 / (0.7 * 2))


def test_what_breaks_a_limit_on_accuracy_is_no_rival_and_none_to_wait_for() -> None:
    """Below 85 % nothing counts: cheap finished ones leave the front to others, cheap ones are stopped."""
    without, limited = (
        Race((1, 3, 9), OBJECTIVES, limits) for limits in ((), parse_limits(["accuracy >= 0.85"]))
    )
    for race in (without, limited):
        for macs, curve in [*many(), *many(macs=5.0)[:5]]:  # the five reach .80 to .82
            race.note({"macs": macs, "accuracy": curve[9]}, curve)
    assert without.judge({"macs": 2.0}, {1: 0.3}).goes_on  # foretold .75
    assert not limited.judge({"macs": 2.0}, {1: 0.3}).goes_on
    dear, first = {"macs": 9.0}, {1: 0.53}  # foretold .865, by less than the best, .895
    assert limited.judge(dear, first).goes_on


def test_a_forecast_follows_the_line_of_many_exact_pairs() -> None:
    x = np.linspace(0.3, 0.7, 200)
    forecast = foretell(0.5, [(value, 0.6 + 0.3 * value) for value in x])
    assert forecast.mean == pytest.approx(0.75, abs=1e-3)
    assert forecast.deviation == pytest.approx(0, abs=5e-3)


def test_a_forecast_from_one_pair_is_open() -> None:
    """The prior by hand: slope 0.5 +- 0.5 times the noise; of the noise 2 of 3 parts are left of 0.02^2."""
    forecast = foretell(0.5, [(0.6, 0.9)])
    assert forecast.mean == pytest.approx(0.9 - 0.5 * 0.1)
    noise = (2 / 3) ** 0.5 * 0.02
    slope = (2 / 3) ** 0.5 * 0.5
    assert forecast.deviation == pytest.approx((2 * noise**2 + (0.1 * slope) ** 2) ** 0.5)


def test_noise_widens_a_forecast() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(0.3, 0.7, 100)
    calm = foretell(0.5, list(zip(x, x + generator.normal(0, 0.01, 100), strict=True)))
    wild = foretell(0.5, list(zip(x, x + generator.normal(0, 0.1, 100), strict=True)))
    assert wild.deviation > 5 * calm.deviation
