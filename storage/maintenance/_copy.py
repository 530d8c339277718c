"""A copy counts once it has been checked, made durable and renamed into place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import apsw

from foldward.contracts import ids
from foldward.contracts.errors import StorageError
from foldward.files import fsync_dir
from storage import migrate


def copy_database(source: apsw.Connection, target: Path) -> dict[str, Any]:
    """Copy all pages in one step, so that no writer can slip between two of them.

    {"file", "bytes", "schema"}. Raises StorageError storage.backup when the copy does not check (nothing is
    left then), apsw.Error or OSError when it cannot be made.
    """
    target = Path(os.path.realpath(target))
    if target == Path(os.path.realpath(source.filename)):
        raise StorageError("storage.backup", f"{target} is the database itself", path=str(target))
    if target.is_dir():
        raise StorageError("storage.backup", f"{target} is a folder", path=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{ids.new_id()}.part")
    try:
        copy = apsw.Connection(str(aside))
        try:
            with copy.backup("main", source, "main") as steps:
                steps.step(-1)
            copy.pragma("journal_mode", "delete")  # one file, not three
        finally:
            copy.close()
        schema = check_copy(aside)
        descriptor = os.open(aside, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(aside, target)
        fsync_dir(target.parent)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            aside.with_name(aside.name + suffix).unlink(missing_ok=True)
    return {"file": str(target), "bytes": target.stat().st_size, "schema": schema}


def check_copy(path: Path) -> int:
    """The schema of a file that is a whole Foldward database.

    Raises StorageError storage.backup (damaged, or not a database), storage.open (another program's, or
    missing), storage.newer.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise StorageError("storage.open", f"{path} {what}", path=str(path))
    try:
        # Immutable: a check must leave no files beside what it looks at.
        uri = f"{path.absolute().as_uri()}?immutable=1"
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            schema = migrate.check(connection, migrate.load())
            if not schema:
                raise StorageError("storage.open", f"{path} is empty", path=str(path))
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)").fetchall()]
        finally:
            connection.close()
    except apsw.Error as error:
        raise StorageError("storage.backup", f"{path}: {error}", path=str(path)) from error
    if found != ["ok"]:
        raise StorageError("storage.backup", f"{path}: {found[0]}", path=str(path))
    return schema
