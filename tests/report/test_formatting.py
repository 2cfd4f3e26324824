from __future__ import annotations

import math

import pytest

from nasearch.report import formatting


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (7, "7"),
        (812, "812"),
        (999, "999"),
        (1000, "1.00 k"),
        (1_240_000, "1.24 M"),
        (12_400_000, "12.4 M"),
        (124_000, "124 k"),
        (999_499, "999 k"),
        (999_999, "1.00 M"),
        (9_996, "10.0 k"),
        (2.5e9, "2.50 G"),
        (3e15, "3000 T"),
        (math.nan, "–"),
    ],
)
def test_counts(number: float, text: str) -> None:
    assert formatting.count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (900, "900 B"),
        (256_000, "256 kB"),
        (262_144, "262 kB"),
        (1_500_000, "1.5 MB"),
        (2e6, "2 MB"),
    ],
)
def test_sizes(number: float, text: str) -> None:
    assert formatting.size(number) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.91234, "91.23 %"),
        ("params", 52_300, "52.3 k"),
        ("macs", 1_240_000, "1.24 M"),
        ("peak_activation_bytes", 256_000, "256 kB"),
        ("latency_ms", 1.312, "1.31 ms"),
        ("latency_ms", 23.41, "23.4 ms"),
        ("latency_ms", 234.1, "234 ms"),
        ("energy", 0.123456, "0.1235"),
        ("macs", None, "–"),
        ("accuracy", math.nan, "–"),
    ],
)
def test_metrics(name: str, value: float | None, text: str) -> None:
    assert formatting.metric(name, value) == text


def test_latency_carries_its_spread() -> None:
    assert formatting.metric("latency_ms", 1.312, 0.1) == "1.31 ms ± 0.05"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.3, "9.3 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (95.2, "1 min 35 s"),
        (7290, "2 h 1 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text
