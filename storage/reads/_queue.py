"""Questions about requests: what waits, what is out, what became of one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from foldward.contracts import clock
from foldward.contracts.clock import US, iso_ms
from storage.reads._connection import Connected, columns_of
from storage.rows import EventRow, RequestRow, RequestView

_COLUMNS = columns_of(RequestRow)
# As the partial indexes say it; CHECK constraints tie these times to the states.
_OPEN = "closed_at IS NULL"
_CLOSED = "closed_at IS NOT NULL"
_WAITING = "next_attempt_at IS NOT NULL"
_LEASED = "deadline_at IS NOT NULL"

_NEXT_PRIORITY = f"SELECT max(priority) FROM oos_queue WHERE {_WAITING}"
_LOWER_PRIORITY = f"SELECT max(priority) FROM oos_queue WHERE {_WAITING} AND priority < ?"
_DUE = (
    f"SELECT {_COLUMNS} FROM oos_queue WHERE {_WAITING} AND priority = ? AND next_attempt_at <= ?"
    " ORDER BY next_attempt_at LIMIT ?"
)
_NEXT_DUE = f"SELECT min(next_attempt_at) FROM oos_queue WHERE {_WAITING} AND priority = ?"
_SENT = f"SELECT {_COLUMNS} FROM oos_queue WHERE {_LEASED} ORDER BY deadline_at"
_EXPIRED = (
    f"SELECT {_COLUMNS} FROM oos_queue WHERE {_LEASED} AND deadline_at <= ? ORDER BY deadline_at LIMIT ?"
)
_OPEN_ROWS = f"SELECT {_COLUMNS} FROM oos_queue WHERE {_OPEN} ORDER BY requested_us"
_COUNTS = (
    f"SELECT status, count(*) FROM oos_queue WHERE {_WAITING} GROUP BY status"
    f" UNION ALL SELECT 'sent', count(*) FROM oos_queue WHERE {_LEASED}"
    f" UNION ALL SELECT status, count(*) FROM oos_queue WHERE {_CLOSED} GROUP BY status"
)
_OLDEST = f"SELECT min(requested_us) FROM oos_queue WHERE {_OPEN}"

_VIEW_OPEN = (
    "request_id, name, requested_at, status, last_error, kind, digest, run_id, trace_id, sends, failures,"
    " sent_at, next_attempt_at, deadline_at, closed_at, priority, origin, group_id, parent_id, worker,"
    " NULL, NULL, NULL, NULL, NULL"
)
_VIEW_DONE = (
    "request_id, name, requested_us / 1000000, 'success', NULL, kind, digest, run_id, trace_id, sends,"
    " failures, sent_at, NULL, NULL, applied_at, 0, origin, group_id, parent_id, worker,"
    " latency_us, sharpe, trades, verdict, result_digest"
)
_FAILURES = {
    "code": "code",
    "reason": "coalesce(json_extract(data, '$.reason'), code)",
    "strategy": "json_extract(data, '$.strategy')",
    "kind": "json_extract(data, '$.kind')",
    "worker": "json_extract(data, '$.worker')",
    "event": "event",
}


class QueueReads(Connected):
    """Reading the queue and its timelines."""

    def queue_counts(self, now_us: int | None = None) -> dict[str, Any]:
        """{pending, sent, retry, error, cancelled, open, oldest_age_s}."""
        counts: dict[str, Any] = dict.fromkeys(("pending", "sent", "retry", "error", "cancelled"), 0)
        counts.update(dict(self._all(_COUNTS)))
        counts["open"] = counts["pending"] + counts["sent"] + counts["retry"]
        oldest = self._value(_OLDEST)
        now = clock.utc_us() if now_us is None else now_us
        counts["oldest_age_s"] = None if oldest is None else max(0.0, (now - oldest) / US)
        return counts

    def request(self, request_id: str) -> RequestRow | None:
        """The row of a request without result; None when it has one, or never was."""
        row = self._one(f"SELECT {_COLUMNS} FROM oos_queue WHERE request_id = ?", (request_id,))
        return None if row is None else RequestRow(*row)

    def open_rows(self, name: str | None = None, limit: int | None = None) -> list[RequestRow]:
        """Open requests, oldest first; of one strategy or of all."""
        if name is not None:
            half = f"SELECT {_COLUMNS} FROM oos_queue WHERE {_OPEN} AND name = ?1 AND kind"
            sql = f"{half} = 'oos' UNION ALL {half} <> 'oos' ORDER BY requested_us LIMIT ?2"
            return [RequestRow(*row) for row in self._all(sql, (name, _limit(limit)))]
        return [RequestRow(*row) for row in self._all(f"{_OPEN_ROWS} LIMIT ?", (_limit(limit),))]

    def due(self, now_us: int, limit: int, exclude: Collection[str] = ()) -> list[RequestRow]:
        """pending | retry rows whose time has come: higher priority first, then longest due.

        Each priority is asked by itself, so that rows that are not due cost nothing however many they are.
        """
        rows: list[RequestRow] = []
        skipped = frozenset(exclude)
        priority = self._value(_NEXT_PRIORITY)
        while priority is not None and len(rows) < limit:
            # Rows to skip may be the first ones; with them all fetched, `limit` others are surely there.
            wanted = limit - len(rows) + len(skipped)
            found = self._all(_DUE, (priority, now_us, wanted))
            rows.extend(RequestRow(*row) for row in found if row[0] not in skipped)
            priority = self._value(_LOWER_PRIORITY, (priority,))
        return rows[:limit]

    def next_due_us(self) -> int | None:
        """When the first waiting row is due; None when none waits."""
        first: int | None = None
        priority = self._value(_NEXT_PRIORITY)
        while priority is not None:
            due = self._value(_NEXT_DUE, (priority,))
            first = due if first is None else min(first, due)
            priority = self._value(_LOWER_PRIORITY, (priority,))
        return first

    def sent_rows(self) -> list[RequestRow]:
        """Everything in flight, the earliest deadline first."""
        return [RequestRow(*row) for row in self._all(_SENT)]

    def expired(self, now_us: int, limit: int | None = None) -> list[RequestRow]:
        """Leases whose deadline has passed."""
        return [RequestRow(*row) for row in self._all(_EXPIRED, (now_us, _limit(limit)))]

    def last_sent_us(self, name: str, kind: str) -> int | None:
        """When a request of this kind was last sent for this strategy: open, finished or closed."""
        found = [
            self._value(
                f"SELECT max(sent_at) FROM oos_queue"
                f" WHERE name = ?1 AND kind {same} AND kind = ?2 AND {which}",
                (name, kind),
            )
            for same, which in (
                ("= 'oos'", _OPEN),
                ("<> 'oos'", _OPEN),
                ("= ?2", _CLOSED),
            )
        ]
        # Rows are in order of their application; the last ones hold the latest send.
        found.append(
            self._value(
                "SELECT max(sent_at) FROM (SELECT sent_at FROM results WHERE name = ? AND kind = ?"
                " ORDER BY rowid DESC LIMIT 10)",
                (name, kind),
            )
        )
        return max((at for at in found if at is not None), default=None)

    def requests(
        self,
        limit: int = 50,
        *,
        status: str | None = None,
        name: str | None = None,
        kind: str | None = None,
        before: str | None = None,
    ) -> list[RequestView]:
        """Open, closed and finished requests, the newest first.

        `status` also takes `success` and `open`. `before` is the last id of the page before this one.
        """
        terms, bindings = ["1"], []
        for column, wanted in (("name", name), ("kind", kind)):
            if wanted is not None:
                terms.append(f"{column} = ?")
                bindings.append(wanted)
        if before is not None:
            terms.append("request_id < ?")
            bindings.append(before)
        where = " AND ".join(terms)
        rows: list[RequestView] = []
        if status != "success":
            which = {None: "1", "open": _OPEN}.get(status, "status = ?")
            extra = [status] if which == "status = ?" else []
            sql = f"SELECT {_VIEW_OPEN} FROM oos_queue WHERE {which} AND {where}"
            sql += " ORDER BY request_id DESC LIMIT ?"
            rows += [RequestView(*row) for row in self._all(sql, (*extra, *bindings, limit))]
        if status in (None, "success"):
            sql = f"SELECT {_VIEW_DONE} FROM results WHERE {where} ORDER BY request_id DESC LIMIT ?"
            rows += [RequestView(*row) for row in self._all(sql, (*bindings, limit))]
        rows.sort(key=lambda view: view.request_id, reverse=True)
        return rows[:limit]

    def find_requests(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids that begin like this: what a person types."""
        begins = "request_id >= ?1 AND request_id < ?1 || char(1114111)"
        sql = (
            f"SELECT request_id FROM oos_queue WHERE {begins}"
            f" UNION SELECT request_id FROM results WHERE {begins} LIMIT ?2"
        )
        return [row[0] for row in self._all(sql, (prefix, limit))]

    def timeline(self, request_id: str) -> list[dict[str, Any]]:
        """Every step of a request: [{at (ISO), at_us, event, …the step's data}], oldest first.

        What retention has removed is told from the row or the result, as far as they know it.
        """
        sql = "SELECT id, request_id, at, event, code, data FROM events WHERE request_id = ? ORDER BY id"
        steps = []
        for _, _, at, event, code, data in self._all(sql, (request_id,)):
            steps.append(_step(at, event, {**({"code": code} if code else {}), **msgspec.json.decode(data)}))
        if any(step["event"] == "oos.requested" for step in steps):
            return steps
        return self._remembered(request_id) + steps

    def _remembered(self, request_id: str) -> list[dict[str, Any]]:
        sql = (
            "SELECT name, kind, origin, digest, requested_us, sent_at, sends, worker, {} FROM {}"
            " WHERE request_id = ?"
        )
        row = self._one(sql.format("NULL, NULL, NULL, NULL", "oos_queue"), (request_id,))
        if row is None:
            row = self._one(sql.format("applied_at, sharpe, trades, result_digest", "results"), (request_id,))
        if row is None:
            return []
        name, kind, origin, digest, requested, sent, sends, worker, applied, sharpe, trades, answer = row
        told = {"strategy": name, "kind": kind, "origin": origin, "digest": digest}
        steps = [_step(requested, "oos.requested", told)]
        if sent is not None:
            steps.append(_step(sent, "oos.sent", {"attempt": sends, "worker": worker}))
        if applied is not None:
            told = {"sharpe": sharpe, "trades": trades, "result_digest": answer}
            steps.append(_step(applied, "oos.result", told))
        return steps

    def events_tail(self, n: int = 50, after_id: int = 0) -> list[EventRow]:
        """The newest n steps of all requests, oldest first; `after_id` for those that came since."""
        sql = "SELECT id, request_id, at, event, code, data FROM events WHERE id > ? ORDER BY id DESC LIMIT ?"
        rows = self._all(sql, (after_id, n))
        return [
            EventRow(id, of, at, event, code, msgspec.json.decode(data))
            for id, of, at, event, code, data in reversed(rows)
        ]

    def stuck(self, now_us: int, *, patience_s: float = 60.0, limit: int = 100) -> list[dict[str, Any]]:
        """What should have moved and has not, the longest first.

        [{what, request_id, name, kind, status, age_s, why, sends, failures, last_code, last_error}]: leases
        past their deadline, waiting rows due for longer than `patience_s`, walk-forward runs past theirs.
        """
        late = now_us - round(patience_s * US)
        columns = (
            "request_id, name, kind, status, {} AS since, sends, failures, last_code, last_error, worker"
        )
        items = []
        overdue = self._all(
            f"SELECT {columns.format('deadline_at')} FROM oos_queue"
            f" WHERE {_LEASED} AND deadline_at <= ? ORDER BY deadline_at LIMIT ?",
            (late, limit),
        )
        for row in overdue:
            why = f"worker {row[9]} has not answered and its deadline has passed"
            items.append(_stuck("request", row, now_us, why))
        for row in self._waiting_since(columns.format("next_attempt_at"), late, limit):
            why = "due and not sent: no worker is free, or sending is paused"
            items.append(_stuck("request", row, now_us, why))
        for wfv_id, name, kind, request_id, deadline in self._all(
            "SELECT wfv_id, name, kind, request_id, deadline_at FROM wfv_runs"
            " WHERE state = 'pending' AND deadline_at <= ? ORDER BY started_at LIMIT ?",
            (late, limit),
        ):
            row = (request_id, name, kind, "pending", deadline, 0, 0, None, None)
            items.append({**_stuck(kind, row, now_us, "past its deadline"), "wfv_id": wfv_id})
        items.sort(key=lambda item: -item["age_s"])
        return items[:limit]

    def _waiting_since(self, columns: str, late: int, limit: int) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        priority = self._value(_NEXT_PRIORITY)
        while priority is not None:
            rows += self._all(
                f"SELECT {columns} FROM oos_queue WHERE {_WAITING} AND priority = ? AND next_attempt_at <= ?"
                " ORDER BY next_attempt_at LIMIT ?",
                (priority, late, limit),
            )
            priority = self._value(_LOWER_PRIORITY, (priority,))
        return rows

    def failures(self, since_us: int, by: str = "reason") -> list[dict[str, Any]]:
        """Failed steps since then, grouped: [{by, count, requests, last_at_us, last_error}], most first.

        by: reason | code | strategy | kind | worker | event.
        """
        key = _FAILURES[by]
        sql = (
            f"SELECT {key} AS what, count(*), count(DISTINCT request_id), max(at),"
            " json_extract(data, '$.error') FROM events"
            " WHERE code IS NOT NULL AND at >= ? GROUP BY what ORDER BY count(*) DESC, what"
        )
        return [
            {by: what, "count": count, "requests": requests, "last_at_us": at, "last_error": error}
            for what, count, requests, at, error in self._all(sql, (since_us,))
        ]


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit


def _step(at: int, event: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"at": iso_ms(at), "at_us": at, "event": event, **data}


def _stuck(what: str, row: tuple[Any, ...], now_us: int, why: str) -> dict[str, Any]:
    return {
        "what": what,
        "request_id": row[0],
        "name": row[1],
        "kind": row[2],
        "status": row[3],
        "age_s": (now_us - row[4]) / US,
        "why": why,
        "sends": row[5],
        "failures": row[6],
        "last_code": row[7],
        "last_error": row[8],
    }
