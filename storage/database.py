"""Opening the file: one read-write connection, any number of read-only ones, all through peewee and APSW.

PRAGMAs are set and then read back: a setting that SQLite did not take is an error, not a surprise later.
The write-ahead log needs SQLite 3.51.3 (an earlier one can lose pages when two writers reset it at once),
which the bundled library of APSW satisfies; the interpreter's own sqlite3 module is never used.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Any

import apsw
from peewee import PeeweeException
from playhouse.apsw_ext import APSWDatabase

from foldward.contracts.errors import FoldwardError, StorageError

APPLICATION_ID = 0x46574452  # "FWRD", in the file's header
MINIMUM_SQLITE = (3, 51, 3)
_SYNCHRONOUS = {"NORMAL": 1, "FULL": 2}

_CODES: tuple[tuple[type[Exception], str], ...] = (
    (apsw.FullError, "storage.disk_full"),
    (apsw.IOError, "storage.io"),
    (apsw.NoMemError, "storage.io"),
    (apsw.BusyError, "storage.busy"),
    (apsw.LockedError, "storage.busy"),
    (apsw.CorruptError, "storage.corrupt"),
    (apsw.NotADBError, "storage.corrupt"),
    (apsw.InterruptError, "storage.fenced"),
    (apsw.ThreadingViolationError, "storage.fenced"),
    (apsw.ConnectionClosedError, "storage.fenced"),
    (apsw.CursorClosedError, "storage.fenced"),
    (apsw.CantOpenError, "storage.open"),
    (apsw.PermissionsError, "storage.open"),
    (apsw.ReadOnlyError, "storage.open"),
)
# After these the transaction is gone or worth nothing: no neighbour can be saved by redoing it.
FATAL = tuple(kind for kind, _ in _CODES)


def code_of(error: BaseException) -> str:
    """The catalogue's code for an exception out of SQLite or out of a fact."""
    if isinstance(error, FoldwardError):
        return error.code
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return "storage.write"


def storage_error(error: BaseException, doing: str) -> StorageError:
    """The same as a StorageError that says what was being done."""
    return StorageError(code_of(error), f"{doing}: {error}", cause=type(error).__name__)


def sqlite_version() -> tuple[int, int, int]:
    """The version of the library that is really used; `doctor` shows it."""
    major, minor, patch = (int(part) for part in apsw.sqlite_lib_version().split("."))
    return major, minor, patch


class WriterLock:
    """The proof that one read-write connection exists: an exclusive flock beside the file.

    A lock on the database itself would not do: closing any descriptor of it drops SQLite's own POSIX locks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".lock")
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                "storage.open", f"{self.path} cannot be opened: {error.strerror}", path=str(self.path)
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise StorageError(
                "storage.busy", f"{path} already has a writer: process {holder}", path=str(path), pid=holder
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def connect_writer(path: Path, *, synchronous: str, busy_timeout_ms: int, wal_max_mb: int) -> APSWDatabase:
    """Open the file read-write, creating it, with every PRAGMA verified.

    Raises StorageError storage.open, storage.busy, storage.corrupt.
    """
    if sqlite_version() < MINIMUM_SQLITE:
        raise StorageError(
            "storage.open", f"SQLite {apsw.sqlite_lib_version()} is older than 3.51.3", path=str(path)
        )
    pragmas = {
        "journal_mode": "wal",
        "synchronous": _SYNCHRONOUS[synchronous],
        "busy_timeout": busy_timeout_ms,
        "foreign_keys": 1,
        "cache_size": -65_536,  # KiB
        "temp_store": 2,  # memory
        "wal_autocheckpoint": 4_000,  # pages: 16 MB, a quarter of the limit at which idle time truncates
        "journal_size_limit": wal_max_mb * 1024 * 1024,
        "trusted_schema": 0,
    }
    with _mapped(path):
        database = APSWDatabase(
            str(path), timeout=busy_timeout_ms / 1000, lock_type="IMMEDIATE", pragmas=pragmas
        )
        database.connect()
        connection = database.connection()
    try:
        with _mapped(path):
            for name, wanted in pragmas.items():
                found = connection.pragma(name)
                if found != wanted:
                    raise StorageError(
                        "storage.open", f"{path}: PRAGMA {name} is {found}, not {wanted}", path=str(path)
                    )
    except StorageError:
        database.close()
        raise
    return database


def connect_reader(path: Path, *, busy_timeout_ms: int = 5000) -> APSWDatabase:
    """Open the file read-only. Raises StorageError storage.open, storage.corrupt, storage.busy."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise StorageError("storage.open", f"{path} {what}", path=str(path))
    # No mmap: a disk error under a mapping is a SIGBUS for the whole process, not an exception.
    pragmas = {"query_only": 1, "cache_size": -32_768, "temp_store": 2}
    options: dict[str, Any] = {"timeout": busy_timeout_ms / 1000, "pragmas": pragmas}
    with _mapped(path):
        try:
            database = APSWDatabase(str(path), flags=apsw.SQLITE_OPEN_READONLY, **options)
            database.connect()
            database.connection().execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        except (apsw.Error, PeeweeException) as error:
            # A folder that cannot be written to has no place for the log's index. Without a log nothing can
            # change either, so the file may be read as it lies. peewee puts its own class around what fails
            # while it connects.
            cause = error.__cause__ or error.__context__ or error
            if (
                not isinstance(cause, apsw.CantOpenError | apsw.ReadOnlyError)
                or path.with_name(path.name + "-wal").exists()
            ):
                raise
            flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            database = APSWDatabase(f"{path.absolute().as_uri()}?immutable=1", flags=flags, **options)
            database.connect()
            database.connection().execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    return database


@contextlib.contextmanager
def _mapped(path: Path) -> Any:
    try:
        yield
    except (apsw.Error, PeeweeException) as error:
        # peewee puts its own class around what it executes itself
        code = code_of(error.__cause__ or error.__context__ or error)
        if code == "storage.write":
            code = "storage.open"
        raise StorageError(code, f"{path}: {error}", path=str(path)) from error
