# mypy: allow-untyped-calls
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

from foldward.backtest._peer_kernels import trades_of, wishes_of
from foldward.backtest._signals import column
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
NOTE = "profile peer: the existing peer's rules, kept for interoperability"


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
    wishes_of(
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
    table = trades_of(
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
