"""A read-only connection that follows its file: a restore puts another one in its place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import apsw

from foldward.contracts.errors import StorageError
from storage import migrate
from storage.database import connect_reader, storage_error

_T = TypeVar("_T")


class Connected:
    """What all parts of the reader share: statements, and opening again.

    The file is opened at the first question. Raises StorageError: storage.open (missing, or another
    program's), storage.newer, storage.corrupt, storage.io, storage.busy.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._database: Any = None
        self._file: tuple[int, int] | None = None
        self._looking = False

    def close(self) -> None:
        """Close; the next question opens again."""
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(apsw.Error):
                database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Self]:
        """All questions inside see one state. Keep it short: the log cannot shrink meanwhile."""
        connection = self._connection()
        connection.execute("BEGIN")
        self._looking = True
        try:
            yield self
        finally:
            self._looking = False
            with contextlib.suppress(apsw.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _connection(self) -> apsw.Connection:
        connection: apsw.Connection
        if self._looking:
            connection = self._database.connection()
            return connection
        try:
            found = os.stat(self.path)
        except OSError as error:
            self.close()
            raise StorageError("storage.open", f"{self.path} does not exist", path=str(self.path)) from error
        if self._database is None or self._file != (found.st_dev, found.st_ino):
            self.close()
            database = connect_reader(self.path)
            try:
                self._check(database.connection())
            except BaseException:
                database.close()
                raise
            self._database = database
            self._file = (found.st_dev, found.st_ino)
        connection = self._database.connection()
        return connection

    def _check(self, connection: apsw.Connection) -> None:
        if not migrate.check(connection, migrate.load()):
            raise StorageError("storage.open", f"{self.path} has no tables yet", path=str(self.path))

    def _all(self, sql: str, bindings: Any = ()) -> list[tuple[Any, ...]]:
        return self._ask(lambda connection: connection.execute(sql, bindings).fetchall())

    def _select(self, query: Any) -> list[tuple[Any, ...]]:
        """The rows of a peewee query."""
        self._connection()
        sql, bindings = query.bind(self._database).sql()
        return self._all(sql, bindings)

    def _one(self, sql: str, bindings: Any = ()) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._ask(
            lambda connection: connection.execute(sql, bindings).fetchone()
        )
        return row

    def _value(self, sql: str, bindings: Any = ()) -> Any:
        row = self._one(sql, bindings)
        return None if row is None else row[0]

    def _ask(self, question: Callable[[apsw.Connection], _T]) -> _T:
        try:
            return question(self._connection())
        except apsw.Error as error:
            raise storage_error(error, f"reading {self.path}") from error


def columns_of(row: type[Any], prefix: str = "", without: tuple[str, ...] = ()) -> str:
    """The column list of a row struct, in its order."""
    return ", ".join(prefix + name for name in row.__struct_fields__ if name not in without)
