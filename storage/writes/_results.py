"""Applying an answer: result, trade list, strategy and queue row in one step, exactly once.

Removing the queue row is the guard: the one DELETE that finds it open returns the request, and whoever comes
later finds a result instead. A strategy takes the numbers only from the newest request for its present
definition; an answer for an older definition is kept as a result and marked as not current.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import apsw
import msgspec

from foldward.contracts.facts import AdmitRequest, ApplyResult
from foldward.contracts.jobs import Result
from storage._checksum import RESULT_COLUMNS, result_crc
from storage.writes._session import Session, refuse

NUMBERS = ("sharpe", "sortino", "profit_factor", "win_rate", "max_drawdown", "expectancy", "pnl", "trades")
_SIDE = {"backtest": "is", "oos": "oos"}

_TAKE = (
    "DELETE FROM oos_queue WHERE request_id = ? AND status IN ('pending', 'sent', 'retry')"
    " RETURNING name, kind, digest, requested_us, first_sent_at, sent_at, sends, failures, run_id, trace_id,"
    " origin, group_id, parent_id, worker, fingerprint, payload"
)
_INSERT = (
    f"INSERT INTO results ({RESULT_COLUMNS}, row_crc, detail)"
    f" VALUES ({', '.join('?' * (RESULT_COLUMNS.count(',') + 3))})"
)
_STANDING = (
    "SELECT name, kind, result_digest, latency_us, queue_us, run_us, requested_us, failures, trades, wins,"
    " losses, pnl, sharpe, sortino, max_drawdown, win_rate, profit_factor FROM results WHERE request_id = ?"
)
_KNOWN = "SELECT name, kind, sends, failures FROM oos_queue WHERE request_id = ?"
_TRADES = (
    "INSERT INTO trade_lists (request_id, name, applied_at, count, truncated, row_crc, trades)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_TOUCH = "UPDATE strategies SET updated_at = ?2, revision = ?3 WHERE name = ?1"
_STRATEGY = {
    side: (
        f"SELECT work, defined_at, rank, {side}_requested_us, {side}_request_id, {side}_reasons,"
        f" {', '.join(f'{side}_{number}' for number in NUMBERS)} FROM strategies WHERE name = ?"
    )
    for side in ("is", "oos")
}
_UPDATE = {
    side: (
        f"UPDATE strategies SET {side}_request_id = ?, {side}_requested_us = ?, {side}_verdict = ?,"
        f" {side}_result_digest = ?, {side}_reasons = ?,"
        f" {', '.join(f'{side}_{number} = ?' for number in NUMBERS)},"
        " updated_at = ?, revision = ? WHERE name = ?"
    )
    for side in ("is", "oos")
}
_MARK_RESULT = "UPDATE results SET conflicts = conflicts + 1 WHERE request_id = ?"
_MARK_STRATEGY = (
    "UPDATE strategies SET nondeterministic = 1, verdict = 'INVALID', verdict_at = ?2, updated_at = ?2,"
    " revision = ?3, reasons = CASE WHEN nondeterministic THEN reasons"
    " ELSE json_insert(reasons, '$[#]', 'engine.nondeterministic') END WHERE name = ?1"
    # Only while the definition that gave two answers is the one that stands.
    " AND (defined_at <= ?4 OR is_request_id = ?5 OR oos_request_id = ?5)"
)
_encode = msgspec.json.Encoder().encode


class _Detail(msgspec.Struct, omit_defaults=True):
    """What a result says beyond its columns."""

    metrics: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    faults: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    trades_truncated: bool = False
    equity: tuple[Any, ...] | None = None
    blocks: dict[str, Any] | None = None
    report: dict[str, Any] | None = None
    timings: dict[str, float] = {}


def apply_result(session: Session, fact: ApplyResult) -> dict[str, Any]:
    """Make an answer true exactly once."""
    result = fact.result
    if result.error is not None or result.code is not None:
        raise refuse("an error is not a result; it is a failed attempt", request_id=result.request_id)
    row = session.execute(_TAKE, (result.request_id,)).get
    if row is None:
        return _late(session, fact)
    session.open_rows -= 1
    (
        name,
        kind,
        digest,
        requested_us,
        first_sent_at,
        sent_at,
        sends,
        failures,
        run_id,
        trace_id,
        origin,
        group_id,
        parent_id,
        worker,
        fingerprint,
        payload,
    ) = row
    numbers = numbers_of(result)
    latency = max(0, fact.received_us - requested_us)
    queue = None if first_sent_at is None else max(0, first_sent_at - requested_us)
    # An answer of an earlier attempt says nothing about how long this one ran.
    run = None if sent_at is None or result.attempt != sends else max(0, fact.received_us - sent_at)
    work, current = _feed_strategy(session, fact, name, kind, requested_us, payload, numbers)
    window = result.window
    columns = (
        result.request_id,
        name,
        kind,
        digest,
        result.result_digest,
        work,
        result.verdict,
        requested_us,
        sent_at,
        fact.received_us,
        fact.at_us,
        latency,
        queue,
        run,
        sends,
        failures,
        result.attempt,
        run_id,
        trace_id,
        origin,
        group_id,
        parent_id,
        result.worker or worker,
        fact.peer,
        result.engine,
        result.profile,
        result.fingerprint or fingerprint,
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
    detail = _encode(
        _Detail(
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
    try:
        session.execute(_INSERT, (*columns, result_crc(columns, detail), detail.decode()))
    except apsw.ConstraintError:
        # The answer stands already and the row was a remainder: it is gone now.
        return _late(session, fact)
    if result.trade_list is not None:
        _store_trades(session, fact, name)
    session.count("success")
    session.latency(kind, "latency", latency)
    if queue is not None:
        session.latency(kind, "queue", queue)
    if run is not None:
        session.latency(kind, "run", run)
    session.event(
        result.request_id,
        fact.at_us,
        "oos.result",
        {
            "attempt": result.attempt,
            "sharpe": numbers["sharpe"],
            "trades": numbers["trades"],
            "verdict": result.verdict,
            "result_digest": result.result_digest,
            "latency_sec": latency / 1e6,
            "worker": result.worker or worker,
        },
    )
    return {
        "outcome": "applied",
        "name": name,
        "kind": kind,
        "attempt": result.attempt,
        "latency_us": latency,
        "queue_us": queue,
        "run_us": run,
        "failures": failures,
        "sends": sends,
        "current": current,
        "origin": origin,
        "group_id": group_id,
        "run_id": run_id,
        "trace_id": trace_id,
    }


def numbers_of(result: Result) -> dict[str, Any]:
    """The numbers that columns hold, each finite or None; the win rate as a ratio.

    Raises StorageError storage.write for a number that is not finite: SQLite would store NaN as NULL.
    """
    metrics = result.metrics
    numbers: dict[str, Any] = {}
    for name in NUMBERS:
        value = metrics.get(name)
        if value is None and name != "expectancy":
            value = getattr(result, name)
            if value is not None and name == "win_rate":
                value = value / 100
        if value is not None:
            value = int(value) if name == "trades" else float(value)
            if not math.isfinite(value):
                raise refuse(f"{name} is {value}", request_id=result.request_id)
        numbers[name] = value
    return numbers


def _late(session: Session, fact: ApplyResult) -> dict[str, Any]:
    """An answer whose row is not open: the same again, another one, or nobody's."""
    result = fact.result
    standing = session.execute(_STANDING, (result.request_id,)).get
    if standing is None:
        known = session.execute(_KNOWN, (result.request_id,)).get
        session.count("stale")
        if known is not None:
            session.event(
                result.request_id,
                fact.at_us,
                "oos.stale",
                {"attempt": result.attempt, "result_digest": result.result_digest},
            )
        name, kind, _, failures = known or (None, None, 0, 0)
        return _outcome("stale", name, kind, result.attempt, failures)
    name, kind, result_digest, latency, queue, run, requested_us, failures = standing[:8]
    if _same_answer(result, result_digest, standing[8:]):
        outcome = "duplicate"
    else:
        outcome = "nondeterministic"
        session.execute(_MARK_RESULT, (result.request_id,))
        session.execute(
            _MARK_STRATEGY, (name, fact.at_us, session.next_revision(), requested_us, result.request_id)
        )
    session.count(outcome)
    session.event(
        result.request_id,
        fact.at_us,
        f"oos.{outcome}",
        {"attempt": result.attempt, "result_digest": result.result_digest, "standing": result_digest},
        "engine.nondeterministic" if outcome == "nondeterministic" else None,
    )
    return _outcome(outcome, name, kind, result.attempt, failures, latency, queue, run)


def _outcome(
    outcome: str,
    name: str | None,
    kind: str | None,
    attempt: int,
    failures: int,
    latency: int | None = None,
    queue: int | None = None,
    run: int | None = None,
) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "name": name,
        "kind": kind,
        "attempt": attempt,
        "latency_us": latency,
        "queue_us": queue,
        "run_us": run,
        "failures": failures,
    }


def _same_answer(result: Result, digest: str | None, standing: tuple[Any, ...]) -> bool:
    if digest is not None and result.result_digest is not None:
        return digest == result.result_digest
    # A legacy peer sends no digest: its numbers are the answer.
    numbers = numbers_of(result)
    return standing == (
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


def _store_trades(session: Session, fact: ApplyResult, name: str) -> None:
    result = fact.result
    trades = _encode(result.trade_list)
    session.execute(
        _TRADES,
        (
            result.request_id,
            name,
            fact.at_us,
            len(result.trade_list or ()),
            int(result.trades_truncated),
            zlib.crc32(trades),
            trades.decode(),
        ),
    )


def _feed_strategy(
    session: Session,
    fact: ApplyResult,
    name: str,
    kind: str,
    requested_us: int,
    payload: bytes,
    numbers: dict[str, Any],
) -> tuple[str, bool]:
    """Give the strategy its numbers; which work was done, and whether that is the strategy's present one."""
    side = _SIDE.get(kind, "is")
    row = session.execute(_STRATEGY[side], (name,)).get
    if row is None:
        return session.spellings.work_of_payload(payload), True
    present, defined_at, rank, newest_us = row[:4]
    work = session.spellings.work_of_payload(payload)
    current = work == present if work else defined_at <= requested_us
    if rank == "retired":
        return work, current
    if not current or kind not in _SIDE or (newest_us is not None and requested_us < newest_us):
        # Whoever follows revisions hears that a result came, whatever it changed.
        session.execute(_TOUCH, (name, fact.at_us, session.next_revision()))
        return work, current
    result = fact.result
    _write_numbers(
        session,
        side,
        name,
        row[5:],
        (result.request_id, requested_us, result.verdict, result.result_digest),
        numbers,
        result.reasons,
        fact.at_us,
    )
    return work, True


def _write_numbers(
    session: Session,
    side: str,
    name: str,
    standing: tuple[Any, ...],
    source: tuple[str, int, str, str | None],
    numbers: dict[str, Any],
    reasons: dict[str, str],
    at_us: int,
) -> None:
    known_reasons: dict[str, str] = {}
    if source[2] == "INVALID":
        # A violation gives a verdict, never a number; what stood was for an earlier answer.
        values = [None] * len(NUMBERS)
        known_reasons = dict.fromkeys(NUMBERS, "invalid")
    else:
        old_reasons = msgspec.json.decode(standing[0])
        values = []
        for number, old in zip(NUMBERS, standing[1:], strict=True):
            value = numbers[number]
            if value is not None:
                values.append(value)
            elif number in reasons:
                values.append(None)
                known_reasons[number] = reasons[number]
            else:  # absent is not a value: what was known stays
                values.append(old)
                if old is None and number in old_reasons:
                    known_reasons[number] = old_reasons[number]
    session.execute(
        _UPDATE[side],
        (*source, _encode(known_reasons).decode(), *values, at_us, session.next_revision(), name),
    )


_STORED = (
    "SELECT verdict, result_digest, trades, pnl, sharpe, sortino, max_drawdown, win_rate, profit_factor,"
    " detail FROM results WHERE request_id = ?"
)


def restore_numbers(session: Session, request_id: str, fact: AdmitRequest) -> None:
    """A cached answer is the strategy's newest again: give its numbers back if others stand there.

    Without this, a definition that is changed and changed back would stay without numbers for ever: its
    digest is answered, so it is never sent again.
    """
    side = _SIDE.get(fact.kind)
    if side is None:
        return
    row = session.execute(_STRATEGY[side], (fact.name,)).get
    if row is None:
        return
    present, defined_at, rank, newest_us, standing = row[:5]
    if rank == "retired" or standing == request_id:
        return
    if newest_us is not None and fact.requested_us < newest_us:
        return
    work = session.spellings.work_of_payload(fact.payload)
    if work != present if work else defined_at > fact.requested_us:
        return
    stored = session.execute(_STORED, (request_id,)).get
    verdict, digest, trades, pnl, sharpe, sortino, drawdown, win_rate, profit_factor, detail = stored
    known = msgspec.json.decode(detail, type=_Detail)
    numbers = {
        "sharpe": sharpe,
        "sortino": sortino,
        "profit_factor": profit_factor,
        "win_rate": win_rate,
        "max_drawdown": drawdown,
        "expectancy": known.metrics.get("expectancy"),
        "pnl": pnl,
        "trades": trades,
    }
    _write_numbers(
        session,
        side,
        fact.name,
        row[5:],
        (request_id, fact.requested_us, verdict, digest),
        numbers,
        known.reasons,
        fact.requested_us,
    )
