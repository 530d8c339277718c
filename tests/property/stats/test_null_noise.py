"""Luck must not pass: strategies without any skill against PSR and DSR."""

import numpy as np
import pytest

from foldward.stats import deflated_sharpe_ratio, probabilistic_sharpe_ratio, sharpe_spread
from foldward.stats.moments import moments_of

pytestmark = pytest.mark.slow


def judged(returns):
    rows = [moments_of(row) for row in returns]
    spread = sharpe_spread([row.sharpe() for row in rows])
    shape = [(row.n, row.skew, row.kurtosis) for row in rows]
    psr = [probabilistic_sharpe_ratio(row.sharpe(), 0, *s) for row, s in zip(rows, shape, strict=True)]
    dsr = [
        deflated_sharpe_ratio(row.sharpe(), len(rows), spread, *s) for row, s in zip(rows, shape, strict=True)
    ]
    return np.array(psr), np.array(dsr)


def test_of_a_thousand_noise_strategies_the_psr_passes_one_in_twenty_and_the_dsr_none():
    psr, dsr = judged(np.random.default_rng(1).normal(0.0, 0.01, (1000, 500)))
    assert np.mean(psr >= 0.95) == pytest.approx(0.05, abs=0.02)
    assert np.count_nonzero(dsr >= 0.95) == 0


@pytest.mark.parametrize("trials", [2, 5, 20])
def test_the_best_of_a_few_noise_strategies_seldom_passes_the_dsr(trials):
    rng = np.random.default_rng(2)
    best = [judged(rng.normal(0.0, 0.01, (trials, 250)))[1].max() for _ in range(600 // trials)]
    assert np.mean(np.array(best) >= 0.95) <= 0.05


def test_a_skilled_strategy_among_noise_passes_the_dsr():
    returns = np.random.default_rng(3).normal(0.0, 0.01, (100, 1250))
    returns[17] += 0.002  # a Sharpe ratio of 0.2 a day
    _, dsr = judged(returns)
    assert dsr[17] > 0.95
    assert np.count_nonzero(dsr >= 0.95) == 1
