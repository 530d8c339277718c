"""What the queue's pages show: lists of requests, and one request whole."""

from __future__ import annotations

from typing import Any

from foldward.contracts import clock
from foldward.settings import Home
from foldward.web import _trace
from foldward.web._dead_view import laid_out
from storage.reads.pages import PageReader
from storage.rows import OPEN, RequestRow, RequestView, ResultRow

LIMIT = 50
STATUSES = ("open", "pending", "sent", "retry", "error", "cancelled", "success")
KINDS = ("backtest", "oos", "wfv", "cpcv", "evidence")
WORDS = {
    None: "all",
    "open": "open",
    "pending": "waiting",
    "sent": "in work",
    "retry": "waiting to retry",
    "error": "given up",
    "cancelled": "cancelled",
    "success": "finished",
    "stuck": "stuck",
}
ORDER = {
    None: "Newest asked first.",
    "open": "Oldest first.",
    "pending": "In the order in which they are due.",
    "retry": "In the order in which they are due.",
    "sent": "The earliest deadline first.",
    "error": "The last given up first.",
    "cancelled": "The last cancelled first.",
    "success": "The last finished first.",
    "stuck": "The longest first.",
}
# May be made due at once, and may be ended: what the actor accepts (spec 1.3).
RETRYABLE = frozenset({"retry", "error", "cancelled"})


def counts(reader: PageReader) -> dict[str | None, int | None]:
    """How many there are of each status: from the partial indexes and stored counters."""
    queue = reader.queue_counts()
    stuck = len(reader.stuck(clock.utc_us()))
    done = reader.counters().get("success", 0)
    return {
        None: None,
        **{name: queue[name] for name in STATUSES if name in queue},
        "success": done,
        "stuck": stuck,
    }


def page(
    reader: PageReader, status: str | None, name: str | None, kind: str | None, after: str | None
) -> dict[str, Any]:
    """{rows, next}: one page of the list."""
    if status == "stuck":
        return {"rows": [_stuck(row) for row in reader.stuck(clock.utc_us())], "next": None}
    rows, cursor = reader.request_page(status, name=name, kind=kind, after=after, limit=LIMIT)
    return {"rows": [_line(row) for row in rows], "next": cursor}


def _line(row: RequestView) -> dict[str, Any]:
    return {
        "id": row.request_id,
        "name": row.name,
        "kind": row.kind,
        "status": row.status,
        "sends": row.sends,
        "failures": row.failures,
        "at": row.requested_at,
        "latency_s": None if row.latency_us is None else row.latency_us / 1e6,
        "sharpe": row.sharpe,
        "error": row.last_error or "",
        "age_s": None,
    }


def _stuck(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["request_id"],
        "name": row["name"],
        "kind": row["kind"],
        "status": row["status"],
        "sends": row["sends"],
        "failures": row["failures"],
        "at": None,
        "latency_s": None,
        "sharpe": None,
        "error": row["why"] + (f" ({row['last_error']})" if row["last_error"] else ""),
        "age_s": row["age_s"],
    }


def request(reader: PageReader, home: Home, request_id: str) -> dict[str, Any] | None:
    """One request with its story; None when nobody knows it. The beginning of an id will do."""
    steps = reader.timeline(request_id)
    if not steps:
        near = reader.find_requests(request_id, limit=2) if request_id else []
        if len(near) != 1:
            return None
        request_id = near[0]
        steps = reader.timeline(request_id)
    row, result = reader.request(request_id), reader.result(request_id)
    known = result or row
    if known is None and not steps:
        return None
    trace_id = known.trace_id if known is not None else "-"
    lines = _trace.file_lines(home.telemetry, {request_id, trace_id})
    return {
        "id": request_id,
        "trace_id": trace_id,
        "head": _head(row, result),
        "story": _trace.timeline(request_id, steps, lines),
        "letters": reader.dead_of(request_id),
        "metrics": _metrics(result),
        "payload": None if row is None else laid_out(row.payload),
    }


def _head(row: RequestRow | None, result: ResultRow | None) -> dict[str, Any] | None:
    if result is not None:
        return {
            "name": result.name,
            "kind": result.kind,
            "status": "success",
            "verdict": result.verdict,
            "can_retry": False,
            "can_cancel": False,
            "error": None,
            "facts": [
                ("asked", "when", result.requested_us),
                ("finished", "when", result.applied_at),
                ("request → result", "span", result.latency_us / 1e6),
                ("waited", "span", _s(result.queue_us)),
                ("ran", "span", _s(result.run_us)),
                ("sends", "text", str(result.sends)),
                ("failures", "text", str(result.failures)),
                ("worker", "text", result.worker or "–"),
                ("origin", "text", result.origin),
                ("run", "id", result.run_id),
                ("work", "id", result.digest),
                ("result", "id", result.result_digest or "–"),
            ],
        }
    if row is None:
        return None
    return {
        "name": row.name,
        "kind": row.kind,
        "status": row.status,
        "verdict": None,
        "can_retry": row.status in RETRYABLE,
        "can_cancel": row.status in OPEN,
        "error": None if row.last_error is None else f"{row.last_code or 'error'}: {row.last_error}",
        "facts": [
            ("asked", "when", row.requested_us),
            ("sent", "when", row.sent_at),
            ("answer due", "when", row.deadline_at),
            ("next attempt", "when", row.next_attempt_at),
            ("closed", "when", row.closed_at),
            ("sends", "text", str(row.sends)),
            ("failures", "text", str(row.failures)),
            ("worker deaths on it", "text", str(row.crashes)),
            ("worker", "text", row.worker or "–"),
            ("origin", "text", row.origin),
            ("run", "id", row.run_id),
            ("work", "id", row.digest),
        ],
    }


def _metrics(result: ResultRow | None) -> list[tuple[str, Any]]:
    if result is None:
        return []
    return [(name.replace("_", " "), value) for name, value in result.metrics.items()]


def _s(us: int | None) -> float | None:
    return None if us is None else us / 1e6
