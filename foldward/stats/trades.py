"""What single trades won and lost."""

from __future__ import annotations

import math

from foldward.stats._number import Series, Undefined, number, series


@number
def profit_factor(pnl: Series) -> float:
    """Gross profit / gross loss of the trades' results; None without a losing trade (it is not infinity)."""
    results = series(pnl, "pnl")
    loss = -math.fsum(results[results < 0])
    if loss == 0:
        raise Undefined("no trade lost" if len(results) else "there are no trades")
    return math.fsum(results[results > 0]) / loss


@number
def expectancy(pnl: Series) -> float:
    """The mean result of a trade, in the unit of `pnl`; None without trades."""
    results = series(pnl, "pnl")
    if not len(results):
        raise Undefined("there are no trades")
    return math.fsum(results) / len(results)
