"""Leases: a row goes out to a worker, comes back without an answer, or is found out at start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from foldward.contracts.facts import LeaseRequest, RecoverLeases, ReturnLease
from storage.writes._bulk import Bulk
from storage.writes._session import Session, refuse, to_json

_WAITING = (
    "SELECT json_group_object(q.request_id, q.sends) FROM json_each(?) AS asked"
    " CROSS JOIN oos_queue AS q ON q.request_id = asked.value WHERE q.status IN ('pending', 'retry')"
)
_LEASE = Bulk(
    4,
    "UPDATE oos_queue SET status = 'sent', sends = sends + 1, sent_at = v.column2,"
    " first_sent_at = coalesce(first_sent_at, v.column2), deadline_at = v.column3, next_attempt_at = NULL,"
    " worker = v.column4 FROM ({rows}) AS v"
    " WHERE request_id = v.column1 AND status IN ('pending', 'retry')",
)
_RETURN = (
    "UPDATE oos_queue SET status = 'retry', crashes = crashes + ?2, next_attempt_at = ?3, deadline_at = NULL"
    " WHERE request_id = ?1 AND status = 'sent' RETURNING crashes, worker, sends"
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
_sends = msgspec.json.Decoder(dict[str, int])


def lease_request(session: Session, fact: LeaseRequest) -> int | None:
    """pending | retry → sent."""
    return lease_requests(session, (fact,))[0]


def lease_requests(session: Session, facts: Sequence[LeaseRequest]) -> list[int | None]:
    """pending | retry → sent, each row at most once; the attempts, in the order of the facts."""
    waiting = _sends.decode(session.execute(_WAITING, (to_json([fact.request_id for fact in facts]),)).get)
    rows = []
    attempts: list[int | None] = []
    for fact in facts:
        sends = waiting.pop(fact.request_id, None)
        if sends is None:
            attempts.append(None)
            continue
        attempts.append(sends + 1)
        rows.append((fact.request_id, fact.sent_us, fact.deadline_us, fact.worker))
        session.event(
            fact.request_id,
            fact.sent_us,
            "oos.sent",
            {"attempt": sends + 1, "worker": fact.worker, "deadline_at": fact.deadline_us},
        )
    if session.many(_LEASE, rows) != len(rows):
        raise refuse(f"of {len(rows)} waiting requests not all could be leased")
    if rows:
        session.count("sent", len(rows))
    return attempts


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


def recover_leases(session: Session, fact: RecoverLeases) -> int:
    """sent → retry for every row, at start."""
    session.execute(_RECOVER_EVENTS, (fact.at_us, fact.due_us))
    session.execute(_RECOVER, (fact.due_us,))
    recovered: int = session.connection.changes()
    if recovered:
        session.count("recovered", recovered)
    return recovered
