"""Failures, ends and returns to the queue, each one guarded UPDATE: the row that it changes decides."""

from __future__ import annotations

from typing import Any

from foldward.contracts.facts import (
    CancelRequests,
    FailAttempt,
    GiveUp,
    NoteEvent,
    RequeueRequest,
)
from foldward.contracts.masking import mask
from storage.writes._dead import hold, release_of_request
from storage.writes._secrets import without_secrets
from storage.writes._session import Session

# Steps that actors note themselves and that count as failures of the request.
_FAILURES = ("oos.dispatch_failed", "oos.mirror_rejected", "oos.retry")
_OPEN = "('pending', 'sent', 'retry')"

_FAIL = (
    "UPDATE oos_queue SET status = 'retry', failures = failures + 1, next_attempt_at = ?2,"
    " deadline_at = NULL, last_error = ?3, last_code = ?4"
    f" WHERE request_id = ?1 AND status IN {_OPEN} RETURNING failures, name, kind, worker, sends"
)
_GIVE_UP = (
    "UPDATE oos_queue SET status = 'error', next_attempt_at = NULL, deadline_at = NULL, closed_at = ?2,"
    f" last_error = ?3, last_code = ?4, failures = failures + ?5 WHERE request_id = ?1 AND status IN {_OPEN}"
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


def fail_attempt(session: Session, fact: FailAttempt) -> dict[str, Any] | None:
    """An open row → retry, one failure more."""
    fact = without_secrets(fact, "error")
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
    return {"failures": failures, "sends": sends}


def give_up(session: Session, fact: GiveUp) -> dict[str, Any] | None:
    """An open row → error, with its dead letter."""
    fact = without_secrets(fact, "error")
    # The failure that ends a request is one of its failures; the death of a worker is none.
    last = 0 if fact.reason == "crash_loop" else 1
    row = session.execute(_GIVE_UP, (fact.request_id, fact.at_us, fact.error, fact.code, last)).get
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
    fact = without_secrets(fact, "why")
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
    fact = without_secrets(fact, "note")
    if session.execute(_HURRY, (fact.request_id, fact.due_us)).get is not None:
        session.event(fact.request_id, fact.at_us, "oos.hurried", {"next_attempt_at": fact.due_us})
        return True
    if session.execute(_REOPEN, (fact.request_id, fact.due_us, fact.at_us)).get is None:
        return False
    session.open_rows += 1
    session.count("requeued")
    release_of_request(session, fact.request_id, fact.at_us, fact.note)
    session.event(fact.request_id, fact.at_us, "oos.requeued", {"next_attempt_at": fact.due_us})
    return True


def note_event(session: Session, fact: NoteEvent) -> bool:
    """A step that changes no other table."""
    code = fact.data.get("code") if fact.event in _FAILURES else None
    session.event(fact.request_id, fact.at_us, fact.event, mask(fact.data), code)
    return True
