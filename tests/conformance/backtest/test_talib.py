"""Indicator values against TA-Lib, and signals against a plain reading of their rules."""

import numpy as np
import pytest
import talib

from foldward.backtest import _kernels as k
from foldward.backtest import resolve_params
from foldward.backtest._signals import builtin_signals
from foldward.data.bars import NS, Bars, day_ends

N = 3000
NONE = np.zeros(0)


def walk(seed=11, n=N, start=100.0):
    """A random walk whose bars overlap, with a flat stretch in the middle."""
    rng = np.random.default_rng(seed)
    close = start * np.exp(np.cumsum(rng.normal(0, 0.004, n)))
    close[n // 2 : n // 2 + 60] = close[n // 2]
    opening = np.concatenate((close[:1], close[:-1]))
    reach = np.abs(rng.normal(0, 0.002, n)) * close
    reach[n // 2 + 1 : n // 2 + 60] = 0.0
    time = (1_700_006_400 + 3600 * np.arange(n, dtype=np.int64)) * NS
    return Bars(
        time=time,
        open=opening,
        high=np.maximum(opening, close) + reach,
        low=np.minimum(opening, close) - reach,
        close=close,
        volume=rng.integers(0, 500, n).astype(np.float64),
        day_end=day_ends(time),
        timeframe=60,
    )


BARS = walk()
SIG = np.zeros(N, dtype=np.uint8)


def agree(ours, theirs, first):
    assert np.isnan(theirs[:first]).all()
    assert not np.isnan(theirs[first:]).any()
    np.testing.assert_allclose(ours[first:], theirs[first:], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("period", [2, 7, 14, 50])
def test_rsi_is_talibs(period):
    values = np.zeros(N)
    k.signal_rsi(BARS.close, SIG.copy(), period, 30.0, 70.0, values)
    agree(values, talib.RSI(BARS.close, period), period)


@pytest.mark.parametrize(("period", "mult"), [(2, 1.0), (20, 2.0), (100, 2.5)])
def test_bollinger_bands_are_talibs(period, mult):
    middle, upper, lower = np.zeros(N), np.zeros(N), np.zeros(N)
    k.signal_bb(BARS.close, SIG.copy(), period, mult, middle, upper, lower)
    theirs = talib.BBANDS(BARS.close, period, mult, mult)
    # TA-Lib subtracts squares and loses half its digits where prices hardly move: only the middle counts.
    moving = talib.STDDEV(BARS.close, period) > 1e-4
    agree(middle, theirs[1], period - 1)
    for ours, other in ((upper, theirs[0]), (lower, theirs[2])):
        np.testing.assert_allclose(ours[moving], other[moving], rtol=1e-8)
        flat = np.flatnonzero(~moving)[period:]
        np.testing.assert_allclose(ours[flat], middle[flat], rtol=1e-5)


def test_bollinger_bands_of_equal_closes_have_no_width():
    middle, upper, lower = np.zeros(N), np.zeros(N), np.zeros(N)
    k.signal_bb(BARS.close, SIG.copy(), 20, 2.0, middle, upper, lower)
    inside = slice(N // 2 + 19, N // 2 + 60)
    assert (upper[inside] == BARS.close[N // 2]).all()
    assert (lower[inside] == BARS.close[N // 2]).all()


@pytest.mark.parametrize(("fast", "slow", "smooth"), [(12, 26, 9), (3, 10, 4), (5, 35, 1)])
def test_macd_is_talibs(fast, slow, smooth):
    line, signal = np.zeros(N), np.zeros(N)
    k.signal_macd(BARS.close, SIG.copy(), fast, slow, smooth, line, signal)
    theirs = talib.MACD(BARS.close, fast, slow, smooth)
    agree(line, theirs[0], slow + smooth - 2)
    agree(signal, theirs[1], slow + smooth - 2)


@pytest.mark.parametrize(("period", "smooth"), [(14, 3), (5, 1), (40, 7)])
def test_stochastic_is_talibs(period, smooth):
    values = np.zeros(N)
    k.signal_stoch(BARS.high, BARS.low, BARS.close, SIG.copy(), period, smooth, 20.0, 80.0, values)
    theirs, _ = talib.STOCH(
        BARS.high,
        BARS.low,
        BARS.close,
        fastk_period=period,
        slowk_period=smooth,
        slowk_matype=0,
        slowd_period=1,
        slowd_matype=0,
    )
    agree(values, theirs, period + smooth - 2)


@pytest.mark.parametrize("period", [1, 2, 14, 60])
def test_average_true_range_is_talibs(period):
    values = np.zeros(N)
    k.average_true_range(BARS.high, BARS.low, BARS.close, period, values)
    agree(values, talib.ATR(BARS.high, BARS.low, BARS.close, period), period)


@pytest.mark.parametrize(("period", "atr_period"), [(20, 14), (5, 30), (50, 2)])
def test_keltner_is_talibs_ema_and_atr(period, atr_period):
    middle, width = np.zeros(N), np.zeros(N)
    k.signal_keltner(BARS.high, BARS.low, BARS.close, SIG.copy(), period, atr_period, 1.5, middle, width)
    first = max(period - 1, atr_period)
    ema, atr = talib.EMA(BARS.close, period), talib.ATR(BARS.high, BARS.low, BARS.close, atr_period)
    np.testing.assert_allclose(middle[first:], ema[first:], rtol=1e-10)
    np.testing.assert_allclose(width[first:], 1.5 * atr[first:], rtol=1e-9)


def crossings(a, b, scale):
    """+1 where a goes from ≤ b to > b, −1 where it goes from ≥ b to < b; equal within 1e-12 of scale."""
    gap = np.where(np.abs(a - b) <= 1e-12 * scale, 0.0, a - b)
    before = np.concatenate(([np.nan], gap[:-1]))
    return np.where((before <= 0) & (gap > 0), 1, 0) - np.where((before >= 0) & (gap < 0), 1, 0)


def bits(kind, **params):
    return builtin_signals(kind, BARS, resolve_params(kind, params))


UP, DOWN = k.LONG_ENTRY | k.SHORT_EXIT, k.SHORT_ENTRY | k.LONG_EXIT


@pytest.mark.parametrize(("short", "long"), [(5, 20), (1, 2), (10, 200)])
def test_moving_average_signals_are_talibs_crossings(short, long):
    for kind, average in (("sma", talib.SMA), ("ema", talib.EMA)):
        a = BARS.close if short == 1 else average(BARS.close, short)
        crossed = crossings(a, average(BARS.close, long), BARS.close)
        expected = np.where(crossed > 0, UP, np.where(crossed < 0, DOWN, 0))
        assert (bits(kind, sma_short=short, sma_long=long) == expected).all()
        assert np.count_nonzero(expected) > 10


def test_macd_signals_are_talibs_crossings():
    line, signal, _ = talib.MACD(BARS.close, 12, 26, 9)
    crossed = crossings(line, signal, BARS.close)
    expected = np.where(crossed > 0, UP, np.where(crossed < 0, DOWN, 0))
    assert (bits("macd") == expected).all()


def test_rsi_signals_are_its_crossings_of_both_levels():
    value = talib.RSI(BARS.close, 14)
    low, high = crossings(value, 30.0, 0.0), crossings(value, 70.0, 0.0)
    expected = (
        np.where(low > 0, k.LONG_ENTRY, 0)
        | np.where(high > 0, k.LONG_EXIT, 0)
        | np.where(high < 0, k.SHORT_ENTRY, 0)
        | np.where(low < 0, k.SHORT_EXIT, 0)
    )
    assert (bits("rsi") == expected).all()
    assert np.count_nonzero(expected) > 20


def rolling(values, period):
    windows = np.lib.stride_tricks.sliding_window_view(values, period)
    return np.concatenate((np.full((period - 1, period), np.nan), windows))


def test_vwap_is_the_plain_rolling_sum():
    values = np.full(N, np.nan)
    k.signal_vwap(BARS.high, BARS.low, BARS.close, BARS.volume, SIG.copy(), 20, values)
    typical = (BARS.high + BARS.low + BARS.close) / 3
    plain = rolling(typical * BARS.volume, 20).sum(1) / rolling(BARS.volume, 20).sum(1)
    agree(values, plain, 19)
    crossed = crossings(BARS.close, plain, BARS.close)
    assert (bits("vwap") == np.where(crossed > 0, UP, np.where(crossed < 0, DOWN, 0))).all()


def test_volume_spikes_are_the_plain_rule():
    edge = 1.5 * talib.SMA(BARS.volume, 20)
    spike = crossings(BARS.volume, edge, edge) > 0
    step = np.diff(BARS.close, prepend=BARS.close[0])
    expected = np.where(spike & (step > 0), UP, np.where(spike & (step < 0), DOWN, 0))
    assert (bits("volsma") == expected).all()
    assert np.count_nonzero(expected) > 100


def test_the_point_of_control_is_the_plain_histogram():
    values = np.zeros(N)
    k.signal_vpoc(BARS.close, BARS.volume, SIG.copy(), 30, 12, values)
    for i in [*range(29, 300), *range(N // 2 - 5, N // 2 + 70)]:
        closes, volumes = BARS.close[i - 29 : i + 1], BARS.volume[i - 29 : i + 1]
        low, high = closes.min(), closes.max()
        if high == low:
            assert values[i] == low
            continue
        width = (high - low) / 12
        place = np.minimum(11, ((closes - low) / width).astype(int))
        best = int(np.bincount(place, volumes, minlength=12).argmax())
        assert values[i] == pytest.approx(low + (best + 0.5) * width, rel=1e-12)


def test_the_signed_volume_ratio_is_the_plain_rule():
    values = np.zeros(N)
    k.signal_vwapvr(BARS.high, BARS.low, BARS.close, BARS.volume, SIG.copy(), 20, 125.0, values)
    typical = (BARS.high + BARS.low + BARS.close) / 3
    plain = rolling(typical * BARS.volume, 20).sum(1) / rolling(BARS.volume, 20).sum(1)
    size = 100 * BARS.volume / rolling(BARS.volume, 20).mean(1)
    side = np.where(BARS.close - plain >= -1e-12 * plain, 1, -1)
    np.testing.assert_allclose(values[19:], (side * size)[19:], rtol=1e-9, atol=1e-12)


def test_donchian_signals_are_the_previous_extremes():
    top = np.concatenate(([np.nan], talib.MAX(BARS.high, 20)[:-1]))
    bottom = np.concatenate(([np.nan], talib.MIN(BARS.low, 20)[:-1]))
    leave_low = np.concatenate(([np.nan], talib.MIN(BARS.low, 10)[:-1]))
    leave_high = np.concatenate(([np.nan], talib.MAX(BARS.high, 10)[:-1]))
    ready = np.arange(N) >= 20
    expected = (
        np.where(ready & (BARS.close > top), k.LONG_ENTRY, 0)
        | np.where(ready & (BARS.close < bottom), k.SHORT_ENTRY, 0)
        | np.where(ready & (BARS.close < leave_low), k.LONG_EXIT, 0)
        | np.where(ready & (BARS.close > leave_high), k.SHORT_EXIT, 0)
    )
    assert (bits("donchian") == expected).all()
    assert np.count_nonzero(expected & k.LONG_ENTRY) > 50
