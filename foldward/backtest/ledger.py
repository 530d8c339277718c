"""The per-trade ledger: one structured row for each closed position."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldward.backtest import _kernels as k
from foldward.data.bars import NS, Floats, Ints

# Order fixed by the codes of the kernel's T_REASON column.
REASONS = ("", "signal", "stop", "target", "reverse", "end", "ruin")

# entry_price and exit_price include spread and slippage; raw_entry and raw_exit are the market's. friction is
# what spread and slippage cost, commission what the broker took, swap what nights added; pnl is after all.
# A stop or target of 0 means none. Times are Unix seconds of the bar's opening, bars are indices.
TRADE = np.dtype(
    [
        ("entry_time", "<i8"),
        ("exit_time", "<i8"),
        ("entry_bar", "<i8"),
        ("exit_bar", "<i8"),
        ("direction", "<i1"),
        ("reason", "<i1"),
        ("units", "<f8"),
        ("raw_entry", "<f8"),
        ("raw_exit", "<f8"),
        ("entry_price", "<f8"),
        ("exit_price", "<f8"),
        ("commission", "<f8"),
        ("friction", "<f8"),
        ("swap", "<f8"),
        ("pnl", "<f8"),
        ("stop", "<f8"),
        ("target", "<f8"),
    ]
)
Trades = NDArray[np.void]
MAX_LISTED = 500
_END = REASONS.index("end")
_LISTED = (
    "entry_time",
    "exit_time",
    "direction",
    "reason",
    "units",
    "entry_price",
    "exit_price",
    "commission",
    "friction",
    "swap",
    "pnl",
    "stop",
    "target",
)


def empty_ledger() -> Trades:
    """No trades."""
    return np.zeros(0, dtype=TRADE)


def ledger(table: Floats, time_ns: Ints, settings: Floats) -> Trades:
    """Structured rows from the kernel's trade table and the settings it was made with."""
    rows = np.zeros(len(table), dtype=TRADE)
    entry = table[:, k.T_ENTRY].astype(np.int64)
    leave = table[:, k.T_EXIT].astype(np.int64)
    side = table[:, k.T_SIDE]
    units = float(settings[k.S_UNITS])
    worse = float(settings[k.S_HALF] + settings[k.S_SLIPPAGE])
    rows["entry_bar"] = entry
    rows["exit_bar"] = leave
    rows["entry_time"] = time_ns[entry] // NS
    rows["exit_time"] = time_ns[leave] // NS
    rows["direction"] = side.astype(np.int8)
    rows["reason"] = table[:, k.T_REASON].astype(np.int8)
    rows["units"] = units
    rows["raw_entry"] = table[:, k.T_RAW_ENTRY]
    rows["raw_exit"] = table[:, k.T_RAW_EXIT]
    rows["entry_price"] = table[:, k.T_RAW_ENTRY] + side * worse
    rows["exit_price"] = table[:, k.T_RAW_EXIT] - side * worse
    rows["commission"] = (rows["entry_price"] + rows["exit_price"]) * units * settings[k.S_COMMISSION]
    rows["friction"] = 2.0 * worse * units
    rows["swap"] = table[:, k.T_SWAP]
    rows["pnl"] = table[:, k.T_PNL]
    rows["stop"] = table[:, k.T_STOP]
    rows["target"] = table[:, k.T_TARGET]
    return rows


def trade_list(trades: Trades, limit: int | None = MAX_LISTED) -> tuple[list[dict[str, Any]], bool]:
    """The latest `limit` trades as plain dicts (wire 2.4), oldest first, and whether some were left out.

    timestamp is the exit time in Unix seconds; direction is long or short; open_at_end marks a position that
    only the end of the data closed.
    """
    chosen = trades if limit is None else trades[-limit:] if limit else trades[:0]
    # Whole columns become lists first: reading single cells of a structured row costs ten times as much.
    columns = [chosen[name].tolist() for name in _LISTED]
    listed = [
        {
            "timestamp": exit_time,
            "pnl": pnl,
            "entry_time": entry_time,
            "exit_time": exit_time,
            "entry_price": entry_price,
            "exit_price": exit_price,
            "direction": "long" if direction > 0 else "short",
            "units": units,
            "commission": commission,
            "friction": friction,
            "swap": swap,
            "stop": stop or None,
            "target": target or None,
            "reason": REASONS[reason],
            "open_at_end": reason == _END,
        }
        for (
            entry_time,
            exit_time,
            direction,
            reason,
            units,
            entry_price,
            exit_price,
            commission,
            friction,
            swap,
            pnl,
            stop,
            target,
        ) in zip(*columns, strict=True)
    ]
    return listed, len(listed) < len(trades)
