"""Backup from outside the core, and putting a backup in the place of the database."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import apsw

from foldward.contracts import clock
from foldward.contracts.errors import StorageError
from foldward.files import fsync_dir
from storage.database import WriterLock, connect_reader, storage_error
from storage.maintenance._copy import check_copy, copy_database


def backup(path: str | Path, target: str | Path) -> dict[str, Any]:
    """A checked copy of a database that may be in use: {"file", "bytes", "schema"}.

    Raises StorageError storage.open, storage.backup, storage.disk_full, storage.io.
    """
    database = connect_reader(Path(path))
    try:
        return copy_database(database.connection(), Path(target))
    except (apsw.Error, OSError) as error:
        raise storage_error(error, f"backup to {target}") from error
    finally:
        database.close()


def restore(path: str | Path, source: str | Path) -> dict[str, Any]:
    """Put the backup `source` in the place of the database; what stood there is kept beside it.

    {"file", "schema", "kept"}: `kept` is the former database, or None. No writer may be running. Raises
    StorageError storage.busy, storage.open, storage.backup, storage.newer, storage.io.
    """
    path, source = Path(path), Path(source)
    check_copy(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    if source.resolve() == path.resolve():
        raise StorageError("storage.backup", f"{source} is the database itself", path=str(source))
    lock = WriterLock(path)
    try:
        return _replace(path, source)
    except (apsw.Error, OSError) as error:
        raise storage_error(error, f"restoring {source}") from error
    finally:
        lock.release()


def _replace(path: Path, source: Path) -> dict[str, Any]:
    fresh = path.with_name(f".{path.name}.restored")
    uri = f"{source.absolute().as_uri()}?immutable=1"
    connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        schema = copy_database(connection, fresh)["schema"]
    finally:
        connection.close()
    kept = None
    if path.exists():
        kept = path.with_name(f"{path.name}.replaced.{clock.utc_us()}")
        _fold_log(path)
        os.link(path, kept)
        for suffix in ("-wal", "-shm"):
            # A reader that is still open keeps its own; a new one must not find the old database's.
            beside = path.with_name(path.name + suffix)
            with contextlib.suppress(FileNotFoundError):
                if suffix == "-wal" and beside.stat().st_size:
                    os.link(beside, kept.with_name(kept.name + suffix))
                beside.unlink()
        fsync_dir(path.parent)
    os.replace(fresh, path)
    fsync_dir(path.parent)
    return {"file": str(path), "schema": schema, "kept": str(kept) if kept else None}


def _fold_log(path: Path) -> None:
    """Bring the log's content into the file that is kept; one too damaged for that keeps its log."""
    with contextlib.suppress(apsw.Error):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()
