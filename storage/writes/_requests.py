"""The arrows of the request's state machine, each one guarded UPDATE: the row that it changes decides."""

from __future__ import annotations

import zlib
from typing import Any

from foldward.contracts.facts import (
    AdmitRequest,
    CancelRequests,
    FailAttempt,
    GiveUp,
    LeaseRequest,
    NoteEvent,
    RecoverLeases,
    RequeueRequest,
    ReturnLease,
)
from storage.writes._dead import hold, release_of_request
from storage.writes._results import restore_numbers
from storage.writes._session import Session, refuse

# Steps that actors note themselves and that count as failures of the request.
_FAILURES = ("oos.dispatch_failed", "oos.mirror_rejected", "oos.retry")
_OPEN = "('pending', 'sent', 'retry')"

_ADMIT = (
    "INSERT INTO oos_queue (request_id, name, requested_at, status, kind, digest, run_id, trace_id,"
    " next_attempt_at, requested_us, opened_at, priority, group_id, parent_id, origin, fingerprint,"
    " window_start, window_end, window_bars, payload_crc, payload)"
    " SELECT ?1, ?2, ?3 / 1000000, 'pending', ?4, ?5, ?6, ?7, ?8, ?3, ?3, ?9, ?10, ?11, ?12, ?13,"
    " ?14, ?15, ?16, ?17, ?18"
    " WHERE NOT EXISTS (SELECT 1 FROM results WHERE substr(digest, 8, 16) = substr(?5, 8, 16)"
    " AND digest = ?5 AND conflicts = 0)"
    " ON CONFLICT DO NOTHING"
)
_ANSWERED = (
    "SELECT request_id FROM results WHERE substr(digest, 8, 16) = substr(?1, 8, 16)"
    " AND digest = ?1 AND conflicts = 0 ORDER BY rowid DESC LIMIT 1"
)
_OPEN_BY_DIGEST = "SELECT request_id FROM oos_queue WHERE digest = ? AND closed_at IS NULL"
_OPEN_OOS = "SELECT request_id FROM oos_queue WHERE name = ? AND kind = 'oos' AND closed_at IS NULL"
_LEASE = (
    "UPDATE oos_queue SET status = 'sent', sends = sends + 1, sent_at = ?2,"
    " first_sent_at = coalesce(first_sent_at, ?2), deadline_at = ?3, next_attempt_at = NULL, worker = ?4"
    " WHERE request_id = ?1 AND status IN ('pending', 'retry') RETURNING sends"
)
_RETURN = (
    "UPDATE oos_queue SET status = 'retry', crashes = crashes + ?2, next_attempt_at = ?3, deadline_at = NULL"
    " WHERE request_id = ?1 AND status = 'sent' RETURNING crashes, worker, sends"
)
_FAIL = (
    "UPDATE oos_queue SET status = 'retry', failures = failures + 1, next_attempt_at = ?2,"
    " deadline_at = NULL, last_error = ?3, last_code = ?4"
    f" WHERE request_id = ?1 AND status IN {_OPEN} RETURNING failures, name, kind, worker, sends"
)
_GIVE_UP = (
    "UPDATE oos_queue SET status = 'error', next_attempt_at = NULL, deadline_at = NULL, closed_at = ?2,"
    f" last_error = ?3, last_code = ?4 WHERE request_id = ?1 AND status IN {_OPEN}"
    " RETURNING name, kind, trace_id, failures, sends, worker, payload"
)
_CANCEL = (
    "UPDATE oos_queue SET status = 'cancelled', next_attempt_at = NULL, deadline_at = NULL, closed_at = ?2,"
    f" last_error = ?3, last_code = 'request.cancelled' WHERE request_id = ?1 AND status IN {_OPEN}"
    " RETURNING request_id"
)
OPEN_OF_NAME = (
    "SELECT request_id FROM oos_queue WHERE name = ?1 AND kind = 'oos' AND closed_at IS NULL"
    " UNION ALL SELECT request_id FROM oos_queue WHERE name = ?1 AND kind <> 'oos' AND closed_at IS NULL"
)
# OR IGNORE: another open row for the same work makes this one superfluous, which is "did not change".
_REOPEN = (
    "UPDATE OR IGNORE oos_queue SET status = 'pending', failures = 0, crashes = 0, next_attempt_at = ?2,"
    " closed_at = NULL, opened_at = ?3"
    " WHERE request_id = ?1 AND status IN ('error', 'cancelled') RETURNING request_id"
)
_HURRY = (
    "UPDATE oos_queue SET next_attempt_at = ?2 WHERE request_id = ?1 AND status = 'retry'"
    " RETURNING request_id"
)
_RECOVER_EVENTS = (
    "INSERT INTO events (request_id, at, event, code, data)"
    " SELECT request_id, ?1, 'oos.recovered', NULL,"
    " json_object('attempt', sends, 'worker', worker, 'next_attempt_at', ?2)"
    " FROM oos_queue WHERE deadline_at IS NOT NULL"
)
_RECOVER = (
    "UPDATE oos_queue SET status = 'retry', next_attempt_at = ?1, deadline_at = NULL"
    " WHERE deadline_at IS NOT NULL"
)


def admit_request(session: Session, fact: AdmitRequest) -> dict[str, Any]:
    """A new pending row, unless the work is answered, already open, or the queue is full."""
    if session.open_rows < fact.max_open:
        session.execute(
            _ADMIT,
            (
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
            ),
        )
        if session.connection.changes():
            session.open_rows += 1
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


def lease_request(session: Session, fact: LeaseRequest) -> int | None:
    """pending | retry → sent."""
    attempt: int | None = session.execute(
        _LEASE, (fact.request_id, fact.sent_us, fact.deadline_us, fact.worker)
    ).get
    if attempt is None:
        return None
    session.count("sent")
    session.event(
        fact.request_id,
        fact.sent_us,
        "oos.sent",
        {"attempt": attempt, "worker": fact.worker, "deadline_at": fact.deadline_us},
    )
    return attempt


def return_lease(session: Session, fact: ReturnLease) -> dict[str, Any] | None:
    """sent → retry, no failure counted."""
    row = session.execute(_RETURN, (fact.request_id, int(fact.started), fact.due_us)).get
    if row is None:
        return None
    crashes, worker, sends = row
    session.count("returned")
    session.event(
        fact.request_id,
        fact.at_us,
        "oos.returned",
        {
            "reason": fact.reason,
            "started": fact.started,
            "crashes": crashes,
            "worker": worker,
            "attempt": sends,
            "next_attempt_at": fact.due_us,
        },
    )
    return {"crashes": crashes}


def fail_attempt(session: Session, fact: FailAttempt) -> dict[str, Any] | None:
    """An open row → retry, one failure more."""
    row = session.execute(_FAIL, (fact.request_id, fact.due_us, fact.error, fact.code)).get
    if row is None:
        return None
    failures, name, kind, worker, sends = row
    session.count("retry")
    if fact.cause == "send":
        session.count("dispatch_failed")
        session.count("send_failure")
    else:
        session.count("failure")
    session.event(
        fact.request_id,
        fact.at_us,
        "oos.dispatch_failed" if fact.cause == "send" else "oos.retry",
        {
            "strategy": name,
            "kind": kind,
            "cause": fact.cause,
            "code": fact.code,
            "error": fact.error,
            "failures": failures,
            "attempt": sends,
            "worker": worker,
            "next_attempt_at": fact.due_us,
        },
        fact.code,
    )
    return {"failures": failures}


def give_up(session: Session, fact: GiveUp) -> dict[str, Any] | None:
    """An open row → error, with its dead letter."""
    row = session.execute(_GIVE_UP, (fact.request_id, fact.at_us, fact.error, fact.code)).get
    if row is None:
        return None
    name, kind, trace_id, failures, sends, worker, payload = row
    session.open_rows -= 1
    session.count("given_up")
    session.count("failure")
    dead_id, count = hold(
        session,
        reason=fact.reason,
        code=fact.code,
        error=fact.error,
        payload=payload if fact.payload is None else fact.payload,
        at_us=fact.at_us,
        direction="request",
        peer=fact.peer,
        request_id=fact.request_id,
        trace_id=trace_id,
        name=name,
    )
    session.event(
        fact.request_id,
        fact.at_us,
        "oos.error",
        {
            "strategy": name,
            "kind": kind,
            "reason": fact.reason,
            "code": fact.code,
            "error": fact.error,
            "failures": failures,
            "attempt": sends,
            "worker": worker,
            "dead_id": dead_id,
            "count": count,
        },
        fact.code,
    )
    return {"dead_id": dead_id}


def cancel_requests(session: Session, fact: CancelRequests) -> list[str]:
    """Open rows → cancelled."""
    wanted = list(fact.request_ids)
    for name in fact.names:
        wanted.extend(row[0] for row in session.execute(OPEN_OF_NAME, (name,)).fetchall())
    return cancel(session, wanted, fact.why, fact.at_us)


def cancel(session: Session, request_ids: list[str], why: str, at_us: int) -> list[str]:
    """End these; the ids that were open, in the order given."""
    ended = []
    for request_id in dict.fromkeys(request_ids):
        if session.execute(_CANCEL, (request_id, at_us, f"cancelled: {why}")).get is None:
            continue
        session.open_rows -= 1
        session.count("cancelled")
        session.event(request_id, at_us, "oos.cancelled", {"reason": why})
        ended.append(request_id)
    return ended


def requeue_request(session: Session, fact: RequeueRequest) -> bool:
    """error | cancelled → pending with clean counts and its letter closed, or retry → due at once."""
    if session.execute(_HURRY, (fact.request_id, fact.due_us)).get is not None:
        session.event(fact.request_id, fact.at_us, "oos.hurried", {"next_attempt_at": fact.due_us})
        return True
    if session.execute(_REOPEN, (fact.request_id, fact.due_us, fact.at_us)).get is None:
        return False
    session.open_rows += 1
    session.count("requeued")
    release_of_request(session, fact.request_id, fact.at_us)
    session.event(fact.request_id, fact.at_us, "oos.requeued", {"next_attempt_at": fact.due_us})
    return True


def recover_leases(session: Session, fact: RecoverLeases) -> int:
    """sent → retry for every row, at start."""
    session.execute(_RECOVER_EVENTS, (fact.at_us, fact.due_us))
    session.execute(_RECOVER, (fact.due_us,))
    recovered: int = session.connection.changes()
    if recovered:
        session.count("recovered", recovered)
    return recovered


def note_event(session: Session, fact: NoteEvent) -> bool:
    """A step that changes no other table."""
    code = fact.data.get("code") if fact.event in _FAILURES else None
    session.event(fact.request_id, fact.at_us, fact.event, fact.data, code)
    return True
