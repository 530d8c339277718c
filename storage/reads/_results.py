"""Questions about answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from storage.reads._connection import Connected, columns_of
from storage.rows import ResultRow, TradesRow

CANDIDATES = 50  # answers of one kind to one definition that differ by seed, data or plan
_COLUMNS = columns_of(ResultRow, "r.")
_SEED = ResultRow.__struct_fields__.index("seed")
_UNVERIFIED = ResultRow.__struct_fields__.index("unverified")
_HEAD = columns_of(ResultRow, "r.", without=("detail",))


class ResultReads(Connected):
    """Reading results and trade lists."""

    def result(self, request_id: str) -> ResultRow | None:
        """The answer to a request, whole."""
        return _result(self._one(f"SELECT {_COLUMNS} FROM results r WHERE r.request_id = ?", (request_id,)))

    def result_by_digest(self, digest: str) -> ResultRow | None:
        """The newest answer to this work that nothing contradicts, whole."""
        sql = (
            f"SELECT {_COLUMNS} FROM results r WHERE substr(r.digest, 8, 16) = substr(?1, 8, 16)"
            " AND r.digest = ?1 AND r.conflicts = 0 ORDER BY r.rowid DESC LIMIT 1"
        )
        return _result(self._one(sql, (digest,)))

    def results_of(
        self, name: str, kind: str | None = None, *, limit: int = 100, detail: bool = False
    ) -> list[ResultRow]:
        """A strategy's answers, newest first, of every definition it ever had; `detail` only on demand."""
        columns = _COLUMNS if detail else f"{_HEAD}, '{{}}'"
        which = "" if kind is None else " AND r.kind = ?2"
        sql = (
            f"SELECT {columns} FROM results r WHERE r.name = ?1{which} ORDER BY r.rowid DESC LIMIT {limit:d}"
        )
        return [_row(row) for row in self._all(sql, (name,) if kind is None else (name, kind))]

    def latest(
        self, name: str, kind: str, accept: Callable[[ResultRow], bool] | None = None
    ) -> ResultRow | None:
        """The newest answer of this kind to the strategy's present definition, whole.

        accept: takes an answer without its detail and says whether it may be the one (the seed of a run,
        for example); the newest CANDIDATES are asked for.
        """
        which = (
            " FROM results r LEFT JOIN strategies s ON s.name = r.name"
            " WHERE r.name = ? AND r.kind = ? AND (s.name IS NULL OR r.work = s.work"
            " OR (r.work = '' AND r.requested_us >= s.defined_at)) ORDER BY r.rowid DESC LIMIT "
        )
        if accept is None:
            return _result(self._one(f"SELECT {_COLUMNS}{which}1", (name, kind)))
        for row in self._all(f"SELECT {_HEAD}, '{{}}'{which}{CANDIDATES}", (name, kind)):
            if accept(found := _row(row)):
                return self.result(found.request_id)
        return None

    def trades(self, request_id: str) -> TradesRow | None:
        """The trade list of an answer that had one."""
        sql = f"SELECT {columns_of(TradesRow)} FROM trade_lists WHERE request_id = ?"
        row = self._one(sql, (request_id,))
        return (
            None
            if row is None
            else TradesRow(row[0], row[1], row[2], row[3], bool(row[4]), msgspec.json.decode(row[5]))
        )

    def run_time_samples(self, kind: str, n: int) -> list[int]:
        """Run times of the newest n answers of a kind, in microseconds, newest first."""
        sql = (
            "SELECT run_us FROM (SELECT run_us FROM results WHERE kind = ? ORDER BY rowid DESC LIMIT ?)"
            " WHERE run_us IS NOT NULL"
        )
        return [row[0] for row in self._all(sql, (kind, n))]


def _result(row: tuple[Any, ...] | None) -> ResultRow | None:
    return None if row is None else _row(row)


def _row(row: tuple[Any, ...]) -> ResultRow:
    values = list(row)
    seed = values[_SEED]
    values[_SEED] = None if seed is None else int(seed)
    values[_UNVERIFIED] = bool(values[_UNVERIFIED])
    values[-1] = msgspec.json.decode(values[-1])
    return ResultRow(*values)
