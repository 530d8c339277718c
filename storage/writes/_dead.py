"""Dead letters: bytes kept exactly as they came, counted when they come again, bounded."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from foldward.contracts.facts import HoldDeadLetter, SettleDeadLetter
from storage.writes._bulk import Bulk
from storage.writes._secrets import without_secrets
from storage.writes._session import Session

_SAME = (
    "UPDATE dead_letters SET count = count + 1, last_seen = max(last_seen, ?2), error = ?3, code = ?4,"
    " reason = ?5, peer = ?6 WHERE identity = ?1 AND state = 'held' RETURNING id, count"
)
# One letter a given-up request, whatever became of the last one: a request that fails again reopens it.
_AGAIN = (
    "UPDATE dead_letters SET state = 'held', count = count + 1, last_seen = max(last_seen, ?2), error = ?3,"
    " code = ?4, reason = ?5, peer = ?6, closed_at = NULL, outcome = NULL, size = ?7, payload_crc = ?8,"
    " payload = ?9 WHERE id = ?1 RETURNING id, count"
)
_OF_REQUEST = (
    "SELECT id, size FROM dead_letters WHERE request_id = ? AND direction = 'request'"
    " ORDER BY id DESC LIMIT 1"
)
_COLUMNS = (
    "reason, code, error, direction, first_seen, last_seen, peer, request_id, trace_id, name, identity, size,"
    " payload_crc, payload, state"
)
_INSERT = f"INSERT INTO dead_letters ({_COLUMNS}) VALUES ({'?, ' * 14}'held') RETURNING id"
_INSERT_MANY = Bulk(
    14, f"INSERT INTO dead_letters ({_COLUMNS}) SELECT v.*, 'held' FROM ({{rows}}) AS v", heavy=13
)
_NAME_OF = (
    "SELECT name FROM oos_queue WHERE request_id = ?1"
    " UNION ALL SELECT name FROM results WHERE request_id = ?1 LIMIT 1"
)
_NAMES_OF = (
    "SELECT json_group_object(request_id, name) FROM (SELECT asked.value AS request_id, coalesce("
    "(SELECT name FROM oos_queue WHERE request_id = asked.value),"
    " (SELECT name FROM results WHERE request_id = asked.value)) AS name FROM json_each(?) AS asked)"
    " WHERE name IS NOT NULL"
)
_STANDING = (
    "SELECT json_group_array(asked.value) FROM json_each(?) AS asked CROSS JOIN dead_letters AS d"
    " ON d.identity = unhex(asked.value) AND d.state = 'held'"
)
_OLDEST_CLOSED = "SELECT id, size FROM dead_letters WHERE state <> 'held' ORDER BY closed_at LIMIT 50"
_RELEASE = (
    "UPDATE dead_letters SET state = 'replayed', outcome = 'requeued', attempts = attempts + 1,"
    " closed_at = ?2, note = CASE WHEN ?3 = '' THEN note ELSE ?3 END"
    " WHERE request_id = ?1 AND direction = 'request' AND state = 'held'"
)
_HELD_AGAIN = (
    "UPDATE dead_letters SET count = count + 1, attempts = attempts + 1, last_seen = max(last_seen, ?2),"
    " outcome = ?3, note = CASE WHEN ?4 = '' THEN note ELSE ?4 END"
    " WHERE id = ?1 AND state = 'held' RETURNING request_id, code, size"
)
# 'requeued' is what the requeue itself wrote; the replay that asked for it may say more.
_SETTLE = (
    "UPDATE dead_letters SET state = ?2, attempts = attempts + (?2 = 'replayed' AND state = 'held'),"
    " closed_at = ?3, outcome = ?4, note = CASE WHEN ?5 = '' THEN note ELSE ?5 END"
    " WHERE id = ?1 AND (state = 'held' OR (?2 = 'replayed' AND state = 'replayed' AND outcome = 'requeued'))"
    " RETURNING request_id, code, size"
)


def hold_dead_letter(session: Session, fact: HoldDeadLetter) -> dict[str, Any]:
    """Keep these bytes, or raise the count of the same ones; spilled when there is no room."""
    fact = without_secrets(fact, "error")
    if fact.direction == "request" and fact.request_id is None:
        # Nothing to put back into the queue: it can only be looked at.
        direction = "message"
    else:
        direction = fact.direction
    identity = _identity(direction, fact.request_id, fact.payload)
    room = direction == "request" or _make_room(session, len(fact.payload))
    if not room:
        known = session.execute(
            "SELECT 1 FROM dead_letters WHERE identity = ? AND state = 'held'", (identity,)
        ).get
        if known is None:
            session.count("dead_letter.spilled")
            session.spilled.append(
                {
                    "reason": fact.reason,
                    "code": fact.code,
                    "error": fact.error,
                    "direction": direction,
                    "seen": fact.at_us,
                    "peer": fact.peer,
                    "request_id": fact.request_id,
                    "trace_id": fact.trace_id,
                    "payload_base64": base64.b64encode(fact.payload).decode(),
                }
            )
            return {"spilled": True}
    name = None
    if fact.request_id is not None:
        name = session.execute(_NAME_OF, (fact.request_id,)).get
    dead_id, count = hold(
        session,
        reason=fact.reason,
        code=fact.code,
        error=fact.error,
        payload=fact.payload,
        at_us=fact.at_us,
        direction=direction,
        peer=fact.peer,
        request_id=fact.request_id,
        trace_id=fact.trace_id,
        name=name,
    )
    return _was_held(session, fact, dead_id, count)


def hold_dead_letters(session: Session, facts: Sequence[HoldDeadLetter]) -> list[dict[str, Any]]:
    """The same for many letters; what became of each, in their order."""
    size = sum(len(fact.payload) for fact in facts)
    near = (
        session.dead_rows + len(facts) > session.dead_max_rows
        or session.dead_bytes + size > session.dead_max_bytes
    )
    if near or any(fact.direction == "request" for fact in facts):
        return [hold_dead_letter(session, fact) for fact in facts]
    letters = [without_secrets(fact, "error") for fact in facts]
    identities = [_identity(fact.direction, fact.request_id, fact.payload) for fact in letters]
    known = _standing(session, identities)
    names = _names(session, letters)
    rows: list[tuple[Any, ...]] = []
    places: list[int] = []
    for place, (fact, identity) in enumerate(zip(letters, identities, strict=True)):
        if identity not in known:
            known.add(identity)
            places.append(place)
            name = None if fact.request_id is None else names.get(fact.request_id)
            rows.append(_row(fact, identity, fact.direction, name))
    session.many(_INSERT_MANY, rows)
    # One statement after the other in one transaction, and the ids only ever rise: they are consecutive.
    first = session.connection.last_insert_rowid() - len(rows) + 1
    new = dict(zip(places, range(first, first + len(rows)), strict=True))
    session.dead(len(rows), sum(row[11] for row in rows))
    outcomes = []
    for place, (fact, identity) in enumerate(zip(letters, identities, strict=True)):
        session.count(f"dead_letter.{fact.reason}")
        dead_id, count = new.get(place, 0), 1
        if not dead_id:
            dead_id, count = session.execute(
                _SAME, (identity, fact.at_us, fact.error, fact.code, fact.reason, fact.peer)
            ).get
        outcomes.append(_was_held(session, fact, dead_id, count))
    return outcomes


def _standing(session: Session, identities: Sequence[bytes]) -> set[bytes]:
    asked = msgspec.json.encode(list({identity.hex() for identity in identities})).decode()
    found = session.execute(_STANDING, (asked,)).get
    return {bytes.fromhex(one) for one in msgspec.json.decode(found)}


def _names(session: Session, letters: Sequence[HoldDeadLetter]) -> dict[str, str]:
    asked = list({fact.request_id for fact in letters if fact.request_id is not None})
    if not asked:
        return {}
    found = session.execute(_NAMES_OF, (msgspec.json.encode(asked).decode(),)).get
    return msgspec.json.decode(found, type=dict[str, str])


def _row(fact: HoldDeadLetter, identity: bytes, direction: str, name: str | None) -> tuple[Any, ...]:
    return (
        fact.reason,
        fact.code,
        fact.error,
        direction,
        fact.at_us,
        fact.at_us,
        fact.peer,
        fact.request_id,
        fact.trace_id,
        name,
        identity,
        len(fact.payload),
        zlib.crc32(fact.payload),
        fact.payload,
    )


def _was_held(session: Session, fact: HoldDeadLetter, dead_id: int, count: int) -> dict[str, Any]:
    if fact.request_id is not None:
        session.event(
            fact.request_id,
            fact.at_us,
            "dead_letter.held",
            {
                "dead_id": dead_id,
                "reason": fact.reason,
                "code": fact.code,
                "error": fact.error,
                "size": len(fact.payload),
                "count": count,
                "peer": fact.peer,
            },
            fact.code,
        )
    return {"dead_id": dead_id, "count": count}


def hold(
    session: Session,
    *,
    reason: str,
    code: str,
    error: str,
    payload: bytes,
    at_us: int,
    direction: str,
    peer: str,
    request_id: str | None,
    trace_id: str,
    name: str | None,
) -> tuple[int, int]:
    """One letter; (id, how often it has been seen)."""
    session.count(f"dead_letter.{reason}")
    identity = _identity(direction, request_id, payload)
    if direction == "request":
        standing = session.execute(_OF_REQUEST, (request_id,)).get
        if standing is not None:
            dead_id, size = standing
            row = session.execute(
                _AGAIN,
                (dead_id, at_us, error, code, reason, peer, len(payload), zlib.crc32(payload), payload),
            ).get
            session.dead(0, len(payload) - size)
            return int(row[0]), int(row[1])
    row = session.execute(_SAME, (identity, at_us, error, code, reason, peer)).get
    if row is not None:
        return int(row[0]), int(row[1])
    inserted: int = session.execute(
        _INSERT,
        (
            reason,
            code,
            error,
            direction,
            at_us,
            at_us,
            peer,
            request_id,
            trace_id,
            name,
            identity,
            len(payload),
            zlib.crc32(payload),
            payload,
        ),
    ).get
    session.dead(1, len(payload))
    return inserted, 1


def release_of_request(session: Session, request_id: str, at_us: int, note: str = "") -> None:
    """A request goes back to pending: its letter has done its work."""
    session.execute(_RELEASE, (request_id, at_us, note))


def settle_dead_letter(session: Session, fact: SettleDeadLetter) -> bool:
    """One entry's replay or drop; held means that it failed again."""
    fact = without_secrets(fact, "outcome", "note")
    if fact.state == "held":
        row = session.execute(_HELD_AGAIN, (fact.dead_id, fact.at_us, fact.outcome, fact.note)).get
    else:
        row = session.execute(_SETTLE, (fact.dead_id, fact.state, fact.at_us, fact.outcome, fact.note)).get
    if row is None:
        return False
    request_id, code, size = row
    event = "dead_letter.dropped" if fact.state == "dropped" else "dead_letter.replayed"
    session.count(event)
    if request_id is not None:
        session.event(
            request_id,
            fact.at_us,
            event,
            {"dead_id": fact.dead_id, "code": code, "size": size, "outcome": fact.outcome, "note": fact.note},
        )
    return True


def _identity(direction: str, request_id: str | None, payload: bytes) -> bytes:
    # A given-up request is one letter whatever its last answer was; other letters are their bytes.
    digest = hashlib.blake2b(direction.encode(), digest_size=16)
    digest.update(b"\0" + (request_id or "").encode() + b"\0")
    if direction != "request":
        digest.update(payload)
    return digest.digest()


def _make_room(session: Session, size: int) -> bool:
    """Remove the oldest closed letters until one of this size fits; False when only held ones are left."""
    while session.dead_rows + 1 > session.dead_max_rows or session.dead_bytes + size > session.dead_max_bytes:
        oldest = session.execute(_OLDEST_CLOSED).fetchall()
        if not oldest:
            return False
        for dead_id, held in oldest:
            session.execute("DELETE FROM dead_letters WHERE id = ?", (dead_id,))
            session.dead(-1, -held)
            if (
                session.dead_rows + 1 <= session.dead_max_rows
                and session.dead_bytes + size <= session.dead_max_bytes
            ):
                break
    return True
