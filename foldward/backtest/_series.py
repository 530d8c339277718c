"""What every strategy on the same candles shares: plain columns, day ends and the extremes of blocks of bars.

Kept as long as the candles are, two bytes a bar and eight a day: whoever computes many strategies on a series
pays for it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from foldward.backtest import _kernels as k
from foldward.backtest._signals import column
from foldward.backtest.metrics import infer_calendar
from foldward.data.bars import Bars, Floats, Ints


@dataclass(frozen=True, eq=False)
class Series:
    """Read-only columns of n bars; the last bar of each trading day; `block_extremes`; days a year."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    ends: Ints
    extremes: Floats
    calendar: int


_known: WeakKeyDictionary[Bars, Series] = WeakKeyDictionary()


def series_of(bars: Bars) -> Series:
    """The series behind these bars, remembered where nobody can write to their columns."""
    found = _known.get(bars)
    if found is None:
        found = read_series(bars)
        used = (bars.time, bars.open, bars.high, bars.low, bars.close, bars.day_end)
        if not any(values.flags.writeable for values in used):
            _known[bars] = found
    return found


def read_series(bars: Bars) -> Series:
    """The same, made anew."""
    high, low, close = column(bars.high), column(bars.low), column(bars.close)
    extremes = np.empty((-(-len(bars) // (1 << k.REACH)), k.EXTREMES))
    k.block_extremes(high, low, close, extremes)
    # numpy looks through booleans several at a time, through numbers one by one.
    ends = np.flatnonzero(bars.day_end != 0)
    for made in (ends, extremes):
        made.flags.writeable = False
    return Series(column(bars.open), high, low, close, ends, extremes, infer_calendar(bars, ends))
