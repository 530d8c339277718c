"""The rules no simulation may break (spec 5.4), checked on what a run left behind.

The kernel keeps two books and compares them at every fill and every day; `check_trades` then reads the
finished ledger with arithmetic of its own. A broken rule is a Fault, and a run with a fault is INVALID: it
has no numbers.
"""

from __future__ import annotations

import numpy as np

from foldward.backtest import _kernels as k
from foldward.backtest._signals import column
from foldward.contracts.jobs import Fault
from foldward.data.bars import NS, Bars, Floats

_BROKEN = {
    k.BAD_FILL: "a fill lies outside its bar",
    k.BAD_ACCOUNT: "cash and position do not add up to the equity",
    k.BAD_PRICE: "a fill price is not positive after costs",
}
_LEDGER = {
    k.L_OUTSIDE: "lies outside the window's bars or ends before it starts",
    k.L_ORDER: "starts before the one before it has ended",
    k.L_AT_ONCE: "ends by a signal in the bar it was opened in",
    k.L_ENTRY_FILL: "was not opened at its bar's open",
    k.L_EXIT_FILL: "was closed at a price that its reason does not give",
    k.L_PRICE: "has a price or size that is not positive",
    k.L_MONEY: "has a P&L that is not its prices and fees",
}


def check_status(bars: Bars, status: int, bar: int) -> tuple[Fault, ...]:
    """The fault that the kernel stopped at, if any."""
    if status == k.NOT_FINITE:
        return (Fault("engine.not_finite", f"the equity is not a number at bar {bar}"),)
    if status in _BROKEN:
        when = int(bars.time[bar]) // NS
        return (Fault("engine.invariant", f"{_BROKEN[status]}, at bar {bar} (Unix time {when})"),)
    return ()


def check_ledger(
    bars: Bars, trades: Floats, days: Floats, lo: int, hi: int, settings: Floats
) -> tuple[tuple[Fault, ...], Floats]:
    """The rule that the trade and day tables of window lo ≤ bar < hi break, if any; and per-day trade sums.

    The sums have the shape (PER_DAY, days) and are complete only when there is no fault.
    """
    sums = np.zeros((k.PER_DAY, days.shape[1]))
    found, trade = k.check_trades(
        column(bars.open),
        column(bars.close),
        trades,
        days,
        lo,
        hi,
        settings,
        sums,
    )
    if found == k.SOUND:
        return (), sums
    if found == k.L_NOT_FINITE:
        return (Fault("engine.not_finite", "NaN or infinity in the ledger or the equity"),), sums
    if found == k.L_TOTAL:
        message = "the trades' P&L is not the change of equity"
    else:
        message = f"trade {trade} {_LEDGER[found]}"
    return (Fault("engine.invariant", message),), sums
