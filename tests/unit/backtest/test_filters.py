"""The higher-timeframe filter sees closed bars only, and missing data blocks."""

from dataclasses import replace

import numpy as np

from foldward.backtest import resample, simulate
from foldward.backtest.filters import allowed
from foldward.contracts.jobs import Filter, Strategy
from foldward.data.bars import day_ends

COLUMNS = ("time", "open", "high", "low", "close", "volume")
FLAT = (100.0, 100.0, 100.0, 100.0)


def rule(period=1, logic="PRICE_ABOVE_SMA", timeframe=240):
    return Filter(timeframe=timeframe, period=period, logic=logic)


def test_missing_candles_block_every_entry(make_bars):
    passes, note = allowed(make_bars([FLAT] * 8), rule(), None)
    assert not passes.any()
    assert note == "no H4 candles for the filter: every entry is blocked"


def test_candles_of_another_timeframe_do_not_help(make_bars):
    bars = make_bars([FLAT] * 8)
    passes, note = allowed(bars, rule(), {1440: make_bars([FLAT], timeframe=1440)})
    assert not passes.any()
    assert note is not None


def test_only_bars_closed_by_the_decision_are_seen(make_bars):
    bars = make_bars([FLAT] * 12)
    higher = make_bars([(100, 100, 100, 90), (100, 110, 100, 110), FLAT], timeframe=240)
    # Averages over two closes: known at the second H4 close, 08:00, which is the close of bar 7.
    passes, note = allowed(bars, rule(period=2), {240: higher})
    assert note is None
    assert passes.tolist() == [False] * 7 + [True] * 4 + [False]
    below, _ = allowed(bars, rule(period=2, logic="PRICE_BELOW_SMA"), {240: higher})
    assert below.tolist() == [False] * 11 + [True]


def test_short_history_blocks(make_bars):
    higher = make_bars([FLAT] * 3, timeframe=240)
    passes, _ = allowed(make_bars([FLAT] * 12), rule(period=4), {240: higher})
    assert not passes.any()


def test_a_month_is_known_only_when_the_longest_month_is_over(make_bars):
    daily = make_bars([FLAT] * 40, timeframe=1440)  # from 1 January, 31 days
    month = make_bars([(100, 120, 100, 120)], timeframe=43_200)
    passes, _ = allowed(daily, rule(period=1, timeframe=43_200, logic="PRICE_ABOVE_SMA"), {43_200: month})
    assert not passes.any()  # a close equal to its own average of one is not above it
    closes_at, _ = allowed(daily, rule(period=1, timeframe=43_200, logic="PRICE_BELOW_SMA"), {43_200: month})
    assert not closes_at.any()


def test_candles_that_end_early_let_nothing_pass_two_bars_later(make_bars):
    bars = make_bars([FLAT] * 24)
    higher = make_bars([(100, 100, 100, 90), (100, 110, 100, 110)], timeframe=240)  # ends at 08:00
    passes, note = allowed(bars, rule(period=2), {240: higher})
    # The next H4 bar began with the hour of 08:00; at 16:00 even one that began four hours later is over.
    assert passes.tolist() == [False] * 7 + [True] * 8 + [False] * 9
    assert note == "the filter's H4 candles are missing for 9 bars: their entries are blocked"


def test_a_hole_in_the_filters_candles_blocks_until_it_is_over(make_bars):
    bars = make_bars([FLAT] * 40)
    rows = [(100, 100 + i, 100, 100 + i) for i in range(10)]
    whole = make_bars(rows, timeframe=240)
    passes, note = allowed(bars, rule(period=2), {240: whole})
    assert (passes.tolist(), note) == ([False] * 7 + [True] * 33, None)
    kept = np.array([0, 1, 2, 6, 7, 8, 9])  # closes at 4, 8, 12 and 28, 32, 36, 40
    holed = replace(
        whole, **{name: getattr(whole, name)[kept] for name in COLUMNS}, day_end=whole.day_end[kept]
    )
    passes, note = allowed(bars, rule(period=2), {240: holed})
    assert passes.tolist() == [False] * 7 + [True] * 12 + [False] * 8 + [True] * 13
    assert "missing for 8 bars" in note


def test_a_weekend_is_no_hole(make_bars):
    friday = make_bars([FLAT] * 48)
    days = np.array([0, 1, 4, 5])  # two days, a weekend, two days
    hours = np.concatenate([np.arange(24) + 24 * day for day in days]) * 3600 * 10**9
    bars = replace(
        make_bars([FLAT] * 96), time=friday.time[0] + hours, day_end=day_ends(friday.time[0] + hours)
    )
    daily = make_bars([(100, 100 + i, 100, 100 + i) for i in range(4)], timeframe=1440)
    daily = replace(daily, time=friday.time[0] + days * 86_400 * 10**9)
    passes, note = allowed(bars, rule(period=2, timeframe=1440), {1440: daily})
    assert (passes.tolist(), note) == ([False] * 47 + [True] * 49, None)


def test_a_blocked_strategy_trades_nothing_and_says_so(make_bars):
    rows = [(100 + i % 9, 110, 90, 100 + (i + 1) % 9) for i in range(60)]
    bars = make_bars(rows)
    free = Strategy(name="s", kind="sma", params={"sma_short": 2, "sma_long": 4})
    held = Strategy(name="s", kind="sma", params={"sma_short": 2, "sma_long": 4}, filter=rule())
    assert simulate(bars, free).metrics["trades"] > 0
    out = simulate(bars, held)
    assert out.metrics["trades"] == 0
    assert out.notes == ("no H4 candles for the filter: every entry is blocked",)


def test_resampling_takes_first_max_min_last_and_sum(make_bars):
    rows = [(1, 5, 1, 2), (2, 9, 2, 3), (3, 4, 0.5, 4), (4, 6, 3, 5), (5, 7, 5, 6)]
    higher = resample(make_bars(rows, volume=[1, 2, 3, 4, 5]), 240)
    assert higher.timeframe == 240
    assert (higher.time // 10**9).tolist() == [1_704_067_200, 1_704_081_600]
    assert higher.open.tolist() == [1, 5]
    assert higher.high.tolist() == [9, 7]
    assert higher.low.tolist() == [0.5, 5]
    assert higher.close.tolist() == [5, 6]
    assert higher.volume.tolist() == [10, 5]
