"""Is the file whole? SQLite's own check, the rows' check sums, and what the queue promises.

The two kinds of check find different damage: `integrity_check` sees a broken tree, a check sum sees a
changed byte inside a row that is still a row.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

from storage import migrate
from storage._checksum import RESULT_COLUMNS, result_crc
from storage.database import connect_reader

LIMIT = 100  # violations named for one check; the count goes on

# The rule in words, and the keys that break it.
_INVARIANTS = {
    # SQLite drops CHECK constraints when it opens a file read-only, so they are asked for here.
    "queue.state": (
        "a request's columns fit its state",
        """SELECT request_id FROM oos_queue
           WHERE status NOT IN ('pending', 'sent', 'retry', 'error', 'cancelled')
           OR sends < 0 OR failures < 0 OR crashes < 0 OR requested_at <> requested_us / 1000000
           OR (status = 'sent') <> (deadline_at IS NOT NULL)
           OR (status = 'sent' AND (sends < 1 OR sent_at IS NULL OR worker IS NULL))
           OR (status IN ('pending', 'retry')) <> (next_attempt_at IS NOT NULL)
           OR (status IN ('error', 'cancelled')) <> (closed_at IS NOT NULL)
           OR (status = 'error' AND (last_error IS NULL OR last_code IS NULL))""",
    ),
    "dead.state": (
        "a letter's columns fit its state",
        """SELECT id FROM dead_letters WHERE state NOT IN ('held', 'replayed', 'dropped')
           OR (state = 'held') <> (closed_at IS NULL) OR size <> length(payload) OR count < 1""",
    ),
    "queue.row_and_result": (
        "a request has a row or a result, never both",
        """SELECT q.request_id FROM oos_queue q JOIN results r ON r.request_id = q.request_id""",
    ),
    "queue.error_without_letter": (
        "a given-up request has a dead letter that says why",
        """SELECT q.request_id FROM oos_queue q WHERE q.status = 'error' AND NOT EXISTS
           (SELECT 1 FROM dead_letters d WHERE d.request_id = q.request_id AND d.direction = 'request')""",
    ),
    "dead.held_without_row": (
        "a held letter of a given-up request has its row",
        """SELECT d.id FROM dead_letters d WHERE d.direction = 'request' AND d.state = 'held' AND NOT EXISTS
           (SELECT 1 FROM oos_queue q WHERE q.request_id = d.request_id AND q.status = 'error')""",
    ),
    "queue.open_without_event": (
        "an open request has the beginning of its timeline",
        """SELECT q.request_id FROM oos_queue q WHERE q.status IN ('pending', 'sent', 'retry') AND NOT EXISTS
           (SELECT 1 FROM events e WHERE e.request_id = q.request_id AND e.event = 'oos.requested')""",
    ),
    "results.success_counter": (
        "the counter of successes is the number of results",
        """SELECT 'success' FROM (SELECT
               coalesce((SELECT value FROM counters WHERE name = 'success'), 0) AS said,
               (SELECT count(*) FROM results) AS found)
           WHERE said <> found""",
    ),
    "results.latency_histogram": (
        "every result is in the histogram of latencies",
        """SELECT 'latency' FROM (SELECT
               coalesce((SELECT sum(count) FROM latencies WHERE what = 'latency'), 0) AS said,
               (SELECT count(*) FROM results) AS found)
           WHERE said <> found""",
    ),
    "dead.account": (
        "the account of dead letters is what they hold",
        """SELECT 'dead_letters' FROM (SELECT
               coalesce((SELECT value FROM counters WHERE name = 'dead_rows'), 0) AS said_rows,
               coalesce((SELECT value FROM counters WHERE name = 'dead_bytes'), 0) AS said_bytes,
               (SELECT count(*) FROM dead_letters) AS rows,
               (SELECT coalesce(sum(size), 0) FROM dead_letters) AS bytes)
           WHERE said_rows <> rows OR said_bytes <> bytes""",
    ),
    "strategies.in_sample_source": (
        "in-sample numbers come from a stored result",
        """SELECT s.name FROM strategies s WHERE s.is_request_id IS NOT NULL AND NOT EXISTS
           (SELECT 1 FROM results r WHERE r.request_id = s.is_request_id)""",
    ),
    "strategies.out_of_sample_source": (
        "out-of-sample numbers come from a stored result",
        """SELECT s.name FROM strategies s WHERE s.oos_request_id IS NOT NULL AND NOT EXISTS
           (SELECT 1 FROM results r WHERE r.request_id = s.oos_request_id)""",
    ),
    "strategies.revision": (
        "no row is newer than the counter of revisions",
        """SELECT name FROM strategies WHERE revision >
           coalesce((SELECT value FROM counters WHERE name = 'revision'), 0)""",
    ),
}


def fsck(path: str | Path) -> dict[str, Any]:
    """{"ok", "schema", "checked": {check: rows}, "violations": [{check, rule, key, detail}]}; read-only.

    Raises StorageError storage.open, storage.newer, storage.corrupt when the file cannot be read at all.
    """
    database = connect_reader(Path(path))
    try:
        connection = database.connection()
        connection.execute("PRAGMA cell_size_check = 1")
        schema = migrate.check(connection, migrate.load())
        violations: list[dict[str, Any]] = []
        checked: dict[str, int] = {}
        connection.execute("BEGIN")  # one snapshot for all checks
        for name, look in _checks().items():
            checked[name] = 0
            found = 0
            try:
                for violation in look(connection, checked, name):
                    found += 1
                    if found <= LIMIT:
                        violations.append({"check": name, **violation})
            except (apsw.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
                violations.append(
                    {"check": name, "rule": "the table can be read", "key": None, "detail": str(error)}
                )
            if found > LIMIT:
                violations.append(
                    {"check": name, "rule": "…", "key": None, "detail": f"{found - LIMIT} more"}
                )
    finally:
        database.close()
    return {"ok": not violations, "schema": schema, "checked": checked, "violations": violations}


_Look = Callable[[apsw.Connection, dict[str, int], str], Iterator[dict[str, Any]]]


def _checks() -> dict[str, _Look]:
    checks: dict[str, _Look] = {
        "integrity": _integrity,
        "foreign_keys": _foreign_keys,
        "migrations": _migrations,
        "crc.oos_queue": _blobs("SELECT request_id, payload_crc, payload FROM oos_queue"),
        "crc.dead_letters": _blobs("SELECT id, payload_crc, payload FROM dead_letters"),
        "crc.trade_lists": _blobs("SELECT request_id, row_crc, CAST(trades AS BLOB) FROM trade_lists"),
        "crc.strategies": _blobs("SELECT name, definition_crc, CAST(definition AS BLOB) FROM strategies"),
        "crc.results": _results,
    }
    for name, (rule, sql) in _INVARIANTS.items():
        checks[name] = _invariant(rule, sql)
    return checks


def _integrity(connection: apsw.Connection, checked: dict[str, int], name: str) -> Iterator[dict[str, Any]]:
    checked[name] = int(connection.pragma("page_count"))
    for (message,) in connection.execute(f"PRAGMA integrity_check({LIMIT})"):
        if message != "ok":
            yield {"rule": "the tree of pages is whole", "key": None, "detail": message}


def _foreign_keys(
    connection: apsw.Connection, checked: dict[str, int], name: str
) -> Iterator[dict[str, Any]]:
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        checked[name] += 1
        yield {"rule": "a reference leads somewhere", "key": rowid, "detail": f"{table} → {parent}"}


def _migrations(connection: apsw.Connection, checked: dict[str, int], name: str) -> Iterator[dict[str, Any]]:
    known = {step.number: step.sha256 for step in migrate.load()}
    for number, title, sha256 in connection.execute("SELECT number, name, sha256 FROM migrations"):
        checked[name] += 1
        if known.get(number) != sha256:
            detail = "this program has another file of that number"
            yield {"rule": "migrations are frozen", "key": f"{number:04d}_{title}", "detail": detail}


def _blobs(sql: str) -> _Look:
    def look(connection: apsw.Connection, checked: dict[str, int], name: str) -> Iterator[dict[str, Any]]:
        for key, crc, content in connection.execute(sql):
            checked[name] += 1
            found = zlib.crc32(content)
            if found != crc:
                yield {"rule": "the check sum fits", "key": key, "detail": f"stored {crc}, found {found}"}

    return look


def _results(connection: apsw.Connection, checked: dict[str, int], name: str) -> Iterator[dict[str, Any]]:
    for *columns, crc, detail in connection.execute(f"SELECT {RESULT_COLUMNS}, row_crc, detail FROM results"):
        checked[name] += 1
        found = result_crc(tuple(columns), detail.encode())
        if found != crc:
            detail = f"stored {crc}, found {found}"
            yield {"rule": "the check sum fits", "key": columns[0], "detail": detail}


def _invariant(rule: str, sql: str) -> _Look:
    def look(connection: apsw.Connection, checked: dict[str, int], name: str) -> Iterator[dict[str, Any]]:
        for (key,) in connection.execute(sql):
            checked[name] += 1
            yield {"rule": rule, "key": key, "detail": ""}

    return look
