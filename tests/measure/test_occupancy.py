from __future__ import annotations

import pytest

from nasearch.errors import DeviceError
from nasearch.measure.occupancy import busy_share, cpu_workers, gpu_share, side_by_side

GB = 2**30


@pytest.mark.parametrize(
    ("free", "peak", "busy", "cores", "expected"),
    [
        (80 * GB, 2 * GB, 0.25, 16, 4),  # four quarters keep it busy
        (80 * GB, 2 * GB, 1 / 3, 16, 3),
        (80 * GB, 2 * GB, 0.3, 16, 4),  # three would leave it idle for a tenth
        (80 * GB, 2 * GB, 1.0, 16, 1),
        (80 * GB, 2 * GB, None, 16, 1),  # unknown counts as busy
        (80 * GB, 2 * GB, 0.01, 16, 8),  # the bound
        (80 * GB, 2 * GB, 0.0, 16, 8),
        (80 * GB, 2 * GB, 0.01, 4, 3),  # one core keeps the study
        (80 * GB, 2 * GB, 0.01, 1, 1),
        (10 * GB, 3 * GB, 0.1, 16, 3),  # 9 of 10 GB
        (10 * GB, 9 * GB, 0.1, 16, 1),
        (10 * GB, 20 * GB, 0.1, 16, 1),  # not even one: it is tried all the same
        (0, 2 * GB, 0.1, 16, 1),
    ],
)
def test_side_by_side(free: int, peak: int, busy: float | None, cores: int, expected: int) -> None:
    assert side_by_side(free, peak, busy, cores) == expected


def test_side_by_side_has_a_bound_of_the_callers() -> None:
    assert side_by_side(80 * GB, GB, 0.01, 64, most=20) == 20
    assert side_by_side(80 * GB, GB, 0.1, 64, most=20) == 10


@pytest.mark.parametrize(
    ("cores", "free", "wanted", "expected"),
    [
        (2, 20 * GB, None, (2, 1)),
        (1, 20 * GB, None, (1, 1)),
        (6, 3 * GB, None, (2, 3)),  # 1.5 GiB each
        (6, 1 * GB, None, (1, 6)),
        (32, 100 * GB, None, (8, 4)),
        (4, None, None, (4, 1)),
        (4, 100 * GB, 1, (1, 4)),
        (4, 1 * GB, 3, (3, 1)),  # the user's word
        (2, 100 * GB, 16, (16, 1)),
        (2, 100 * GB, 0, (1, 2)),
    ],
)
def test_cpu_workers(cores: int, free: int | None, wanted: int | None, expected: tuple[int, int]) -> None:
    assert cpu_workers(cores, free, wanted) == expected


@pytest.mark.parametrize(
    ("kernels", "wall", "busy"),
    [
        ([(0, 1), (2, 3)], 4, 0.5),
        ([(2, 3), (0, 1)], 4, 0.5),
        ([(0, 2), (1, 3)], 6, 0.5),  # side by side on two streams, counted once
        ([(0, 4), (1, 2), (3, 5)], 10, 0.5),
        ([(0, 9)], 4, 1.0),
        ([], 4, None),
        ([(0, 1)], 0, None),
    ],
)
def test_busy_share(kernels: list[tuple[float, float]], wall: float, busy: float | None) -> None:
    assert busy_share(kernels, wall) == busy


def test_a_processor_has_no_occupancy() -> None:
    with pytest.raises(DeviceError, match="occupancy of 'cpu'; expected a CUDA device"):
        gpu_share(lambda: None, "cpu")
