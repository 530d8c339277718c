"""Compile, or load from the cache, every kernel once: a worker does it before it forks or reports ready."""

from __future__ import annotations

import numpy as np

from foldward.backtest.engine import prepare, simulate
from foldward.backtest.kinds import KINDS
from foldward.backtest.windows import measure_ranges
from foldward.contracts.jobs import Strategy
from foldward.data.bars import NS, Bars, day_ends


def warm_up() -> None:
    """Run every built-in kind once over a few bars, with the signatures that real work uses."""
    n = 64
    step = np.arange(n, dtype=np.float64)
    close = 100.0 + 3.0 * np.sin(step / 3.0)
    opening = np.concatenate((close[:1], close[:-1]))
    time = (np.arange(n, dtype=np.int64) * 3600 + 1_700_006_400) * NS
    bars = Bars(
        time=time,
        open=opening,
        high=np.maximum(opening, close) + 0.1,
        low=np.minimum(opening, close) - 0.1,
        close=close,
        volume=step + 1.0,
        day_end=day_ends(time),
        timeframe=60,
    )
    for kind in KINDS.values():
        if kind.builtin:
            simulate(bars, Strategy(name="warm-up", kind=kind.name, sl="2atr", tp="3%"))
    measure_ranges(prepare(bars, Strategy(name="warm-up", kind="sma")), [(0, n)])
    simulate(bars, Strategy(name="warm-up", kind="sma", profile="peer", sl=1.0, tp=1.0))
