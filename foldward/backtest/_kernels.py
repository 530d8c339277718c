# mypy: allow-untyped-defs, allow-untyped-calls
"""Every compiled function of the engine (profile next_open), in one module.

One module, because numba's cache does not see an edit in another file. Rules kept here: no fastmath, no
parallel reduction, no float array per indicator, one fixed order of operations, so that a result is bit-equal
across runs, threads and worker counts. All arrays are one-dimensional, contiguous and of equal length n
unless a docstring says otherwise; a bar index is int64; prices are in price units.

Signals are one uint8 per bar, a set of the bits below: what the rule wishes at the close of that bar.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import int64, uint64, void
from numba.extending import intrinsic

from foldward.backtest._compile import kernel_decorator

kernel = kernel_decorator(__file__)

LONG_ENTRY, SHORT_ENTRY, LONG_EXIT, SHORT_EXIT = 1, 2, 4, 8
_UP = LONG_ENTRY | SHORT_EXIT
_DOWN = SHORT_ENTRY | LONG_EXIT

# Two averages that differ by less than this share of their size are equal: running sums carry rounding of
# about 1e-14, and a flat stretch of prices must not look like a crossing.
_SAME = 1e-12

# Bars whose running sums share an anchor; places of the blocks are counted from the first bar of the data, so
# that neither a window nor bars added later move them.
SPAN = 2048

# Bars in a block of extremes, as a power of two, and what a row of them holds.
REACH = 4
X_LOW, X_HIGH, X_LEAST, X_MOST = range(4)
EXTREMES = 4

# Bars between two counts of entries: an upper bound for any window without reading it.
_STRIDE = 4096

# Columns of the trade table, one row a trade. Prices are the market's; what costs make of them follows from
# the settings (`ledger.ledger`).
(
    T_ENTRY,
    T_EXIT,
    T_SIDE,
    T_RAW_ENTRY,
    T_RAW_EXIT,
    T_SWAP,
    T_PNL,
    T_STOP,
    T_TARGET,
    T_REASON,
) = range(10)
TRADE_COLUMNS = 10

# Rows of the day table, one column a day: last bar, P&L carried to its close, highest and lowest P&L at a
# close of the day, drawdown inside the day (ratio), bars, bars with a position.
D_LAST, D_CUM, D_HIGH, D_LOW, D_DRAWDOWN, D_BARS, D_HELD = range(7)
DAY_COLUMNS = 7

# Places of the settings vector.
(
    S_SL_MODE,
    S_SL,
    S_TP_MODE,
    S_TP,
    S_ANCHOR,
    S_MASK,
    S_UNITS,
    S_CASH,
    S_HALF,
    S_SLIPPAGE,
    S_COMMISSION,
    S_SWAPS,
) = range(12)
SETTINGS = 12

OFF, PRICE, PERCENT, ATR = 0, 1, 2, 3

REASON_SIGNAL, REASON_STOP, REASON_TARGET, REASON_REVERSE, REASON_END, REASON_RUIN = 1, 2, 3, 4, 5, 6

# What `check_trades` finds wrong with a ledger.
(
    SOUND,
    L_NOT_FINITE,
    L_OUTSIDE,
    L_ORDER,
    L_AT_ONCE,
    L_ENTRY_FILL,
    L_EXIT_FILL,
    L_PRICE,
    L_MONEY,
    L_TOTAL,
) = range(10)

# Rows of the per-day trade sums.
P_TRADES, P_WINS, P_PROFIT, P_LOSS, P_NOTIONAL, P_RETURNS = range(6)
PER_DAY = 6

OK, RUINED, BAD_FILL, NOT_FINITE, BAD_ACCOUNT, BAD_PRICE, MET = 0, 1, 2, 3, 4, 5, 6

# Columns of the window table: how it went, then the fields of `blocks.Block` in their order.
(
    W_STATUS,
    W_DAYS,
    W_S1,
    W_S2,
    W_S3,
    W_S4,
    W_DOWN2,
    W_GAIN,
    W_TOP,
    W_BOTTOM,
    W_DRAWDOWN,
    W_PNL,
    W_PROFIT,
    W_LOSS,
    W_FEES,
    W_NOTIONAL,
    W_TRADES,
    W_WINS,
    W_BARS,
    W_HELD,
) = range(20)
WINDOW_COLUMNS = 20


@kernel
def _sums_of_four(c, sums, totals, p, q, r, s):
    """Sums of four blocks of closes, side by side: one addition need not wait for the one before it."""
    c0, c1, c2, c3 = c[:SPAN], c[SPAN : 2 * SPAN], c[2 * SPAN : 3 * SPAN], c[3 * SPAN :]
    s0, s1, s2, s3 = sums[p], sums[q], sums[r], sums[s]
    t0 = t1 = t2 = t3 = 0.0
    for i in range(SPAN):
        s0[i] = t0
        s1[i] = t1
        s2[i] = t2
        s3[i] = t3
        t0 += c0[i]
        t1 += c1[i]
        t2 += c2[i]
        t3 += c3[i]
    totals[p] = t0
    totals[q] = t1
    totals[r] = t2
    totals[s] = t3


@kernel
def _sums_of_one(c, sums, totals, p):
    """The same for one block, which may be the last and short."""
    row = sums[p]
    total = 0.0
    for i in range(len(c)):
        row[i] = total
        total += c[i]
    if len(c) < SPAN:
        row[len(c)] = total
    totals[p] = total


@kernel
def _whole_blocks(totals, first, last):
    total = 0.0
    for block in range(first, last):
        total += totals[block % len(totals)]
    return total


@kernel
def _sides(here, short, long, more_short, more_long, ratio, out):
    """Which average is above at each bar, as the wish that a crossing to that side makes."""
    for i in range(len(out)):
        total = here[i] - long[i] + more_long
        gap = (here[i] - short[i] + more_short) * ratio - total
        edge = _SAME * total
        out[i] = (gap > edge) * _UP + (gap < -edge) * _DOWN


@kernel
def _crossings(sides, before):
    """Sides to crossings, in place: beyond now and not before. Returns the side of the last bar."""
    last = sides[len(sides) - 1]
    # From behind, so that each bar still finds the side of the one before it.
    for i in range(len(sides) - 1, 0, -1):
        sides[i] = sides[i] & ~sides[i - 1]
    sides[0] = sides[0] & ~before
    return last


@kernel
def signal_sma(c, sig, short, long):
    """Simple moving averages of the close over `short` and `long` bars; every bar of `sig` is written.

    Sums run within blocks of SPAN bars, counted from the first bar of the data: a window's sum is the
    difference of two of them and the totals of the blocks between. No rounding outlives its block (relative
    error below SPAN · 2⁻⁵³ = 2.3e-13), and no bar waits for the one before it.
    """
    n = len(c)
    sig[: min(long, n)] = 0
    if n < long:
        return
    ratio = long / short
    # The blocks that the long window reaches back to, and four to come.
    room = (long + SPAN - 1) // SPAN + 5
    sums = np.empty((room, SPAN), dtype=np.float64)
    totals = np.empty(room, dtype=np.float64)
    summed = 0
    # Before the first two averages there is no crossing, whatever their sides.
    side = np.uint8(_UP | _DOWN)
    for block in range(n // SPAN + 1):
        first = block * SPAN
        if block >= summed:
            if first + 4 * SPAN <= n:
                at = block % room, (block + 1) % room, (block + 2) % room, (block + 3) % room
                _sums_of_four(c[first : first + 4 * SPAN], sums, totals, *at)
                summed = block + 4
            else:
                _sums_of_one(c[first : min(n, first + SPAN)], sums, totals, block % room)
                summed = block + 1
        # Place j is before bar j: the window that ends with bar j − 1 is the sum at j less that at j − size.
        start = j = max(first, long)
        stop = min(first + SPAN, n + 1)
        while j < stop:
            from_short = (j - short) // SPAN
            from_long = (j - long) // SPAN
            end = min(stop, (from_short + 1) * SPAN + short, (from_long + 1) * SPAN + long)
            a, b, d = j - first, j - short - from_short * SPAN, j - long - from_long * SPAN
            size = end - j
            _sides(
                sums[block % room, a : a + size],
                sums[from_short % room, b : b + size],
                sums[from_long % room, d : d + size],
                _whole_blocks(totals, from_short, block),
                _whole_blocks(totals, from_long, block),
                ratio,
                sig[j - 1 : end - 1],
            )
            j = end
        if start < stop:
            # While they are at hand: the array as a whole does not fit the nearest caches.
            side = _crossings(sig[start - 1 : stop - 1], side)


@kernel
def signal_ema(c, sig, short, long):
    """Exponential moving averages, each seeded with the simple mean of its first values (TA-Lib EMA)."""
    n = len(c)
    ks = 2.0 / (short + 1.0)
    kl = 2.0 / (long + 1.0)
    es = 0.0
    el = 0.0
    before = 0
    for i in range(n):
        x = c[i]
        if i < short:
            es += x
            if i == short - 1:
                es /= short
        else:
            es = (x - es) * ks + es
        if i < long:
            el += x
            if i == long - 1:
                el /= long
        else:
            el = (x - el) * kl + el
        if i >= long - 1:
            gap = es - el
            edge = _SAME * el
            now = 1 if gap > edge else (-1 if gap < -edge else 0)
            if i >= long:
                if now > 0 and before <= 0:
                    sig[i] = _UP
                elif now < 0 and before >= 0:
                    sig[i] = _DOWN
            before = now


@kernel
def signal_rsi(c, sig, period, low, high, values):
    """Wilder's RSI (TA-Lib RSI: 0 where nothing moved yet). `values`: empty, or length n for the RSI
    itself.
    """
    n = len(c)
    keep = len(values) == n
    gain = 0.0
    loss = 0.0
    previous = 0.0
    for i in range(1, n):
        d = c[i] - c[i - 1]
        up = max(0.0, d)
        down = -d if d < 0.0 else 0.0
        if i <= period:
            gain += up
            loss += down
            if i < period:
                continue
            gain /= period
            loss /= period
        else:
            gain = (gain * (period - 1) + up) / period
            loss = (loss * (period - 1) + down) / period
        whole = gain + loss
        value = 100.0 * (gain / whole) if whole > 0.0 else 0.0
        if keep:
            values[i] = value
        if i > period:
            bits = 0
            if previous <= low and value > low:
                bits |= LONG_ENTRY
            if previous <= high and value > high:
                bits |= LONG_EXIT
            if previous >= high and value < high:
                bits |= SHORT_ENTRY
            if previous >= low and value < low:
                bits |= SHORT_EXIT
            sig[i] = bits
        previous = value


@kernel
def signal_bb(c, sig, period, mult, middle, upper, lower):
    """Bollinger bands (population deviation). `middle`, `upper`, `lower`: empty, or length n for the bands.

    Mean and squared deviations slide as in Welford's update and are computed afresh every 1024 bars, so that
    rounding never accumulates; equal closes give a width of exactly 0.
    """
    n = len(c)
    keep = len(middle) == n
    mean = 0.0
    squares = 0.0
    same = 0
    was_low = 0.0
    was_high = 0.0
    for i in range(n):
        x = c[i]
        same = same + 1 if i > 0 and x == c[i - 1] else 1
        if i < period - 1:
            continue
        if same >= period:
            mean = x
            squares = 0.0
        elif i == period - 1 or i % 1024 == 0:
            mean = 0.0
            for j in range(i - period + 1, i + 1):
                mean += c[j]
            mean /= period
            squares = 0.0
            for j in range(i - period + 1, i + 1):
                squares += (c[j] - mean) * (c[j] - mean)
        else:
            old = c[i - period]
            step = x - old
            fresh = mean + step / period
            squares += step * (x - fresh + old - mean)
            mean = fresh
            if squares < 0.0:
                squares = 0.0
        width = mult * np.sqrt(squares / period)
        low = mean - width
        high = mean + width
        if keep:
            middle[i] = mean
            upper[i] = high
            lower[i] = low
        if i >= period:
            p = c[i - 1]
            bits = 0
            if p <= was_low and x > low:
                bits |= LONG_ENTRY
            if p >= was_high and x < high:
                bits |= SHORT_ENTRY
            if x >= mean:
                bits |= LONG_EXIT
            if x <= mean:
                bits |= SHORT_EXIT
            sig[i] = bits
        was_low = low
        was_high = high


@kernel
def signal_macd(c, sig, fast, slow, smooth, line_out, signal_out):
    """MACD as TA-Lib: both averages are seeded so that they start at bar slow−1, the signal line with the
    mean of the first `smooth` values of the line. `line_out`, `signal_out`: empty, or length n."""
    n = len(c)
    keep = len(line_out) == n
    kf = 2.0 / (fast + 1.0)
    ks = 2.0 / (slow + 1.0)
    kg = 2.0 / (smooth + 1.0)
    ef = 0.0
    es = 0.0
    eg = 0.0
    before = 0
    start = slow - 1
    ready = slow + smooth - 2
    for i in range(n):
        x = c[i]
        if i <= start:
            es += x
            if i >= slow - fast:
                ef += x
            if i < start:
                continue
            es /= slow
            ef /= fast
        else:
            es = (x - es) * ks + es
            ef = (x - ef) * kf + ef
        line = ef - es
        if i <= ready:
            eg += line
            if i < ready:
                continue
            eg /= smooth
        else:
            eg = (line - eg) * kg + eg
        if keep:
            line_out[i] = line
            signal_out[i] = eg
        gap = line - eg
        edge = _SAME * x
        now = 1 if gap > edge else (-1 if gap < -edge else 0)
        if i > ready:
            if now > 0 and before <= 0:
                sig[i] = _UP
            elif now < 0 and before >= 0:
                sig[i] = _DOWN
        before = now


@kernel
def _true_range(h, l, c, i):  # noqa: E741
    p = c[i - 1]
    top = max(p, h[i])
    bottom = min(p, l[i])
    return top - bottom


@kernel
def signal_keltner(h, l, c, sig, period, atr_period, mult, middle, width):  # noqa: E741
    """EMA of the close ± mult × ATR, both as in TA-Lib. `middle`, `width`: empty, or length n."""
    n = len(c)
    keep = len(middle) == n
    k = 2.0 / (period + 1.0)
    mean = 0.0
    span = 0.0
    ready = max(period - 1, atr_period)
    was_low = 0.0
    was_high = 0.0
    for i in range(n):
        x = c[i]
        if i < period:
            mean += x
            if i == period - 1:
                mean /= period
        else:
            mean = (x - mean) * k + mean
        if i > 0:
            reach = _true_range(h, l, c, i)
            if i <= atr_period:
                span += reach
                if i == atr_period:
                    span /= atr_period
            else:
                span = (span * (atr_period - 1) + reach) / atr_period
        if i < ready:
            continue
        low = mean - mult * span
        high = mean + mult * span
        if keep:
            middle[i] = mean
            width[i] = mult * span
        if i > ready:
            p = c[i - 1]
            bits = 0
            if p <= was_low and x > low:
                bits |= LONG_ENTRY
            if p >= was_high and x < high:
                bits |= SHORT_ENTRY
            if x >= mean:
                bits |= LONG_EXIT
            if x <= mean:
                bits |= SHORT_EXIT
            sig[i] = bits
        was_low = low
        was_high = high


@kernel
def signal_stoch(h, l, c, sig, period, smooth, low, high, values):  # noqa: E741
    """Slow %K (TA-Lib STOCH, slowk; 0 where the range is nothing). `values`: empty, or length n."""
    n = len(c)
    keep = len(values) == n
    raw = np.zeros(smooth)
    top_at = -1
    bottom_at = -1
    previous = 0.0
    ready = period + smooth - 2
    for i in range(n):
        if top_at < 0 or top_at <= i - period:
            top_at = max(0, i - period + 1)
            for j in range(top_at + 1, i + 1):
                if h[j] >= h[top_at]:
                    top_at = j
        elif h[i] >= h[top_at]:
            top_at = i
        if bottom_at < 0 or bottom_at <= i - period:
            bottom_at = max(0, i - period + 1)
            for j in range(bottom_at + 1, i + 1):
                if l[j] <= l[bottom_at]:
                    bottom_at = j
        elif l[i] <= l[bottom_at]:
            bottom_at = i
        if i < period - 1:
            continue
        span = h[top_at] - l[bottom_at]
        raw[i % smooth] = 100.0 * (c[i] - l[bottom_at]) / span if span > 0.0 else 0.0
        if i < ready:
            continue
        value = 0.0
        for j in range(smooth):
            value += raw[(i - smooth + 1 + j) % smooth]
        value /= smooth
        if keep:
            values[i] = value
        if i > ready:
            bits = 0
            if previous <= low and value > low:
                bits |= LONG_ENTRY
            if previous <= high and value > high:
                bits |= LONG_EXIT
            if previous >= high and value < high:
                bits |= SHORT_ENTRY
            if previous >= low and value < low:
                bits |= SHORT_EXIT
            sig[i] = bits
        previous = value


@kernel
def signal_vwap(h, l, c, v, sig, period, values):  # noqa: E741
    """Close against the rolling VWAP of the typical price. `values`: empty, or length n.

    Prices are taken relative to the first close, sums are made afresh every 1024 bars: a long series keeps
    its precision, and a window without volume (sum at most 1e-12 of what passed through) has no VWAP.
    """
    n = len(c)
    keep = len(values) == n
    base = c[0] if n > 0 else 0.0
    money = 0.0
    volume = 0.0
    empty = 0
    before = 0
    known = False
    for i in range(n):
        typical = (h[i] + l[i] + c[i]) / 3.0 - base
        empty = empty + 1 if v[i] == 0.0 else 0
        money += typical * v[i]
        volume += v[i]
        if i >= period:
            if i % 1024 == 0:
                money = 0.0
                volume = 0.0
                for j in range(i - period + 1, i + 1):
                    money += ((h[j] + l[j] + c[j]) / 3.0 - base) * v[j]
                    volume += v[j]
            else:
                j = i - period
                money -= ((h[j] + l[j] + c[j]) / 3.0 - base) * v[j]
                volume -= v[j]
        if empty >= period:
            money = 0.0
            volume = 0.0
        if i < period - 1:
            continue
        if not volume > 0.0:
            known = False
            continue
        mean = money / volume + base
        if keep:
            values[i] = mean
        gap = c[i] - mean
        edge = _SAME * mean
        now = 1 if gap > edge else (-1 if gap < -edge else 0)
        if known:
            if now > 0 and before <= 0:
                sig[i] = _UP
            elif now < 0 and before >= 0:
                sig[i] = _DOWN
        before = now
        known = True


@kernel
def signal_volsma(c, v, sig, period, factor):
    """Volume crossing above factor × its mean over `period` bars, up or down by the close."""
    n = len(c)
    total = 0.0
    above = False
    for i in range(n):
        total += v[i]
        if i >= period:
            if i % 1024 == 0:
                total = 0.0
                for j in range(i - period + 1, i + 1):
                    total += v[j]
            else:
                total -= v[i - period]
        if i < period - 1:
            continue
        edge = factor * total / period
        now = v[i] - edge > _SAME * edge
        if i >= period and now and not above:
            if c[i] > c[i - 1]:
                sig[i] = _UP
            elif c[i] < c[i - 1]:
                sig[i] = _DOWN
        above = now


@kernel
def signal_vpoc(c, v, sig, period, bins, values):
    """Close against the middle of the fullest bin of the volume profile. `values`: empty, or length n."""
    n = len(c)
    keep = len(values) == n
    profile = np.zeros(bins)
    before = 0
    for i in range(period - 1, n):
        first = i - period + 1
        bottom = c[first]
        top = c[first]
        for j in range(first + 1, i + 1):
            if c[j] < bottom:
                bottom = c[j]
            if c[j] > top:
                top = c[j]
        width = (top - bottom) / bins
        control = bottom
        if width > _SAME * bottom:
            profile[:] = 0.0
            for j in range(first, i + 1):
                at = int((c[j] - bottom) / width)
                profile[at if at < bins else bins - 1] += v[j]
            best = 0
            for j in range(1, bins):
                if profile[j] > profile[best]:
                    best = j
            control = bottom + (best + 0.5) * width
        if keep:
            values[i] = control
        gap = c[i] - control
        edge = _SAME * control
        now = 1 if gap > edge else (-1 if gap < -edge else 0)
        if i >= period:
            if now > 0 and before <= 0:
                sig[i] = _UP
            elif now < 0 and before >= 0:
                sig[i] = _DOWN
        before = now


@kernel
def signal_vwapvr(h, l, c, v, sig, period, threshold, values):  # noqa: E741
    """Volume over its mean in percent, signed by the close's side of the rolling VWAP. `values`: empty or n.

    A window without volume has the ratio 0, on the side of the typical prices' plain mean.
    """
    n = len(c)
    keep = len(values) == n
    base = c[0] if n > 0 else 0.0
    money = 0.0
    volume = 0.0
    empty = 0
    previous = 0.0
    for i in range(n):
        typical = (h[i] + l[i] + c[i]) / 3.0 - base
        empty = empty + 1 if v[i] == 0.0 else 0
        money += typical * v[i]
        volume += v[i]
        if i >= period:
            if i % 1024 == 0:
                money = 0.0
                volume = 0.0
                for j in range(i - period + 1, i + 1):
                    money += ((h[j] + l[j] + c[j]) / 3.0 - base) * v[j]
                    volume += v[j]
            else:
                j = i - period
                money -= ((h[j] + l[j] + c[j]) / 3.0 - base) * v[j]
                volume -= v[j]
        if empty >= period:
            money = 0.0
            volume = 0.0
        if i < period - 1:
            continue
        value = 0.0
        if volume > 0.0:
            value = 100.0 * v[i] * period / volume
            mean = money / volume + base
            if c[i] - mean < -_SAME * mean:
                value = -value
        if keep:
            values[i] = value
        if i >= period:
            bits = 0
            if previous <= threshold and value > threshold:
                bits |= LONG_ENTRY
            if previous >= -threshold and value < -threshold:
                bits |= SHORT_ENTRY
            if value <= 0.0:
                bits |= LONG_EXIT
            if value >= 0.0:
                bits |= SHORT_EXIT
            sig[i] = bits
        previous = value


@kernel
def signal_donchian(h, l, c, sig, period, leave):  # noqa: E741
    """Close beyond the extremes of the previous `period` bars; out beyond those of the previous `leave`."""
    n = len(c)
    # Places of the extremes: highs and lows over the entry span, then over the exit span.
    hi_in = 0
    lo_in = 0
    hi_out = 0
    lo_out = 0
    ready = max(period, leave)
    for i in range(1, n):
        last = i - 1
        if hi_in < i - period:
            hi_in = i - period
            for j in range(hi_in + 1, last):
                if h[j] >= h[hi_in]:
                    hi_in = j
        if h[last] >= h[hi_in]:
            hi_in = last
        if lo_in < i - period:
            lo_in = i - period
            for j in range(lo_in + 1, last):
                if l[j] <= l[lo_in]:
                    lo_in = j
        if l[last] <= l[lo_in]:
            lo_in = last
        if hi_out < i - leave:
            hi_out = i - leave
            for j in range(hi_out + 1, last):
                if h[j] >= h[hi_out]:
                    hi_out = j
        if h[last] >= h[hi_out]:
            hi_out = last
        if lo_out < i - leave:
            lo_out = i - leave
            for j in range(lo_out + 1, last):
                if l[j] <= l[lo_out]:
                    lo_out = j
        if l[last] <= l[lo_out]:
            lo_out = last
        if i < ready:
            continue
        x = c[i]
        bits = 0
        if x > h[hi_in]:
            bits |= LONG_ENTRY
        if x < l[lo_in]:
            bits |= SHORT_ENTRY
        if x < l[lo_out]:
            bits |= LONG_EXIT
        if x > h[hi_out]:
            bits |= SHORT_EXIT
        sig[i] = bits


@kernel
def average_true_range(h, l, c, period, out):  # noqa: E741
    """Wilder's ATR (TA-Lib ATR): first value at bar `period`, the mean of the ranges of bars 1 to period.

    Bars before it are 0 in `out`, which stands for "not known yet".
    """
    n = len(c)
    value = 0.0
    for i in range(1, n):
        span = _true_range(h, l, c, i)
        if i <= period:
            value += span
            if i < period:
                continue
            value /= period
        else:
            value = (value * (period - 1) + span) / period
        out[i] = value


@kernel
def _book(trades, at, entered, i, side, units, worse, rate, raw_in, raw_out, fee_in, swap, stop, target, why):
    """Write one closed trade into row `at` of the table and return its P&L after all costs."""
    price_in = raw_in + side * worse
    price_out = raw_out - side * worse
    fee_out = price_out * units * rate
    pnl = side * units * (price_out - price_in) - fee_in - fee_out + swap
    trades[at, T_ENTRY] = entered
    trades[at, T_EXIT] = i
    trades[at, T_SIDE] = side
    trades[at, T_RAW_ENTRY] = raw_in
    trades[at, T_RAW_EXIT] = raw_out
    trades[at, T_SWAP] = swap
    trades[at, T_PNL] = pnl
    trades[at, T_STOP] = stop
    trades[at, T_TARGET] = target
    trades[at, T_REASON] = why
    return pnl


@intrinsic
def _zeros_below(_typing, word):  # noqa: ARG001 - numba matches arguments by name
    """Zero bits below the lowest one of a uint64 that is not 0 (LLVM cttz)."""

    def emit(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return uint64(uint64), emit


@intrinsic
def _fetch(_typing, values, at):  # noqa: ARG001
    """Ask memory for values[at] before it is needed. Reads nothing, and does nothing where nothing is."""

    def emit(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        words = [ir.Constant(ir.IntType(32), value) for value in (0, 3, 1)]
        kind = ir.FunctionType(ir.VoidType(), [place.type, *(word.type for word in words)])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(fetch, [place, *words])
        return context.get_dummy_value()

    return void(values, int64), emit


@kernel
def _next_wish(sig, words, i, stop, wanted):
    """The first bar in i ≤ bar < stop with one of the wanted bits, or stop. words: sig, eight bars each."""
    while i < stop and i & 7:
        if sig[i] & wanted:
            return i
        i += 1
    pattern = np.uint64(wanted) * np.uint64(0x0101010101010101)
    # Words that lie wholly below stop; they are little-endian, so a lower bit is an earlier bar.
    at = i >> 3
    for at in range(i >> 3, stop >> 3):
        found = words[at] & pattern
        if found != 0:
            return (at << 3) + np.int64(_zeros_below(found) >> np.uint64(3))  # type: ignore[call-arg]
    i = max(i, (stop >> 3) << 3)
    while i < stop:
        if sig[i] & wanted:
            return i
        i += 1
    return stop


@kernel
def _charged(swap_long, swap_short, lo, hi):
    """The bars lo ≤ bar < hi that pay or earn a swap, on either side."""
    count = 0
    for i in range(lo, hi):
        count += (swap_long[i] != 0.0) | (swap_short[i] != 0.0)
    bars = np.empty(count, dtype=np.int64)
    count = 0
    for i in range(lo, hi):
        if swap_long[i] != 0.0 or swap_short[i] != 0.0:
            bars[count] = i
            count += 1
    return bars


@kernel
def _list_wishes(sig, words, lo, hi, mask, limit):
    """The bars lo ≤ bar < hi with one of the mask's bits, hi − 1 behind them, and how many they are.

    −1 where there are more than the limit: then the list is worth nothing.
    """
    listed = np.empty(limit + 9, dtype=np.int64)
    pattern = np.uint64(mask) * np.uint64(0x0101010101010101)
    count = 0
    bar = lo
    while bar < hi and count <= limit:
        if bar & 7 or bar + 8 > hi:
            if sig[bar] & mask:
                listed[count] = bar
                count += 1
            bar += 1
            continue
        found = words[bar >> 3] & pattern
        while found != 0:
            place = _zeros_below(found) >> np.uint64(3)  # type: ignore[call-arg]
            listed[count] = bar + np.int64(place)
            count += 1
            found &= ~(np.uint64(0xFF) << (place << np.uint64(3)))
        bar += 8
    listed[min(count, limit)] = hi - 1
    return listed, count if count <= limit else -1


@kernel
def _next_listed(sig, listed, last, at, stop, wanted):
    """The first listed bar, from place `at` on, that has a wanted bit or is not before stop."""
    while at < last and listed[at] < stop and not sig[listed[at]] & wanted:
        at += 1
    return listed[at]


@kernel
def block_extremes(h, l, c, out):  # noqa: E741
    """Lowest low, highest high, lowest and highest close of each block of 2**REACH bars, for `simulate`.

    out: shape (blocks, EXTREMES), filled. A block with a NaN reaches from −∞ to ∞: nothing is ruled out.
    """
    n = len(c)
    for block in range(out.shape[0]):
        first = block << REACH
        last = min(first + (1 << REACH), n)
        low = least = np.inf
        high = most = -np.inf
        sound = True
        for i in range(first, last):
            x = l[i]
            y = h[i]
            z = c[i]
            low = min(low, x)
            high = max(high, y)
            least = min(least, z)
            most = max(most, z)
            sound &= x == x and y == y and z == z
        out[block, X_LOW] = low if sound else -np.inf
        out[block, X_HIGH] = high if sound else np.inf
        out[block, X_LEAST] = least if sound else -np.inf
        out[block, X_MOST] = most if sound else np.inf


@kernel
def count_wishes(sig, wanted):
    """Bars with one of the wanted bits."""
    count = 0
    for i in range(len(sig)):
        count += (sig[i] & wanted) != 0
    return count


@kernel
def _first_from(ends, bar):
    """The first of the ascending `ends` that is not before `bar`, as a place."""
    low = 0
    high = len(ends)
    while low < high:
        middle = (low + high) // 2
        if ends[middle] >= bar:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def _first_open_after(trades, bar):
    """The first row of a trade table that ends after `bar`."""
    low = 0
    high = trades.shape[0]
    while low < high:
        middle = (low + high) // 2
        if trades[middle, T_EXIT] > bar:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def _distance(mode, value, anchor, atr):
    if mode == PRICE:
        return value
    if mode == PERCENT:
        return anchor * value / 100.0
    return value * atr


@kernel
def simulate(
    o,
    h,
    l,  # noqa: E741
    c,
    sig,
    ends,
    extremes,
    lo,
    hi,
    settings,
    atr,
    swap_long,
    swap_short,
    other,
    room,
):
    """Trade the signals on bars lo ≤ i < hi, flat before and after; everything that happened as two tables.

    A decision at the close of bar k fills at the open of k+1, so bar lo opens nothing. sig: contiguous. ends:
    the last bar of each trading day, ascending. extremes: what `block_extremes` made of h, l and c. atr,
    swap_long, swap_short: length n, or empty where unused (swaps: price units per unit booked on the first
    bar of a new day). room ≥ 0: other is the trade table of a run over more bars, at most `room` trades can
    begin in this one, and it ends with status MET at the first close where both are flat or hold the same
    position, because from there on they are one; −1: a run of its own. Returns (trades, days, status, bar):
    tables of shape (trades, TRADE_COLUMNS) and (DAY_COLUMNS, days), an outcome (OK, MET, RUINED or a broken
    invariant) and its bar.

    Only bars at which something may happen are looked at one by one. A flat account waits for the next
    signal; a position waits for the next signal against it, a swap, the day's end, and blocks of bars whose
    extremes reach a level or a new high, low or drawdown of the day. What the others would add is nothing, to
    the bit.
    """
    sl_mode = int(settings[S_SL_MODE])
    tp_mode = int(settings[S_TP_MODE])
    sl = settings[S_SL]
    tp = settings[S_TP]
    from_signal = settings[S_ANCHOR] != 0.0
    mask = np.uint8(settings[S_MASK])
    units = settings[S_UNITS]
    cash = settings[S_CASH]
    worse = settings[S_HALF] + settings[S_SLIPPAGE]
    rate = settings[S_COMMISSION]
    swaps = settings[S_SWAPS] != 0.0
    seek = room >= 0
    needs_atr = sl_mode == ATR or tp_mode == ATR
    entries = mask & np.uint8(LONG_ENTRY | SHORT_ENTRY)
    against_long = mask & np.uint8(SHORT_ENTRY | LONG_EXIT)
    against_short = mask & np.uint8(LONG_ENTRY | SHORT_EXIT)
    words = sig[: len(sig) & ~7].view(np.uint64)

    # Few wishes are listed: the next one is known without a search, and its bar is asked of memory in time.
    listed, wished = _list_wishes(sig, words, lo, lo if seek else hi, mask, 0 if seek else (hi - lo) >> 3)
    sparse = not seek and wished >= 0
    at = 0
    # Sized once: a table that is replaced inside the loop costs two atomic operations a bar.
    if not seek:
        room = wished if sparse else count_wishes(sig[lo:hi], entries)
    charged = _charged(swap_long, swap_short, lo, hi if swaps and not seek else lo)
    charge = 0
    trades = np.empty((room, TRADE_COLUMNS), dtype=np.float64)
    count = 0
    day = _first_from(ends, lo)
    days = np.empty((DAY_COLUMNS, _first_from(ends, hi) - day + 1), dtype=np.float64)
    n_days = 0
    status = OK
    where = -1

    side = 0
    entered = 0
    raw_in = 0.0
    fee_in = 0.0
    stop = 0.0
    target = 0.0
    # The levels that end a position from below and from above, whatever its side; infinite where off.
    below = -np.inf
    above = np.inf
    swap = 0.0
    realised = 0.0
    # The P&L at close x is base + slope · (x − price_in).
    base = 0.0
    price_in = 0.0
    slope = 0.0
    # The second book: cash as fills move it, kept apart from `realised` and compared with it.
    account = 0.0

    cum = 0.0
    high = 0.0
    low = 0.0
    day_drawdown = 0.0
    day_floor = 0.0
    day_first = lo
    day_held = 0
    ahead = _first_open_after(other, lo) if seek else 0
    bits = np.uint8(0)
    final = hi - 1
    ruin = -cash
    # The bar that closes the day, or the run.
    edge = min(ends[day], final) if day < len(ends) else final

    i = lo - 1
    while i < final:
        i += 1
        begin = i
        if sparse:
            while at < wished and listed[at] < i:
                at += 1
        if seek:
            pass
        elif side == 0:
            if not bits & entries:
                if sparse:
                    i = min(_next_listed(sig, listed, wished, at, edge, entries) + 1, edge)
                else:
                    i = min(_next_wish(sig, words, i, edge, entries) + 1, edge)
        elif not bits & (against_long if side > 0 else against_short):
            against = against_long if side > 0 else against_short
            if sparse:
                until = min(_next_listed(sig, listed, wished, at, edge, against) + 1, edge)
            else:
                until = min(_next_wish(sig, words, i, edge, against) + 1, edge)
            if swaps:
                while charge < len(charged) and charged[charge] < i:
                    charge += 1
                if charge < len(charged):
                    until = min(until, charged[charge])
            while i < until:
                block = i >> REACH
                beyond = min((block + 1) << REACH, until)
                if extremes[block, X_LOW] > below and extremes[block, X_HIGH] < above:
                    most = base + slope * (extremes[block, X_MOST] - price_in)
                    least = base + slope * (extremes[block, X_LEAST] - price_in)
                    if side < 0:
                        most, least = least, most
                    if most <= high and least >= low and least >= day_floor:
                        i = beyond
                        continue
                    if beyond - i < 1 << REACH:
                        # Part of a block: its own closes decide.
                        first = last = c[i]
                        for j in range(i + 1, beyond):
                            first = min(first, c[j])
                            last = max(last, c[j])
                        most = base + slope * (last - price_in)
                        least = base + slope * (first - price_in)
                        if side < 0:
                            most, least = least, most
                    if not least > ruin:
                        pass
                    elif most <= high:
                        # No new peak: the deepest close is below all others, whatever their order.
                        low = min(low, least)
                        if least < day_floor:
                            day_drawdown = (high - least) / (cash + high)
                            day_floor = least
                        i = beyond
                        continue
                    else:
                        floor = most - (cash + most) * day_drawdown
                        if least >= day_floor and least - floor > 1e-12 * (cash + most):
                            # A new peak, and nothing so far below it that the order could matter.
                            low = min(low, least)
                            high = most
                            day_floor = floor
                            i = beyond
                            continue
                while i < beyond and l[i] > below and h[i] < above:
                    x = base + slope * (c[i] - price_in)
                    if not x > ruin:
                        break
                    if x > high:
                        high = x
                        # The floor is where the drawdown so far would be exceeded: no division a bar.
                        day_floor = x - (cash + x) * day_drawdown
                    elif x < day_floor:
                        day_drawdown = (high - x) / (cash + high)
                        day_floor = x
                    low = min(low, x)
                    i += 1
                if i < beyond:
                    break
            day_held += i - begin
        if i > begin:
            bits = sig[i - 1] & mask
        wishes = bits
        bits = sig[i] & mask
        if sparse and wishes:
            soon = listed[min(at + 8, wished)]
            _fetch(o, soon)  # type: ignore[call-arg]
            _fetch(h, soon)
            _fetch(l, soon)
            _fetch(c, soon)
            # The closes of the blocks that it cuts.
            _fetch(c, soon - 8)
            _fetch(c, soon + 8)
        if side != 0 or wishes & entries:
            price = o[i]
            want = 0
            leave = 0
            fill = price
            if side != 0 and swaps:
                swap += (swap_long[i] if side > 0 else swap_short[i]) * units
                base = realised - fee_in + swap
            if wishes:
                if side == 0:
                    want = 1 if wishes & LONG_ENTRY else -1
                elif side > 0:
                    if wishes & SHORT_ENTRY and not wishes & LONG_ENTRY:
                        want = -1
                        leave = REASON_REVERSE
                    elif wishes & LONG_EXIT:
                        leave = REASON_SIGNAL
                elif wishes & LONG_ENTRY:
                    want = 1
                    leave = REASON_REVERSE
                elif wishes & SHORT_EXIT:
                    leave = REASON_SIGNAL

            # At most two rounds: leave at the open and perhaps reverse there; then stop or target in the bar.
            inside = False
            while True:
                if leave != 0:
                    price_out = fill - side * worse
                    pnl = _book(
                        trades,
                        count,
                        entered,
                        i,
                        side,
                        units,
                        worse,
                        rate,
                        raw_in,
                        fill,
                        fee_in,
                        swap,
                        stop,
                        target,
                        leave,
                    )
                    count += 1
                    realised += pnl
                    account += side * units * price_out - price_out * units * rate + swap
                    if not (l[i] <= fill <= h[i]):
                        status = BAD_FILL
                        where = i
                    elif not price_out > 0.0:
                        status = BAD_PRICE
                        where = i
                    elif not abs(account - realised) <= 1e-9 * (cash + abs(realised) + units * price_out):
                        status = BAD_ACCOUNT
                        where = i
                    account = realised
                    side = 0
                    swap = 0.0
                    base = realised
                    slope = 0.0
                    leave = 0
                if inside:
                    break
                if want != 0:
                    unit = atr[i - 1] if needs_atr else 1.0
                    if unit > 0.0:
                        side = want
                        entered = i
                        raw_in = price
                        price_in = price + side * worse
                        fee_in = price_in * units * rate
                        account -= side * units * price_in + fee_in
                        slope = side * units
                        base = realised - fee_in
                        anchor = c[i - 1] if from_signal else price
                        stop = 0.0
                        target = 0.0
                        below = -np.inf
                        above = np.inf
                        if sl_mode != OFF:
                            stop = anchor - side * _distance(sl_mode, sl, anchor, unit)
                            if side > 0:
                                below = stop
                            else:
                                above = stop
                        if tp_mode != OFF:
                            target = anchor + side * _distance(tp_mode, tp, anchor, unit)
                            if side > 0:
                                above = target
                            else:
                                below = target
                        if not (l[i] <= price <= h[i]):
                            status = BAD_FILL
                            where = i
                        elif not price_in > 0.0:
                            status = BAD_PRICE
                            where = i
                    want = 0
                if side == 0:
                    break
                day_held += 1
                if l[i] <= below or h[i] >= above:
                    inside = True
                    if price <= below or price >= above:
                        # A gap through a level: it fills at the open.
                        fill = price
                        leave = REASON_STOP if (price <= below) == (side > 0) else REASON_TARGET
                    elif side > 0:
                        leave = REASON_STOP if l[i] <= below else REASON_TARGET
                        fill = below if l[i] <= below else above
                    else:
                        leave = REASON_STOP if h[i] >= above else REASON_TARGET
                        fill = above if h[i] >= above else below
                elif i == final:
                    inside = True
                    leave = REASON_END
                    fill = c[i]
                if not inside:
                    break

            cum = base + slope * (c[i] - price_in)
        else:
            # Flat, nothing happens.
            cum = realised
        if not cash + cum > 0.0 and status == OK:
            status = RUINED
            where = i
            if side != 0:
                # The position is closed where the equity was lost; what that costs is part of the ruin.
                pnl = _book(
                    trades,
                    count,
                    entered,
                    i,
                    side,
                    units,
                    worse,
                    rate,
                    raw_in,
                    c[i],
                    fee_in,
                    swap,
                    stop,
                    target,
                    REASON_RUIN,
                )
                count += 1
                realised += pnl
                side = 0
                cum = realised
        if cum > high:
            high = cum
            day_floor = cum - (cash + cum) * day_drawdown
        elif cum < day_floor:
            day_drawdown = (high - cum) / (cash + high)
            day_floor = cum
        if not cum >= low:
            low = cum
        if seek and i < final and status == OK:
            while ahead < other.shape[0] and other[ahead, T_EXIT] <= i:
                ahead += 1
            holds = ahead < other.shape[0] and other[ahead, T_ENTRY] <= i
            if side == 0:
                meets = not holds
            else:
                meets = holds and other[ahead, T_ENTRY] == entered and other[ahead, T_SIDE] == side
            if meets:
                status = MET
                where = i
        if i == edge or status != OK:
            days[D_LAST, n_days] = i
            days[D_CUM, n_days] = cum
            days[D_HIGH, n_days] = high
            days[D_LOW, n_days] = low
            days[D_DRAWDOWN, n_days] = day_drawdown
            days[D_BARS, n_days] = i - day_first + 1
            days[D_HELD, n_days] = day_held
            n_days += 1
            if not np.isfinite(cum):
                status = NOT_FINITE
                where = i
            elif side != 0 and not abs(account + side * units * c[i] + swap - cum) <= 1e-9 * (
                cash + abs(cum) + units * c[i]
            ):
                status = BAD_ACCOUNT
                where = i
            if status != OK:
                break
            high = cum
            low = cum
            day_drawdown = 0.0
            day_floor = cum
            day_first = i + 1
            day_held = 0
            day += 1
            edge = min(ends[day], final) if day < len(ends) else final
    return trades[:count], days[:, :n_days].copy(), status, where


@kernel
def _add_trade(sums, trades, at, units, worse, rate):
    pnl = trades[at, T_PNL]
    if pnl > 0.0:
        sums[W_PROFIT] += pnl
        sums[W_WINS] += 1.0
    else:
        sums[W_LOSS] -= pnl
    # Spread and slippage move the two fills against each other: their sum is the market's.
    notional = (trades[at, T_RAW_ENTRY] + trades[at, T_RAW_EXIT]) * units
    sums[W_FEES] += notional * rate + 2.0 * worse * units
    sums[W_NOTIONAL] += notional
    sums[W_TRADES] += 1.0
    # The bar of an exit at the open is not one in the market.
    why = trades[at, T_REASON]
    inside = why != REASON_SIGNAL and why != REASON_REVERSE
    sums[W_HELD] += trades[at, T_EXIT] - trades[at, T_ENTRY] + (1.0 if inside else 0.0)


@kernel
def _add_day(sums, gain, before, returns, at):
    r = gain / before
    returns[at] = r
    sums[W_DAYS] += 1.0
    sums[W_S1] += r
    sums[W_S2] += r * r
    sums[W_S3] += r * r * r
    sums[W_S4] += r * r * r * r
    if r < 0.0:
        sums[W_DOWN2] += r * r


@kernel
def _ends_at(ends, bar):
    """Whether a trading day ends with this bar."""
    place = _first_from(ends, bar)
    return place < len(ends) and ends[place] == bar


@kernel
def _realised_before(trades):
    """The P&L realised before each trade of a run, and after the last one."""
    before = np.empty(trades.shape[0] + 1, dtype=np.float64)
    realised = 0.0
    for t in range(trades.shape[0]):
        before[t] = realised
        realised += trades[t, T_PNL]
    before[trades.shape[0]] = realised
    return before


@kernel
def _entries_before(sig, entries):
    """Bars with an entry before every _STRIDE-th bar, and in all of `sig`."""
    n = len(sig)
    counts = np.zeros((n + _STRIDE - 1) // _STRIDE + 1, dtype=np.int64)
    for block in range(len(counts) - 1):
        first = block * _STRIDE
        counts[block + 1] = counts[block] + count_wishes(sig[first : min(n, first + _STRIDE)], entries)
    return counts


@kernel
def _through(c, trades, before, g, first, last, shift, marks, settings, swap_long, swap_short):
    """The P&L at closes first ≤ bar ≤ last of the run that made `trades`, shifted: what it does to `marks`.

    before: what was realised before each trade, and after the last. g: the first trade that ends after
    `first`. marks: peak so far (filled: and here), lowest so far, largest drawdown so far (ratio), and the
    P&L at the last close. Computed as `simulate` computed it, to the bit.
    """
    units = settings[S_UNITS]
    cash = settings[S_CASH]
    worse = settings[S_HALF] + settings[S_SLIPPAGE]
    swaps = settings[S_SWAPS] != 0.0
    peak = marks[0]
    low = marks[1]
    worst = marks[2]
    x = 0.0
    i = first
    while i <= last:
        x = before[g] + shift
        stop = last
        if g < trades.shape[0]:
            entered = int(trades[g, T_ENTRY])
            if entered <= i:
                side = trades[g, T_SIDE]
                price_in = trades[g, T_RAW_ENTRY] + side * worse
                fee_in = price_in * units * settings[S_COMMISSION]
                slope = side * units
                base = before[g] - fee_in
                stop = min(last, int(trades[g, T_EXIT]) - 1)
                swap = 0.0
                if swaps:
                    for j in range(entered + 1, i):
                        swap += (swap_long[j] if side > 0 else swap_short[j]) * units
                for j in range(i, stop + 1):
                    if swaps and j > entered:
                        swap += (swap_long[j] if side > 0 else swap_short[j]) * units
                        base = before[g] - fee_in + swap
                    x = base + slope * (c[j] - price_in) + shift
                    low = min(low, x)
                    if x > peak:
                        peak = x
                    elif peak - x > worst * (cash + peak):
                        worst = (peak - x) / (cash + peak)
                i = stop + 1
                g += 1
                continue
            stop = min(last, entered - 1)
        # Flat: every close is the same.
        low = min(low, x)
        if x > peak:
            peak = x
        elif peak - x > worst * (cash + peak):
            worst = (peak - x) / (cash + peak)
        i = stop + 1
    marks[0] = peak
    marks[1] = low
    marks[2] = worst
    marks[3] = x


@kernel
def measure_windows(
    o,
    h,
    l,  # noqa: E741
    c,
    sig,
    ends,
    extremes,
    starts,
    stops,
    settings,
    atr,
    swap_long,
    swap_short,
    trades,
    days,
    returns,
    offsets,
    table,
):
    """Statistics of many windows starts[w] ≤ bar < stops[w], each as if simulated alone, flat at both ends.

    trades, days: what one run over all bars left (status OK). A window is traded bar by bar only until
    it meets that run, usually one trade long; then the long run's days and trades are its own, with their P&L
    shifted, except that an open position is closed at the window's last close. Each day's drawdown depends
    on the equity the window has by then: bounds from the long run's ratio tell which days must be looked at
    bar by bar. returns: daily returns of all windows one after another, window w from offsets[w]. table:
    shape (windows, WINDOW_COLUMNS), filled; status RUINED asks the caller to simulate that window alone.
    """
    units = settings[S_UNITS]
    cash = settings[S_CASH]
    worse = settings[S_HALF] + settings[S_SLIPPAGE]
    rate = settings[S_COMMISSION]
    swaps = settings[S_SWAPS] != 0.0
    entries = np.uint8(settings[S_MASK]) & np.uint8(LONG_ENTRY | SHORT_ENTRY)
    wished = _entries_before(sig, entries)
    before = _realised_before(trades)
    marks = np.empty(4, dtype=np.float64)
    for w in range(len(starts)):
        lo = starts[w]
        hi = stops[w]
        sums = table[w]
        sums[:] = 0.0
        at = offsets[w]
        head, head_days, status, met = simulate(
            o,
            h,
            l,
            c,
            sig,
            ends,
            extremes,
            lo,
            hi,
            settings,
            atr,
            swap_long,
            swap_short,
            trades,
            wished[(hi + _STRIDE - 1) // _STRIDE] - wished[lo // _STRIDE],
        )
        sums[W_STATUS] = OK if status == MET else status
        sums[W_BARS] = hi - lo
        peak = 0.0
        low = 0.0
        worst = 0.0
        began = 0.0
        cum = 0.0
        for t in range(head.shape[0]):
            _add_trade(sums, head, t, units, worse, rate)
        for d in range(head_days.shape[1]):
            across = (peak - head_days[D_LOW, d]) / (cash + peak)
            worst = max(worst, across, head_days[D_DRAWDOWN, d])
            peak = max(peak, head_days[D_HIGH, d])
            low = min(low, head_days[D_LOW, d])
            cum = head_days[D_CUM, d]
            # The last row of a run that met the other is cut short, unless the day ended there.
            if status != MET or d < head_days.shape[1] - 1 or _ends_at(ends, met):
                _add_day(sums, cum - began, cash + began, returns, at)
                at += 1
                began = cum
        if status == MET:
            g = _first_open_after(trades, met)
            marks[:] = 0.0
            _through(c, trades, before, g, met, met, 0.0, marks, settings, swap_long, swap_short)
            shift = cum - marks[3]
            while g < trades.shape[0] and trades[g, T_EXIT] < hi:
                _add_trade(sums, trades, g, units, worse, rate)
                g += 1
            # What the end of the window takes from an open position: half the spread, slippage, commission.
            forced = 0.0
            if g < trades.shape[0] and trades[g, T_ENTRY] < hi:
                last_one = trades[g : g + 1].copy()
                side = last_one[0, T_SIDE]
                price_in = last_one[0, T_RAW_ENTRY] + side * worse
                price_out = c[hi - 1] - side * worse
                fee_in = price_in * units * rate
                fee_out = price_out * units * rate
                swap = 0.0
                if swaps:
                    for i in range(int(last_one[0, T_ENTRY]) + 1, hi):
                        swap += (swap_long[i] if side > 0 else swap_short[i]) * units
                last_one[0, T_EXIT] = hi - 1
                last_one[0, T_RAW_EXIT] = c[hi - 1]
                last_one[0, T_PNL] = side * units * (price_out - price_in) - fee_in - fee_out + swap
                last_one[0, T_REASON] = REASON_END
                _add_trade(sums, last_one, 0, units, worse, rate)
                forced = worse * units + fee_out
            i = met + 1
            day = _first_from(ends, i)
            first_whole = -1
            last_whole = -2
            while i < hi:
                last = min(int(days[D_LAST, day]), hi - 1)
                if last < hi - 1 and day > 0 and days[D_LAST, day - 1] == i - 1:
                    if first_whole < 0:
                        first_whole = day
                    last_whole = day
                    top = days[D_HIGH, day] + shift
                    bottom = days[D_LOW, day] + shift
                    inner = days[D_DRAWDOWN, day]
                    # The same fall weighs more on a smaller equity: least at one end of the day's range.
                    thin = (cash + days[D_HIGH, day]) / (cash + top)
                    thick = (cash + days[D_LOW, day]) / (cash + bottom)
                    worst = max(worst, (peak - bottom) / (cash + peak), inner * min(thin, thick))
                    peak = max(peak, top)
                    low = min(low, bottom)
                    cum = days[D_CUM, day] + shift
                else:
                    stop = last if last < hi - 1 else hi - 2
                    g = _first_open_after(trades, i)
                    marks[0], marks[1], marks[2] = peak, low, worst
                    _through(c, trades, before, g, i, stop, shift, marks, settings, swap_long, swap_short)
                    peak, low, worst = marks[0], marks[1], marks[2]
                    cum = marks[3]
                    if last == hi - 1:
                        g = _first_open_after(trades, last)
                        _through(
                            c, trades, before, g, last, last, shift, marks, settings, swap_long, swap_short
                        )
                        cum = marks[3] - forced
                        worst = max(worst, (peak - cum) / (cash + peak))
                        peak = max(peak, cum)
                        low = min(low, cum)
                _add_day(sums, cum - began, cash + began, returns, at)
                at += 1
                began = cum
                i = last + 1
                day += 1
            for d in range(first_whole, last_whole + 1):
                thin = (cash + days[D_HIGH, d]) / (cash + days[D_HIGH, d] + shift)
                thick = (cash + days[D_LOW, d]) / (cash + days[D_LOW, d] + shift)
                if days[D_DRAWDOWN, d] * max(thin, thick) > worst:
                    begin = int(days[D_LAST, d - 1]) + 1 if d > 0 else 0
                    start = (days[D_CUM, d - 1] if d > 0 else 0.0) + shift
                    g = _first_open_after(trades, begin)
                    marks[0], marks[1], marks[2] = start, start, worst
                    last = int(days[D_LAST, d])
                    _through(c, trades, before, g, begin, last, shift, marks, settings, swap_long, swap_short)
                    worst = marks[2]
        if not cash + low > 0.0:
            sums[W_STATUS] = RUINED
        sums[W_GAIN] = cum / cash
        sums[W_PNL] = cum
        sums[W_TOP] = peak / cash
        sums[W_BOTTOM] = low / cash
        sums[W_DRAWDOWN] = worst


@kernel
def check_trades(o, c, trades, days, lo, hi, settings, per_day):
    """The ledger's own arithmetic against the candles and the equity, and its sums by day of exit.

    That a fill lies between its bar's low and high was checked when it happened, with the bar at hand.
    per_day: shape (PER_DAY, days), filled. Returns (SOUND or the first broken rule, the trade's number).
    """
    units = settings[S_UNITS]
    cash = settings[S_CASH]
    worse = settings[S_HALF] + settings[S_SLIPPAGE]
    rate = settings[S_COMMISSION]
    per_day[:] = 0.0
    total = 0.0
    moved = 0.0
    day = 0
    before = lo
    reversed_ = False
    for t in range(trades.shape[0]):
        # Where one trade ends the next one often begins.
        _fetch(o, int(trades[min(t + 64, trades.shape[0] - 1), T_EXIT]))  # type: ignore[call-arg]
        pnl = trades[t, T_PNL]
        raw_in = trades[t, T_RAW_ENTRY]
        raw_out = trades[t, T_RAW_EXIT]
        stop = trades[t, T_STOP]
        target = trades[t, T_TARGET]
        swap = trades[t, T_SWAP]
        if not np.isfinite(pnl + raw_in + raw_out + stop + target + swap):
            return L_NOT_FINITE, t
        entry = int(trades[t, T_ENTRY])
        leave = int(trades[t, T_EXIT])
        why = trades[t, T_REASON]
        side = trades[t, T_SIDE]
        if entry <= lo or leave >= hi or leave < entry or (side != 1.0 and side != -1.0):
            return L_OUTSIDE, t
        if entry < before or (entry == before and t > 0 and not reversed_):
            return L_ORDER, t
        at_open = why in (REASON_SIGNAL, REASON_REVERSE)
        if entry == leave and at_open:
            return L_AT_ONCE, t
        if raw_in != o[entry]:
            return L_ENTRY_FILL, t
        first = o[leave]
        if at_open:
            due = first
        elif why == REASON_STOP:
            due = min(first, stop) if side > 0 else max(first, stop)
        elif why == REASON_TARGET:
            due = max(first, target) if side > 0 else min(first, target)
        elif why in (REASON_END, REASON_RUIN):
            due = c[leave]
        else:
            return L_EXIT_FILL, t
        if raw_out != due:
            return L_EXIT_FILL, t
        price_in = raw_in + side * worse
        price_out = raw_out - side * worse
        if not (price_in > 0.0 and price_out > 0.0 and units > 0.0):
            return L_PRICE, t
        notional = (price_in + price_out) * units
        # What the market moved, less what trading cost: not the formula that the simulation books by.
        owed = side * units * (raw_out - raw_in) - 2.0 * worse * units - notional * rate + swap
        if not abs(owed - pnl) <= 1e-9 * (cash + abs(pnl) + notional):
            return L_MONEY, t
        total += pnl
        moved += abs(pnl)
        while day < days.shape[1] - 1 and days[D_LAST, day] < leave:
            day += 1
        per_day[P_TRADES, day] += 1.0
        if pnl > 0.0:
            per_day[P_WINS, day] += 1.0
            per_day[P_PROFIT, day] += pnl
        else:
            per_day[P_LOSS, day] -= pnl
        per_day[P_NOTIONAL, day] += notional
        per_day[P_RETURNS, day] += pnl / (price_in * units)
        before = leave
        reversed_ = why == REASON_REVERSE
    for d in range(days.shape[1]):
        if not np.isfinite(days[D_CUM, d]):
            return L_NOT_FINITE, trades.shape[0]
    final = days[D_CUM, days.shape[1] - 1] if days.shape[1] > 0 else 0.0
    if not abs(total - final) <= 1e-9 * (cash + moved):
        return L_TOTAL, trades.shape[0]
    return SOUND, -1
