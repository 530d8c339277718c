"""A stretch of candles as candles of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foldward.data.bars import Bars


def prefix(bars: Bars, length: int) -> Bars:
    """The first `length` ≥ 1 bars as if the data had ended there."""
    return stretch(bars, 0, length)


def stretch(bars: Bars, lo: int, hi: int) -> Bars:
    """Bars lo ≤ i < hi as views; the last one ends its day."""
    day_end = np.array(bars.day_end[lo:hi])
    day_end[-1] = 1
    return replace(
        bars,
        time=bars.time[lo:hi],
        open=bars.open[lo:hi],
        high=bars.high[lo:hi],
        low=bars.low[lo:hi],
        close=bars.close[lo:hi],
        volume=bars.volume[lo:hi],
        day_end=day_end,
    )
