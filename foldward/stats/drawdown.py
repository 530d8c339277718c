"""What an equity curve lost on its way, and what it gained a year.

Ulcer index: P. Martin and B. McCann (1989). Calmar ratio: T. Young (1991).
"""

from __future__ import annotations

import inspect

import numpy as np

from foldward.stats._number import Floats, Series, Undefined, number, positive, series


@number
def max_drawdown(equity: Series) -> float:
    """The deepest fall from a previous peak as a share of that peak, a ratio >= 0 (0: never below a peak).

    equity: account values in time order, the first > 0. More than 1 if the account went below zero. None for
    no values, a first value that is not positive, and where one is not finite.
    """
    return float(_drawdowns(equity).max())


@number
def ulcer(equity: Series) -> float:
    """The root mean square of the drawdowns over all values, as a ratio; None as `max_drawdown`."""
    depth = _drawdowns(equity)
    return float(np.sqrt(np.mean(depth * depth)))


@number
def cagr(equity: Series, periods_per_year: float) -> float:
    """Compound annual growth: (last/first)^(periods_per_year/(n − 1)) − 1, equity once a period.

    −1 where nothing is left. None for fewer than two values, a first value that is not positive, a negative
    last value, and where the annual figure of a short series is too large for a number.
    """
    year = positive(periods_per_year, "periods_per_year")
    curve = _curve(equity)
    if len(curve) < 2:
        raise Undefined("one value has no growth")
    ratio = float(curve[-1]) / float(curve[0])
    if ratio < 0:
        raise Undefined("the account ends below zero")
    return float(ratio ** (year / (len(curve) - 1)) - 1)


@number
def calmar(equity: Series, periods_per_year: float) -> float:
    """CAGR / maximum drawdown over the whole series; None where there was no drawdown, and as for those."""
    growth = inspect.unwrap(cagr)(equity, periods_per_year)
    depth = float(_drawdowns(equity).max())
    if depth == 0:
        raise Undefined("there was no drawdown")
    return float(growth / depth)


def _curve(equity: Series) -> Floats:
    curve = series(equity, "equity")
    if not len(curve):
        raise Undefined("there is no equity curve")
    if curve[0] <= 0:
        raise Undefined("the equity curve does not begin above zero")
    return curve


def _drawdowns(equity: Series) -> Floats:
    curve = _curve(equity)
    peak = np.maximum.accumulate(curve)
    depth: Floats = (peak - curve) / peak
    return depth
