"""The rules of the contract over a table, whatever it was read from.

numpy only: workers judge the candles of a message with it.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldward.contracts import clock
from foldward.data import _order, _prices, _spacing
from foldward.data._calendar import calendar_of
from foldward.data._table import PRICES, Findings, Table
from foldward.data.bars import NS, Bars, Ints, day_ends
from foldward.data.findings import ERROR, WARN, Finding, Report
from foldward.data.identity import Identity, column_hashes, identity_of

COVERAGE_MIN = 0.95
_SMALL = 50_000
_FILE = re.compile(r"\bFILE\b")


@dataclass(frozen=True)
class Terms:
    """What the caller declares about a file and accepts from it."""

    timeframe: int | None = None
    symbol: str = ""
    utc: bool = False
    allow: tuple[str, ...] = ()
    provenance: str = "real"
    coverage_min: float = COVERAGE_MIN


@dataclass(frozen=True)
class Checked:
    """A report and, when it accepts, the canonical bars with the digests of their columns."""

    report: Report
    bars: Bars | None = None
    identity: Identity | None = None


def judge(file: str, table: Table | None, rows: int, said: Terms, now_us: int, found: Findings) -> Checked:
    """Apply every rule to what was read (None: nothing could be) and build the bars when they are accepted.

    found: what reading already found. now_us: a bar that ends after it is not finished.
    """
    if table is None or len(table) == 0:
        return Checked(_report(file, said, found, rows))
    # While the rules are applied, another thread hashes; for a refused table its work is thrown away.
    columns = _canonical(table)
    with ThreadPoolExecutor(1) if len(table) > _SMALL else nullcontext() as pool:
        hashes = pool.submit(column_hashes, columns) if pool else None
        report = _apply(file, table, rows, said, now_us, found)
        if not report.accepted or report.timeframe is None:  # no timeframe: nothing to store it under
            return Checked(report)
        known = hashes.result() if hashes else column_hashes(columns)
    return _accept(report, columns, identity_of(known, len(table), report.timeframe, said.provenance))


def _apply(file: str, table: Table, rows: int, said: Terms, now_us: int, found: Findings) -> Report:
    order = _order.ordered(table, found)
    _prices.bars(table, found, volume="data.missing_column" not in found.counts)
    exact = table.time if order is None else table.time[order]
    times = exact // NS
    # Of the exact times: a bar half a second late is off the grid, though no whole second shows it.
    steps = np.diff(exact) // NS
    timeframe = said.timeframe or _spacing.infer_timeframe(steps)
    calendar = coverage = None
    index = np.arange(len(table)) if order is None else order
    if len(index):
        if (len(index) > 1 and _spacing.spacing(table, index, steps, timeframe, found)) or len(index) == 1:
            made = calendar_of(times, steps, timeframe or 1)
            calendar, coverage = made.words, made.coverage
            severity = ERROR if coverage < said.coverage_min else WARN
            places = [table.place(int(index[gap.before]), gap.text()) for gap in made.gaps[:5]]
            found.extend_places("data.gap", places, made.count, severity)
        _prices.stale(table, order, found)
        _prices.outliers(table, order, steps, (timeframe or 1) * 60, found)
        _prices.ranges(table, order, found)
        _future(table, index, times, timeframe, now_us, found)
    span = (int(times[0]), int(times[-1])) if len(times) else None
    return _report(file, said, found, rows, timeframe, span, calendar, coverage)


def _future(
    table: Table, index: Ints, times: Ints, timeframe: int | None, now_us: int, found: Findings
) -> None:
    now = now_us // clock.US
    ends = times[-64:] + (timeframe or 0) * 60
    if int(ends[-1]) <= now:
        return
    late = np.flatnonzero(times + (timeframe or 0) * 60 > now)
    places = []
    for at in late[:5]:
        row = int(index[at])
        how = "opens in the future" if int(times[at]) > now else "is not finished"
        places.append(table.place(row, f"the bar {how}; it is {clock.iso_s(now)}"))
    found.extend_places("data.future", places, len(late))


def _report(
    file: str,
    said: Terms,
    found: Findings,
    rows: int,
    timeframe: int | None = None,
    span: tuple[int, int] | None = None,
    calendar: str | None = None,
    coverage: float | None = None,
) -> Report:
    findings = tuple(
        dataclasses.replace(item, severity=WARN, allowed=True)
        if item.severity == ERROR and item.code in said.allow and _may_allow(item, found)
        else item
        for item in (_for_file(item, file) for item in found.list())
    )
    return Report(
        file=file,
        accepted=not any(item.severity == ERROR for item in findings),
        rows=rows,
        first=span[0] if span else None,
        last=span[1] if span else None,
        coverage=coverage,
        fingerprint=None,
        findings=tuple(sorted(findings, key=lambda item: item.severity != ERROR)),
        timeframe=timeframe if timeframe is not None else said.timeframe,
        symbol=said.symbol,
        calendar=calendar,
        provenance=said.provenance,
    )


def _for_file(item: Finding, file: str) -> Finding:
    if item.hint is None:
        return item
    return dataclasses.replace(item, hint=_FILE.sub(lambda _: shlex.quote(file), item.hint))


def _may_allow(item: Finding, found: Findings) -> bool:
    if item.code != "data.missing_column":
        return True
    return found.counts[item.code] == 1 and item.places[0].detail.startswith("no volume")


def _canonical(table: Table) -> dict[str, np.ndarray]:
    columns = {name: getattr(table, name) for name in ("time", *PRICES)}
    columns["volume"] = table.volume + 0.0  # −0.0 and 0.0 are one volume
    columns["day_end"] = day_ends(table.time)
    return columns


def _accept(report: Report, columns: dict[str, np.ndarray], identity: Identity) -> Checked:
    for column in columns.values():
        column.flags.writeable = False
    data: dict[str, Any] = columns
    bars = Bars(
        **data,
        timeframe=report.timeframe or 0,
        fingerprint=identity.fingerprint,
        symbol=report.symbol,
        provenance=report.provenance,
    )
    return Checked(dataclasses.replace(report, fingerprint=identity.fingerprint), bars, identity)
