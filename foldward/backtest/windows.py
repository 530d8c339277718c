"""Many windows of one strategy from one pass over the bars.

A window starts and ends flat, so it differs from one long run only near its edges: `measure_windows` trades
the head until both hold the same position, takes the long run's days and trades from there, and closes what
is open at the window's end. Every number equals that of `run` on the same window, to rounding (1e-12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foldward.backtest import _kernels as k
from foldward.backtest.blocks import Block, fold
from foldward.backtest.engine import Prepared, run, trade
from foldward.backtest.invariants import check_ledger
from foldward.contracts.jobs import Fault
from foldward.data.bars import Floats

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Measured:
    """A window's block and its daily returns; a fault means that it has no numbers."""

    block: Block
    returns: Floats
    faults: tuple[Fault, ...] = ()


def measure_ranges(prepared: Prepared, ranges: Sequence[Range]) -> list[Measured]:
    """The statistics of each half-open bar range, in order. An empty range gives an empty block.

    Ranges may overlap. A broken invariant anywhere in the long run is a fault of every window.
    """
    bars = prepared.bars
    n = len(bars)
    if prepared.faults:
        return [Measured(Block(), np.zeros(0), prepared.faults) for _ in ranges]
    trades, days, status, _ = trade(prepared, 0, n)
    if status != k.OK:
        # Ruined or broken: each window is its own story, told the long way.
        return [_alone(prepared, lo, hi) for lo, hi in ranges]
    faults, _ = check_ledger(bars, trades, days, 0, n, prepared.settings)
    if faults:
        return [Measured(Block(), np.zeros(0), faults) for _ in ranges]
    starts = np.array([lo for lo, _ in ranges], dtype=np.int64)
    stops = np.array([hi for _, hi in ranges], dtype=np.int64)
    filled = stops > starts
    last = days[k.D_LAST].astype(np.int64)
    sizes = np.where(filled, np.searchsorted(last, stops - 1) - np.searchsorted(last, starts) + 1, 0)
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    returns = np.zeros(int(offsets[-1]))
    table = np.zeros((len(ranges), k.WINDOW_COLUMNS))
    chosen = np.flatnonzero(filled)
    part = np.zeros((len(chosen), k.WINDOW_COLUMNS))
    series = prepared.series
    k.measure_windows(
        series.open,
        series.high,
        series.low,
        series.close,
        prepared.signals,
        series.ends,
        series.extremes,
        starts[chosen],
        stops[chosen],
        prepared.settings,
        prepared.atr,
        prepared.swap_long,
        prepared.swap_short,
        trades,
        days,
        returns,
        offsets[:-1][chosen],
        part,
    )
    table[chosen] = part
    measured = []
    for w, (lo, hi) in enumerate(ranges):
        if table[w, k.W_STATUS] == k.OK:
            measured.append(Measured(_block(table[w]), returns[offsets[w] : offsets[w + 1]]))
        else:
            measured.append(_alone(prepared, lo, hi))
    return measured


def _alone(prepared: Prepared, lo: int, hi: int) -> Measured:
    if hi <= lo:
        return Measured(Block(), np.zeros(0))
    outcome = run(prepared, lo, hi, check_rows=False)
    return Measured(fold(outcome.blocks), np.ascontiguousarray(outcome.blocks["ret"]), outcome.faults)


def _block(row: Floats) -> Block:
    return Block(
        days=int(row[k.W_DAYS]),
        s1=float(row[k.W_S1]),
        s2=float(row[k.W_S2]),
        s3=float(row[k.W_S3]),
        s4=float(row[k.W_S4]),
        down2=float(row[k.W_DOWN2]),
        gain=float(row[k.W_GAIN]),
        top=float(row[k.W_TOP]),
        bottom=float(row[k.W_BOTTOM]),
        drawdown=float(row[k.W_DRAWDOWN]),
        pnl=float(row[k.W_PNL]),
        gross_profit=float(row[k.W_PROFIT]),
        gross_loss=float(row[k.W_LOSS]),
        fees=float(row[k.W_FEES]),
        notional=float(row[k.W_NOTIONAL]),
        trades=int(row[k.W_TRADES]),
        wins=int(row[k.W_WINS]),
        bars=int(row[k.W_BARS]),
        held=int(row[k.W_HELD]),
    )
