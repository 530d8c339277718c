"""Block statistics: what a stretch of bars leaves behind, in a form that adjacent stretches combine.

A monoid (Fold): `combine` is associative and EMPTY is its neutral element, so any split of a run is evaluated
from its days' blocks without touching a bar again. Drawdown combines as in
D = max(Da, Db, 1 − Ga·Tb / Pa), with growth G, relative peak P ≥ 1 and trough T ≤ 1. What is stored are
G − 1, P − 1 and T − 1: the returns of a small position would lose half their digits beside the 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldward.backtest import _kernels as k
from foldward.backtest.metrics import FLAT_SHARE
from foldward.data.bars import NS, Floats, Ints
from foldward.stats import probabilistic_sharpe_ratio

# One trading day. ret, top, bottom: change of equity to the day's end, to its highest and its lowest close of
# a bar, relative to the equity the day began with. drawdown: ratio inside the day. A trade counts in the
# block of its exit.
BLOCK = np.dtype(
    [
        ("first_bar", "<i8"),
        ("last_bar", "<i8"),
        ("time", "<i8"),
        ("ret", "<f8"),
        ("top", "<f8"),
        ("bottom", "<f8"),
        ("drawdown", "<f8"),
        ("pnl", "<f8"),
        ("gross_profit", "<f8"),
        ("gross_loss", "<f8"),
        ("fees", "<f8"),
        ("notional", "<f8"),
        ("trades", "<i8"),
        ("wins", "<i8"),
        ("bars", "<i8"),
        ("held", "<i8"),
    ]
)


def no_blocks() -> NDArray[np.void]:
    """The table of a run without days."""
    return np.zeros(0, dtype=BLOCK)


@dataclass(frozen=True)
class Block:
    """Sufficient statistics of a stretch: powers of daily returns, gain, extremes and trade sums."""

    days: int = 0
    s1: float = 0.0
    s2: float = 0.0
    s3: float = 0.0
    s4: float = 0.0
    down2: float = 0.0
    gain: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    drawdown: float = 0.0
    pnl: float = 0.0
    gross_profit: float = 0.0
    gross_loss: float = 0.0
    fees: float = 0.0
    notional: float = 0.0
    trades: int = 0
    wins: int = 0
    bars: int = 0
    held: int = 0

    def ruined(self) -> bool:
        """Whether the equity fell to zero or below."""
        return self.gain <= -1.0

    def sharpe(self, calendar: int) -> float | None:
        """Annualised Sharpe (ddof 1), None when the returns do not vary or the equity was lost."""
        if self.days < 2 or self.ruined():
            return None
        mean = self.s1 / self.days
        squares = self.s2 - self.s1 * mean
        if not squares > FLAT_SHARE * self.s2:
            return None
        variance = squares / (self.days - 1)
        return mean / math.sqrt(variance) * math.sqrt(calendar)

    def sortino(self, calendar: int) -> float | None:
        """Annualised Sortino (all days in the denominator), None without a losing day."""
        if self.days < 2 or not self.down2 > 0.0 or self.ruined():
            return None
        return self.s1 / self.days / math.sqrt(self.down2 / self.days) * math.sqrt(calendar)

    def probabilistic_sharpe(self) -> float | None:
        """Probability that the true Sharpe ratio is above 0 (`foldward.stats`), None where there is none."""
        daily = self.sharpe(1)
        if daily is None:
            return None
        n, mean = self.days, self.s1 / self.days
        second = (self.s2 - self.s1 * mean) / n
        third = (self.s3 - 3.0 * mean * self.s2 + 2.0 * mean * mean * self.s1) / n
        fourth = self.s4 - 4.0 * mean * self.s3 + 6.0 * mean * mean * self.s2 - 3.0 * mean**3 * self.s1
        skew, kurtosis = third / second**1.5, fourth / n / (second * second)
        return probabilistic_sharpe_ratio(daily, 0.0, n, skew, kurtosis)

    def profit_factor(self) -> float | None:
        """Gross profit over gross loss, None without a loss."""
        return self.gross_profit / self.gross_loss if self.gross_loss > 0.0 else None

    def win_rate(self) -> float | None:
        """Share of trades with a profit, None without trades."""
        return self.wins / self.trades if self.trades else None


EMPTY = Block()
_MONEY = ("pnl", "gross_profit", "gross_loss", "fees", "notional")
_COUNTS = ("trades", "wins", "bars", "held")
_EXTREMES = ("gain", "top", "bottom", "drawdown")
_SUMS = [field.name for field in fields(Block) if field.name not in _EXTREMES]


def combine(a: Block, b: Block) -> Block:
    """The block of `a` followed by `b`. What was lost whole stays lost: nothing grows from a ruined `a`."""
    sums = {name: getattr(a, name) + getattr(b, name) for name in _SUMS}
    if a.ruined():
        return Block(**sums, **{name: getattr(a, name) for name in _EXTREMES})
    low = a.gain + b.bottom + a.gain * b.bottom
    top = max(a.top, a.gain + b.top + a.gain * b.top)
    # Below zero the ratio shrinks with the peak: the fall counts from the highest, not from the day's own.
    fall = (top - low) / (1.0 + top) if low <= -1.0 else max(b.drawdown, (a.top - low) / (1.0 + a.top))
    return Block(
        **sums,
        gain=a.gain + b.gain + a.gain * b.gain,
        top=top,
        bottom=min(a.bottom, low),
        drawdown=max(a.drawdown, fall),
    )


def combine_all(blocks: Iterable[Block]) -> Block:
    """All blocks in order, left to right; EMPTY for none."""
    total = EMPTY
    for block in blocks:
        total = combine(total, block)
    return total


def fold(table: NDArray[np.void]) -> Block:
    """The block of a whole table (rows in order, dtype BLOCK), as if its rows had been combined singly."""
    if len(table) == 0:
        return EMPTY
    r = np.ascontiguousarray(table["ret"])
    squares = r * r
    down = np.minimum(r, 0.0)
    after = np.empty(len(r))
    gain = 0.0
    for row, step in enumerate(r.tolist()):
        gain = gain + step + gain * step
        after[row] = gain
    before = np.concatenate(([0.0], after[:-1]))
    tops = np.maximum.accumulate(np.concatenate(([0.0], before + table["top"] + before * table["top"])))
    lows = before + table["bottom"] + before * table["bottom"]
    across = (tops[:-1] - lows) / (1.0 + tops[:-1])
    bottom = min(0.0, float(lows.min()))
    if bottom > -1.0:
        drawdown = max(0.0, float(table["drawdown"].max()), float(across.max()))
    else:
        drawdown = (float(tops[-1]) - bottom) / (1.0 + float(tops[-1]))
    money = {name: float(table[name].sum()) for name in _MONEY}
    counts = {name: int(table[name].sum()) for name in _COUNTS}
    return Block(
        days=len(table),
        s1=float(r.sum()),
        s2=float(squares.sum()),
        s3=float((squares * r).sum()),
        s4=float((squares * squares).sum()),
        down2=float((down * down).sum()),
        gain=gain,
        top=float(tops[-1]),
        bottom=bottom,
        drawdown=drawdown,
        pnl=money["pnl"],
        gross_profit=money["gross_profit"],
        gross_loss=money["gross_loss"],
        fees=money["fees"],
        notional=money["notional"],
        trades=counts["trades"],
        wins=counts["wins"],
        bars=counts["bars"],
        held=counts["held"],
    )


def day_blocks(days: Floats, sums: Floats, settings: Floats, time_ns: Ints, first: int) -> NDArray[np.void]:
    """The block table of a run: one row a trading day, from the day table and the trades' sums by day."""
    rows = np.zeros(days.shape[1], dtype=BLOCK)
    cash = float(settings[k.S_CASH])
    last = days[k.D_LAST].astype(np.int64)
    rows["first_bar"], rows["last_bar"] = np.concatenate(([first], last[:-1] + 1)), last
    rows["time"] = time_ns[last] // NS
    started = np.concatenate(([0.0], days[k.D_CUM, :-1]))
    before = cash + started
    # From the P&L itself: a difference of equities would lose the digits of a small position.
    gain = days[k.D_CUM] - started
    rows["ret"] = gain / before
    rows["top"] = (days[k.D_HIGH] - started) / before
    rows["bottom"] = (days[k.D_LOW] - started) / before
    rows["drawdown"] = days[k.D_DRAWDOWN]
    rows["bars"], rows["held"] = days[k.D_BARS], days[k.D_HELD]
    rows["pnl"] = gain
    rows["trades"], rows["wins"] = sums[k.P_TRADES], sums[k.P_WINS]
    rows["gross_profit"], rows["gross_loss"] = sums[k.P_PROFIT], sums[k.P_LOSS]
    rows["notional"] = sums[k.P_NOTIONAL]
    rows["fees"] = fees_of(sums[k.P_NOTIONAL], sums[k.P_TRADES], settings)
    return rows


def fees_of(notional: Any, trades: Any, settings: Floats) -> Any:
    """Commission on what was traded, spread and slippage of both fills of each trade."""
    worse = float(settings[k.S_HALF] + settings[k.S_SLIPPAGE])
    return notional * float(settings[k.S_COMMISSION]) + trades * (2.0 * worse * float(settings[k.S_UNITS]))
