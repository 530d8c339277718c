"""How big everything is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from storage.database import connect_reader, storage_error
from storage.migrate import load, version

TABLES = (
    "oos_queue",
    "results",
    "trade_lists",
    "strategies",
    "dead_letters",
    "events",
    "runs",
    "wfv_runs",
    "counters",
    "latencies",
    "meta",
)


def stats(path: str | Path) -> dict[str, Any]:
    """{"file", "bytes", "wal_bytes", "free_bytes", "page_size", "schema", "known_schema", "sqlite",
    "journal_mode", "revision", "tables": {name: rows}}. Raises StorageError storage.open, storage.corrupt."""
    path = Path(path)
    database = connect_reader(path)
    try:
        connection: apsw.Connection = database.connection()
        page_size: int = connection.pragma("page_size")
        tables = {
            name: connection.execute(f"SELECT count(*) FROM {name}").get
            for name in TABLES
            if connection.table_exists("main", name)
        }
        log = path.with_name(path.name + "-wal")
        return {
            "file": str(path),
            "bytes": path.stat().st_size,
            "wal_bytes": log.stat().st_size if log.exists() else 0,
            "free_bytes": connection.pragma("freelist_count") * page_size,
            "page_size": page_size,
            "schema": version(connection),
            "known_schema": len(load()),
            "sqlite": apsw.sqlite_lib_version(),
            "journal_mode": connection.pragma("journal_mode"),
            "revision": connection.execute("SELECT value FROM counters WHERE name = 'revision'").get or 0,
            "tables": tables,
        }
    except apsw.Error as error:
        raise storage_error(error, f"reading {path}") from error
    finally:
        database.close()
