"""Hand-made numbers, and the worked examples of Bailey and López de Prado (2012)."""

import math

import numpy as np
import pytest

from foldward.contracts.errors import RequestError
from foldward.stats import (
    min_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_from_sums,
    sharpe_ratio,
    sortino,
    sums_of,
)


def test_sharpe_is_mean_over_sample_deviation_times_root_of_periods():
    # mean 0.01, deviations −.02 0 .02 → std (ddof 1) 0.02
    assert sharpe_ratio([-0.01, 0.01, 0.03], 4) == pytest.approx(1.0, abs=1e-15)


def test_a_flat_day_counts():
    assert sharpe_ratio([0.0, 0.02], 1) == pytest.approx(1 / math.sqrt(2), abs=1e-15)


@pytest.mark.parametrize(
    "returns",
    [
        [],
        [0.01],
        [0.01, 0.01, 0.01],
        [0.0, 0.0],
        [0.1] * 1000,
        [1e-4, 1e-4 + 2e-16, 1e-4],
        [0.01, math.nan, 0.02],
        [0.01, math.inf, 0.02],
        [0.01, None, 0.02],
        [1e200, -1e200],
        [5e-324, 0.0],
    ],
    ids=str,
)
def test_an_undefined_sharpe_is_none(returns):
    assert sharpe_ratio(returns, 252) is None


@pytest.mark.parametrize("periods", [0, -1, math.nan, math.inf, None, "252"])
def test_periods_per_year_must_be_positive(periods):
    with pytest.raises(RequestError, match="periods_per_year") as caught:
        sharpe_ratio([0.01, 0.02], periods)
    assert caught.value.code == "request.bad_param"
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("returns", [[[0.1, 0.2]], 0.1, ["a", "b"], [[0.1], [0.2, 0.3]]], ids=str)
def test_returns_are_one_list_of_numbers(returns):
    with pytest.raises(RequestError, match="returns"):
        sharpe_ratio(returns, 252)


def test_sharpe_from_sums_is_the_same_number():
    sums = sums_of([-0.01, 0.01, 0.03])
    assert sums.n == 3
    assert sharpe_from_sums(sums.n, sums.s1, sums.s2, 4) == pytest.approx(1.0, abs=1e-12)
    assert sharpe_from_sums(3, 0.03, 0.0003, 4) is None
    assert sharpe_from_sums(1, 0.03, 0.0009, 4) is None
    assert sharpe_from_sums(3, math.nan, 0.0003, 4) is None


def test_sums_are_the_first_four_powers():
    assert sums_of([1.0, -2.0, 3.0]) == (3, 2.0, 14.0, 20.0, 98.0)


def test_sortino_divides_by_all_periods():
    # mean .01; one return below zero: downside √(.02²/4) = .01
    assert sortino([-0.02, 0.0, 0.02, 0.04], 1) == pytest.approx(1.0, abs=1e-15)
    assert sortino([-0.01, 0.01, 0.03, 0.05], 1, target=0.01) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("returns", [[], [-0.01], [0.01, 0.02], [0.0, 0.0], [math.nan, -0.1]], ids=str)
def test_an_undefined_sortino_is_none(returns):
    assert sortino(returns, 252) is None


def test_psr_of_the_papers_hedge_fund():
    # 24 monthly returns, Sharpe ratio .458 a month, skewness −2.448, kurtosis 10.164
    assert probabilistic_sharpe_ratio(0.458, 0.0, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe_ratio(0.458, 0.0, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("periods", "skew", "kurtosis", "years"),
    [(252, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_min_track_record_length_of_the_papers_sharpe_2_against_1(periods, skew, kurtosis, years):
    root = math.sqrt(periods)
    length = min_track_record_length(2 / root, 1 / root, skew, kurtosis)
    assert length / periods == pytest.approx(years, abs=5e-3)


def test_psr_is_one_half_at_the_benchmark():
    assert probabilistic_sharpe_ratio(0.1, 0.1, 500, -0.5, 6.0) == 0.5


def test_psr_keeps_its_digits_in_the_lower_tail():
    # Φ(−√(n−1)·2/√3) = Φ(−20) for n = 301, kurtosis 3, SR −2: variance 1 + 2
    assert probabilistic_sharpe_ratio(-2.0, 0.0, 301, 0.0, 3.0) == pytest.approx(2.753624e-89, rel=1e-6)


def test_a_track_record_of_the_minimum_length_has_exactly_that_confidence():
    length = min_track_record_length(0.12, 0.02, -0.4, 5.0, 0.9)
    assert probabilistic_sharpe_ratio(0.12, 0.02, length, -0.4, 5.0) == pytest.approx(0.9, abs=1e-12)


@pytest.mark.parametrize(
    "arguments",
    [
        (0.1, 0.0, 1, 0.0, 3.0),
        (math.nan, 0.0, 100, 0.0, 3.0),
        (0.1, 0.0, 100, math.inf, 3.0),
        (None, 0.0, 100, 0.0, 3.0),
        (1.0, 0.0, 100, 3.0, 3.0),  # variance 1 − 3 + .5 < 0
    ],
)
def test_an_undefined_psr_is_none(arguments):
    assert probabilistic_sharpe_ratio(*arguments) is None


def test_no_track_record_is_long_enough_for_a_sharpe_below_the_benchmark():
    assert min_track_record_length(0.1, 0.1, 0.0, 3.0) is None
    assert min_track_record_length(0.0, 0.1, 0.0, 3.0) is None


def test_excess_kurtosis_is_refused_with_the_way_out():
    with pytest.raises(RequestError, match="less than 1") as caught:
        probabilistic_sharpe_ratio(0.1, 0.0, 100, 0.0, 0.0)
    assert "add 3" in caught.value.hint


@pytest.mark.parametrize("confidence", [0, 1, 95, math.nan])
def test_confidence_is_a_probability(confidence):
    with pytest.raises(RequestError, match="between 0 and 1"):
        min_track_record_length(0.1, 0.0, 0.0, 3.0, confidence)


def test_numpy_numbers_and_arrays_are_welcome():
    value = sharpe_ratio(np.array([-0.01, 0.01, 0.03]), np.int64(4))
    assert type(value) is float
