"""The measures of one window, from its daily equity and its ledger.

Definitions: docs/explanation/statistics.md.

A measure without a value is None and says why; 0, infinity and NaN never stand for "undefined".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from foldward.data.bars import NS, Bars, Floats, Ints

METRICS = (
    "trades",
    "wins",
    "losses",
    "pnl",
    "sharpe",
    "sortino",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "cagr",
    "calmar",
    "ulcer",
    "expectancy",
    "exposure",
    "turnover",
    "longest_drawdown_days",
    "avg_trade",
    "gross_profit",
    "gross_loss",
    "fees",
    "days",
    "final_equity",
)
_DAY_S = 86_400
Measures = tuple[dict[str, float | None], dict[str, str]]

FLAT_SHARE = 1e-12
NO_TRADES = "no trades"
FLAT = "the daily returns are constant"
ONE_DAY = "fewer than two days"
RUINED = "the equity fell to zero or below"


def infer_calendar(bars: Bars, ends: Ints | None = None) -> int:
    """365 if trading days fall on every weekday about equally (scarcest ≥ half of the commonest), else 252.

    Fewer than 14 trading days cannot show that and count as 252. ends: the days' last bars, if known.
    """
    ends = np.flatnonzero(bars.day_end) if ends is None else ends
    if len(ends) < 14:
        return 252
    counts = np.bincount((bars.time[ends] // (_DAY_S * NS)) % 7, minlength=7)
    return 365 if 2 * int(counts.min()) >= int(counts.max()) else 252


def sharpe(returns: Floats, calendar: int) -> float | None:
    """Mean over standard deviation (ddof 1) of daily returns × √calendar; None when they do not vary."""
    n = len(returns)
    if n < 2:
        return None
    mean = float(returns.sum()) / n
    centred = returns - mean
    variance = float((centred * centred).sum()) / (n - 1)
    # A Sharpe of a million a day is a constant with rounding noise (foldward.stats draws the same line).
    if not variance * (n - 1) > FLAT_SHARE * float((returns * returns).sum()):
        return None
    return mean / math.sqrt(variance) * math.sqrt(calendar)


def sortino(returns: Floats, calendar: int) -> float | None:
    """Mean over downside deviation (all days in the denominator) × √calendar; None without a losing day."""
    n = len(returns)
    if n < 2:
        return None
    down = np.minimum(returns, 0.0)
    squares = float((down * down).sum())
    if not squares > 0.0:
        return None
    return float(returns.sum()) / n / math.sqrt(squares / n) * math.sqrt(calendar)


@dataclass(frozen=True, eq=False)
class Curve:
    """What a window leaves behind, day by day.

    cum: P&L carried to each day's last close (length days). times: Unix seconds of those bars. start: Unix
    seconds of the first bar. drawdown: largest ratio over all bar closes. bars, held: bars in the window and
    bars with a position. ruined: it ended early.
    """

    cash: float
    cum: Floats
    times: Ints
    start: int
    drawdown: float
    bars: int
    held: int
    ruined: bool = False

    def equity(self) -> Floats:
        """Equity at the end of each day."""
        return self.cash + self.cum

    def returns(self) -> Floats:
        """Daily close-to-close returns; the first day starts from the cash."""
        before = np.concatenate(([0.0], self.cum[:-1]))
        return (self.cum - before) / (self.cash + before)


@dataclass(frozen=True)
class Dealings:
    """Sums over a window's trades. trade_returns: sum of P&L over the entry's notional."""

    trades: int
    wins: int
    gross_profit: float
    gross_loss: float
    fees: float
    notional: float
    trade_returns: float


def measure(curve: Curve, dealt: Dealings, calendar: int) -> Measures:
    """All METRICS of a window and the reasons for those that are None."""
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    why: dict[str, str] = {}
    days = len(curve.cum)
    count = dealt.trades
    pnl = float(curve.cum[-1]) if days else 0.0
    values |= {"trades": count, "wins": dealt.wins, "losses": count - dealt.wins, "days": days}
    values |= {"pnl": pnl, "final_equity": curve.cash + pnl, "max_drawdown": curve.drawdown}
    values["exposure"] = curve.held / curve.bars
    values |= {"gross_profit": dealt.gross_profit, "gross_loss": dealt.gross_loss, "fees": dealt.fees}
    values["turnover"] = dealt.notional / curve.cash
    if count:
        values["win_rate"] = dealt.wins / count
        values["expectancy"] = (dealt.gross_profit - dealt.gross_loss) / count
        values["avg_trade"] = dealt.trade_returns / count
    else:
        why |= dict.fromkeys(("win_rate", "expectancy", "avg_trade"), NO_TRADES)
    if dealt.gross_loss > 0:
        values["profit_factor"] = dealt.gross_profit / dealt.gross_loss
    else:
        why["profit_factor"] = "no losing trade" if count else NO_TRADES
    _curve_measures(curve, calendar, values, why)
    for name in METRICS:
        number = values[name]
        if number is not None and not math.isfinite(number):
            values[name] = None
            why[name] = "not finite"
    return values, why


def _curve_measures(
    curve: Curve, calendar: int, values: dict[str, float | None], why: dict[str, str]
) -> None:
    days = len(curve.cum)
    values["ulcer"], values["longest_drawdown_days"] = _under_water(curve)
    if curve.ruined:
        why |= dict.fromkeys(("sharpe", "sortino", "cagr", "calmar"), RUINED)
        return
    returns = curve.returns()
    values["sharpe"] = sharpe(returns, calendar)
    values["sortino"] = sortino(returns, calendar)
    if values["sharpe"] is None:
        why["sharpe"] = ONE_DAY if days < 2 else FLAT
    if values["sortino"] is None:
        why["sortino"] = ONE_DAY if days < 2 else "no losing day"
    exponent = math.log1p(float(curve.cum[-1]) / curve.cash) * calendar / days
    if exponent > 700.0:
        why["cagr"] = why["calmar"] = "too short to annualise"
        return
    growth = math.expm1(exponent)
    values["cagr"] = growth
    if curve.drawdown > 0:
        values["calmar"] = growth / curve.drawdown
    else:
        why["calmar"] = "no drawdown"


def _under_water(curve: Curve) -> tuple[float, float]:
    """Ulcer index (root mean square of daily-close drawdowns) and the longest time below a peak, in days."""
    if len(curve.cum) == 0:
        return 0.0, 0.0
    peak = np.maximum.accumulate(np.concatenate(([0.0], curve.cum)))[1:]
    drawdown = (peak - curve.cum) / (curve.cash + peak)
    ulcer = math.sqrt(float((drawdown * drawdown).sum()) / len(drawdown))
    # At each day's end, when the curve was last at its peak; a day at the peak is no time below it.
    since = np.maximum.accumulate(np.where(drawdown > 0, curve.start, curve.times))
    return ulcer, int((curve.times - since).max()) / _DAY_S


def invalid(reason: str) -> Measures:
    """Every measure None: a run that broke an invariant has no numbers."""
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    reasons: Mapping[str, str] = dict.fromkeys(METRICS, reason)
    return values, dict(reasons)
