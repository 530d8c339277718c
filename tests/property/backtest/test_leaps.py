"""Leaping over bars at which nothing happens leaves what looking at every bar leaves, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldward.backtest import _kernels as k
from foldward.backtest._signals import column, flags

pytestmark = pytest.mark.slow
# A position that is always open and never the run's own: a run that looks for it meets it nowhere.
ELSEWHERE = np.zeros((1, k.TRADE_COLUMNS))
ELSEWHERE[0, k.T_ENTRY], ELSEWHERE[0, k.T_EXIT] = -1.0, np.inf
ALONE = np.zeros((0, k.TRADE_COLUMNS))


def candles(rng, n, volatility, grid, hole):
    """open, high, low, close; with a hole, one number is none or none that a market has."""
    close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, n)))
    close = np.round(close, 1) if grid else close
    opening = np.concatenate((close[:1], close[:-1])) * (1 + rng.normal(0, volatility / 4, n) * grid)
    reach = np.abs(rng.normal(0, volatility / 2, n)) * close
    columns = [opening, np.maximum(opening, close) + reach, np.minimum(opening, close) - reach, close]
    if hole is not None:
        columns[rng.integers(4)][rng.integers(n)] = hole
    return [column(values) for values in columns]


def settings_of(levels, mask, from_signal, units, cash, costs, swaps=False):
    values = np.zeros(k.SETTINGS)
    values[[k.S_SL_MODE, k.S_SL, k.S_TP_MODE, k.S_TP]] = levels
    values[[k.S_ANCHOR, k.S_MASK, k.S_UNITS, k.S_CASH]] = (from_signal, mask, units, cash)
    values[[k.S_HALF, k.S_SLIPPAGE, k.S_COMMISSION]] = costs
    values[k.S_SWAPS] = swaps
    return column(values)


def both_ways(columns, sig, ends, chosen, lo, hi, nights=None):
    """The same run with leaps, and bar by bar."""
    _, high, low, close = columns
    n = len(close)
    extremes = np.empty((-(-n // (1 << k.REACH)), k.EXTREMES))
    k.block_extremes(high, low, close, extremes)
    atr = np.zeros(n)
    k.average_true_range(high, low, close, 5, atr)
    for made in (ends, extremes):
        made.flags.writeable = False
    nights = np.zeros(0) if nights is None else nights
    swaps = column(-0.02 * nights), column(0.01 * nights)
    given = (*columns, flags(sig), ends, extremes, lo, hi, chosen, column(atr), *swaps)
    return k.simulate(*given, ALONE, -1), k.simulate(*given, ELSEWHERE, hi - lo)


def assert_equal(leaping, stepping):
    assert leaping[2:] == stepping[2:]
    for ours, theirs in zip(leaping[:2], stepping[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    n=st.sampled_from([2, 5, 17, 64, 200, 900, 3000]),
    volatility=st.sampled_from([0.0005, 0.004, 0.02]),
    grid=st.booleans(),
    hole=st.sampled_from([None] * 6 + [np.nan, np.inf, 0.0]),
    density=st.sampled_from([0.002, 0.02, 0.2, 1.0]),
    days=st.sampled_from([0.01, 0.1, 1.0]),
    levels=st.tuples(
        st.sampled_from([(k.OFF, 0.0), (k.PRICE, 0.4), (k.PERCENT, 2.0), (k.ATR, 1.5)]),
        st.sampled_from([(k.OFF, 0.0), (k.PRICE, 0.4), (k.PERCENT, 3.0), (k.ATR, 2.5)]),
    ),
    mask=st.sampled_from([0xFF, 0xFF & ~k.SHORT_ENTRY, 0xFF & ~k.LONG_ENTRY]),
    from_signal=st.booleans(),
    units=st.sampled_from([0.1, 1.0, 300.0]),
    cash=st.sampled_from([100.0, 10_000.0]),
    costs=st.sampled_from([(0.0, 0.0, 0.0), (0.05, 0.02, 0.0002), (0.0, 0.0, 0.01)]),
    swaps=st.booleans(),
)
def test_leaps_change_no_bit(
    seed, n, volatility, grid, hole, density, days, levels, mask, from_signal, units, cash, costs, swaps
):
    rng = np.random.default_rng(seed)
    columns = candles(rng, n, volatility, grid, hole)
    sig = np.where(rng.random(n) < density, rng.integers(0, 16, n), 0).astype(np.uint8)
    ends = np.unique(np.append(np.flatnonzero(rng.random(n) < days), n - 1))
    chosen = settings_of((*levels[0], *levels[1]), mask, from_signal, units, cash, costs, swaps)
    nights = (rng.random(n) < 0.1) * rng.integers(1, 4, n) if swaps else None
    lo = int(rng.integers(0, n - 1)) if seed % 2 else 0
    hi = int(rng.integers(lo + 1, n + 1)) if seed % 2 else n
    assert_equal(*both_ways(columns, sig, ends, chosen, lo, hi, nights))


@pytest.mark.parametrize(("seed", "every", "lo"), [(1, 20, 0), (2, 300, 7), (3, 5000, 0), (4, 3, 11)])
def test_a_long_run_changes_no_bit(seed, every, lo):
    n = 270_001
    rng = np.random.default_rng(seed)
    columns = candles(rng, n, 0.0003, True, None)
    sig = np.where(rng.random(n) < 1 / every, rng.integers(1, 16, n), 0).astype(np.uint8)
    ends = np.append(np.arange(1439, n - 1, 1440), n - 1)
    chosen = settings_of((k.PERCENT, 1.0, k.PERCENT, 0.5), 0xFF, False, 1.0, 1e6, (0.001, 0.0, 0.00001))
    leaping, stepping = both_ways(columns, sig, ends, chosen, lo, n)
    assert len(leaping[0]) > 20
    assert_equal(leaping, stepping)
