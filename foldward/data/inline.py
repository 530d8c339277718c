"""Candles that came in a message: the same contract, without polars.

A place's line is the number of the candle, the first being 1.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from foldward.contracts import clock
from foldward.contracts.jobs import Candle
from foldward.contracts.timeframe import parse_timeframe
from foldward.data._judge import COVERAGE_MIN, Checked, Terms, judge
from foldward.data._table import PRICES, Findings, Table
from foldward.data._times import LAST_NS, unit_of
from foldward.data.bars import NS
from foldward.data.findings import Place, check_allow


def check_candles(
    candles: Iterable[Candle],
    timeframe: int | str,
    *,
    symbol: str = "",
    allow: Collection[str] = (),
    synthetic: bool = False,
    now_us: int | None = None,
    coverage_min: float = COVERAGE_MIN,
) -> Checked:
    """Check candles with t in Unix seconds; `.bars` is None when they are refused.

    `.report.error()` is then the exception to raise. Arguments as for `contract.check_file`.
    """
    said = Terms(
        parse_timeframe(timeframe),
        symbol,
        True,
        check_allow(allow),
        "synthetic" if synthetic else "real",
        coverage_min,
    )
    found = Findings()
    rows = list(candles)
    if not rows:
        found.add("data.no_rows", Place(None, None, "no candles"))
    table = _table(rows, found) if rows else None
    return judge(
        "inline candles", table, len(rows), said, clock.utc_us() if now_us is None else now_us, found
    )


def _table(rows: list[Candle], found: Findings) -> Table:
    columns = {
        name: np.fromiter((float(getattr(row, name[0])) for row in rows), np.float64, len(rows))
        for name in (*PRICES, "volume")
    }
    whole = True
    for name, column in columns.items():
        wild = np.flatnonzero(~np.isfinite(column))
        places = [Place(int(row) + 1, None, f"{name} is {column[row]}") for row in wild[:5]]
        found.extend_places("data.not_finite", places, len(wild))
        column[wild] = math.nan
        whole &= len(wild) == 0
    time, timed = np.zeros(len(rows), np.int64), np.ones(len(rows), bool)
    for at, row in enumerate(rows):
        wrong = _wrong_time(row.t)
        if wrong is None:
            time[at] = row.t * NS
        else:
            timed[at] = False
            found.add(wrong[0], Place(at + 1, None, wrong[1]))
    bad_time = None if timed.all() else timed
    prices: dict[str, Any] = columns
    return Table(time, **prices, first_line=1, timed=bad_time, whole=whole)


def _wrong_time(seconds: int) -> tuple[str, str] | None:
    unit = unit_of(seconds)
    if unit != "seconds":
        return "data.ambiguous_time", f"{seconds} looks like {unit}; Unix seconds are expected"
    if abs(seconds) * NS > LAST_NS:
        return "data.bad_time", f"{seconds} is past the year 2255"
    return None
