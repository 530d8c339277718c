"""The contract at the border: one check for every way in, one canonical table out.

`check_file` answers with a report of all findings; `examine` gives the accepted table too. Nothing is
repaired, guessed or filled in: what is not clearly right is a finding with its line.
"""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foldward.contracts import clock
from foldward.contracts.errors import RequestError
from foldward.contracts.timeframe import parse_timeframe
from foldward.data import _order, _prices, _spacing
from foldward.data._calendar import calendar_of
from foldward.data._csv import read_csv
from foldward.data._names import series_name, shown
from foldward.data._parquet import read_parquet
from foldward.data._table import Findings, Table
from foldward.data.bars import NS, Bars, Ints, day_ends
from foldward.data.findings import ERROR, WARN, Finding, Place, Report, check_allow
from foldward.data.identity import Identity, identify

COVERAGE_MIN = 0.95


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


def terms(
    path: str | Path,
    timeframe: int | str | None = None,
    *,
    symbol: str | None = None,
    utc: bool = False,
    allow: Collection[str] = (),
    synthetic: bool = False,
    coverage_min: float = COVERAGE_MIN,
) -> Terms:
    """What holds for a file: what is said, else what its name says (`<SYMBOL>_<TF>.csv`).

    Raises RequestError `request.bad_param` for a timeframe, an allowed code or a coverage that cannot be.
    """
    named_symbol, named_timeframe = series_name(path)
    if not 0.0 <= coverage_min <= 1.0:
        raise RequestError(
            "request.bad_param", f"coverage_min is {coverage_min}; a ratio from 0 to 1", field="coverage_min"
        )
    return Terms(
        named_timeframe if timeframe is None else parse_timeframe(timeframe),
        named_symbol if symbol is None else symbol,
        utc,
        check_allow(allow),
        "synthetic" if synthetic else "real",
        coverage_min,
    )


def check_file(
    path: str | Path,
    timeframe: int | str | None = None,
    *,
    symbol: str | None = None,
    utc: bool = False,
    allow: Collection[str] = (),
    synthetic: bool = False,
    now_us: int | None = None,
    coverage_min: float = COVERAGE_MIN,
) -> Report:
    """Check a file of candles (CSV, MT5 export or Parquet) and report every finding.

    timeframe: minutes or a label; None takes it from the file's name, else from the rows. utc: declares
    that times without a zone are UTC. allow: codes to accept (see `ALLOWABLE`). now_us: the time against
    which the last bar is unfinished, the clock when None. A bad file raises nothing; a bad argument raises
    RequestError.
    """
    said = terms(
        path,
        timeframe,
        symbol=symbol,
        utc=utc,
        allow=allow,
        synthetic=synthetic,
        coverage_min=coverage_min,
    )
    found = Findings()
    data = read_bytes(path, found)
    return examine(shown(path), data, said, clock.utc_us() if now_us is None else now_us, found).report


def repair(path: str | Path, out: str | Path, **said: Any) -> dict[str, Any]:
    """`foldward.data.repair.repair`, under the name of the contract that it helps to meet."""
    from foldward.data.repair import repair as repair_file

    return repair_file(path, out, **said)


def read_bytes(path: str | Path, found: Findings) -> bytes | None:
    """The bytes of a regular, readable, non-empty file; otherwise None and the finding."""
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            found.add("data.not_a_file", Place(None, None, f"it is {kind}"))
            return None
        data = Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        found.add("data.missing_file", Place(None, None, "no such file"))
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        found.add("data.unreadable", Place(None, None, str(getattr(error, "strerror", None) or error)))
        return None
    if not data:
        found.add("data.empty", Place(None, None, "0 bytes"))
        return None
    return data


def examine(
    file: str, data: bytes | None, said: Terms, now_us: int, found: Findings | None = None
) -> Checked:
    """Check the bytes of a file and build the bars when they are accepted."""
    found = Findings() if found is None else found
    table, rows = (None, 0) if data is None else read_table(data, said.utc, found)
    if table is None or len(table) == 0:
        return Checked(_report(file, said, found, rows))
    order = _order.ordered(table, found)
    _prices.bars(table, found, volume="data.missing_column" not in found.counts)
    times = (table.time if order is None else table.time[order]) // NS
    steps = np.diff(times)
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
        _future(table, index, times, timeframe, now_us, found)
    span = (int(times[0]), int(times[-1])) if len(times) else None
    report = _report(file, said, found, rows, timeframe, span, calendar, coverage)
    if not report.accepted:
        return Checked(report)
    return _accept(report, table, timeframe, said)


def read_table(data: bytes, utc: bool, found: Findings, convert: bool = False) -> tuple[Table | None, int]:
    """The rows of a file as they are (None when there is no reading them), and how many it has."""
    if data.startswith(b"PAR1"):
        return read_parquet(data, utc, found, convert)
    for magic, kind in ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"\x28\xb5\x2f\xfd", "zstd")):
        if data.startswith(magic):
            found.add("data.unreadable", Place(None, None, f"it is compressed ({kind}); unpack it first"))
            return None, 0
    return read_csv(data, utc, found, convert)


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
        for item in found.list()
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


def _may_allow(item: Finding, found: Findings) -> bool:
    if item.code != "data.missing_column":
        return True
    return found.counts[item.code] == 1 and item.places[0].detail.startswith("no volume")


def _accept(report: Report, table: Table, timeframe: int | None, said: Terms) -> Checked:
    columns = {name: getattr(table, name) for name in ("time", "open", "high", "low", "close", "volume")}
    if timeframe is None:  # one row and no declaration: nothing to store it under
        return Checked(report)
    columns["volume"] = columns["volume"] + 0.0  # −0.0 and 0.0 are one volume
    columns["day_end"] = day_ends(columns["time"])
    identity = identify(columns, timeframe, said.provenance)
    for column in columns.values():
        column.flags.writeable = False
    bars = Bars(
        **columns,
        timeframe=timeframe,
        fingerprint=identity.fingerprint,
        symbol=said.symbol,
        provenance=said.provenance,
    )
    return Checked(dataclasses.replace(report, fingerprint=identity.fingerprint), bars, identity)
