"""The higher-timeframe filter: entries only while its last closed bar agrees. Missing data blocks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from foldward.contracts.jobs import Filter
from foldward.contracts.timeframe import MONTH, timeframe_label
from foldward.data.bars import NS, Bars, day_ends

_MINUTE_NS = 60 * NS
Aux = Mapping[int, Bars]


def allowed(bars: Bars, rule: Filter, aux: Aux | None) -> tuple[NDArray[np.bool_], str | None]:
    """Whether an entry may be decided on each bar, and a note when the filter's candles are missing.

    A decision at the close of bar k sees the higher-timeframe bars that are closed by then, no other. With
    fewer than `period` of them, without candles at all, or where the next one is missing, nothing passes.
    """
    higher = None if aux is None else aux.get(rule.timeframe)
    if higher is None or len(higher) == 0:
        label = timeframe_label(rule.timeframe)
        return np.zeros(len(bars), dtype=bool), f"no {label} candles for the filter: every entry is blocked"
    # The longest month: a 30-day month is then seen a day late, never a 31-day one a day early.
    minutes = 31 * 1440 if rule.timeframe == MONTH else rule.timeframe
    closes_at = higher.time + minutes * _MINUTE_NS
    decided_at = bars.time + bars.timeframe * _MINUTE_NS
    known = np.searchsorted(closes_at, decided_at, side="right")
    close = np.asarray(higher.close)
    agrees = np.zeros(len(close) + 1, dtype=bool)
    if len(close) >= rule.period:
        mean = np.lib.stride_tricks.sliding_window_view(close, rule.period).mean(axis=1)
        tail = close[rule.period - 1 :]
        agrees[rule.period :] = tail > mean if rule.logic == "PRICE_ABOVE_SMA" else tail < mean
    # Trading went on at the first bar after a close: there the next higher bar began, or a timeframe later
    # where its source counts a short session to the next. When even that one is over, it is missing.
    span = minutes * _MINUTE_NS
    goes_on = np.searchsorted(bars.time, closes_at, side="left")
    over = np.append(bars.time, np.iinfo(np.int64).max - 2 * span)[goes_on] + 2 * span
    missing = (known > 0) & (decided_at >= np.concatenate((over[:1], over))[known])
    note = None
    if missing.any():
        label = timeframe_label(rule.timeframe)
        count = int(missing.sum())
        note = f"the filter's {label} candles are missing for {count:,} bars: their entries are blocked"
    return agrees[known] & ~missing, note


def resample(bars: Bars, timeframe: int) -> Bars:
    """Bars of a longer timeframe (minutes), bucketed from the Unix epoch: first, max, min, last, sum.

    A convenience for callers that have no separate file; the last bucket may be incomplete and is safe in
    the filter, which waits for its scheduled close.
    """
    width = timeframe * _MINUTE_NS
    bucket = bars.time // width
    starts = np.flatnonzero(np.diff(bucket, prepend=bucket[:1] - 1))
    ends = np.concatenate((starts[1:], [len(bars)])) - 1
    time = bucket[starts] * width
    columns = {
        "open": bars.open[starts],
        "high": np.maximum.reduceat(bars.high, starts),
        "low": np.minimum.reduceat(bars.low, starts),
        "close": bars.close[ends],
        "volume": np.add.reduceat(bars.volume, starts),
    }
    return Bars(
        time=time,
        day_end=day_ends(time),
        timeframe=timeframe,
        symbol=bars.symbol,
        provenance=bars.provenance,
        **columns,
    )
