"""What the pages show: rows from the database as plain values, and how a person reads them."""

from __future__ import annotations

from typing import Any

from foldward.console.league import league, league_row
from foldward.contracts import clock
from foldward.contracts.timeframe import timeframe_label
from foldward.settings import Home
from storage.reads import Reader

LIMIT = 500


def _reader(home: Home) -> Reader | None:
    return Reader(home.database) if home.database.exists() else None


def strategies(home: Home) -> list[dict[str, Any]] | None:
    """The league table, then strategies without a verdict; None without a database."""
    reader = _reader(home)
    if reader is None:
        return None
    try:
        rows = league(reader)
        waiting = [league_row(row) for row in reader.strategies() if row.verdict is None]
    finally:
        reader.close()
    return [
        {**row, "place": f"{row['symbol']} {timeframe_label(row['timeframe'])}"}
        for row in [*rows, *waiting][:LIMIT]
    ]


def requests(home: Home) -> list[dict[str, Any]] | None:
    """The newest requests; None without a database."""
    reader = _reader(home)
    if reader is None:
        return None
    try:
        rows = reader.requests(limit=200)
    finally:
        reader.close()
    return [
        {
            "id": row.request_id,
            "name": row.name,
            "kind": row.kind,
            "status": row.status,
            "sends": row.sends,
            "failures": row.failures,
            "at": row.requested_at,
            "latency_s": None if row.latency_us is None else row.latency_us / 1e6,
            "error": row.last_error or "",
        }
        for row in rows
    ]


def dead_letters(home: Home) -> list[dict[str, Any]] | None:
    """Held dead letters; None without a database."""
    reader = _reader(home)
    if reader is None:
        return None
    try:
        rows = reader.dead_letters(state="held", limit=200)
    finally:
        reader.close()
    return [
        {
            "id": row.id,
            "reason": row.reason,
            "code": row.code,
            "error": row.error,
            "count": row.count,
            "size": row.size,
            "at": row.last_seen // clock.US,
            "name": row.name or "–",
        }
        for row in rows
    ]


def number(value: float | None) -> str:
    """Two decimals, or a dash for what has no value."""
    return "–" if value is None else f"{value:,.2f}"


def whole(value: int | None) -> str:
    """Thousands apart, or a dash."""
    return "–" if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    """`0.412 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.3f} s"
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if value < limit:
            return f"{value / size:.0f} {unit}"
    return f"{value / 86_400:.0f} d"


def ago(at: float) -> str:
    """How long since Unix seconds `at`."""
    return f"{seconds(max(0.0, round(clock.utcnow().timestamp() - at)))} ago"


FILTERS = {"number": number, "whole": whole, "seconds": seconds, "ago": ago, "iso": clock.iso_s}
