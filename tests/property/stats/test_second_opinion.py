"""Every statistic against a second implementation written the plain way."""

import itertools
import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foldward.stats import (
    bootstrap_interval,
    calmar,
    deflated_sharpe_ratio,
    expected_max_sharpe,
    max_drawdown,
    mean_correlation,
    min_track_record_length,
    pbo_from_blocks,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
    profit_factor,
    sharpe_from_sums,
    sharpe_ratio,
    sortino,
    sums_of,
    ulcer,
)
from foldward.stats.bootstrap import resample_indices
from foldward.stats.moments import moments, moments_of
from foldward.stats.overfit import block_sums, cscv

pytestmark = pytest.mark.slow
NORMAL = NormalDist()

returns = st.lists(st.integers(-5000, 5000).map(lambda tick: tick / 100_000), min_size=2, max_size=60)
anything = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12)
sharpes = st.floats(-0.5, 0.5)
skews = st.floats(-1.0, 1.0)
kurtoses = st.floats(2.5, 20.0)


@settings(deadline=None)
@given(returns)
def test_sharpe_is_numpys(values):
    r = np.array(values)
    ours = sharpe_ratio(values, 252)
    if r.std() < 1e-9:
        assert ours is None
    else:
        assert ours == pytest.approx(r.mean() / r.std(ddof=1) * math.sqrt(252), rel=1e-9, abs=1e-9)
        assert sharpe_from_sums(*sums_of(values)[:3], 252) == pytest.approx(ours, rel=1e-6, abs=1e-9)


@settings(deadline=None)
@given(returns, st.integers(-40, 40))
def test_sharpe_does_not_depend_on_the_unit(values, power):
    ours, scaled = sharpe_ratio(values, 252), sharpe_ratio([value * 2.0**power for value in values], 252)
    assert scaled == ours if ours is None else scaled == pytest.approx(ours, rel=1e-12)


@settings(deadline=None)
@given(returns)
def test_sortino_is_the_definition(values):
    losses = [min(value, 0.0) ** 2 for value in values]
    ours = sortino(values, 252)
    if not any(losses):
        assert ours is None
    else:
        downside = math.sqrt(sum(losses) / len(values))
        expected = sum(values) / len(values) / downside * math.sqrt(252)
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(returns)
def test_moments_are_exact_to_rounding(values):
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    m2, m3, m4 = (sum((x - mean) ** k for x in exact) / len(exact) for k in (2, 3, 4))
    if m2 < Fraction(1, 10**14):
        return
    both = [(moments_of(values), 1e-9)]
    if mean**2 <= 10_000 * m2:  # beyond that the power sums have lost their digits
        both.append((moments(sums_of(values)), 1e-4))
    for ours, tolerance in both:
        assert ours.mean == pytest.approx(float(mean), rel=1e-9, abs=1e-15)
        assert ours.std == pytest.approx(math.sqrt(m2 * len(exact) / (len(exact) - 1)), rel=tolerance)
        assert ours.skew == pytest.approx(float(m3) / float(m2) ** 1.5, rel=tolerance, abs=tolerance)
        assert ours.kurtosis == pytest.approx(float(m4 / m2**2), rel=tolerance, abs=tolerance)


@settings(deadline=None)
@given(sharpes, sharpes, st.integers(2, 10_000), skews, kurtoses)
def test_psr_is_the_formula_and_min_track_record_inverts_it(observed, benchmark, n, skew, kurtosis):
    deviation = math.sqrt((1 - skew * observed + (kurtosis - 1) / 4 * observed**2) / (n - 1))
    expected = NORMAL.cdf((observed - benchmark) / deviation)
    psr = probabilistic_sharpe_ratio(observed, benchmark, n, skew, kurtosis)
    assert psr == pytest.approx(expected, abs=1e-12)
    if 0.501 < psr < 0.999:
        length = min_track_record_length(observed, benchmark, skew, kurtosis, psr)
        assert length == pytest.approx(n, rel=1e-6)


@settings(deadline=None)
@given(sharpes, st.integers(2, 10_000), st.floats(0.0, 0.2), st.integers(2, 5000), skews, kurtoses)
def test_dsr_is_the_psr_against_the_expected_maximum(observed, trials, spread, n, skew, kurtosis):
    luck = spread * (
        (1 - 0.5772156649015329) * NORMAL.inv_cdf(1 - 1 / trials)
        + 0.5772156649015329 * NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    )
    assert expected_max_sharpe(trials, spread) == pytest.approx(luck, abs=1e-9)
    dsr = deflated_sharpe_ratio(observed, trials, spread, n, skew, kurtosis)
    assert dsr == pytest.approx(probabilistic_sharpe_ratio(observed, luck, n, skew, kurtosis), abs=1e-9)


def test_the_expected_maximum_is_what_simulation_gives():
    best = np.random.default_rng(0).standard_normal((20_000, 50)).max(axis=1)
    # The formula is asymptotic in N: within 2 % at 50 trials.
    assert expected_max_sharpe(50, 1.0) == pytest.approx(best.mean(), rel=0.02)


@settings(deadline=None)
@given(arrays(np.float64, (12, 4), elements=st.integers(-50, 50).map(float)))
def test_mean_correlation_is_numpys(matrix):
    matrix = matrix[:, matrix.std(axis=0) > 0]
    if matrix.shape[1] < 2:
        return
    table = np.corrcoef(matrix, rowvar=False)
    pairs = table[np.triu_indices(len(table), 1)]
    assert mean_correlation(matrix) == pytest.approx(pairs.mean(), abs=1e-9)


def plain_pbo(matrix, n_blocks):
    """CSCV step by step as in the paper, over returns."""
    blocks = np.array_split(matrix, n_blocks)
    logits = []
    for inside in itertools.combinations(range(n_blocks), n_blocks // 2):
        first = np.concatenate([blocks[block] for block in inside])
        second = np.concatenate([blocks[block] for block in range(n_blocks) if block not in inside])
        ratios = [half.mean(axis=0) / half.std(axis=0, ddof=1) for half in (first, second)]
        best = int(np.argmax(ratios[0]))
        rank = 1 + sum(ratios[1] < ratios[1][best])
        omega = rank / (matrix.shape[1] + 1)
        logits.append(math.log(omega / (1 - omega)))
    return logits


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([2, 4, 6, 8]), st.integers(16, 50), st.integers(2, 6))
def test_pbo_is_the_papers_algorithm(seed, n_blocks, rows, trials):
    matrix = np.random.default_rng(seed).normal(0.001, 0.01, (rows, trials))
    expected = plain_pbo(matrix, n_blocks)
    answer = cscv(*block_sums(matrix, n_blocks))
    assert sorted(answer.logits.tolist()) == pytest.approx(sorted(expected))
    assert answer.pbo == sum(value <= 0 for value in expected) / len(expected)
    assert pbo_from_blocks(*block_sums(matrix, n_blocks)) == answer.pbo


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_pbo_does_not_depend_on_the_trials_order_or_unit(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0.001, 0.01, (80, 9))
    pbo = probability_of_backtest_overfitting(matrix, 8)
    assert probability_of_backtest_overfitting(matrix[:, rng.permutation(9)], 8) == pbo
    assert probability_of_backtest_overfitting(matrix * 1024, 8) == pbo


def test_pbo_of_noise_lies_around_one_half_and_of_skill_at_zero():
    rng = np.random.default_rng(8)
    noise = [probability_of_backtest_overfitting(rng.normal(size=(160, 10)), 8) for _ in range(100)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.06)
    skilled = rng.normal(size=(160, 10)) + np.where(np.arange(10) == 3, 0.5, 0.0)
    assert probability_of_backtest_overfitting(skilled, 8) < 0.02


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**6).map(float), min_size=1, max_size=40))
def test_drawdowns_are_the_definition(equity):
    depths = [1 - equity[i] / max(equity[: i + 1]) for i in range(len(equity))]
    assert max_drawdown(equity) == pytest.approx(max(depths), abs=1e-12)
    assert ulcer(equity) == pytest.approx(math.sqrt(sum(d * d for d in depths) / len(depths)), abs=1e-12)
    if len(equity) > 1 and max(depths) > 1e-9:
        growth = (equity[-1] / equity[0]) ** (4 / (len(equity) - 1)) - 1
        assert calmar(equity, 4) == pytest.approx(growth / max(depths), rel=1e-9)


@settings(deadline=None)
@given(anything)
def test_no_list_of_floats_gives_anything_but_a_finite_number_or_none(values):
    for face in (
        lambda: sharpe_ratio(values, 252),
        lambda: sortino(values, 252),
        lambda: max_drawdown(values),
        lambda: ulcer(values),
        lambda: calmar(values, 252),
        lambda: profit_factor(values),
    ):
        value = face()
        assert value is None or (type(value) is float and math.isfinite(value))
    interval = bootstrap_interval(values, resamples=100)
    assert interval is None or all(math.isfinite(end) for end in interval)


def stationary_variance_of_the_mean(series, p):
    """Politis and Romano 1994, lemma 1: the exact bootstrap variance of the mean."""
    n = len(series)
    centred = series - series.mean()
    circular = [float(np.mean(centred * np.roll(centred, -lag))) for lag in range(n)]
    weight = sum((1 - lag / n) * (1 - p) ** lag * circular[lag] * 2 for lag in range(1, n))
    return (circular[0] + weight) / n


@pytest.mark.parametrize("mean_block", [1.0, 4.0, 12.0])
def test_resampled_means_have_the_variance_of_the_papers_lemma(mean_block):
    noise = np.random.default_rng(5).normal(size=41)
    series = np.convolve(noise, [1.0, 0.8], mode="valid")  # 40 dependent values
    rows = np.concatenate(list(resample_indices(40, 20_000, mean_block, 1)))
    expected = stationary_variance_of_the_mean(series, 1 / mean_block)
    assert series[rows].mean(axis=1).var() == pytest.approx(expected, rel=0.04)


def test_blocks_have_geometric_lengths_of_the_mean_asked_for_and_uniform_starts():
    rows = np.concatenate(list(resample_indices(10_000, 100, 5.0, 3)))
    joined = np.diff(rows, axis=1) % 10_000 == 1
    assert joined.mean() == pytest.approx(0.8, abs=0.002)
    counts = np.bincount(rows.ravel() * 10 // 10_000, minlength=10) / rows.size
    assert counts == pytest.approx(np.full(10, 0.1), abs=0.005)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(6)
    true = 0.1
    covered = 0
    for trial in range(200):
        low, high = bootstrap_interval(rng.normal(true, 1.0, 250), 1, resamples=300, seed=trial)
        covered += low <= true <= high
    assert 0.88 <= covered / 200 <= 0.99
