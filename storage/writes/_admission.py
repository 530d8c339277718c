"""Admission: a new row in the queue, unless the work is answered, already open, or the queue is full."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from foldward.contracts.facts import AdmitRequest
from storage.writes._bulk import Bulk
from storage.writes._numbers import restore_numbers
from storage.writes._session import Session, refuse

_ADMIT = Bulk(
    18,
    "INSERT INTO oos_queue (request_id, name, requested_at, status, kind, digest, run_id, trace_id,"
    " next_attempt_at, requested_us, opened_at, priority, group_id, parent_id, origin, fingerprint,"
    " window_start, window_end, window_bars, payload_crc, payload)"
    " SELECT v.column1, v.column2, v.column3 / 1000000, 'pending', v.column4, v.column5, v.column6,"
    " v.column7, v.column8, v.column3, v.column3, v.column9, v.column10, v.column11, v.column12, v.column13,"
    " v.column14, v.column15, v.column16, v.column17, v.column18 FROM ({rows}) AS v"
    " WHERE NOT EXISTS (SELECT 1 FROM results WHERE substr(digest, 8, 16) = substr(v.column5, 8, 16)"
    " AND digest = v.column5 AND conflicts = 0)"
    " ON CONFLICT DO NOTHING",
    heavy=17,
)
# A new row is always the last one of the table.
_TAKE_BACK = "DELETE FROM oos_queue WHERE rowid IN (SELECT rowid FROM oos_queue ORDER BY rowid DESC LIMIT ?)"
_ANSWERED = (
    "SELECT request_id FROM results WHERE substr(digest, 8, 16) = substr(?1, 8, 16)"
    " AND digest = ?1 AND conflicts = 0 ORDER BY rowid DESC LIMIT 1"
)
_OPEN_BY_DIGEST = "SELECT request_id FROM oos_queue WHERE digest = ? AND closed_at IS NULL"
_OPEN_OOS = "SELECT request_id FROM oos_queue WHERE name = ? AND kind = 'oos' AND closed_at IS NULL"


def admit_request(session: Session, fact: AdmitRequest) -> dict[str, Any]:
    """A new pending row, or why there is none."""
    return admit_requests(session, (fact,))[0]


def admit_requests(session: Session, facts: Sequence[AdmitRequest]) -> list[dict[str, Any]]:
    """A new pending row for each that may have one; what became of each, in their order."""
    room = min(fact.max_open for fact in facts) - session.open_rows
    if len(facts) <= room:
        count = session.many(_ADMIT, list(map(_row, facts)))
        if count == len(facts):
            session.open_rows += count
            return [_begun(session, fact) for fact in facts]
        if len(facts) > 1 and count:
            session.execute(_TAKE_BACK, (count,))
    if len(facts) > 1:  # near the bound, and when some have no row, each is looked at in its turn
        return [admit_requests(session, (fact,))[0] for fact in facts]
    return [_not_added(session, facts[0])]


def _row(fact: AdmitRequest) -> tuple[Any, ...]:
    return (
        fact.request_id,
        fact.name,
        fact.requested_us,
        fact.kind,
        fact.digest,
        fact.run_id,
        fact.trace_id,
        fact.due_us,
        fact.priority,
        fact.group_id,
        fact.parent_id,
        fact.origin,
        fact.fingerprint,
        fact.window_start,
        fact.window_end,
        fact.window_bars,
        zlib.crc32(fact.payload),
        fact.payload,
    )


def _begun(session: Session, fact: AdmitRequest) -> dict[str, Any]:
    session.count("requested")
    session.event(
        fact.request_id,
        fact.requested_us,
        "oos.requested",
        {
            "strategy": fact.name,
            "kind": fact.kind,
            "origin": fact.origin,
            "digest": fact.digest,
            "start_ts": fact.window_start,
            "end_ts": fact.window_end,
        },
    )
    return {"status": "queued", "request_id": fact.request_id, "code": None}


def _not_added(session: Session, fact: AdmitRequest) -> dict[str, Any]:
    answered = session.execute(_ANSWERED, (fact.digest,)).get
    if answered is not None:
        session.count("cached")
        restore_numbers(session, answered, fact)
        return {"status": "cached", "request_id": answered, "code": None}
    standing = session.execute(_OPEN_BY_DIGEST, (fact.digest,)).get
    if standing is None and fact.kind == "oos":
        standing = session.execute(_OPEN_OOS, (fact.name,)).get
    if standing == fact.request_id:  # told twice: the first time was never answered
        return {"status": "queued", "request_id": standing, "code": None}
    if standing is not None:
        session.count("merged")
        return {"status": "pending", "request_id": standing, "code": None}
    if session.open_rows >= fact.max_open:
        session.count("refused")
        return {"status": "refused", "request_id": fact.request_id, "code": "queue.full"}
    raise refuse(f"the request id {fact.request_id} is already used", request_id=fact.request_id)
