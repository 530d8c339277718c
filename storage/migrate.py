"""Bringing a file to the newest schema: numbered SQL files, each applied once and never edited again.

Every step is one transaction that also raises `user_version`, so a process killed anywhere leaves the file
at a whole number. A file that holds data is copied aside before the first step. `schema.sql` is what all
steps together arrive at; a test holds the two against each other.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import apsw

from foldward.contracts import clock
from foldward.contracts.errors import StorageError
from storage.database import APPLICATION_ID, storage_error

MIGRATIONS = Path(__file__).with_name("migrations")
SCHEMA = Path(__file__).with_name("schema.sql")
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Migration(NamedTuple):
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What freezes it: a changed file is another migration."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load(folder: Path = MIGRATIONS) -> list[Migration]:
    """All migrations in order. Raises StorageError storage.migration for a gap or a name out of form."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise StorageError("storage.migration", f"{path.name} is not named 0001_what_it_does.sql")
        found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise StorageError("storage.migration", f"the numbers in {folder} have a gap or a repetition")
    return found


def version(connection: apsw.Connection) -> int:
    """The number of the last migration in this file; 0 for an empty one.

    Raises StorageError storage.open when the file belongs to another program.
    """
    number: int = connection.pragma("user_version")
    application: int = connection.pragma("application_id")
    ours = application == APPLICATION_ID
    empty = not connection.execute("SELECT count(*) FROM sqlite_schema").get
    if not ours and not (empty and number == 0 and application == 0):
        raise StorageError("storage.open", f"{connection.filename} is not a Foldward database")
    return number


def check(connection: apsw.Connection, migrations: list[Migration]) -> int:
    """The file's version, or StorageError storage.newer when it is ahead of this program."""
    number = version(connection)
    if number > len(migrations):
        raise StorageError(
            "storage.newer",
            f"{connection.filename} has schema {number}; this program knows {len(migrations)}",
            found=number,
            known=len(migrations),
        )
    return number


def migrate(connection: apsw.Connection, migrations: list[Migration] | None = None) -> Path | None:
    """Apply what is missing; the path of the copy made before, or None when nothing had to be kept.

    Raises StorageError storage.newer, storage.open (a foreign file), storage.migration (the file is as it
    was before the step that failed; the message names the copy).
    """
    steps = load() if migrations is None else migrations
    present = check(connection, steps)
    if present == len(steps):
        return None
    copy = _copy_aside(connection, present) if present else None
    for step in steps[present:]:
        try:
            _apply(connection, step)
        except apsw.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            kept = f"; the copy made before is {copy}" if copy else ""
            raise StorageError(
                "storage.migration",
                f"migration {step.number:04d}_{step.name} failed: {error}{kept}",
                number=step.number,
                copy=str(copy) if copy else None,
            ) from error
    return copy


def _apply(connection: apsw.Connection, step: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if connection.pragma("user_version") >= step.number:  # another process was quicker
        connection.execute("ROLLBACK")
        return
    connection.execute(step.sql)
    violation = connection.execute("PRAGMA foreign_key_check").fetchone()
    if violation is not None:
        raise apsw.ConstraintError(f"foreign key of table {violation[0]} is broken")
    connection.execute(
        "INSERT INTO migrations (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)",
        (step.number, step.name, step.sha256, clock.utc_us()),
    )
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("user_version", step.number)
    connection.execute("COMMIT")


def _copy_aside(connection: apsw.Connection, present: int) -> Path:
    from storage.maintenance import copy_database

    source = Path(connection.filename)
    target = source.with_name(f"{source.name}.before-{present + 1:04d}.{clock.utc_us()}")
    try:
        copy_database(connection, target)
    except (apsw.Error, OSError) as error:
        raise storage_error(error, f"the copy {target} before migrating") from error
    return target
