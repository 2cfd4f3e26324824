from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasearch.errors import SelectionError
from nasearch.pareto import Limit, parse_limit, parse_limits


@pytest.mark.parametrize(
    ("text", "metric", "bound", "canonical"),
    [
        ("params <= 200k", "params", 200_000, "params <= 200k"),
        ("params<=200_000", "params", 200_000, "params <= 200k"),
        ("  params  <=  0.2 M ", "params", 200_000, "params <= 200k"),
        ("macs<=30M", "macs", 30_000_000, "macs <= 30M"),
        ("macs <= 8.2M", "macs", 8_200_000, "macs <= 8.2M"),
        ("macs <= 1.5e6", "macs", 1_500_000, "macs <= 1.5M"),
        ("macs <= 1234567", "macs", 1_234_567, "macs <= 1234567"),
        ("macs <= 2T", "macs", 2e12, "macs <= 2T"),
        ("latency_ms <= 2", "latency_ms", 2.0, "latency_ms <= 2"),
        ("latency_ms <= .5 ms", "latency_ms", 0.5, "latency_ms <= 0.5"),
        (
            "peak_activation_bytes <= 256kB",
            "peak_activation_bytes",
            256_000,
            "peak_activation_bytes <= 256kB",
        ),
        (
            "peak_activation_bytes <= 262144",
            "peak_activation_bytes",
            2**18,
            "peak_activation_bytes <= 256KiB",
        ),
        ("peak_activation_bytes <= 1 MiB", "peak_activation_bytes", 2**20, "peak_activation_bytes <= 1MiB"),
        ("peak_activation_bytes <= 2MB", "peak_activation_bytes", 2e6, "peak_activation_bytes <= 2MB"),
    ],
)
def test_upper_limits(text: str, metric: str, bound: float, canonical: str) -> None:
    assert parse_limit(text) == Limit(metric, "<=", bound, canonical)


@pytest.mark.parametrize("text", ["accuracy >= 90%", "accuracy>=0.9", "accuracy >= 90.0 %"])
def test_accuracy_is_a_fraction(text: str) -> None:
    assert parse_limit(text) == Limit("accuracy", ">=", 0.9, "accuracy >= 90%")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "parms <= 200k",
            "objective 'parms' does not exist; expected one of accuracy, .* did you mean 'params'",
        ),
        ("params 200k", "not of the form 'METRIC <= BOUND'"),
        ("params", "not of the form"),
        ("", "not of the form"),
        ("<= 5", "not of the form"),
        ("1M <= params <= 2M", "not of the form"),
        ("params < 200k", "the relation is '<'; expected '<=' or '>='"),
        ("params == 200k", "the relation is '=='"),
        ("params <=", "the bound is ''; expected a number such as 200k; units are k, M, G, T"),
        ("params <= many", "the bound is 'many'; expected a number"),
        ("params <= nan", "the bound is 'nan'"),
        ("params <= inf", "the bound is 'inf'"),
        ("params <= 1,000", "the bound is '1,000'"),
        ("params <= 200kB", "the unit is 'kB'; expected a number such as 200k; units are k, M, G, T"),
        ("params <= 200K", "the unit is 'K'"),
        ("params <= 20%", "the unit is '%'"),
        ("peak_activation_bytes <= 256k", "the unit is 'k'; .* B, kB, MB, GB, KiB, MiB, GiB"),
        ("latency_ms <= 2s", "the unit is 's'; expected a number such as 2 or 2ms; units are ms"),
        ("params <= 0", "the bound is '0'; expected a positive number"),
        ("params <= -5k", "the bound is '-5k'; expected a positive number"),
        ("params <= 1e400", "the bound is '1e400'; expected a positive number"),
        ("params <= 1e-400", "the bound is '1e-400'; expected a positive number"),
        ("accuracy >= 90", "the bound is '90'; expected at most 100%"),
    ],
)
def test_what_cannot_be_read_says_what_is_accepted(text: str, message: str) -> None:
    with pytest.raises(SelectionError, match=message) as caught:
        parse_limit(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    st.sampled_from(["params", "macs", "peak_activation_bytes", "latency_ms"]),
    st.sampled_from(["<=", ">="]),
    st.decimals(min_value="0.001", max_value="1e12", places=3),
)
def test_the_canonical_text_gives_the_limit_back(metric: str, relation: str, bound: object) -> None:
    limit = parse_limit(f"{metric} {relation} {bound}")
    assert parse_limit(limit.text) == limit
    assert limit.bound == float(str(bound))


def test_margin_is_a_share_of_the_bound() -> None:
    upper = parse_limit("params <= 200k")
    assert upper.margin(250_000) == 0.25
    assert upper.margin(100_000) == -0.5
    assert upper.margin(200_000) == 0.0
    lower = parse_limit("accuracy >= 80%")
    assert lower.margin(0.6) == pytest.approx(0.25)
    assert lower.margin(1.0) == pytest.approx(-0.25)
    assert (upper.allows(200_000), upper.allows(200_001), lower.allows(0.8)) == (True, False, True)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_margin_refuses_what_is_not_finite(value: float) -> None:
    with pytest.raises(SelectionError, match=f"limit 'params <= 200k': params is {value}; expected a finite"):
        parse_limit("params <= 200k").margin(value)


def test_many_limits() -> None:
    limits = parse_limits(["params <= 200k", "macs <= 30M", "params <= 0.2M"])
    assert [limit.text for limit in limits] == ["params <= 200k", "macs <= 30M"]
    assert parse_limits([]) == ()
    with pytest.raises(SelectionError, match="'params >= 2M' and 'params <= 1M' leave no value"):
        parse_limits(["params <= 1M", "params >= 2M"])
    with pytest.raises(SelectionError, match="limits is the text 'params <= 1M'; expected a list"):
        parse_limits("params <= 1M")
