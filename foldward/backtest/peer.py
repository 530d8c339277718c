# mypy: allow-untyped-defs, allow-untyped-calls
"""Profile `peer`: the rules of the existing peer's engine, for interoperability only.

Facts observed on that engine, weaknesses included: it fills at the close it decides on, tests stops on closes
only, its indicator windows leave out the current bar, zero stops are not off, an open position at the end is
dropped, and its zero stands for "undefined". Held against results that the peer computed, to 1e-8
(tests/data/peer_golden.jsonl). Nothing of it is part of the default profile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from foldward.backtest._compile import kernel_decorator
from foldward.backtest._signals import column
from foldward.backtest.blocks import BLOCK
from foldward.backtest.filters import Aux, resample
from foldward.backtest.ledger import TRADE, Trades
from foldward.backtest.levels import parse_level
from foldward.backtest.metrics import METRICS
from foldward.backtest.outcome import Outcome
from foldward.backtest.stretch import stretch
from foldward.contracts.jobs import Filter, Strategy, Swap, Window
from foldward.data.bars import NS, Bars, Floats, Ints

SLIPPAGE = 0.005
CASH = 10_000.0
_DAY_S = 86_400
_YEAR = math.sqrt(252.0)
KINDS = ("sma", "ema", "rsi", "bb", "keltner", "macd", "stoch", "vwap", "volsma", "vpoc", "vwapvr")
_SMA, _EMA, _RSI, _BB, _KELTNER, _MACD, _STOCH, _VWAP, _VOLSMA, _VPOC, _VWAPVR = range(11)
BUY, SELL, LEAVE_LONG, LEAVE_SHORT = 1, 2, 4, 8
NOTE = "profile peer: the existing peer's rules, kept for interoperability"

kernel = kernel_decorator(__file__)


@kernel
def _mean(x, start, stop):
    total = 0.0
    for j in range(start, stop):
        total += x[j]
    return total / (stop - start)


@kernel
def _rsi(c, i, p):
    gain = 0.0
    loss = 0.0
    for j in range(max(1, i - p), i):
        d = c[j] - c[j - 1]
        if d > 0.0:
            gain += d
        else:
            loss -= d
    if loss == 0.0:
        return 100.0
    return 100.0 - 100.0 / (1.0 + gain / loss)


@kernel
def _band(c, i, p, mult):
    start = max(0, i - p)
    mean = _mean(c, start, i)
    total = 0.0
    for j in range(start, i):
        total += (c[j] - mean) * (c[j] - mean)
    return mean, mult * math.sqrt(total / (i - start))


@kernel
def _atr(h, l, c, i, p):  # noqa: E741
    total = 0.0
    start = max(1, i - p)
    for j in range(start, i):
        total += max(h[j] - l[j], abs(h[j] - c[j - 1]), abs(l[j] - c[j - 1]))
    return total / (i - start) if i > start else 0.0


@kernel
def _channel(h, l, c, i, p, atr_period, mult):  # noqa: E741
    start = max(0, i - 4 * p)
    k = 2.0 / (p + 1.0)
    mean = c[start]
    for j in range(start + 1, i):
        mean = c[j] * k + mean * (1.0 - k)
    return mean, mult * _atr(h, l, c, i, atr_period)


@kernel
def _stoch(c, i, p):
    start = max(0, i - p)
    low = c[start]
    high = c[start]
    for j in range(start + 1, i):
        low = min(low, c[j])
        high = max(high, c[j])
    return 50.0 if high <= low else (c[i] - low) / (high - low) * 100.0


@kernel
def _vwap(h, l, c, v, i, p):  # noqa: E741
    money = 0.0
    volume = 0.0
    for j in range(max(0, i - p), i):
        money += (h[j] + l[j] + c[j]) / 3.0 * v[j]
        volume += v[j]
    return money / volume if volume > 0.0 else c[i]


@kernel
def _control(c, v, i, p, bins):
    start = max(0, i - p)
    low = c[start]
    high = c[start]
    for j in range(start + 1, i):
        low = min(low, c[j])
        high = max(high, c[j])
    if high - low < 1e-12:
        return low
    width = (high - low) / bins
    profile = np.zeros(bins)
    for j in range(start, i):
        profile[min(bins - 1, int((c[j] - low) / width))] += v[j]
    best = 0
    for j in range(1, bins):
        if profile[j] > profile[best]:
            best = j
    return low + (best + 0.5) * width


@kernel
def _ratio(h, l, c, v, i, p):  # noqa: E741
    mean = _mean(v, max(0, i - p), i)
    if mean <= 0.0:
        return 0.0
    size = v[i] / mean * 100.0
    return size if c[i] >= _vwap(h, l, c, v, i, p) else -size


@kernel
def _wishes(kind, h, l, c, v, first, s, long, mult, atr_period, out):  # noqa: E741
    """Bits for every bar from `first` on: BUY, SELL, LEAVE_LONG, LEAVE_SHORT."""
    n = len(c)
    if kind == _MACD:
        fast = c[0]
        slow = c[0]
        line = 0.0
        trigger = 0.0
        for i in range(1, n):
            before = line
            trigger_before = trigger
            fast += (c[i] - fast) * (2.0 / 13.0)
            slow += (c[i] - slow) * (2.0 / 27.0)
            line = fast - slow
            trigger += (line - trigger) * (2.0 / 10.0)
            if i >= first:
                if before < trigger_before and line > trigger:
                    out[i] = BUY | LEAVE_SHORT
                elif before > trigger_before and line < trigger:
                    out[i] = SELL | LEAVE_LONG
        return
    for i in range(first, n):
        px = c[i]
        pp = c[i - 1]
        buy = False
        sell = False
        leave_long = False
        leave_short = False
        if kind in (_SMA, _EMA):
            a = _mean(c, max(0, i - s), i)
            b = _mean(c, max(0, i - long), i)
            pa = _mean(c, max(0, i - 1 - s), i - 1)
            pb = _mean(c, max(0, i - 1 - long), i - 1)
            buy = pa < pb and a > b
            sell = pa > pb and a < b
            leave_long = sell
            leave_short = buy
        elif kind == _RSI:
            p = max(s, 7)
            r = _rsi(c, i, p)
            pr = _rsi(c, i - 1, p)
            buy = pr < 30.0 and r >= 30.0
            sell = pr > 70.0 and r <= 70.0
            leave_long = r > 70.0
            leave_short = r < 30.0
        elif kind in (_BB, _KELTNER):
            if kind == _BB:
                p = max(s, 20)
                mid, width = _band(c, i, p, mult)
                pmid, pwidth = _band(c, i - 1, p, mult)
            else:
                p = max(s, 2)
                mid, width = _channel(h, l, c, i, p, atr_period, mult)
                pmid, pwidth = _channel(h, l, c, i - 1, p, atr_period, mult)
            buy = pp <= pmid - pwidth and px > mid - width
            sell = px >= mid + width
            leave_long = px >= mid
            leave_short = px <= mid
        elif kind == _STOCH:
            p = max(s, 14)
            k = _stoch(c, i, p)
            pk = _stoch(c, i - 1, p)
            buy = pk < 20.0 and k >= 20.0
            sell = pk > 80.0 and k <= 80.0
            leave_long = k > 80.0
            leave_short = k < 20.0
        elif kind in (_VWAP, _VPOC):
            if kind == _VWAP:
                p = max(s, 2)
                now = _vwap(h, l, c, v, i, p)
                was = _vwap(h, l, c, v, i - 1, p)
            else:
                p = max(s, 4)
                bins = min(40, max(4, long))
                now = _control(c, v, i, p, bins)
                was = _control(c, v, i - 1, p, bins)
            buy = pp <= was and px > now
            sell = pp >= was and px < now
            leave_long = sell
            leave_short = buy
        elif kind == _VOLSMA:
            p = max(s, 2)
            m = max(long, 105) / 100.0
            spike = v[i - 1] <= m * _mean(v, max(0, i - 1 - p), i - 1) and v[i] > m * _mean(
                v, max(0, i - p), i
            )
            buy = spike and px > pp
            sell = spike and px < pp
            leave_long = sell
            leave_short = buy
        else:
            p = max(s, 2)
            threshold = float(max(long, 1))
            r = _ratio(h, l, c, v, i, p)
            pr = _ratio(h, l, c, v, i - 1, p)
            buy = pr < threshold and r >= threshold
            sell = pr > -threshold and r <= -threshold
            leave_long = r <= 0.0
            leave_short = r >= 0.0
        out[i] = (
            (BUY if buy else 0)
            | (SELL if sell else 0)
            | (LEAVE_LONG if leave_long else 0)
            | (LEAVE_SHORT if leave_short else 0)
        )


@kernel
def _trade(h, l, c, wishes, passes, first, sl, tp, by_atr, atr_period, slippage):  # noqa: E741
    """Rows of all closed trades: entry bar, exit bar, side, entry and exit price, stop, target, reason."""
    n = len(c)
    rows = np.empty((n, 8), dtype=np.float64)
    count = 0
    side = 0
    entered = 0
    price = 0.0
    stop = 0.0
    target = 0.0
    for i in range(first, n):
        px = c[i]
        if side != 0:
            reason = 0
            if (px - stop) * side <= 0.0:
                reason = 2
            elif (px - target) * side >= 0.0:
                reason = 3
            elif wishes[i] & (LEAVE_LONG if side > 0 else LEAVE_SHORT):
                reason = 1
            if reason:
                row = rows[count]
                row[0] = entered
                row[1] = i
                row[2] = side
                row[3] = price
                row[4] = px - side * slippage
                row[5] = stop
                row[6] = target
                row[7] = reason
                count += 1
                side = 0
        if side == 0 and passes[i]:
            if wishes[i] & BUY:
                side = 1
            elif wishes[i] & SELL:
                side = -1
            if side != 0:
                entered = i
                price = px + side * slippage
                unit = _atr(h, l, c, i, atr_period) if by_atr else 1.0
                stop = price - side * sl * unit
                target = price + side * tp * unit
    return rows[:count].copy()


def min_bars(kind: str, params: Mapping[str, float], atr_period: int) -> int:
    """The first bar that may decide."""
    s, long = int(params["sma_short"]), int(params["sma_long"])
    return {
        "sma": max(s, long) + 2,
        "ema": max(s, long) + 2,
        "rsi": s + 5,
        "macd": 40,
        "bb": s + 2,
        "stoch": s + 2,
        "vwap": max(s, 2) + 2,
        "volsma": max(s, 2) + 2,
        "vwapvr": max(s, 2) + 2,
        "vpoc": max(s, 4) + 2,
        "keltner": max(s, 2, atr_period) + 2,
    }[kind]


def simulate_peer(
    bars: Bars,
    strategy: Strategy,
    lo: int,
    hi: int,
    *,
    aux: Aux | None = None,
    swaps: Iterable[Swap] | None = None,
) -> Outcome:
    """The peer's answer for a validated strategy on bars lo ≤ i < hi, resampled to its timeframe."""
    candles = stretch(bars, lo, hi)
    if strategy.timeframe > 1 and strategy.timeframe != bars.timeframe:
        candles = resample(candles, strategy.timeframe)
    window = Window(int(bars.time[lo]) // NS, int(bars.time[hi - 1]) // NS, hi - lo)
    first = min_bars(strategy.kind, strategy.params, strategy.atr_period)
    seconds: Ints = candles.time // NS
    notes = [NOTE]
    if len(candles) < first:
        trades = np.zeros(0, dtype=TRADE)
        notes.append(f"{len(candles)} candles are fewer than the {first} it wants: zero metrics")
    else:
        trades = _ledger(candles, seconds, strategy, first, aux, tuple(swaps or ()))
    metrics, day_times, day_equity = _measure(trades, seconds)
    missing = {name: f"profile peer does not define {name}" for name in METRICS if name not in metrics}
    return Outcome(
        metrics={**dict.fromkeys(METRICS), **metrics},
        reasons=missing,
        window=window,
        make_trades=lambda: trades,
        identity=tuple(trades[name] for name in ("entry_bar", "exit_bar", "direction", "pnl")),
        day_times=day_times,
        day_equity=day_equity,
        blocks=np.zeros(0, dtype=BLOCK),
        calendar=252,
        profile="peer",
        notes=tuple(notes),
    )


def _ledger(
    candles: Bars, seconds: Ints, strategy: Strategy, first: int, aux: Aux | None, swaps: tuple[Swap, ...]
) -> Trades:
    h, l, c, v = (column(x) for x in (candles.high, candles.low, candles.close, candles.volume))  # noqa: E741
    params = strategy.params
    wishes = np.zeros(len(c), dtype=np.uint8)
    _wishes(
        KINDS.index(strategy.kind),
        h,
        l,
        c,
        v,
        first,
        int(params["sma_short"]),
        int(params["sma_long"]),
        float(params["band_mult"]),
        strategy.atr_period,
        wishes,
    )
    sl = parse_level(strategy.sl, name="sl", zero=True)
    tp = parse_level(strategy.tp, name="tp", zero=True)
    by_atr = any(level is not None and level.unit == "atr" for level in (sl, tp))
    table = _trade(
        h,
        l,
        c,
        wishes,
        _passes(seconds, strategy.filter, aux),
        first,
        math.inf if sl is None else sl.value,
        math.inf if tp is None else tp.value,
        by_atr,
        strategy.atr_period,
        SLIPPAGE,
    )
    return _rows(table, candles, seconds, swaps)


def _rows(table: NDArray[np.float64], candles: Bars, seconds: Ints, swaps: tuple[Swap, ...]) -> Trades:
    rows = np.zeros(len(table), dtype=TRADE)
    entry, leave = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    side = table[:, 2]
    rows["entry_bar"], rows["exit_bar"] = entry, leave
    rows["entry_time"], rows["exit_time"] = seconds[entry], seconds[leave]
    rows["direction"] = side.astype(np.int8)
    rows["reason"] = table[:, 7].astype(np.int8)
    rows["units"] = 1.0
    rows["raw_entry"], rows["raw_exit"] = candles.close[entry], candles.close[leave]
    rows["entry_price"], rows["exit_price"] = table[:, 3], table[:, 4]
    rows["friction"] = 2.0 * SLIPPAGE
    levels = table[:, 5:7]
    rows["stop"], rows["target"] = np.where(np.isfinite(levels), levels, 0.0).T
    nights = rows["exit_time"] // _DAY_S - rows["entry_time"] // _DAY_S
    history = sorted(swaps, key=lambda record: record.t)
    if history:
        at = np.searchsorted([record.t for record in history], rows["exit_time"], side="right")
        rates = np.array([(0.0, 0.0), *((record.sl, record.ss) for record in history)])
        chosen = np.where(side > 0, rates[at, 0], rates[at, 1])
        rows["swap"] = np.where(nights > 0, chosen * nights, 0.0)
    rows["pnl"] = side * (rows["exit_price"] - rows["entry_price"]) + rows["swap"]
    return rows


def _passes(seconds: Ints, rule: Filter | None, aux: Aux | None) -> NDArray[np.uint8]:
    passes = np.ones(len(seconds), dtype=np.uint8)
    higher = None if rule is None or aux is None else aux.get(rule.timeframe)
    if rule is None or higher is None:
        return passes
    times = higher.time // NS
    known = np.searchsorted(times, seconds - 60 * rule.timeframe, side="right")
    for i, count in enumerate(known.tolist()):
        passes[i] = 0
        if count >= rule.period:
            price = higher.close[count - 1]
            mean = float(higher.close[count - rule.period : count].sum()) / rule.period
            passes[i] = price > mean if rule.logic == "PRICE_ABOVE_SMA" else price < mean
    return passes


def _measure(trades: Trades, seconds: Ints) -> tuple[dict[str, float | None], Ints, Floats]:
    pnl = np.ascontiguousarray(trades["pnl"])
    count = len(pnl)
    wins = int((pnl > 0).sum())
    equity = CASH + np.cumsum(pnl)
    peak = np.maximum.accumulate(np.concatenate(([CASH], equity)))[1:]
    drawdown = float(((peak - equity) / peak).max()) if count else 0.0
    profit, loss = float(pnl[pnl > 0].sum()), float(-pnl[pnl < 0].sum())
    days: Ints = np.arange(seconds[0] // _DAY_S, seconds[-1] // _DAY_S + 1, dtype=np.int64)
    at = trades["exit_time"] // _DAY_S - days[0]
    closed: Floats = np.bincount(at, weights=pnl, minlength=len(days)).astype(np.float64)
    after: Floats = CASH + np.cumsum(closed, dtype=np.float64)
    returns = closed / (after - closed)
    mean = float(returns.mean())
    spread = float(returns.std())
    negative = returns[returns < 0]
    sharpe = mean / spread * _YEAR if spread > 0 else 0.0
    down = math.sqrt(float((negative * negative).mean())) if len(negative) else 0.0
    penalty = 0.5 if sharpe > 5 else 0.2 if sharpe > 3 else 0.0
    if count < 50:
        penalty += 0.3 * (1.0 - count / 50)
    metrics: dict[str, float | None] = {
        "trades": count,
        "wins": wins,
        "losses": count - wins,
        "pnl": float(pnl.sum()),
        "sharpe": sharpe,
        "sortino": mean / down * _YEAR if down > 0 else 0.0,
        "max_drawdown": drawdown,
        "win_rate": wins / count if count else 0.0,
        "profit_factor": profit / loss if loss > 0 else 0.0,
        "adjusted_sharpe": max(0.0, sharpe * (1.0 - penalty)),
        "gross_profit": profit,
        "gross_loss": loss,
        "days": len(days),
        "final_equity": CASH + float(pnl.sum()),
    }
    return metrics, days * _DAY_S, after
