"""What strategies on the same candles share is remembered only where it cannot change behind their backs."""

import numpy as np

from foldward.backtest import _kernels as k
from foldward.backtest._series import series_of
from foldward.backtest._signals import flags

ROWS = [(100, 101 + i, 99 - i, 100 + i / 2) for i in range(40)]


def read_only(bars):
    for name in ("time", "open", "high", "low", "close", "day_end"):
        getattr(bars, name).flags.writeable = False
    return bars


def test_candles_that_nobody_can_write_to_are_read_once(make_bars):
    bars = read_only(make_bars(ROWS))
    assert series_of(bars) is series_of(bars)


def test_candles_that_changed_are_read_anew(make_bars):
    bars = make_bars(ROWS)
    assert series_of(bars).extremes[0, k.X_HIGH] == 116.0
    bars.high[3] = 500.0
    assert series_of(bars).extremes[0, k.X_HIGH] == 500.0


def test_each_block_knows_its_extremes_and_the_last_may_be_short(make_bars):
    found = series_of(make_bars(ROWS)).extremes
    assert found.tolist() == [
        [84.0, 116.0, 100.0, 107.5],
        [68.0, 132.0, 108.0, 115.5],
        [60.0, 140.0, 116.0, 119.5],
    ]


def test_a_block_with_a_hole_rules_nothing_out(make_bars):
    bars = make_bars(ROWS)
    bars.close[20] = np.nan
    assert series_of(bars).extremes[1].tolist() == [-np.inf, np.inf, -np.inf, np.inf]


def test_days_end_where_the_candles_say(make_bars):
    assert series_of(make_bars(ROWS)).ends.tolist() == [23, 39]


def test_wishes_begin_where_a_word_may_begin():
    parts = np.arange(40, dtype=np.uint8)
    for offset in range(8):
        made = flags(parts[offset:])
        assert made.ctypes.data % 8 == 0
        assert made.tolist() == list(range(offset, 40))
        assert not made.flags.writeable
