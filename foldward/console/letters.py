"""A dead letter as programs get it: `foldward dead list|show --json` and the dashboard's /api/dead."""

from __future__ import annotations

import base64
from typing import Any

from foldward.contracts import clock
from storage.reads import Reader
from storage.rows import DeadRow

LAST_ID = 2**63 - 1  # SQLite's integers


def find(reader: Reader, dead_id: int) -> DeadRow | None:
    """The letter with its bytes; None when there is none, as with a number that no row can have."""
    return reader.dead_letter(dead_id) if abs(dead_id) <= LAST_ID else None


def letter(row: DeadRow) -> dict[str, Any]:
    """The keys of the acceptance surface; `payload_base64` where the bytes were read."""
    plain = {
        "id": row.id,
        "reason": row.reason,
        "code": row.code,
        "error": row.error,
        "state": row.state,
        "direction": row.direction,
        "first_seen": clock.iso_ms(row.first_seen),
        "last_seen": clock.iso_ms(row.last_seen),
        "count": row.count,
        "attempts": row.attempts,
        "peer": row.peer,
        "request_id": row.request_id,
        "trace_id": row.trace_id,
        "strategy": row.name,
        "outcome": row.outcome,
        "note": row.note,
        "size": row.size,
    }
    if row.payload is not None:
        plain["payload_base64"] = base64.b64encode(row.payload).decode()
    return plain
