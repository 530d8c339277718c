"""An answer whose row is not open: the same again, another one, or nobody's."""

from __future__ import annotations

from typing import Any

from foldward.contracts.facts import ApplyResult
from foldward.contracts.jobs import Result
from storage.writes._numbers import numbers_of
from storage.writes._session import Session

_STANDING = (
    "SELECT name, kind, result_digest, latency_us, queue_us, run_us, requested_us, failures, origin, run_id,"
    " trace_id, trades, wins, losses, pnl, sharpe, sortino, max_drawdown, win_rate, profit_factor"
    " FROM results WHERE request_id = ?"
)
_KNOWN = "SELECT name, kind, failures, origin, run_id, trace_id FROM oos_queue WHERE request_id = ?"
_MARK_RESULT = "UPDATE results SET conflicts = conflicts + 1 WHERE request_id = ?"
_MARK_STRATEGY = (
    "UPDATE strategies SET nondeterministic = 1, verdict = 'INVALID', verdict_at = ?2, updated_at = ?2,"
    " revision = ?3, reasons = CASE WHEN nondeterministic THEN reasons"
    " ELSE json_insert(reasons, '$[#]', 'engine.nondeterministic') END WHERE name = ?1"
    # Only while the definition that gave two answers is the one that stands.
    " AND (defined_at <= ?4 OR is_request_id = ?5 OR oos_request_id = ?5)"
)


def late(session: Session, fact: ApplyResult) -> dict[str, Any]:
    """What it is; its outcome."""
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
        name, kind, failures, *whose = known or (None, None, 0)
        return _outcome("stale", name, kind, result.attempt, failures, whose)
    name, kind, result_digest, latency, queue, run, requested_us, failures, *whose = standing[:11]
    if _same_answer(result, result_digest, standing[11:]):
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
    return _outcome(outcome, name, kind, result.attempt, failures, whose, latency, queue, run)


def _outcome(
    outcome: str,
    name: str | None,
    kind: str | None,
    attempt: int,
    failures: int,
    whose: list[str],
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
        **dict(zip(("origin", "run_id", "trace_id"), whose, strict=False)),
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
