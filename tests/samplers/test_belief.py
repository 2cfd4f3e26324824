"""Expected gains against integrals and Monte Carlo; the axis of a loss against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from nasearch.pareto import hypervolume
from nasearch.pareto.boxes import free_boxes
from nasearch.pareto.objectives import Floats
from nasearch.samplers.belief import Belief, Certain, LossModel, Normal, Warp, expected_gain
from nasearch.samplers.gaussian_process import Component


def test_what_is_certain_gains_the_difference() -> None:
    levels = np.array([-np.inf, 0.0, 1.0, 2.5])
    assert Certain(np.array([1.0, 2.0])).gains(levels).tolist() == [[0, 0, 0, 1.5], [0, 0, 0, 0.5]]


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (-1.0, 0.1), (0.5, 0.01), (1.0, 2.0)])
def test_what_is_believed_gains_the_integral(mean: float, deviation: float) -> None:
    shift, levels = -2.0, np.array([-1.5, -1.0, 0.0, 0.5, 3.0])

    def integral(level: float) -> float:
        """Of (level - shift - exp(x)) over where it is positive."""
        density = norm(mean, deviation).pdf
        edge = np.log(level - shift)
        low = max(mean - 12 * deviation, -40.0)
        if edge <= low:
            return 0.0
        middle = [point for point in (mean, mean - deviation, mean + deviation) if low < point < edge]
        value, _ = quad(
            lambda x: (level - shift - np.exp(x)) * density(x),
            low,
            min(edge, mean + 12 * deviation),
            points=middle,
        )
        return float(value)

    gains = Normal(np.array([mean]), np.array([deviation]), shift).gains(levels)[0]
    np.testing.assert_allclose(gains, [integral(level) for level in levels], rtol=1e-6, atol=1e-12)


def test_nothing_is_gained_below_the_axis() -> None:
    belief = Normal(np.array([0.0, 800.0]), np.array([1.0, 50.0]), shift=1.0)
    gains = belief.gains(np.array([-np.inf, 0.0, 1.0, 1e9]))
    assert gains[:, :3].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert gains[0, 3] == pytest.approx(1e9 - 1 - np.exp(0.5))  # far above the loss: level - its mean
    assert gains[1, 3] == pytest.approx(0.0, abs=1e-3)  # a mean of e^800 overflows nothing


def test_without_doubt_belief_is_knowledge() -> None:
    losses, levels = np.array([0.3, 0.9, 2.0]), np.linspace(0.1, 3, 20)
    believed = Normal(np.log(losses + 1), np.full(3, 1e-9), -1.0).gains(levels)
    np.testing.assert_allclose(believed, Certain(losses).gains(levels), atol=1e-7)


class Draws:
    """Draws of one loss of some networks."""

    def __init__(self, belief: Belief, generator: np.random.Generator, number: int) -> None:
        if isinstance(belief, Certain):
            self.table: Floats = np.repeat(belief._losses[:, None], number, axis=1)
        else:
            assert isinstance(belief, Normal)
            normal = generator.standard_normal((len(belief.mean), number))
            self.table = belief._shift + np.exp(belief.mean[:, None] + belief.deviation[:, None] * normal)


@pytest.mark.parametrize("known", [(), (1,), (0, 1)])
@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_expected_gain_is_that_of_draws(objectives: int, known: tuple[int, ...]) -> None:
    generator = np.random.default_rng(objectives)
    front, reference = generator.random((8, objectives)), np.ones(objectives)
    beliefs: list[Belief] = [
        Certain(np.array([0.05, 0.6]))
        if j in known
        else Normal(np.array([np.log(0.9), np.log(0.5)]), np.array([0.4, 0.1]), shift=-0.5)
        for j in range(objectives)
    ]
    number = 4_000
    draws = np.stack([Draws(belief, generator, number).table for belief in beliefs], axis=2)
    before = hypervolume(front, reference)
    expected = expected_gain(beliefs, *free_boxes(front, reference))
    for network in range(2):
        grown = np.array([hypervolume(np.vstack([front, y]), reference) for y in draws[network]]) - before
        sure = grown.std() / np.sqrt(number)
        assert expected[network] == pytest.approx(grown.mean(), abs=4 * sure + 1e-12)


def test_no_front_yet() -> None:
    reference = np.array([2.0, 3.0])
    known = [Certain(np.array([1.0, 5.0])), Certain(np.array([1.0, 1.0]))]
    assert expected_gain(known, *free_boxes(np.empty((0, 2)), reference)).tolist() == [2.0, 0.0]


def test_the_axis_begins_below_the_best_and_keeps_the_order() -> None:
    losses = np.array([3.0, 1.0, 2.0, 9.0, 1.5])
    warp = Warp(losses)
    assert warp.shift == 1 - 0.5 * (2 - 1)  # half the way from the best to the median
    np.testing.assert_allclose(warp(losses), np.log(losses - 0.5))
    assert (np.diff(warp(np.array([0.0, 0.4, 0.56, 0.9, 5.0]))) >= 0).all()
    # a small doubt on the axis: the loss moves by its exponential
    sure, step = np.array([2.0]), 1e-4
    moved = (warp(sure + step) - warp(sure - step)) / 2
    np.testing.assert_allclose(warp.variances(sure, np.array([step**2])), moved**2, rtol=1e-6)


@pytest.mark.parametrize(
    "losses", [[2.0], [2.0, 2.0, 2.0], [1.0, 1.0, 4.0], [-1e150, 0.0, 1e150], [0.0, 1e150, 1e150]]
)
def test_the_axis_of_few_and_of_far_losses(losses: list[float]) -> None:
    axis = Warp(np.array(losses))(np.array(losses))
    assert np.isfinite(axis).all()
    assert (np.diff(axis) >= 0).all()


def test_a_model_of_a_loss_goes_through_what_was_measured() -> None:
    points = np.linspace(0, 3, 12)[:, None]
    losses = 1 + (points[:, 0] - 1.3) ** 2
    model = LossModel([Component(points, np.zeros(1, dtype=int))], losses, np.zeros(12), np.arange(12))
    np.testing.assert_allclose(model.median([points]), losses, atol=0.05)
    between = np.array([[0.4], [1.3], [2.2]])
    belief = model.predict([between])
    draws = Draws(belief, np.random.default_rng(0), 20_000).table
    np.testing.assert_allclose(np.median(draws, axis=1), model.median([between]), rtol=0.01)
    np.testing.assert_allclose(model.median([between]), 1 + (between[:, 0] - 1.3) ** 2, atol=0.1)
