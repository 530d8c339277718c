"""Candles as the engine sees them: read-only columns, one row a bar, and where each trading day ends.

numpy only: worker processes import this module and neither polars nor pyarrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NS = 1_000_000_000
_DAY_NS = 86_400 * NS
_STUB_NS = 4 * 3600 * NS
# Bars this far apart or less are a session's own; from 22:00 on Sunday to 22:00 on Monday is a daily bar.
_WITHIN_NS = 12 * 3600 * NS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bars:
    """Columns of equal length n, all read-only (memory-mapped where they come from the cache).

    time: int64 nanoseconds UTC of the bar's opening, strictly increasing. open, high, low, close, volume:
    float64. day_end: uint8, 1 where a bar is the last of its trading day (the last bar always is).
    timeframe: minutes. fingerprint: `sha256:…` of the canonical content. provenance: real | synthetic.
    """

    time: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    day_end: NDArray[np.uint8]
    timeframe: int
    fingerprint: str = ""
    symbol: str = ""
    provenance: str = "real"

    def __len__(self) -> int:
        return len(self.time)

    def first(self) -> int:
        """Unix seconds of the first bar."""
        return int(self.time[0]) // NS

    def last(self) -> int:
        """Unix seconds of the last bar."""
        return int(self.time[-1]) // NS

    def index_range(self, start: int | None, end: int | None) -> tuple[int, int]:
        """Half-open index range of the bars whose time lies in [start, end] (Unix seconds, inclusive)."""
        lo = 0 if start is None else int(np.searchsorted(self.time, start * NS, side="left"))
        hi = len(self.time) if end is None else int(np.searchsorted(self.time, end * NS, side="right"))
        return lo, max(lo, hi)


def day_ends(time_ns: Ints) -> NDArray[np.uint8]:
    """1 where a bar is the last of its trading day.

    A day is a UTC date with at least one bar; a Sunday stub whose bars all open within under 4 hours of the
    end of that Sunday joins Monday (the evening opening of currency markets). A daily bar that opens then is
    a whole session and no stub.
    """
    n = len(time_ns)
    ends = np.zeros(n, dtype=np.uint8)
    if n == 0:
        return ends
    day = time_ns // _DAY_NS
    last = np.flatnonzero(np.diff(day)) + 1
    starts = np.concatenate(([0], last))
    stops = np.concatenate((last, [n]))
    ends[stops - 1] = 1
    # 1970-01-01 was a Thursday: day 3 is the first Sunday.
    sundays = (day[starts] % 7) == 3
    late = (day[starts] + 1) * _DAY_NS - time_ns[starts] < _STUB_NS
    followed = np.concatenate((day[starts[1:]] == day[starts[:-1]] + 1, [False]))
    soon = np.concatenate((time_ns[starts[1:]] - time_ns[stops[:-1] - 1] <= _WITHIN_NS, [False]))
    joined = sundays & late & followed & soon
    ends[stops[joined] - 1] = 0
    return ends
