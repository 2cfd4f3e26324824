"""The Gaussian process against its textbook, and its gradient against differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from nasearch.pareto.objectives import Floats
from nasearch.samplers import gaussian_process
from nasearch.samplers.gaussian_process import (
    AMPLITUDE_SPREAD,
    LIKELY_NOISE,
    NOISE_SPREAD,
    SCALE_SPREAD,
    Component,
    GaussianProcess,
)

BLOCKS = np.array([0, 0, 1]), np.array([0, 1])


def problem(rows: int = 25) -> tuple[list[Component], Floats, Floats]:
    """Two components of 3 and 2 coordinates, values and their own variances."""
    generator = np.random.default_rng(rows)
    points = generator.random((rows, 3)), generator.standard_normal((rows, 2))
    values = 5 + 3 * np.sin(3 * points[0][:, 0]) + points[1][:, 1] + 0.1 * generator.standard_normal(rows)
    variances = np.where(np.arange(rows) % 5 == 0, 0.5, 0.0)
    return [Component(*pair) for pair in zip(points, BLOCKS, strict=True)], values, variances


def textbook_kernel(
    theta: Floats, parts: list[Component], rows: list[Floats], columns: list[Floats]
) -> Floats:
    """One pair at a time: exp(amplitude - sum over coordinates of weight times difference squared)."""
    kernel = np.zeros((len(rows[0]), len(columns[0])))
    place = len(parts)
    for number, part in enumerate(parts):
        weights = np.exp(theta[place : place + part.scales])
        place += part.scales
        for i, one in enumerate(rows[number]):
            for k, other in enumerate(columns[number]):
                distance = sum(
                    weights[b] * (x - y) ** 2 for b, x, y in zip(part.blocks, one, other, strict=True)
                )
                kernel[i, k] += np.exp(theta[number]) * np.exp(-distance)
    return kernel


@pytest.fixture
def objective(monkeypatch: pytest.MonkeyPatch) -> Callable[[Floats], tuple[float, Floats]]:
    """What the fit of `problem()` minimises, caught where scipy is given it."""
    caught: list[Callable[[Floats], tuple[float, Floats]]] = []

    def spy(function: Callable[[Floats], tuple[float, Floats]], start: Floats, **options: object) -> object:
        caught.append(function)
        return minimize(function, start, **options)

    minimize = gaussian_process.minimize
    monkeypatch.setattr(gaussian_process, "minimize", spy)
    GaussianProcess(*problem())
    return caught[0]


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_differences(
    objective: Callable[[Floats], tuple[float, Floats]], seed: int
) -> None:
    theta = np.random.default_rng(seed).normal(0, 1, 2 + 2 + 2 + 1)
    _, gradient = objective(theta)
    for j in range(len(theta)):
        step = np.zeros(len(theta))
        step[j] = 1e-5
        difference = (objective(theta + step)[0] - objective(theta - step)[0]) / 2e-5
        assert gradient[j] == pytest.approx(difference, rel=1e-4, abs=1e-5)


def test_the_objective_is_the_posterior_density(objective: Callable[[Floats], tuple[float, Floats]]) -> None:
    """Up to a constant: scipy's multivariate normal, and normal priors."""
    parts, values, variances = problem()
    targets = (values - values.mean()) / values.std()
    modes = np.array([0, 0, *np.full(4, -np.log(2)), LIKELY_NOISE])
    spreads = np.array([AMPLITUDE_SPREAD] * 2 + [SCALE_SPREAD] * 4 + [NOISE_SPREAD])

    def slow(theta: Floats) -> float:
        points = [part.points for part in parts]
        noise = np.exp(theta[-1]) + 1e-6 + variances / values.var()
        kernel = textbook_kernel(theta, parts, points, points) + np.diag(noise)
        density = stats.multivariate_normal(np.zeros(len(values)), kernel).logpdf(targets)
        return float(-density - stats.norm(modes, spreads).logpdf(theta).sum())

    generator = np.random.default_rng(1)
    thetas = [modes + generator.normal(0, 0.7, 7) for _ in range(4)]
    differences = [objective(theta)[0] - slow(theta) for theta in thetas]
    np.testing.assert_allclose(differences, differences[0], rtol=1e-7)


def test_predictions_are_the_textbooks() -> None:
    """Rasmussen and Williams 2006, equations 2.25 and 2.26, with inverses as they stand there."""
    parts, values, variances = problem()
    process = GaussianProcess(parts, values, variances)
    generator = np.random.default_rng(2)
    new = [generator.random((7, 3)), generator.standard_normal((7, 2))]
    old, theta = [part.points for part in parts], process._theta
    noise = np.exp(theta[-1]) + 1e-6 + variances / values.var()
    inverse = np.linalg.inv(textbook_kernel(theta, parts, old, old) + np.diag(noise))
    across = textbook_kernel(theta, parts, new, old)
    mean = values.mean() + across @ inverse @ (values - values.mean())
    covariance = textbook_kernel(theta, parts, new, new) - across @ inverse @ across.T
    found = process.predict(new)
    np.testing.assert_allclose(found[0], mean, rtol=1e-6)
    np.testing.assert_allclose(found[1], values.std() * np.sqrt(np.diag(covariance)), rtol=1e-5)


def test_values_without_noise_are_met() -> None:
    points = np.linspace(0, 2 * np.pi, 30)[:, None]
    parts = [Component(points, np.zeros(1, dtype=int))]
    process = GaussianProcess(parts, np.sin(points[:, 0]))
    mean, deviation = process.predict([points])
    np.testing.assert_allclose(mean, np.sin(points[:, 0]), atol=0.01)
    assert deviation.max() < 0.05
    between = points[:-1] + np.pi / 30
    np.testing.assert_allclose(process.predict([between])[0], np.sin(between[:, 0]), atol=0.02)
    assert process.predict([np.array([[60.0]])])[1][0] > 0.5  # far away nothing is known


def test_a_point_that_is_unsure_is_ignored() -> None:
    points = np.linspace(0, 4, 21)[:, None]
    parts, there = [Component(points, np.zeros(1, dtype=int))], points[10:11]
    values = points[:, 0].copy()
    values[10] += 3.0
    unsure = np.where(np.arange(21) == 10, 100.0, 0.0)
    trusting, doubting = GaussianProcess(parts, values), GaussianProcess(parts, values, unsure)
    assert doubting.predict([there])[0][0] == pytest.approx(2.0, abs=0.1)
    assert trusting.predict([there])[0][0] > 2.15
    others = np.delete(np.arange(21), 10)
    alone = GaussianProcess([Component(points[others], np.zeros(1, dtype=int))], values[others])
    np.testing.assert_allclose(doubting.predict([points])[0], alone.predict([points])[0], atol=0.05)


def test_hyperparameters_come_from_the_chosen_points_and_predictions_from_all() -> None:
    parts, values, _ = problem(40)
    chosen = np.arange(20)
    few = [Component(part.points[chosen], part.blocks) for part in parts]
    process = GaussianProcess(parts, values, fitted=chosen)
    standard = (values - values.mean()) / values.std()
    # values that are standardised alike lead to equal hyperparameters
    shift, scale = standard[chosen].mean(), standard[chosen].std()
    assert abs(shift) < 0.5
    assert abs(scale - 1) < 0.5
    mean, _ = process.predict([part.points for part in parts])
    assert np.corrcoef(mean[20:], values[20:])[0, 1] > 0.95
    alone = GaussianProcess(few, values[chosen])
    far, _ = alone.predict([part.points for part in parts])
    assert np.abs(mean[20:] - values[20:]).mean() < np.abs(far[20:] - values[20:]).mean()


def test_scales_are_learnt() -> None:
    """A coordinate that decides nothing gets a long scale, one that decides a short one."""
    points = np.random.default_rng(0).random((60, 2))
    process = GaussianProcess([Component(points, np.array([0, 1]))], np.sin(6 * points[:, 0]))
    assert process._theta[1] > process._theta[2] + 2


def test_equal_values_and_a_component_without_coordinates() -> None:
    points = np.random.default_rng(0).random((5, 2))
    parts = [Component(points, np.zeros(2, dtype=int)), Component(np.empty((5, 0)), np.empty(0, dtype=int))]
    process = GaussianProcess(parts, np.full(5, 3.0))
    mean, deviation = process.predict([points, np.empty((5, 0))])
    np.testing.assert_allclose(mean, 3.0)
    assert np.isfinite(deviation).all()


def test_a_fit_depends_on_its_data_alone() -> None:
    one, two = GaussianProcess(*problem()), GaussianProcess(*problem())
    np.testing.assert_array_equal(one._theta, two._theta)
