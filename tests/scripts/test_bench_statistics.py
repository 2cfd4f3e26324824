"""The intervals of the benchmarks, by closed forms."""

from __future__ import annotations

import math

import click
import numpy as np
import pytest
from click.testing import CliRunner

from nasearch.data import Prepared
from nasearch.data.loader import PLAIN
from scripts import bench_proxy, bench_time_to_front, bench_workers, plain_search
from scripts.bench_proxy import Pair, Round, accuracy_gap, speed, summary, throughput
from scripts.bench_tools import mean_interval, pixels, plain_parts, ratio_interval
from scripts.bench_workers import ALL_CORES, SINGLE, TWO, Timing
from scripts.bench_workers import summary as workers_summary
from tests.support.small_data import small_dataset


def test_of_two_values_students_t_is_a_tangent() -> None:
    """With one degree of freedom t is Cauchy's distribution, whose quantile is tan(pi (p - 1/2))."""
    found = mean_interval([1.0, 4.0])
    half = math.tan(math.pi * 0.475) * (3 / math.sqrt(2)) / math.sqrt(2)
    assert found.mean == 2.5
    assert (found.low, found.high) == pytest.approx((2.5 - half, 2.5 + half))
    assert found.n == 2


def test_of_three_values_students_t_has_a_closed_form_too() -> None:
    """With two degrees of freedom the quantile is (2p - 1) / sqrt(2 p (1 - p))."""
    found = mean_interval([0.0, 1.0, 2.0])
    quantile = 0.95 / math.sqrt(2 * 0.975 * 0.025)
    assert found.high - found.mean == pytest.approx(quantile / math.sqrt(3))


def test_one_value_bounds_nothing() -> None:
    assert (mean_interval([2.0]).low, mean_interval([2.0]).high) == (-math.inf, math.inf)


def test_ratios_are_averaged_geometrically_and_every_group_weighs_the_same() -> None:
    found = ratio_interval([[2.0, 2.0, 2.0], [8.0]])
    assert found.mean == pytest.approx(4.0)
    assert found.n == 4
    # two groups without spread: drawn with replacement they give 2 or 8 a quarter of the time each, else 4
    assert (found.low, found.high) == pytest.approx((2.0, 8.0))


def test_ratios_of_one_group_are_drawn_within_it() -> None:
    found = ratio_interval([[2.0, 8.0]])
    assert (found.mean, found.low, found.high) == pytest.approx((4.0, 2.0, 8.0))


def test_ratios_without_spread_have_no_interval() -> None:
    found = ratio_interval([[3.0, 3.0], [3.0, 3.0]])
    assert (found.low, found.high) == pytest.approx((3.0, 3.0))


PAIRS = [
    Pair(network=0, seed=0, plain_seconds=4.0, seconds=2.0, plain_accuracy=0.50, accuracy=0.51),
    Pair(network=1, seed=0, plain_seconds=8.0, seconds=1.0, plain_accuracy=0.60, accuracy=0.63),
    Pair(network=0, seed=1, plain_seconds=4.0, seconds=2.0, plain_accuracy=0.50, accuracy=0.50),
    Pair(network=1, seed=1, plain_seconds=8.0, seconds=1.0, plain_accuracy=0.60, accuracy=0.62),
]
ROUNDS = [Round(0, seconds=3.0, starting_seconds=5.0, candidates=2), Round(1, 3.0, 5.0, 2)]


def test_speed_and_throughput_of_pairs() -> None:
    assert speed(PAIRS).mean == pytest.approx(4.0)  # 2 and 8
    assert throughput(PAIRS, ROUNDS).mean == pytest.approx(4.0)  # 12 s against 3 s


def test_accuracy_gap_is_in_points_over_pairs_and_over_seeds() -> None:
    over_pairs, over_seeds = accuracy_gap(PAIRS)
    assert (over_pairs.n, over_seeds.n) == (4, 2)
    assert over_pairs.mean == pytest.approx(1.5)
    assert over_seeds.mean == pytest.approx(1.5)  # 2 and 1 points
    half = math.tan(math.pi * 0.475) * math.sqrt(0.5) / math.sqrt(2)
    assert over_seeds.low == pytest.approx(1.5 - half)


def test_summary_says_candidates_a_minute() -> None:
    lines = summary(PAIRS, ROUNDS, "cpu")
    assert "| plain script | 10.0 | 6.00 ± 2.31 |" in lines
    assert "| nasearch, one at a time | 40.0 | 1.50 ± 0.58 |" in lines
    assert "| nasearch, side by side | 40.0 | 1.50 ± 0.00 |" in lines


def test_workers_are_compared_in_turn() -> None:
    timings = [
        Timing(name, seconds * slower, seconds + 10, 4)
        for slower in (1.0, 3.0)
        for name, seconds in ((ALL_CORES, 30.0), (SINGLE, 40.0), (TWO, 20.0))
    ]
    lines = workers_summary(timings)
    assert (
        f"{TWO} against {ALL_CORES}: 1.50 (95 % interval 1.50 to 1.50, n = 2) times sooner; target 1.2"
        in lines
    )
    assert (
        f"{TWO} against {SINGLE}: 2.00 (95 % interval 2.00 to 2.00, n = 2) times sooner; target 1.6" in lines
    )


def test_both_sides_get_the_same_images() -> None:

    dataset = small_dataset(channels=1)
    parts = plain_parts(dataset, 24)
    batches = Prepared(dataset).training(images=24, augmentation=PLAIN, batch_size=24, seed=0)
    ((images, labels),) = batches.epoch(1)
    shuffled = (images[:, 0] * dataset.std[0] + dataset.mean[0]) * 255
    own = sorted(
        (int(label), *map(int, image.flatten().round()))
        for image, label in zip(shuffled, labels, strict=True)
    )
    theirs = zip(parts["x_train"], parts["y_train"], strict=True)
    assert own == sorted((int(label), *map(int, image.flatten())) for image, label in theirs)
    assert np.array_equal(parts["y_val"], dataset.val.labels.numpy())
    assert len(plain_parts(dataset)["y_train"]) == len(dataset.train)


def test_colours_come_last() -> None:
    images = small_dataset(channels=3).val.images
    assert pixels(images).shape == (len(images), 8, 8, 3)
    assert pixels(images)[1, 2, 3, 0] == images[1, 0, 2, 3]


@pytest.mark.parametrize(
    "command", [plain_search.main, bench_proxy.main, bench_time_to_front.main, bench_workers.main]
)
def test_every_script_says_what_it_does(command: click.Command) -> None:
    done = CliRunner().invoke(command, ["--help"])
    assert done.exit_code == 0
    assert "Usage: " in done.output
    assert all(
        parameter.opts[0] in done.output for parameter in command.params if parameter.opts[0][0] == "-"
    )
