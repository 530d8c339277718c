"""Runs, walk-forward runs, flags, counters and retention."""

from __future__ import annotations

from foldward.contracts.facts import CountUp, FinishRun, FinishWfv, Prune, SetMeta, StartRun, StartWfv
from storage.writes._session import Session, refuse, to_json

_START_RUN = (
    "INSERT INTO runs (run_id, seed, status, started_at, manifest) VALUES (?, ?, 'running', ?, ?)"
    " ON CONFLICT (run_id) DO NOTHING RETURNING 1"
)
_FINISH_RUN = (
    "UPDATE runs SET status = ?2, result_digest = ?3, summary = ?4, finished_at = ?5"
    " WHERE run_id = ?1 AND status = 'running' RETURNING 1"
)
_START_WFV = (
    "INSERT INTO wfv_runs (wfv_id, name, kind, request_id, state, started_at, deadline_at, plan)"
    " VALUES (?, ?, ?, ?, 'pending', ?, ?, ?) ON CONFLICT (wfv_id) DO NOTHING"
)
_FINISH_WFV = (
    "UPDATE wfv_runs SET state = ?2, decision = ?3, detail = ?4, finished_at = ?5"
    " WHERE wfv_id = ?1 AND state = 'pending' RETURNING name"
)
_SET_META = (
    "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_TOUCH = "UPDATE strategies SET updated_at = ?2, revision = ?3 WHERE name = ?1"

_PRUNE = {
    # A held letter is never pruned, and its replay needs the row.
    "error_rows": (
        "DELETE FROM oos_queue WHERE rowid IN (SELECT q.rowid FROM oos_queue q"
        " WHERE q.status = 'error' AND q.closed_at < ?1 AND NOT EXISTS (SELECT 1 FROM dead_letters d"
        " WHERE d.request_id = q.request_id AND d.state = 'held') LIMIT ?2)"
    ),
    "cancelled_rows": (
        "DELETE FROM oos_queue WHERE rowid IN"
        " (SELECT rowid FROM oos_queue WHERE status = 'cancelled' AND closed_at < ?1 LIMIT ?2)"
    ),
    "trade_lists": (
        "DELETE FROM trade_lists WHERE rowid IN"
        " (SELECT rowid FROM trade_lists WHERE applied_at < ?1 ORDER BY applied_at LIMIT ?2)"
    ),
    # Rows are in order of time but for clock jumps; looking at the oldest only keeps each batch small.
    "events": (
        "DELETE FROM events WHERE id IN (SELECT id FROM"
        " (SELECT id, at, request_id FROM events ORDER BY id LIMIT 20 * ?2) AS oldest WHERE at < ?1"
        " AND NOT EXISTS (SELECT 1 FROM oos_queue q WHERE q.request_id = oldest.request_id) LIMIT ?2)"
    ),
}
_CLOSED_LETTERS = (
    "SELECT id, size FROM dead_letters WHERE state <> 'held' AND closed_at < ?1 ORDER BY closed_at LIMIT ?2"
)


def start_run(session: Session, fact: StartRun) -> bool:
    """A row in runs; False when the id is known."""
    row = (fact.run_id, str(fact.seed), fact.at_us, to_json(fact.manifest))
    return session.execute(_START_RUN, row).get is not None


def finish_run(session: Session, fact: FinishRun) -> bool:
    """The end of a run that is open."""
    row = (fact.run_id, fact.status, fact.result_digest, to_json(fact.summary), fact.at_us)
    return session.execute(_FINISH_RUN, row).get is not None


def start_wfv(session: Session, fact: StartWfv) -> bool:
    """A pending row in wfv_runs; the same id again changes nothing."""
    session.execute(
        _START_WFV,
        (
            fact.wfv_id,
            fact.name,
            fact.kind,
            fact.request_id,
            fact.at_us,
            fact.deadline_us,
            to_json(fact.plan),
        ),
    )
    return True


def finish_wfv(session: Session, fact: FinishWfv) -> bool:
    """pending → done, failed or expired; followers of the strategy hear of it."""
    name = session.execute(
        _FINISH_WFV, (fact.wfv_id, fact.state, fact.decision, to_json(fact.detail), fact.at_us)
    ).get
    if name is None:
        return False
    session.execute(_TOUCH, (name, fact.at_us, session.next_revision()))
    session.count(f"wfv.{fact.state}")
    return True


def set_meta(session: Session, fact: SetMeta) -> bool:
    """One durable flag or date."""
    session.execute(_SET_META, (fact.key, fact.value))
    return True


_RESERVED = frozenset({"revision", "dead_rows", "dead_bytes"})


def count_up(session: Session, fact: CountUp) -> bool:
    """Raise restart-safe counters. Raises StorageError storage.write for one that storage keeps itself."""
    wrong = _RESERVED.intersection(fact.counts)
    if wrong:
        raise refuse(f"the counter {min(wrong)} is not for callers")
    for name, by in fact.counts.items():
        session.count(name, by)
    return True


def prune(session: Session, fact: Prune) -> int:
    """Retention in one small batch."""
    if fact.what != "dead_letters":
        session.execute(_PRUNE[fact.what], (fact.before_us, fact.limit))
        removed: int = session.connection.changes()
        return removed
    closed: list[tuple[int, int]] = session.execute(_CLOSED_LETTERS, (fact.before_us, fact.limit)).fetchall()
    for dead_id, size in closed:
        session.execute("DELETE FROM dead_letters WHERE id = ?", (dead_id,))
        session.dead(-1, -size)
    return len(closed)
