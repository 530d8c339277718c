"""The writer: many facts, one transaction, an outcome for each.

The first pass makes all facts true without savepoints, which cost more than most facts. Only when one of
them is refused is everything rolled back and made again with a savepoint around each, so that the one that
fails takes nobody with it. A failed commit fails every fact: nobody hears "done" before the disk has it.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import apsw
import msgspec

from foldward.contracts.errors import FoldwardError, StorageError
from foldward.contracts.facts import Fact
from storage import migrate
from storage.database import FATAL, WriterLock, code_of, connect_writer, storage_error
from storage.writes import RUNS, WRITES, Session


class Outcome(msgspec.Struct, frozen=True):
    """What became of one fact: `value` is the outcome that its docstring names; or code and error."""

    ok: bool
    value: Any = None
    code: str | None = None
    error: str | None = None


class StorageSettings(Protocol):
    """The part of the settings that the writer reads (`settings.StorageTable`)."""

    @property
    def synchronous(self) -> str: ...
    @property
    def busy_timeout_ms(self) -> int: ...
    @property
    def wal_max_mb(self) -> int: ...
    @property
    def dead_max_rows(self) -> int: ...
    @property
    def dead_max_bytes(self) -> int: ...


def open_writer(path: str | Path, settings: StorageSettings) -> Writer:
    """Open the database for writing, create or migrate it first.

    Raises StorageError: storage.busy (another writer has it), storage.open, storage.newer,
    storage.migration, storage.corrupt.
    """
    return Writer(Path(path), settings)


class Writer:
    """The one read-write connection. `apply` belongs to one thread; `interrupt` and `fence` to any."""

    def __init__(self, path: Path, settings: StorageSettings) -> None:
        self.path = path
        self._wal_max = settings.wal_max_mb * 1024 * 1024
        self._busy = threading.Lock()
        self._fenced = False
        self._closed = False
        self._lock = WriterLock(path)
        try:
            self._database = connect_writer(
                path,
                synchronous=settings.synchronous,
                busy_timeout_ms=settings.busy_timeout_ms,
                wal_max_mb=settings.wal_max_mb,
            )
        except BaseException:
            self._lock.release()
            raise
        self._connection: apsw.Connection = self._database.connection()
        try:
            self.migrated_copy = migrate.migrate(self._connection)
            self._session = Session(
                self._connection,
                dead_max_rows=settings.dead_max_rows,
                dead_max_bytes=settings.dead_max_bytes,
            )
        except BaseException as error:
            self.close()
            if isinstance(error, apsw.Error):
                raise storage_error(error, f"opening {path}") from error
            raise
        self._execute: Callable[..., Any] = self._connection.cursor().execute

    @property
    def revision(self) -> int:
        """The revision of the newest upsert."""
        return self._session.revision

    @property
    def open_rows(self) -> int:
        """How many requests are open."""
        return self._session.open_rows

    def apply(self, facts: Sequence[Fact]) -> list[Outcome]:
        """Make all of them true in one transaction; outcomes in the order of the facts. Raises nothing."""
        if not facts:
            return []
        with self._busy:
            if self._fenced or self._closed:
                return self._all(facts, "storage.fenced", "this writer has been replaced")
            outcomes = self._together(facts)
            if outcomes is None:
                outcomes = self._singly(facts)
            return outcomes

    def _together(self, facts: Sequence[Fact]) -> list[Outcome] | None:
        """One pass without savepoints; None when a fact was refused and has neighbours to be saved."""
        session = self._session
        session.spilled.clear()
        try:
            self._execute("BEGIN IMMEDIATE")
            values = [value for kind, run in _runs(facts) for value in _values(session, kind, run)]
            session.flush()
        except FATAL as error:
            return self._failed(facts, error)
        # A fact comes from another room: whatever it breaks, it must not take its neighbours down.
        except Exception as error:
            failed = self._failed(facts[-1:], error)
            return failed if len(facts) == 1 else None
        return self._commit(facts) or [Outcome(True, value) for value in values]

    def _singly(self, facts: Sequence[Fact]) -> list[Outcome]:
        session = self._session
        session.spilled.clear()
        outcomes = []
        try:
            self._execute("BEGIN IMMEDIATE")
            for fact in facts:
                mark = session.mark()
                self._execute("SAVEPOINT fact")
                try:
                    value = WRITES[type(fact)](session, fact)
                    session.flush()
                except FATAL:
                    raise
                # The reason is the one above.
                except Exception as error:
                    self._execute("ROLLBACK TO fact")
                    session.back_to(mark)
                    outcomes.append(_refused(fact, error))
                else:
                    outcomes.append(Outcome(True, value))
                self._execute("RELEASE fact")
        except FATAL as error:
            return self._failed(facts, error)
        return self._commit(facts) or outcomes

    def _commit(self, facts: Sequence[Fact]) -> list[Outcome] | None:
        """None when the disk has it; else every fact with the error, whatever kind it is."""
        try:
            if self._session.spilled:
                self._spill(self._session.spilled)
            if self._fenced:
                raise apsw.InterruptError("replaced before the commit")
            self._execute("COMMIT")
        except apsw.Error as error:
            return self._failed(facts, error)
        return None

    def _failed(self, facts: Sequence[Fact], error: BaseException) -> list[Outcome]:
        """Back to the last commit; every fact gets the error."""
        with contextlib.suppress(apsw.Error):
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
        with contextlib.suppress(apsw.Error):
            self._session.reload()
        if len(facts) == 1:
            return [_refused(facts[0], error)]
        return self._all(facts, code_of(error), str(error))

    @staticmethod
    def _all(facts: Sequence[Fact], code: str, error: str) -> list[Outcome]:
        return [Outcome(False, None, code, error)] * len(facts)

    def _spill(self, letters: list[dict[str, Any]]) -> None:
        """Dead letters beyond the bound go to a file beside the database, on the disk before the commit."""
        target = self.path.with_name("dead_letters.spill.jsonl")
        text = "".join(json.dumps(letter, sort_keys=True) + "\n" for letter in letters)
        try:
            with open(target, "ab") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise apsw.IOError(f"{target}: {error.strerror}") from error

    # --- idle time ---------------------------------------------------------------------------------------

    def wal_bytes(self) -> int:
        """The size of the write-ahead log."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def checkpoint(self, *, force: bool = False) -> bool:
        """Fold a log beyond its limit back and truncate it; True when that was done.

        A reader in the middle of something makes it wait for the next time, which is no error. Raises
        StorageError for a disk that fails.
        """
        if not force and self.wal_bytes() <= self._wal_max:
            return False
        with self._busy:
            if self._fenced or self._closed:
                return False
            try:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            except apsw.Error as error:
                raise storage_error(error, f"checkpoint of {self.path}") from error
        return True

    def fold(self) -> None:
        """Copy what the log holds into the file, as far as no reader still needs it there.

        SQLite does that by itself at the commit that makes the log too long; whoever writes much that nobody
        waits for does it before, in small parts. What is wrong with the disk is said by the next commit.
        """
        with self._busy, contextlib.suppress(apsw.Error):
            if not self._fenced and not self._closed:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def backup(self, target: str | Path) -> dict[str, Any]:
        """A checked copy while others read; from this connection, between two transactions."""
        from storage.maintenance import copy_database

        with self._busy:
            try:
                return copy_database(self._connection, Path(target))
            except (apsw.Error, OSError) as error:
                raise storage_error(error, f"backup to {target}") from error

    # --- the end -----------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Make the statement that runs now fail; from any thread."""
        with contextlib.suppress(apsw.Error):
            self._connection.interrupt()

    def fence(self, timeout: float = 0.8) -> bool:
        """Shut out the thread that uses this writer, from another one: nothing of it is committed any more.

        True when the connection is closed. False when the thread is stuck inside SQLite beyond `timeout`
        seconds: then it is refused as soon as it comes out, and SQLite's own lock guards the file until then.
        """
        self._fenced = True
        self.interrupt()
        for _ in range(max(1, round(timeout / 0.02))):
            if self._busy.acquire(timeout=0.02):
                break
            self.interrupt()  # a statement that began after the last one
        else:
            self._lock.release()
            return False
        try:
            self._shut()
        finally:
            self._busy.release()
        return True

    def close(self) -> None:
        """Close; a second call does nothing. The log is folded back by SQLite if nobody else reads."""
        with self._busy:
            self._shut()

    def _shut(self) -> None:
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(apsw.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        with contextlib.suppress(apsw.Error):
            self._connection.close()
        self._lock.release()


def _runs(facts: Sequence[Fact]) -> Iterator[tuple[type[Fact], Sequence[Fact]]]:
    """Facts of one type that stand together, in their order."""
    start = 0
    for place in range(1, len(facts) + 1):
        if place == len(facts) or type(facts[place]) is not type(facts[start]):
            yield type(facts[start]), facts[start:place]
            start = place


def _values(session: Session, kind: type[Fact], run: Sequence[Fact]) -> Sequence[Any]:
    together = RUNS.get(kind)
    if together is not None and len(run) > 1:
        return together(session, run)
    write = WRITES[kind]
    return [write(session, fact) for fact in run]


def _refused(fact: Fact, error: BaseException) -> Outcome:
    if isinstance(error, FoldwardError):
        return Outcome(False, None, error.code, error.message)
    if isinstance(error, KeyError) and type(fact) not in WRITES:
        return Outcome(False, None, "storage.write", f"nothing writes a {type(fact).__name__}")
    return Outcome(False, None, code_of(error), f"{type(error).__name__}: {error}")


__all__ = ["Outcome", "StorageError", "Writer", "open_writer"]
