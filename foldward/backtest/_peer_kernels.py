# mypy: allow-untyped-defs, allow-untyped-calls
"""The kernels of profile `peer`: the existing peer's indicators, signals and trades, bar by bar.

One module, because numba's cache does not see edits in another one.
"""

from __future__ import annotations

import math

import numpy as np

from foldward.backtest._compile import kernel_decorator

_SMA, _EMA, _RSI, _BB, _KELTNER, _MACD, _STOCH, _VWAP, _VOLSMA, _VPOC, _VWAPVR = range(11)
BUY, SELL, LEAVE_LONG, LEAVE_SHORT = 1, 2, 4, 8

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
def wishes_of(kind, h, l, c, v, first, s, long, mult, atr_period, out):  # noqa: E741
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
def trades_of(h, l, c, wishes, passes, first, sl, tp, by_atr, atr_period, slippage):  # noqa: E741
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
