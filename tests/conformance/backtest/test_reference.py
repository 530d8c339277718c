"""The compiled simulation against the rules written down once more, slowly and plainly."""

import numpy as np
import pytest

from foldward.backtest import _kernels as k
from foldward.backtest import simulate
from foldward.backtest.engine import prepare
from foldward.backtest.ledger import REASONS
from foldward.contracts.jobs import Costs, Strategy
from foldward.data.bars import NS, Bars, day_ends

KINDS = {
    "sma": {"sma_short": 2, "sma_long": 5},
    "rsi": {"period": 4, "low": 40, "high": 60},
    "bb": {"period": 6, "band_mult": 1.0},
    "donchian": {"period": 4, "exit_period": 2},
    "vwapvr": {"period": 5, "threshold": 100},
}
VARIANTS = [
    {},
    {"sl": 1.0, "tp": 1.5},
    {"sl": "0.7%", "tp": "0.7%", "stop_anchor": "signal"},
    {"sl": "1atr", "tp": "2atr", "atr_period": 6, "direction": "short"},
    {"sl": 0.4, "direction": "long", "units": 3.0},
    {"tp": "0.5%", "costs": Costs(commission_bps=20, spread=0.2, slippage=0.1)},
    {"sl": 2.0, "costs": Costs(commission_bps=2, swap_long=-0.05, swap_short=0.02)},
]


def walk(seed, n=500):
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.008, n))), 1)
    opening = np.round(np.concatenate((close[:1], close[:-1])) * (1 + rng.normal(0, 0.004, n)), 1)
    reach = np.round(np.abs(rng.normal(0, 0.004, n)) * close, 1)
    time = (1_704_067_200 + 3600 * np.arange(n, dtype=np.int64)) * NS
    return Bars(
        time=time,
        open=opening,
        high=np.maximum(opening, close) + reach,
        low=np.minimum(opening, close) - reach,
        close=close,
        volume=rng.integers(0, 50, n).astype(np.float64),
        day_end=day_ends(time),
        timeframe=60,
    )


def distance(level, anchor, atr):
    if level is None:
        return None
    if isinstance(level, float):
        return level
    if level.endswith("%"):
        return anchor * float(level[:-1]) / 100.0
    return float(level[:-3]) * atr


def reference(bars, signals, atr, s):
    """Trades as tuples, and the equity at every close: one object a trade, one decision a line."""
    worse = s.costs.spread / 2 + s.costs.slippage
    rate = s.costs.commission_bps / 1e4
    trades, equity = [], []
    cash, position = s.cash, None

    def close(bar, price, reason):
        nonlocal cash, position
        side = position["side"]
        fill = price - side * worse
        pnl = side * s.units * (fill - position["fill"]) - s.units * rate * (fill + position["fill"])
        pnl += position["swap"]
        trades.append((position["bar"], bar, side, position["raw"], price, reason, pnl))
        cash += pnl
        position = None

    n = len(bars)
    for i in range(n):
        o, h, l, c = bars.open[i], bars.high[i], bars.low[i], bars.close[i]  # noqa: E741
        wish = int(signals[i - 1]) if i else 0
        buy = bool(wish & k.LONG_ENTRY) and s.direction != "short"
        sell = bool(wish & k.SHORT_ENTRY) and s.direction != "long" and not buy
        if position and i and bars.time[i] // (86_400 * NS) != bars.time[i - 1] // (86_400 * NS):
            nightly = s.costs.swap_long if position["side"] > 0 else s.costs.swap_short
            position["swap"] += nightly * s.units
        if position and position["side"] > 0 and (sell or wish & k.LONG_EXIT):
            close(i, o, "reverse" if sell else "signal")
            buy = False
        elif position and position["side"] < 0 and (buy or wish & k.SHORT_EXIT):
            close(i, o, "reverse" if buy else "signal")
            sell = False
        elif position:
            buy = sell = False
        uses_atr = any(isinstance(level, str) and level.endswith("atr") for level in (s.sl, s.tp))
        if (buy or sell) and not (uses_atr and atr[i - 1] == 0):
            side = 1 if buy else -1
            anchor = bars.close[i - 1] if s.stop_anchor == "signal" else o
            sl, tp = distance(s.sl, anchor, atr[i - 1]), distance(s.tp, anchor, atr[i - 1])
            position = {
                "side": side,
                "bar": i,
                "raw": o,
                "fill": o + side * worse,
                "swap": 0.0,
                "stop": None if sl is None else anchor - side * sl,
                "target": None if tp is None else anchor + side * tp,
            }
        if position:
            side, stop, target = position["side"], position["stop"], position["target"]
            worst, most = (l, h) if side > 0 else (h, l)
            if stop is not None and (o - stop) * side <= 0:
                close(i, o, "stop")
            elif target is not None and (o - target) * side >= 0:
                close(i, o, "target")
            elif stop is not None and (worst - stop) * side <= 0:
                close(i, stop, "stop")
            elif target is not None and (most - target) * side >= 0:
                close(i, target, "target")
            elif i == n - 1:
                close(i, c, "end")
        value = cash
        if position:
            value += position["side"] * s.units * (c - position["fill"])
            value += position["swap"] - s.units * rate * position["fill"]
        equity.append(value)
    return trades, np.array(equity)


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_trade_and_the_drawdown_agree(kind, variant):
    seen = 0
    for seed in range(6):
        bars = walk(100 * variant + seed)
        strategy = Strategy(name="r", kind=kind, params=KINDS[kind], **VARIANTS[variant])
        prepared = prepare(bars, strategy)
        atr = prepared.atr if len(prepared.atr) else np.ones(len(bars))
        expected, equity = reference(bars, prepared.signals, atr, prepared.strategy)
        out = simulate(bars, strategy)
        ours = [
            (
                int(t["entry_bar"]),
                int(t["exit_bar"]),
                int(t["direction"]),
                float(t["raw_entry"]),
                float(t["raw_exit"]),
                REASONS[t["reason"]],
            )
            for t in out.trades
        ]
        assert ours == [row[:6] for row in expected]
        np.testing.assert_allclose(out.trades["pnl"], [row[6] for row in expected], rtol=1e-9, atol=1e-9)
        ends = np.flatnonzero(bars.day_end)
        np.testing.assert_allclose(out.day_equity, equity[ends], rtol=1e-12)
        peaks = np.maximum.accumulate(np.concatenate(([strategy.cash], equity)))[1:]
        assert out.metrics["max_drawdown"] == pytest.approx(((peaks - equity) / peaks).max(), rel=1e-9)
        seen += len(expected)
    assert seen >= 60


def test_every_reason_to_leave_occurs_in_these_cases():
    reasons = set()
    for variant in VARIANTS:
        for seed in range(3):
            for kind, params in KINDS.items():
                out = simulate(walk(seed), Strategy(name="r", kind=kind, params=params, **variant))
                reasons |= {REASONS[code] for code in out.trades["reason"].tolist()}
    assert reasons == {"signal", "stop", "target", "reverse", "end"}
