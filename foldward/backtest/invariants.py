"""The rules no simulation may break (spec 5.4), checked on what a run left behind.

The kernel checks its own two books at every fill and day; this module looks at the finished ledger with
arithmetic of its own. A broken rule is a Fault, and a run with a fault is INVALID: it has no numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldward.backtest.ledger import REASONS, Trades
from foldward.contracts.jobs import Fault
from foldward.data.bars import Bars, Floats

_TOLERANCE = 1e-9
_CODE = {name: code for code, name in enumerate(REASONS)}
_AT_OPEN = (_CODE["signal"], _CODE["reverse"])
_IN_ENTRY_BAR = (_CODE["stop"], _CODE["target"], _CODE["end"], _CODE["ruin"])


def check_ledger(bars: Bars, trades: Trades, cum: Floats, lo: int, hi: int, cash: float) -> tuple[Fault, ...]:
    """Every rule that the trades and the daily P&L `cum` of window lo ≤ bar < hi break; empty when sound."""
    faults = []
    numbers = [trades[name] for name in trades.dtype.names or () if trades.dtype[name].kind == "f"]
    if not np.isfinite(cum).all() or not all(np.isfinite(column).all() for column in numbers):
        return (Fault("engine.not_finite", "NaN or infinity in the ledger or the equity"),)
    entry, leave = trades["entry_bar"], trades["exit_bar"]
    if len(trades) and (entry.min() <= lo or leave.max() >= hi or (leave < entry).any()):
        return (_fault(f"a trade lies outside the window's bars {lo} to {hi - 1}, or ends before it starts"),)
    faults += _check_times(trades)
    faults += _check_fills(bars, trades)
    faults += _check_money(trades, cum, cash)
    return tuple(faults)


def _check_times(trades: Trades) -> list[Fault]:
    faults = []
    entry, leave, reason = trades["entry_bar"], trades["exit_bar"], trades["reason"]
    at_once = (entry == leave) & ~np.isin(reason, _IN_ENTRY_BAR)
    if at_once.any():
        faults.append(_fault(f"trade {_first(at_once)} ends by a signal in the bar it was opened in"))
    gap = entry[1:] - leave[:-1]
    order = (gap < 0) | ((gap == 0) & (reason[:-1] != _CODE["reverse"]))
    if order.any():
        faults.append(_fault(f"trade {_first(order) + 1} starts before trade {_first(order)} has ended"))
    return faults


def _check_fills(bars: Bars, trades: Trades) -> list[Fault]:
    faults = []
    entry, leave, reason = trades["entry_bar"], trades["exit_bar"], trades["reason"]
    side = trades["direction"]
    if len(trades) and (
        min(trades[name].min() for name in ("raw_entry", "raw_exit", "entry_price", "exit_price", "units"))
        <= 0
    ):
        faults.append(_fault("a trade has a price or size that is not positive"))
    early = trades["raw_entry"] != bars.open[entry]
    if early.any():
        faults.append(_fault(f"trade {_first(early)} was not opened at its bar's open"))
    price, first = trades["raw_exit"], bars.open[leave]
    outside = (price < bars.low[leave]) | (price > bars.high[leave])
    if outside.any():
        faults.append(_fault(f"trade {_first(outside)} was closed at a price outside its bar"))
    wrong = np.isin(reason, _AT_OPEN) & (price != first)
    stopped = reason == _CODE["stop"]
    gapped = np.where(side > 0, np.minimum(first, trades["stop"]), np.maximum(first, trades["stop"]))
    wrong |= stopped & (price != gapped)
    reached = reason == _CODE["target"]
    better = np.where(side > 0, np.maximum(first, trades["target"]), np.minimum(first, trades["target"]))
    wrong |= reached & (price != better)
    closing = np.isin(reason, (_CODE["end"], _CODE["ruin"]))
    wrong |= closing & (price != bars.close[leave])
    wrong |= ~(np.isin(reason, _AT_OPEN) | stopped | reached | closing)
    if wrong.any():
        row = _first(wrong)
        faults.append(_fault(f"trade {row} ({REASONS[int(reason[row])]}) was closed at the wrong price"))
    return faults


def _check_money(trades: Trades, cum: Floats, cash: float) -> list[Fault]:
    faults = []
    side, units = trades["direction"], trades["units"]
    gross = side * units * (trades["exit_price"] - trades["entry_price"])
    scale = cash + np.abs(trades["pnl"]) + units * trades["entry_price"]
    off = np.abs(gross - trades["commission"] + trades["swap"] - trades["pnl"]) > _TOLERANCE * scale
    if off.any():
        faults.append(_fault(f"the P&L of trade {_first(off)} is not its prices and fees"))
    paid = (trades["raw_exit"] - trades["raw_entry"]) * side * units - gross - trades["friction"]
    if (np.abs(paid) > _TOLERANCE * scale).any() or (trades["commission"] < 0).any():
        faults.append(_fault("the fees of a trade do not agree with its fills"))
    final = float(cum[-1]) if len(cum) else 0.0
    total = float(trades["pnl"].sum())
    if not abs(total - final) <= _TOLERANCE * (cash + float(np.abs(trades["pnl"]).sum())):
        faults.append(_fault(f"the trades' P&L {total!r} is not the change of equity {final!r}"))
    return faults


def _first(mask: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(mask)[0])


def _fault(message: str) -> Fault:
    return Fault("engine.invariant", message)
