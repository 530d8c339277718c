"""Candles and signals written by hand, so that every fill can be checked with a pencil."""

from dataclasses import replace

import numpy as np
import pytest

from foldward.backtest import _kernels as k
from foldward.backtest._signals import flags
from foldward.backtest.engine import prepare, run
from foldward.contracts.jobs import Costs, Strategy
from foldward.data.bars import NS, Bars, day_ends

BITS = {
    "buy": k.LONG_ENTRY,
    "sell": k.SHORT_ENTRY,
    "leave_long": k.LONG_EXIT,
    "leave_short": k.SHORT_EXIT,
}
START = 1_704_067_200  # Monday 2024-01-01T00:00:00Z


def bars_of(rows, timeframe=60, start=START, volume=None):
    """Bars from rows of (open, high, low, close)."""
    table = np.array(rows, dtype=np.float64)
    time = (start + 60 * timeframe * np.arange(len(rows), dtype=np.int64)) * NS
    return Bars(
        time=time,
        open=table[:, 0].copy(),
        high=table[:, 1].copy(),
        low=table[:, 2].copy(),
        close=table[:, 3].copy(),
        volume=np.ones(len(rows)) if volume is None else np.array(volume, dtype=np.float64),
        day_end=day_ends(time),
        timeframe=timeframe,
    )


@pytest.fixture
def make_bars():
    return bars_of


@pytest.fixture
def trade():
    """Run hand-written wishes: trade(rows, {bar: "buy sell …"}, **strategy fields) → Outcome."""

    def go(rows, wishes, *, timeframe=60, start=START, lo=0, hi=None, swaps=None, **fields):
        bars = rows if isinstance(rows, Bars) else bars_of(rows, timeframe, start)
        fields.setdefault("costs", Costs(zero=True))
        strategy = Strategy(name="by hand", kind="sma", timeframe=bars.timeframe, **fields)
        signals = np.zeros(len(bars), dtype=np.uint8)
        for bar, words in wishes.items():
            for word in words.split():
                signals[bar] |= BITS[word]
        prepared = replace(prepare(bars, strategy, swaps=swaps), signals=flags(signals), warmup=0)
        return run(prepared, lo, len(bars) if hi is None else hi)

    return go
