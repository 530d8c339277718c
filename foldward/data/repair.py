"""Repair what can be repaired without a judgement, into a new file, and say what was changed.

Repaired: order, rows that stand twice, rows with a cell that cannot be read or that contradict themselves
(dropped), an unfinished last bar (dropped), times in milliseconds, spelling and encoding (written anew). Left
as they are, because only a person can decide: two rows of one time, gaps, outliers, stale runs, spacing.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from foldward.contracts import clock
from foldward.contracts.errors import DataError, RequestError
from foldward.data import _prices, contract
from foldward.data._names import shown
from foldward.data._order import ordered
from foldward.data._spacing import infer_timeframe
from foldward.data._table import PRICES, Findings, Table, number
from foldward.data.bars import NS, Ints
from foldward.files import atomic_write

_ROWS_DROPPED = (
    "data.cell_count",
    "data.not_numeric",
    "data.not_finite",
    "data.missing_value",
    "data.bad_time",
    "data.not_positive",
    "data.negative_volume",
    "data.geometry",
)
_REWRITTEN = {
    "data.encoding": "read with replacement characters; only numbers and times were kept",
    "data.ambiguous_time": "times converted to UTC",
    "data.unsorted": "rows sorted by time",
}


def repair(
    path: str | Path,
    out: str | Path,
    timeframe: int | str | None = None,
    *,
    symbol: str | None = None,
    utc: bool = False,
    allow: Collection[str] = (),
    synthetic: bool = False,
    now_us: int | None = None,
    coverage_min: float = contract.COVERAGE_MIN,
) -> dict[str, Any]:
    """Write the repaired candles of `path` to `out` (CSV) and return what changed and the check of `out`.

    Keys: file, out, rows_before, rows_after, changes [{code, action, count, places}], accepted, fingerprint,
    report. Raises DataError when nothing can be kept or times lack a zone, RequestError when `out` is the
    source.
    """
    said = contract.terms(
        path,
        timeframe,
        symbol=symbol,
        utc=utc,
        allow=allow,
        synthetic=synthetic,
        coverage_min=coverage_min,
    )
    if _same(path, out):
        raise RequestError("request.bad_param", f"{shown(out)} is the source itself", field="out")
    now_us = clock.utc_us() if now_us is None else now_us
    found = Findings()
    data = contract.read_bytes(path, found)
    table, rows_before = (None, 0) if data is None else contract.read_table(data, utc, found, convert=True)
    keep = None if table is None else _kept(table, found)
    if table is None or keep is None or len(keep) == 0:
        raise _hopeless(shown(path), found)
    if "data.naive_time" in found.counts:
        item = next(item for item in found.list() if item.code == "data.naive_time")
        raise DataError(
            item.code, f"times without a zone: {item.places[0].text(shown(path))}", file=shown(path)
        )
    keep = _finished(table, keep, said.timeframe, now_us, found)
    volume = "data.missing_column" not in found.counts
    atomic_write(out, _csv(table, keep, volume))
    report = contract.check_file(
        out,
        said.timeframe,
        symbol=said.symbol,
        allow=said.allow,
        synthetic=synthetic,
        now_us=now_us,
        coverage_min=coverage_min,
    )
    return {
        "file": shown(path),
        "out": shown(out),
        "rows_before": rows_before,
        "rows_after": len(keep),
        "changes": _changes(found),
        "accepted": report.accepted,
        "fingerprint": report.fingerprint,
        "report": report.to_dict(),
    }


def _same(path: str | Path, out: str | Path) -> bool:
    try:
        return os.path.samefile(path, out)
    except (OSError, ValueError):
        return os.path.realpath(path) == os.path.realpath(out)


def _kept(table: Table, found: Findings) -> Ints:
    """Rows to keep, in order of time, exact repeats once; rows of one time that differ all stay."""
    columns = [getattr(table, name) for name in PRICES]
    open_, high, low, close = columns
    _prices.bars(table, found, volume="data.missing_column" not in found.counts)
    good = np.isfinite(table.volume) & (table.volume >= 0) & (low > 0)
    good &= (low <= np.minimum(open_, close)) & (high >= np.maximum(open_, close))
    if table.timed is not None:
        good &= table.timed
    ordered(table, found)
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(table.time[rows], kind="stable")]
    seen: set[tuple[float, ...]] = set()
    kept = []
    times = table.time[rows]
    repeated = np.zeros(len(rows), dtype=bool)
    repeated[1:] = times[1:] == times[:-1]
    for at, row in enumerate(rows):
        if not repeated[at]:
            seen.clear()
        if repeated[at] or (at + 1 < len(rows) and repeated[at + 1]):
            bar = (*(float(column[row]) for column in columns), float(table.volume[row]))
            if bar in seen:
                continue
            seen.add(bar)
        kept.append(row)
    return np.array(kept, dtype=np.int64)


def _finished(table: Table, keep: Ints, timeframe: int | None, now_us: int, found: Findings) -> Ints:
    times = table.time[keep] // NS
    minutes = timeframe or infer_timeframe(times[1:] - times[:-1]) or 0
    late = times + minutes * 60 > now_us // clock.US
    places = [table.place(int(row), "the bar is not finished") for row in keep[late][:5]]
    found.extend_places("data.future", places, int(late.sum()))
    return keep[~late]


def _csv(table: Table, keep: Ints, volume: bool) -> str:
    names = (*PRICES, "volume") if volume else PRICES
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["timestamp", *names])
    columns = [getattr(table, name) for name in names]
    for row in keep:
        writer.writerow([_iso(int(table.time[row])), *(number(column[row]) for column in columns)])
    return buffer.getvalue()


def _iso(time_ns: int) -> str:
    seconds, part = divmod(time_ns, NS)
    text = clock.iso_s(seconds)
    return text if part == 0 else f"{text[:-1]}.{part // 1000:06d}Z"


def _changes(found: Findings) -> list[dict[str, Any]]:
    actions = dict.fromkeys(_ROWS_DROPPED, "rows dropped") | _REWRITTEN
    actions |= {"data.duplicate": "repeated rows dropped", "data.future": "unfinished bars dropped"}
    return [
        {
            "code": item.code,
            "action": actions[item.code],
            "count": item.count,
            "places": [place.to_dict() for place in item.places],
        }
        for item in found.list()
        if item.code in actions
    ]


def _hopeless(file: str, found: Findings) -> DataError:
    for item in found.list():
        detail = item.places[0].text(file) if item.places else file
        return DataError(item.code, f"nothing to repair: {detail}", file=file)
    return DataError("data.no_rows", f"no row of {file} can be kept", file=file)
