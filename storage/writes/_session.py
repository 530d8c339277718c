"""What one transaction carries besides its statements: counters, timeline rows, the revision.

Timeline rows and counters are gathered in memory and written once a commit, in the same transaction: five
hundred facts raise one counter with one statement. After a rollback everything is read back from the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apsw
import msgspec

from foldward.contracts.errors import StorageError
from storage._histogram import bucket_of
from storage.writes._bulk import Bulk
from storage.writes._definition import Spellings

_encode = msgspec.json.Encoder().encode

_INSERT_EVENT = Bulk(5, "INSERT INTO events (request_id, at, event, code, data) {rows}")
_RAISE_COUNTER = (
    "INSERT INTO counters (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)
_SET_COUNTER = (
    "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_RAISE_LATENCY = (
    "INSERT INTO latencies (kind, what, bucket, count, total, low, high) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (kind, what, bucket) DO UPDATE SET count = count + excluded.count,"
    " total = total + excluded.total, low = min(low, excluded.low), high = max(high, excluded.high)"
)
_OPEN = "SELECT count(*) FROM oos_queue WHERE closed_at IS NULL"


def to_json(value: Any) -> str:
    """Compact JSON text. NaN and infinity are refused: JSON has neither, and null would hide them."""
    return _encode(value).decode()


class Session:
    """The one writer's cursor and what it gathers until the commit."""

    def __init__(self, connection: apsw.Connection, *, dead_max_rows: int, dead_max_bytes: int) -> None:
        self.connection = connection
        self.execute: Callable[..., Any] = connection.cursor().execute
        self._many = connection.cursor().executemany
        self.dead_max_rows = dead_max_rows
        self.dead_max_bytes = dead_max_bytes
        self.spellings = Spellings()
        self.spilled: list[dict[str, Any]] = []
        self.reload()

    def many(self, bulk: Bulk, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement for all rows; how many rows of the table it changed."""
        return bulk(self.execute, rows, self.connection.changes)

    def reload(self) -> None:
        """Forget what was gathered and read where the file stands."""
        self._events: list[tuple[str, int, str, str | None, str]] = []
        self._counts: dict[str, int] = {}
        self._latencies: dict[tuple[str, str, int], list[int]] = {}
        stored = dict(self.execute("SELECT name, value FROM counters").fetchall())
        self.revision: int = stored.get("revision", 0)
        self._stored_revision = self.revision
        self.dead_rows: int = stored.get("dead_rows", 0)
        self.dead_bytes: int = stored.get("dead_bytes", 0)
        self.open_rows: int = self.execute(_OPEN).get

    def mark(self) -> tuple[int, int, int, int, int, int]:
        """Where things stand before one fact; nothing may be gathered and not yet written."""
        return (
            self.revision,
            self._stored_revision,
            self.dead_rows,
            self.dead_bytes,
            self.open_rows,
            len(self.spilled),
        )

    def back_to(self, mark: tuple[int, int, int, int, int, int]) -> None:
        """Forget one fact whose statements were rolled back."""
        self._events = []
        self._counts = {}
        self._latencies = {}
        *standing, spilled = mark
        self.revision, self._stored_revision, self.dead_rows, self.dead_bytes, self.open_rows = standing
        del self.spilled[spilled:]

    def next_revision(self) -> int:
        """The revision of one upsert; stored with the commit."""
        self.revision += 1
        return self.revision

    def count(self, name: str, by: int = 1) -> None:
        """Raise a restart-safe counter."""
        self._counts[name] = self._counts.get(name, 0) + by

    def event(
        self, request_id: str, at: int, event: str, data: Mapping[str, Any], code: str | None = None
    ) -> None:
        """Add a step to a request's timeline; `code` says that it is a failure."""
        self._events.append((request_id, at, event, code, _encode(data).decode()))

    def latency(self, kind: str, what: str, us: int) -> None:
        """Add a duration to the histogram."""
        key = (kind, what, bucket_of(us))
        seen = self._latencies.get(key)
        if seen is None:
            self._latencies[key] = [1, us, us, us]
            return
        seen[0] += 1
        seen[1] += us
        if us < seen[2]:
            seen[2] = us
        if us > seen[3]:
            seen[3] = us

    def dead(self, rows: int, size: int) -> None:
        """Keep account of what the dead letters hold."""
        self.dead_rows += rows
        self.dead_bytes += size
        self.count("dead_rows", rows)
        self.count("dead_bytes", size)

    def flush(self) -> None:
        """Write what was gathered; the last thing inside the transaction."""
        if self._events:
            self.many(_INSERT_EVENT, self._events)
            self._events = []
        if self._counts:
            self._many(_RAISE_COUNTER, list(self._counts.items()))
            self._counts = {}
        if self._latencies:
            self._many(_RAISE_LATENCY, [(*key, *seen) for key, seen in self._latencies.items()])
            self._latencies = {}
        if self.revision != self._stored_revision:
            self.execute(_SET_COUNTER, ("revision", self.revision))
            self._stored_revision = self.revision


def refuse(message: str, **context: Any) -> StorageError:
    """The error of one fact that cannot be made true; its neighbours are not concerned."""
    return StorageError("storage.write", message, retryable=False, **context)
