"""Rules of single bars and of neighbours: positive, in order, with volume, not stale, no jump out of line.

Outliers: the log return of each close against the median absolute deviation of the returns around it (MAD ×
1.4826; Iglewicz & Hoaglin, How to Detect and Handle Outliers, 1993). The limits were set on real series: 20
years of indices through 2000 and 2008, earnings jumps of 26 % and an hour of 1 % in a quiet currency pass, a
split does not.
"""

from __future__ import annotations

import numpy as np

from foldward.data._table import PRICES, Findings, Table, number
from foldward.data.bars import Floats, Ints
from foldward.data.findings import WARN, Place

MIN_ROWS = 30
_NEIGHBOURS = 20
_MAD = 1.4826
_Z = 20.0
_MIN_MOVE = 0.03
_HALVED = 0.5  # |log return| of a 2:1 split is 0.69; that large a move is suspect at a lower z
_HALVED_Z = 8.0
_FLOOR = 1e-4  # half the bars of a minute series may not move at all
_LONG_BREAK = 5
_MIN_SPAN = 0.05
_SPANS = 25.0  # real bars reach 14 times the median: an index in 2000, a currency at a rate decision
STALE_MIN = 5
STALE_ERROR = 50
_BLOCK = 32_768  # rows of six columns that stay in the second-level cache


def bars(table: Table, found: Findings, *, volume: bool) -> None:
    """Positive prices, geometry and volume, with one cheap pass over clean files."""
    if table.whole and all(_clean_block(table, start) for start in range(0, len(table), _BLOCK)):
        return
    for name in PRICES:
        column = getattr(table, name)
        rows = np.flatnonzero(column <= 0)
        places = [table.place(row, f"{name} is {number(column[row])}") for row in rows[:5]]
        found.extend_places("data.not_positive", places, len(rows))
    _geometry(table, found)
    if volume:
        rows = np.flatnonzero(table.volume < 0)
        places = [table.place(row, f"volume is {number(table.volume[row])}") for row in rows[:5]]
        found.extend_places("data.negative_volume", places, len(rows))
        rows = np.flatnonzero(table.volume == 0)
        places = [table.place(row, "volume is 0") for row in rows[:5]]
        found.extend_places("data.zero_volume", places, len(rows), WARN)


def _clean_block(table: Table, start: int) -> bool:
    part = slice(start, start + _BLOCK)
    open_, high, low, close = table.open[part], table.high[part], table.low[part], table.close[part]
    return bool(
        low.min() > 0
        and table.volume[part].min() > 0
        and (low <= np.minimum(open_, close)).all()
        and (high >= np.maximum(open_, close)).all()
    )


def _geometry(table: Table, found: Findings) -> None:
    checks = (
        ("low", table.low, "high", table.high),
        ("open", table.open, "high", table.high),
        ("close", table.close, "high", table.high),
        ("low", table.low, "open", table.open),
        ("low", table.low, "close", table.close),
    )
    broken = np.zeros(len(table), dtype=bool)
    for _, small, _, large in checks:
        broken |= small > large
    rows = np.flatnonzero(broken)
    places = []
    for row in rows[:5]:
        said = [
            f"{a} {number(small[row])} > {b} {number(large[row])}"
            for a, small, b, large in checks
            if small[row] > large[row]
        ]
        places.append(table.place(row, "; ".join(said)))
    found.extend_places("data.geometry", places, len(rows))


def stale(table: Table, rows: Ints | None, found: Findings) -> None:
    """Runs of five and more bars with the same open, high, low and close; an ERROR from fifty on."""
    close = table.close if rows is None else table.close[rows]
    same = close[1:] == close[:-1]
    if np.count_nonzero(same) < STALE_MIN - 1:
        return
    for name in ("open", "high", "low"):
        column = getattr(table, name) if rows is None else getattr(table, name)[rows]
        same &= column[1:] == column[:-1]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], same.view(np.int8), [0]))))
    starts, lengths = edges[::2], edges[1::2] - edges[::2] + 1
    long = lengths >= STALE_MIN
    starts, lengths = starts[long], lengths[long]
    if not len(starts):
        return
    order = np.argsort(-lengths, kind="stable")
    places = []
    for at in order[:5]:
        row = int(starts[at]) if rows is None else int(rows[starts[at]])
        places.append(table.place(row, f"{int(lengths[at])} equal bars in a row"))
    if int(lengths.max()) >= STALE_ERROR:
        found.extend_places("data.stale", places, len(starts))
    else:
        found.extend_places("data.stale", places, len(starts), WARN)


def outliers(table: Table, rows: Ints | None, steps: Ints, step: int, found: Findings) -> None:
    """Bars whose close jumps out of its neighbourhood; steps and step (the timeframe) in seconds."""
    close = table.close if rows is None else table.close[rows]
    usable = None if table.whole else np.flatnonzero(close > 0)
    if usable is not None:
        close, steps = close[usable], _joined(steps, usable)
    if len(close) < MIN_ROWS or float(close.min()) <= 0:
        return
    moves = np.log(close[1:] / close[:-1])
    places: list[Place] = []
    count, skip = 0, -1
    for at in _jumps(moves, steps, step):
        if at == skip:  # the way back from a single wrong bar is not a second outlier
            continue
        back = at + 1 < len(moves) and abs(moves[at] + moves[at + 1]) < 0.2 * abs(moves[at])
        skip = at + 1 if back else -1
        count += 1
        if len(places) < 5:
            row = int(at) + 1 if usable is None else int(usable[at + 1])
            detail = f"close {number(close[at + 1])} after {number(close[at])} ({np.expm1(moves[at]):+.1%})"
            places.append(table.place(row if rows is None else int(rows[row]), detail))
    found.extend_places("data.outlier", places, count)


def ranges(table: Table, rows: Ints | None, found: Findings) -> None:
    """Bars that span a multiple of what bars of the series usually span: a wrong high, low or open.

    A close that jumps is `outliers`' to name; a bar that it named is counted once.
    """
    high, low = (table.high, table.low) if rows is None else (table.high[rows], table.low[rows])
    if len(high) < MIN_ROWS:
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        spans = high / low - 1.0
    if np.isnan(spans).all():  # no price of the file is a number, and that is said
        return
    usual = max(float(np.nanmedian(spans[:: max(1, len(spans) // 100_000)])), _FLOOR)
    wide = np.flatnonzero(spans >= max(_MIN_SPAN, _SPANS * usual))
    named = {place.line for place in found.places.get("data.outlier", [])}
    places: list[Place] = []
    count = 0
    for at in wide:
        row = int(at) if rows is None else int(rows[at])
        if table.line(row) in named or not low[at] > 0:
            continue
        count += 1
        if len(places) < 5:
            span = f"{spans[at] / usual:.0f} times the usual span"
            detail = f"low {number(low[at])}, high {number(high[at])}: {span}"
            places.append(table.place(row, detail))
    found.extend_places("data.outlier", places, count)


def _joined(steps: Ints, usable: Ints) -> Ints:
    times = np.concatenate(([0], np.cumsum(steps)))[usable]
    return np.diff(times)


def _jumps(moves: Floats, steps: Ints, step: int) -> Ints:
    sizes = np.abs(moves)
    overall = _scale(sizes)
    near = np.flatnonzero(sizes >= max(_MIN_MOVE, _HALVED_Z * overall))
    kept = []
    for at in near:
        around = np.concatenate((moves[max(0, at - _NEIGHBOURS) : at], moves[at + 1 : at + 1 + _NEIGHBOURS]))
        local = _MAD * float(np.median(np.abs(around - np.median(around))))
        scale = max(local, overall)
        breaks = steps[at] / step if step else 1.0
        # A variance grows with time: what a weekend or a night brings at once is spread over its length.
        z = sizes[at] / (scale * (np.sqrt(breaks) if breaks > _LONG_BREAK else 1.0))
        if (z >= _Z and sizes[at] >= _MIN_MOVE) or (z >= _HALVED_Z and sizes[at] >= _HALVED):
            kept.append(at)
    return np.array(kept, dtype=np.int64)


def _scale(sizes: Floats) -> float:
    """Robust scale of the whole series from an evenly spread sample of a hundred thousand returns."""
    sample = sizes[:: max(1, len(sizes) // 100_000)]
    scale = _MAD * float(np.median(sample))
    if scale == 0.0:  # more than half the bars do not move: take the mean without the largest hundredth
        kept = np.sort(sample)[: max(1, len(sample) * 99 // 100)]
        scale = 1.2533 * float(kept.mean())
    return max(scale, _FLOOR)
