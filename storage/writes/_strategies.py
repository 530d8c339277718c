"""Strategies: definitions, retirement, verdicts. A retired strategy stays retired."""

from __future__ import annotations

import zlib
from typing import Any

from foldward.contracts.errors import RequestError
from foldward.contracts.facts import ImportStrategies, RecordVerdict, RetireStrategies
from foldward.contracts.jobs import Strategy
from storage.writes._definition import normal, work_of
from storage.writes._numbers import NUMBERS
from storage.writes._requests import OPEN_OF_NAME, cancel
from storage.writes._session import Session, to_json

_STANDING = "SELECT definition, work, rank FROM strategies WHERE name = ?"
_INSERT = (
    "INSERT INTO strategies (name, kind, symbol, timeframe, params, definition, definition_crc, work,"
    " defined_at, generation, parent, created_at, updated_at, revision)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SIDES = ("is", "oos")
_CLEARED = ", ".join(
    f"{side}_{column} = {empty}"
    for side in _SIDES
    for column, empty in (
        ("request_id", "NULL"),
        ("requested_us", "NULL"),
        ("verdict", "NULL"),
        ("result_digest", "NULL"),
        ("reasons", "'{}'"),
        *((number, "NULL") for number in NUMBERS),
    )
)
_LINEAGE = (
    "UPDATE strategies SET definition = ?, definition_crc = ?, generation = ?, parent = ?, updated_at = ?,"
    " revision = ? WHERE name = ?"
)
# New work has no evidence yet, whatever rank the old definition had earned.
_REDEFINE = (
    "UPDATE strategies SET kind = ?, symbol = ?, timeframe = ?, params = ?, definition = ?,"
    " definition_crc = ?, work = ?, defined_at = ?, generation = ?, parent = ?, rank = 'incubator',"
    " verdict = NULL, stage = NULL, gates = '[]', reasons = '[]', numbers = '{}', verdict_at = NULL,"
    f" nondeterministic = 0, {_CLEARED}, updated_at = ?, revision = ? WHERE name = ?"
)
_RETIRE = (
    "UPDATE strategies SET rank = 'retired', retired_at = ?2, updated_at = ?2, revision = ?3"
    " WHERE name = ?1 AND rank <> 'retired' RETURNING name"
)
_VERDICT_OF = (
    "SELECT rank, verdict, stage, gates, reasons, numbers, nondeterministic FROM strategies WHERE name = ?"
)
_VERDICT = (
    "UPDATE strategies SET rank = ?, verdict = ?, stage = ?, gates = ?, reasons = ?, numbers = ?,"
    " verdict_at = ?, updated_at = ?, revision = ?, retired_at = ? WHERE name = ?"
)


def import_strategies(session: Session, fact: ImportStrategies) -> dict[str, Any]:
    """Insert or update definitions. A name twice in one import keeps the first and refuses the others."""
    outcome: dict[str, Any] = {"imported": [], "updated": [], "unchanged": [], "refused": []}
    seen = set()
    for given in fact.strategies:
        if given.name in seen:
            outcome["refused"].append([given.name, "request.duplicate_name"])
            continue
        seen.add(given.name)
        outcome_of, code = _import_one(session, given, fact.at_us)
        outcome[outcome_of].append([given.name, code] if code else given.name)
    return outcome


def _import_one(session: Session, given: Strategy, at_us: int) -> tuple[str, str | None]:
    if not given.name:
        return "refused", "request.bad_strategy"
    strategy, definition = normal(given)
    standing = session.execute(_STANDING, (strategy.name,)).get
    crc = zlib.crc32(definition.encode())
    work = work_of(strategy)
    what = (
        strategy.kind,
        strategy.symbol,
        strategy.timeframe,
        to_json(strategy.params),
        definition,
        crc,
        work,
    )
    lineage = (strategy.generation, strategy.parent)
    if standing is None:
        session.execute(
            _INSERT, (strategy.name, *what, at_us, *lineage, at_us, at_us, session.next_revision())
        )
        return "imported", None
    stored, present, rank = standing
    if rank == "retired":
        return "refused", "request.retired"
    if stored == definition:
        return "unchanged", None
    if work == present:
        session.execute(_LINEAGE, (definition, crc, *lineage, at_us, session.next_revision(), strategy.name))
    else:
        session.execute(_REDEFINE, (*what, at_us, *lineage, at_us, session.next_revision(), strategy.name))
    return "updated", None


def retire_strategies(session: Session, fact: RetireStrategies) -> list[str]:
    """rank → retired; what is open for them is cancelled."""
    changed = []
    for name in dict.fromkeys(fact.names):
        if session.execute(_RETIRE, (name, fact.at_us, session.next_revision())).get is None:
            continue
        open_ids = [row[0] for row in session.execute(OPEN_OF_NAME, (name,)).fetchall()]
        cancel(session, open_ids, "strategy retired", fact.at_us)
        changed.append(name)
    return changed


def record_verdict(session: Session, fact: RecordVerdict) -> bool:
    """A verdict with its gates and the rank that follows. Raises RequestError request.unknown_strategy.

    Two answers to one question outrank every gate: such a strategy stays INVALID until it is redefined.
    """
    standing = session.execute(_VERDICT_OF, (fact.name,)).get
    if standing is None:
        raise RequestError("request.unknown_strategy", f"no strategy '{fact.name}' is stored")
    rank, nondeterministic = standing[0], standing[6]
    if rank == "retired":
        return False
    verdict, reasons = fact.verdict, list(fact.reasons)
    if nondeterministic:
        verdict = "INVALID"
        if "engine.nondeterministic" not in reasons:
            reasons.append("engine.nondeterministic")
    told = (
        fact.rank,
        verdict,
        fact.stage,
        to_json(fact.gates),
        to_json(reasons),
        to_json(fact.numbers),
    )
    if told == standing[:6]:
        return False
    retired_at = fact.at_us if fact.rank == "retired" else None
    session.execute(_VERDICT, (*told, fact.at_us, fact.at_us, session.next_revision(), retired_at, fact.name))
    return True
