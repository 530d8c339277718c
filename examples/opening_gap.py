"""A strategy of one's own: fade the opening gap.

When a bar opens far below the previous close and then closes above its own open, the fall was bought: go long
until the close is back at the level before the gap. Shorts mirror. See docs/how_to/write_a_strategy.md.
"""

import numpy as np

from foldward.backtest import Param


class OpeningGap:
    """Fade opening gaps of at least `gap_bps` basis points."""

    name = "opening_gap"
    params = {"gap_bps": Param(50, 1, 5000)}  # noqa: RUF012 - read once, at registration
    warmup = 1

    def signals(self, bars, params):
        """Decide at each bar's close, from that bar and earlier ones only."""
        before = np.concatenate((bars.close[:1], bars.close[:-1]))
        gap = (bars.open - before) / before * 1e4
        size = params["gap_bps"]
        fell = (gap <= -size) & (bars.close > bars.open)
        rose = (gap >= size) & (bars.close < bars.open)
        # The level before the newest gap so far: carried forward, never looked up ahead.
        newest = np.maximum.accumulate(np.where(np.abs(gap) >= size, np.arange(len(gap)), 0))
        level = before[newest]
        return {
            "long_entry": fell,
            "short_entry": rose,
            "long_exit": bars.close >= level,
            "short_exit": bars.close <= level,
        }
