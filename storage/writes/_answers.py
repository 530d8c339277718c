"""Applying answers: result, trade list, strategy and queue row in one step, exactly once.

Removing the queue row is the guard: the one DELETE that finds it open takes the request, and whoever comes
later finds a result instead. A strategy takes the numbers only from the newest request for its present
definition; an answer for an older definition is kept as a result and marked as not current.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from foldward.contracts.facts import ApplyResult
from foldward.contracts.jobs import Result
from storage._checksum import RESULT_COLUMNS, result_crc
from storage.writes._bulk import Bulk
from storage.writes._late import late
from storage.writes._numbers import SIDE, UPDATE, Detail, numbers_of, strategy_row
from storage.writes._session import Session, refuse, to_json

# One statement, one step and one value for all that answers need of their requests and strategies. `present`:
# the payload spells the strategy as it is stored now, so its work is the stored one and need not be derived.
_OPEN = (
    "SELECT json_group_array(json_array(q.request_id, q.name, q.kind, q.digest, q.requested_us,"
    " q.first_sent_at, q.sent_at, q.sends, q.failures, q.run_id, q.trace_id, q.origin, q.group_id,"
    " q.parent_id, q.worker, q.fingerprint, s.work, s.defined_at, s.rank, s.is_requested_us,"
    " s.oos_requested_us, coalesce(instr(q.payload, CAST("
    """'{"action":"BACKTEST","request_id":"' || q.request_id || '","strategy":' || s.definition"""
    """ || ',"phase":' AS BLOB)) = 1, 0)))"""
    " FROM json_each(?) AS asked CROSS JOIN oos_queue AS q ON q.request_id = asked.value"
    " LEFT JOIN strategies AS s ON s.name = q.name WHERE q.status IN ('pending', 'sent', 'retry')"
)
_PAYLOAD = "SELECT payload FROM oos_queue WHERE request_id = ?"
_TAKE = (
    "DELETE FROM oos_queue WHERE request_id IN (SELECT value FROM json_each(?))"
    " AND status IN ('pending', 'sent', 'retry')"
)
_INSERT = Bulk(
    RESULT_COLUMNS.count(",") + 3,
    f"INSERT INTO results ({RESULT_COLUMNS}, row_crc, detail) {{rows}} ON CONFLICT (request_id) DO NOTHING",
    heavy=RESULT_COLUMNS.count(",") + 2,
)
_TRADES = Bulk(
    7,
    "INSERT INTO trade_lists (request_id, name, applied_at, count, truncated, row_crc, trades) {rows}",
    heavy=6,
)
_TOUCH = Bulk(
    3,
    "UPDATE strategies SET updated_at = v.column1, revision = v.column2 FROM ({rows}) AS v"
    " WHERE name = v.column3",
)
_encode = msgspec.json.Encoder().encode


class _Open(msgspec.Struct, array_like=True, gc=False):
    """An open request and what its strategy's row says now."""

    request_id: str
    name: str
    kind: str
    digest: str
    requested_us: int
    first_sent_at: int | None
    sent_at: int | None
    sends: int
    failures: int
    run_id: str
    trace_id: str
    origin: str
    group_id: str | None
    parent_id: str | None
    worker: str | None
    fingerprint: str
    work: str | None
    defined_at: int | None
    rank: str | None
    is_requested_us: int | None
    oos_requested_us: int | None
    present: int


_opened = msgspec.json.Decoder(list[_Open])


def apply_result(session: Session, fact: ApplyResult) -> dict[str, Any]:
    """Make an answer true exactly once."""
    return apply_results(session, (fact,))[0]


def apply_results(session: Session, facts: Sequence[ApplyResult]) -> list[dict[str, Any]]:
    """Make answers true, each exactly once; what became of each, in their order."""
    for fact in facts:
        result = fact.result
        if result.error is not None or result.code is not None:
            raise refuse("an error is not a result; it is a failed attempt", request_id=result.request_id)
    asked = dict.fromkeys(fact.result.request_id for fact in facts)
    rows = _opened.decode(session.execute(_OPEN, (to_json(list(asked)),)).get)
    opened = {row.request_id: row for row in rows}
    run = _Run(session)
    outcomes: list[dict[str, Any]] = []
    for fact in facts:
        row = opened.pop(fact.result.request_id, None)
        if row is not None:
            outcomes.append(run.answer(fact, row))
            continue
        _write(run, facts)
        outcomes.append(late(session, fact))
    if not _write(run, facts):
        return [late(session, facts[0])]
    return outcomes


def _write(run: _Run, facts: Sequence[ApplyResult]) -> bool:
    """False when the only answer of the run stands already, and its row was a remainder: it is gone now."""
    if run.write():
        return True
    if len(facts) > 1:  # each by itself, then
        raise refuse("some of these requests have a result and a row")
    return False


class _Run:
    """What a run of answers writes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._taken: list[str] = []
        self._results: list[tuple[Any, ...]] = []
        self._trades: list[tuple[Any, ...]] = []
        self._counted: list[tuple[str, str, int]] = []
        self._events: list[tuple[str, int, dict[str, Any]]] = []
        self._strategies = _Strategies(session)

    def answer(self, fact: ApplyResult, row: _Open) -> dict[str, Any]:
        """Gather what one answer writes; its outcome."""
        result = fact.result
        numbers = numbers_of(result)
        latency = max(0, fact.received_us - row.requested_us)
        queue = None if row.first_sent_at is None else max(0, row.first_sent_at - row.requested_us)
        # An answer of an earlier attempt says nothing about how long this one ran.
        timed = row.sent_at is not None and result.attempt == row.sends
        run = max(0, fact.received_us - row.sent_at) if timed and row.sent_at is not None else None
        work, current = self._strategies.feed(fact, row, numbers)
        window = result.window
        worker = result.worker or row.worker
        columns = (
            result.request_id,
            row.name,
            row.kind,
            row.digest,
            result.result_digest,
            work,
            result.verdict,
            row.requested_us,
            row.sent_at,
            fact.received_us,
            fact.at_us,
            latency,
            queue,
            run,
            row.sends,
            row.failures,
            result.attempt,
            row.run_id,
            row.trace_id,
            row.origin,
            row.group_id,
            row.parent_id,
            worker,
            fact.peer,
            result.engine,
            result.profile,
            result.fingerprint or row.fingerprint,
            result.provenance,
            None if result.seed is None else str(result.seed),
            None if window is None else window.start,
            None if window is None else window.end,
            None if window is None else window.bars,
            int(fact.unverified),
            numbers["trades"],
            result.wins,
            result.losses,
            numbers["pnl"],
            numbers["sharpe"],
            numbers["sortino"],
            numbers["max_drawdown"],
            numbers["win_rate"],
            numbers["profit_factor"],
        )
        detail = _detail(result)
        self._taken.append(result.request_id)
        self._results.append((*columns, result_crc(columns, detail), detail.decode()))
        if result.trade_list is not None:
            self._trades.append(_trades(fact, row.name))
        self._counted.append((row.kind, "latency", latency))
        if queue is not None:
            self._counted.append((row.kind, "queue", queue))
        if run is not None:
            self._counted.append((row.kind, "run", run))
        told = {
            "attempt": result.attempt,
            "sharpe": numbers["sharpe"],
            "trades": numbers["trades"],
            "verdict": result.verdict,
            "result_digest": result.result_digest,
            "latency_sec": latency / 1e6,
            "worker": worker,
        }
        self._events.append((result.request_id, fact.at_us, told))
        return {
            "outcome": "applied",
            "name": row.name,
            "kind": row.kind,
            "attempt": result.attempt,
            "latency_us": latency,
            "queue_us": queue,
            "run_us": run,
            "failures": row.failures,
            "sends": row.sends,
            "current": current,
            "origin": row.origin,
            "group_id": row.group_id,
            "run_id": row.run_id,
            "trace_id": row.trace_id,
        }

    def write(self) -> bool:
        """Write what was gathered. False: a result stands already, and only rows are gone."""
        session, taken = self._session, self._taken
        if not taken:
            return True
        session.execute(_TAKE, (to_json(taken),))
        if session.connection.changes() != len(taken):
            raise refuse(f"of {len(taken)} open requests not all could be closed")
        session.open_rows -= len(taken)
        if session.many(_INSERT, self._results) != len(taken):
            return False
        session.many(_TRADES, self._trades)
        self._strategies.write()
        session.count("success", len(taken))
        for counted in self._counted:
            session.latency(*counted)
        for request_id, at_us, told in self._events:
            session.event(request_id, at_us, "oos.result", told)
        for gathered in (taken, self._results, self._trades, self._counted, self._events):
            gathered.clear()
        return True


class _Strategies:
    """The numbers that strategies take from a run of answers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._fed: dict[str, list[tuple[Any, ...]]] = {"is": [], "oos": []}
        self._touched: list[tuple[Any, ...]] = []
        # Per strategy, the newest request of each side as this run has left it.
        self._newest: dict[str, dict[str, int | None]] = {}
        self._waiting: set[str] = set()

    def feed(self, fact: ApplyResult, row: _Open, numbers: dict[str, Any]) -> tuple[str, bool]:
        """Give the strategy its numbers; which work was done, and whether that is its present one."""
        session, name = self._session, row.name
        work = row.work if row.present else None
        if work is None:
            work = session.spellings.work_of_payload(session.execute(_PAYLOAD, (row.request_id,)).get)
        if row.work is None or row.defined_at is None:
            return work, True
        current = work == row.work if work else row.defined_at <= row.requested_us
        if row.rank == "retired":
            return work, current
        if name in self._waiting:  # a statement changes a row once
            self.write()
        newest = self._newest.get(name)
        if newest is None:
            newest = self._newest[name] = {"is": row.is_requested_us, "oos": row.oos_requested_us}
        self._waiting.add(name)
        side = SIDE.get(row.kind)
        before = None if side is None else newest[side]
        if not current or side is None or (before is not None and row.requested_us < before):
            # Whoever follows revisions hears that a result came, whatever it changed.
            self._touched.append((fact.at_us, session.next_revision(), name))
            return work, current
        result = fact.result
        source = (result.request_id, row.requested_us, result.verdict, result.result_digest)
        told = strategy_row(session, side, name, source, numbers, result.reasons, fact.at_us)
        self._fed[side].append(told)
        newest[side] = row.requested_us
        return work, True

    def write(self) -> None:
        """Bring them to the file."""
        for side, rows in self._fed.items():
            self._session.many(UPDATE[side], rows)
            rows.clear()
        self._session.many(_TOUCH, self._touched)
        self._touched.clear()
        self._waiting.clear()


def _detail(result: Result) -> bytes:
    return _encode(
        Detail(
            result.metrics,
            result.reasons,
            result.faults,
            result.notes,
            result.trades_truncated,
            result.equity,
            result.blocks,
            result.detail,
            result.timings,
        )
    )


def _trades(fact: ApplyResult, name: str) -> tuple[Any, ...]:
    result = fact.result
    trades = _encode(result.trade_list)
    return (
        result.request_id,
        name,
        fact.at_us,
        len(result.trade_list or ()),
        int(result.trades_truncated),
        zlib.crc32(trades),
        trades.decode(),
    )
