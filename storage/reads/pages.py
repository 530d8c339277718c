"""What the dashboard's long lists ask: one page at a time by keyset, never a walk over a million rows.

Each list has the order of an index that serves it, so a page costs what its rows cost wherever it begins. A
cursor is plain text that only this file reads; one that cannot be read begins at the first page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from storage.reads._connection import columns_of
from storage.reads._dead import _HEAD as _DEAD_HEAD
from storage.reads._queue import _CLOSED, _LEASED, _OPEN, _VIEW_DONE, _VIEW_OPEN, _WAITING
from storage.reads._reader import Reader
from storage.rows import DeadRow, RequestView, StrategyRow

_FEW = 2_000  # rows of a kind up to which its index and a sort are cheaper than the walk by id
_ORDER = (
    "CASE verdict WHEN 'PASS' THEN 0 WHEN 'FAIL' THEN 1 WHEN 'BLOCKED' THEN 2 WHEN 'INVALID' THEN 3"
    " ELSE 9 END,"
    " CASE rank WHEN 'legend' THEN 0 WHEN 'S' THEN 1 WHEN 'A' THEN 2 WHEN 'B' THEN 3 WHEN 'incubator' THEN 4"
    " WHEN 'graveyard' THEN 5 ELSE 6 END,"
    " oos_sharpe IS NULL, oos_sharpe DESC, is_sharpe IS NULL, is_sharpe DESC, name"
)
_STRATEGY = columns_of(StrategyRow)
_STRATEGY_FIELDS = StrategyRow.__struct_fields__
_JSON = tuple(
    _STRATEGY_FIELDS.index(name)
    for name in ("params", "definition", "gates", "reasons", "numbers", "is_reasons", "oos_reasons")
)
_NONDETERMINISTIC = _STRATEGY_FIELDS.index("nondeterministic")
Page = tuple[list[Any], str | None]  # rows, the cursor of the page after them


class PageReader(Reader):
    """A Reader that also answers page by page."""

    def request_page(
        self,
        status: str | None = None,
        *,
        name: str | None = None,
        kind: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RequestView], str | None]:
        """(requests, cursor of the next page or None).

        Order: everything, and all of one strategy, newest asked first; `open` oldest first; `pending` and
        `retry` in the order in which they are due; `sent` by deadline; `error` and `cancelled` newest closed
        first; `success` newest applied first.
        """
        if name is not None and status != "success":
            return self._named(status, name, kind, after, limit)
        match status:
            case "success":
                return self._done(name, kind, _numbers(after, 1), limit)
            case "open":
                return self._aged(kind, _numbers(after, 2), limit)
            case "pending" | "retry":
                return self._waiting(status, kind, _numbers(after, 3), limit)
            case "sent":
                return self._leased(kind, _numbers(after, 2), limit)
            case "error" | "cancelled":
                return self._shut(status, kind, _numbers(after, 2), limit)
            case _:
                return self._every(kind, after, limit)

    def _every(self, kind: str | None, after: str | None, limit: int) -> Page:
        # A plus sign keeps a term from choosing the index (SQLite query planner, "unary +").
        few = kind is not None and self._few_of(kind)
        order = "+request_id" if few else "request_id"
        rows: list[RequestView] = []
        for columns, table in ((_VIEW_OPEN, "oos_queue"), (_VIEW_DONE, "results")):
            terms, bindings = _terms(kind, plain=few)
            if after is not None:
                terms.append(f"{order} < ?")
                bindings.append(after)
            where = " AND ".join(terms) or "1"
            sql = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {order} DESC LIMIT ?"
            rows += [RequestView(*row) for row in self._all(sql, (*bindings, limit + 1))]
        return _newest(rows, limit)

    def _named(self, status: str | None, name: str, kind: str | None, after: str | None, limit: int) -> Page:
        """One strategy's, newest asked first: each part by its own index of names."""
        parts = [
            (_VIEW_OPEN, f"oos_queue WHERE {_OPEN} AND kind = 'oos'"),
            (_VIEW_OPEN, f"oos_queue WHERE {_OPEN} AND kind <> 'oos'"),
        ]
        if status != "open":
            parts.append((_VIEW_OPEN, f"oos_queue WHERE {_CLOSED}"))
        if status is None:
            parts.append((_VIEW_DONE, "results WHERE 1"))
        rows: list[RequestView] = []
        for columns, part in parts:
            sql, bindings = f"SELECT {columns} FROM {part} AND name = ?", [name]
            for term, wanted in (
                ("kind = ?", kind),
                ("status = ?", None if status in (None, "open") else status),
                ("+request_id < ?", after),
            ):
                if wanted is not None:
                    sql += f" AND {term}"
                    bindings.append(wanted)
            sql += " ORDER BY +request_id DESC LIMIT ?"
            rows += [RequestView(*row) for row in self._all(sql, (*bindings, limit + 1))]
        return _newest(rows, limit)

    def _few_of(self, kind: str) -> bool:
        sql = "SELECT count(*) FROM (SELECT 1 FROM results WHERE kind = ? LIMIT ?)"
        return int(self._value(sql, (kind, _FEW))) < _FEW

    def _done(self, name: str | None, kind: str | None, after: list[int] | None, limit: int) -> Page:
        terms, bindings = _terms(kind, plain=True)
        if name is not None:
            terms.append("name = ?")
            bindings.append(name)
        if after is not None:
            terms.append("rowid < ?")
            bindings.append(after[0])
        return self._views("results", _VIEW_DONE, terms, bindings, "rowid DESC", ("rowid",), limit)

    def _aged(self, kind: str | None, after: list[int] | None, limit: int) -> Page:
        terms, bindings = _terms(kind)
        terms.insert(0, _OPEN)
        if after is not None:
            terms.append("(requested_us, rowid) > (?, ?)")
            bindings += after
        order = "requested_us, rowid"
        return self._views("oos_queue", _VIEW_OPEN, terms, bindings, order, ("requested_us", "rowid"), limit)

    def _waiting(self, status: str, kind: str | None, after: list[int] | None, limit: int) -> Page:
        """One priority after the other, as they are sent; each is a range of the index."""
        rows: list[RequestView] = []
        cursor: str | None = None
        priority = self._value(f"SELECT max(priority) FROM oos_queue WHERE {_WAITING}")
        if after is not None:
            priority = after[0]
        while priority is not None and len(rows) < limit and cursor is None:
            terms, bindings = _terms(kind)
            terms = [_WAITING, "priority = ?", "status = ?", *terms]
            bindings = [priority, status, *bindings]
            if after is not None:
                terms.append("(next_attempt_at, rowid) > (?, ?)")
                bindings += after[1:]
                after = None
            keys = ("priority", "next_attempt_at", "rowid")
            found, cursor = self._views(
                "oos_queue", _VIEW_OPEN, terms, bindings, "next_attempt_at, rowid", keys, limit - len(rows)
            )
            rows += found
            lower = f"SELECT max(priority) FROM oos_queue WHERE {_WAITING} AND priority < ?"
            priority = self._value(lower, (priority,))
            if cursor is None and len(rows) == limit and priority is not None:
                # The page is full exactly where a priority ends: the next one begins the next page.
                cursor = f"{priority}.-1.-1"
        return rows, cursor

    def _leased(self, kind: str | None, after: list[int] | None, limit: int) -> Page:
        terms, bindings = _terms(kind)
        terms.insert(0, _LEASED)
        if after is not None:
            terms.append("(deadline_at, rowid) > (?, ?)")
            bindings += after
        keys = ("deadline_at", "rowid")
        return self._views("oos_queue", _VIEW_OPEN, terms, bindings, "deadline_at, rowid", keys, limit)

    def _shut(self, status: str, kind: str | None, after: list[int] | None, limit: int) -> Page:
        terms, bindings = _terms(kind)
        terms = [_CLOSED, "status = ?", *terms]
        bindings = [status, *bindings]
        if after is not None:
            terms.append("(closed_at, rowid) < (?, ?)")
            bindings += after
        order = "closed_at DESC, rowid DESC"
        keys = ("closed_at", "rowid")
        return self._views("oos_queue", _VIEW_OPEN, terms, bindings, order, keys, limit)

    def _views(
        self,
        table: str,
        columns: str,
        terms: Sequence[str],
        bindings: Sequence[Any],
        order: str,
        keys: tuple[str, ...],
        limit: int,
    ) -> Page:
        where = " AND ".join(terms) or "1"
        sql = f"SELECT {', '.join(keys)}, {columns} FROM {table} WHERE {where} ORDER BY {order} LIMIT ?"
        found = self._all(sql, (*bindings, limit + 1))
        rows = [RequestView(*row[len(keys) :]) for row in found[:limit]]
        more = len(found) > limit
        return rows, ".".join(str(key) for key in found[limit - 1][: len(keys)]) if more else None

    def dead_page(
        self,
        state: str | None = "held",
        *,
        reason: str | None = None,
        strategy: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[list[DeadRow], str | None]:
        """(letters without their bytes, newest first; the cursor of the next page or None)."""
        terms: list[str] = []
        bindings: list[Any] = []
        for column, wanted in (("state", state), ("reason", reason), ("name", strategy)):
            if wanted is not None:
                # By name its index serves; else the walk by id meets the wanted ones soon.
                terms.append(f"{'+' if column != 'name' else ''}{column} = ?")
                bindings.append(wanted)
        if before is not None:
            terms.append("id < ?")
            bindings.append(before)
        sql = (
            f"SELECT {_DEAD_HEAD} FROM dead_letters WHERE {' AND '.join(terms) or '1'}"
            " ORDER BY id DESC LIMIT ?"
        )
        rows = [DeadRow(*row) for row in self._all(sql, (*bindings, limit + 1))]
        more = len(rows) > limit
        rows = rows[:limit]
        return rows, str(rows[-1].id) if more else None

    def league_page(
        self, verdict: str | None = None, *, begins: str = "", offset: int = 0, limit: int = 50
    ) -> tuple[list[StrategyRow], bool]:
        """(strategies in the order of the league table, whether more follow).

        verdict: one of the four, or `none` for those without. begins: the beginning of a name. The order is
        made anew from narrow columns, some ms for ten thousand strategies; only the page is read whole.
        """
        terms, bindings = ["1"], []
        if verdict is not None:
            terms.append("verdict IS NULL" if verdict == "none" else "verdict = ?")
            bindings += [] if verdict == "none" else [verdict]
        if begins:
            terms.append("name >= ? AND name < ? || char(1114111)")
            bindings += [begins, begins]
        where = " AND ".join(terms)
        names = self._all(
            f"SELECT name FROM strategies WHERE {where} ORDER BY {_ORDER} LIMIT ? OFFSET ?",
            (*bindings, limit + 1, offset),
        )
        rows = [_strategy(row) for name in names[:limit] for row in self._whole(name[0])]
        return rows, len(names) > limit

    def _whole(self, name: str) -> list[tuple[Any, ...]]:
        return self._all(f"SELECT {_STRATEGY} FROM strategies WHERE name = ?", (name,))

    def verdict_counts(self) -> dict[str, int]:
        """How many strategies have which verdict; `none` for those without."""
        sql = "SELECT coalesce(verdict, 'none'), count(*) FROM strategies GROUP BY 1"
        return dict(self._all(sql))

    def about(self, request_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """request id → (strategy, kind), of those that are known."""
        found: dict[str, tuple[str, str]] = {}
        for request_id in set(request_ids):
            for table in ("oos_queue", "results"):
                row = self._one(f"SELECT name, kind FROM {table} WHERE request_id = ?", (request_id,))
                if row is not None:
                    found[request_id] = (row[0], row[1])
        return found

    def last_result_us(self) -> int | None:
        """When the newest answer was applied."""
        at: int | None = self._value("SELECT applied_at FROM results ORDER BY rowid DESC LIMIT 1")
        return at


def _newest(rows: list[RequestView], limit: int) -> Page:
    rows.sort(key=lambda view: view.request_id, reverse=True)
    return rows[:limit], rows[limit - 1].request_id if len(rows) > limit else None


def _terms(kind: str | None, *, plain: bool = False) -> tuple[list[str], list[Any]]:
    if kind is None:
        return [], []
    return ["kind = ?" if plain else "+kind = ?"], [kind]


def _numbers(cursor: str | None, count: int) -> list[int] | None:
    if cursor is None:
        return None
    try:
        numbers = [int(part) for part in cursor.split(".")]
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(-1 <= n < 2**63 for n in numbers) else None


def _strategy(row: tuple[Any, ...]) -> StrategyRow:
    values = list(row)
    for index in _JSON:
        values[index] = msgspec.json.decode(values[index])
    values[_NONDETERMINISTIC] = bool(values[_NONDETERMINISTIC])
    return StrategyRow(*values)
