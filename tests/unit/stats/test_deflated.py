"""The numerical example of Bailey and López de Prado (2014) and hand-made numbers."""

import math

import numpy as np
import pytest

from foldward.contracts.errors import RequestError
from foldward.stats import (
    deflated_sharpe_ratio,
    effective_trials,
    expected_max_sharpe,
    mean_correlation,
    probabilistic_sharpe_ratio,
    sharpe_spread,
)

# Five years of 250 days, annual Sharpe ratio 2.5, variance of the trials' annual Sharpe ratios 1/2.
DAILY = 2.5 / math.sqrt(250)
SPREAD = math.sqrt(0.5 / 250)


def test_the_papers_hundred_trials_make_luck_worth_0_1132_a_day():
    assert expected_max_sharpe(100, SPREAD) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(
    ("trials", "skew", "kurtosis", "dsr"),
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_the_papers_deflated_sharpe_ratios(trials, skew, kurtosis, dsr):
    assert deflated_sharpe_ratio(DAILY, trials, SPREAD, 1250, skew, kurtosis) == pytest.approx(dsr, abs=5e-5)


@pytest.mark.parametrize(("trials", "expected"), [(10, 1.57), (100, 2.53)])
def test_the_expected_maximum_of_standard_normals(trials, expected):
    # "Pseudo-Mathematics and Financial Charlatanism" (2014) gives 1.57 for ten trials.
    assert expected_max_sharpe(trials, 1.0) == pytest.approx(expected, abs=5e-3)


def test_one_trial_has_no_luck_to_deflate():
    assert expected_max_sharpe(1, 0.3) == 0.0
    assert expected_max_sharpe(1.05, 0.3) == 0.0
    assert deflated_sharpe_ratio(0.1, 1, 0.0, 500, 0, 3) == probabilistic_sharpe_ratio(0.1, 0, 500, 0, 3)


def test_very_many_trials_keep_their_digits():
    # .42278·8.7573 + .57722·8.8693, quantiles of 1e-18 and 1e-18/e
    assert expected_max_sharpe(10**18, 1.0) == pytest.approx(8.822, abs=1e-3)


@pytest.mark.parametrize("arguments", [(0, 1.0), (0.5, 1.0), (10, -1.0), ("ten", 1.0), (10, [1.0])], ids=str)
def test_impossible_trials_are_refused(arguments):
    with pytest.raises(RequestError) as caught:
        expected_max_sharpe(*arguments)
    assert caught.value.code == "request.bad_param"


@pytest.mark.parametrize("arguments", [(math.inf, 1.0), (10, math.nan), (10, None)], ids=str)
def test_unknown_trials_give_none(arguments):
    assert expected_max_sharpe(*arguments) is None
    assert deflated_sharpe_ratio(0.1, *arguments, 500, 0, 3) is None


def test_effective_trials_lie_between_one_and_all():
    assert effective_trials(100, 0.0) == 100
    assert effective_trials(100, 0.25) == 75.25
    assert effective_trials(100, 1.0) == 1
    assert effective_trials(100, -0.3) == 100
    assert effective_trials(1, 0.5) == 1
    assert effective_trials(100, None) is None
    with pytest.raises(RequestError, match="at least 1"):
        effective_trials(0, 0.5)


def test_mean_correlation_of_copies_opposites_and_strangers():
    a = np.array([1.0, -1.0, 1.0, -1.0])
    b = np.array([1.0, 1.0, -1.0, -1.0])
    assert mean_correlation(np.stack([a, a, a], axis=1)) == pytest.approx(1.0, abs=1e-12)
    assert mean_correlation(np.stack([a, -a], axis=1)) == pytest.approx(-1.0, abs=1e-12)
    assert mean_correlation(np.stack([a, b], axis=1)) == pytest.approx(0.0, abs=1e-12)
    assert mean_correlation(np.stack([a, a, b], axis=1)) == pytest.approx(1 / 3, abs=1e-12)


def test_trials_that_never_move_have_no_correlation():
    a = [1.0, -1.0, 1.0]
    assert mean_correlation(np.array([a, a, [0.0] * 3]).T) == pytest.approx(1.0, abs=1e-12)
    assert mean_correlation(np.array([a, [0.1] * 3]).T) is None
    assert mean_correlation(np.array([a, [0.1, math.nan, 0.2]]).T) is None
    assert mean_correlation(np.ones((2, 5))) is None
    with pytest.raises(RequestError, match="dimensions"):
        mean_correlation(np.ones(5))


def test_the_spread_of_sharpes_leaves_out_the_unknown():
    assert sharpe_spread([1.0, None, 3.0, math.nan]) == pytest.approx(math.sqrt(2), abs=1e-15)
    assert sharpe_spread([1.0, None]) is None
