"""The numbers of a strategy: what an answer says, and what of it the strategy's row takes.

An upsert never overwrites a value with an absent one; a violation gives a verdict and no number at all.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from foldward.contracts.facts import AdmitRequest
from foldward.contracts.jobs import Result
from storage.writes._bulk import Bulk
from storage.writes._session import Session, refuse

NUMBERS = ("sharpe", "sortino", "profit_factor", "win_rate", "max_drawdown", "expectancy", "pnl", "trades")
_FIELDS = tuple(name for name in NUMBERS if name != "expectancy")  # the others stand in the result itself too
SIDE = {"backtest": "is", "oos": "oos"}

_STANDING = {
    side: f"SELECT {side}_reasons, {', '.join(f'{side}_{number}' for number in NUMBERS)} FROM strategies"
    " WHERE name = ?"
    for side in ("is", "oos")
}
_COLUMNS = ("request_id", "requested_us", "verdict", "result_digest", "reasons", *NUMBERS)
UPDATE = {
    side: Bulk(
        16,
        "UPDATE strategies SET"
        f" {', '.join(f'{side}_{name} = v.column{place}' for place, name in enumerate(_COLUMNS, 1))},"
        " updated_at = v.column14, revision = v.column15 FROM ({rows}) AS v WHERE name = v.column16",
    )
    for side in ("is", "oos")
}
_PRESENT = {
    side: f"SELECT work, defined_at, rank, {side}_requested_us, {side}_request_id FROM strategies"
    " WHERE name = ?"
    for side in ("is", "oos")
}
_STORED = (
    "SELECT verdict, result_digest, trades, pnl, sharpe, sortino, max_drawdown, win_rate, profit_factor,"
    " detail FROM results WHERE request_id = ?"
)
_encode = msgspec.json.Encoder().encode
_NO_REASONS = "{}"


class Detail(msgspec.Struct, omit_defaults=True):
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


def numbers_of(result: Result) -> dict[str, Any]:
    """The numbers that columns hold, each finite or None; the win rate as a ratio.

    Raises StorageError storage.write for a number that is not finite: SQLite would store NaN as NULL.
    """
    given = result.metrics.get
    numbers: dict[str, Any] = {"expectancy": given("expectancy")}
    for name in _FIELDS:
        value = given(name)
        numbers[name] = getattr(result, name) if value is None else value
    if given("win_rate") is None and result.win_rate is not None:
        numbers["win_rate"] = result.win_rate / 100
    for name, value in numbers.items():
        if type(value) is float:
            if not math.isfinite(value):
                raise refuse(f"{name} is {value}", request_id=result.request_id)
        elif value is not None and name != "trades":
            numbers[name] = float(value)
    if type(numbers["trades"]) is float:
        numbers["trades"] = int(numbers["trades"])
    return numbers


def strategy_row(
    session: Session,
    side: str,
    name: str,
    source: tuple[str, int, str, str | None],
    numbers: dict[str, Any],
    reasons: dict[str, str],
    at_us: int,
) -> tuple[Any, ...]:
    """The row of UPDATE[side] that gives a strategy its numbers. Reads what stands only if it may stay.

    source: request id, when it was requested, verdict, result digest.
    """
    told, values = _told(session, side, name, source[2], numbers, reasons)
    return (*source, told, *values, at_us, session.next_revision(), name)


def _told(
    session: Session, side: str, name: str, verdict: str, numbers: dict[str, Any], reasons: dict[str, str]
) -> tuple[str, list[Any]]:
    if verdict == "INVALID":
        # A violation gives a verdict, never a number; what stood was for an earlier answer.
        return _encode(dict.fromkeys(NUMBERS, "invalid")).decode(), [None] * len(NUMBERS)
    values = [numbers[number] for number in NUMBERS]
    if None not in values:
        return _NO_REASONS, values
    known: dict[str, str] = {}
    standing: dict[str, Any] | None = None
    for place, number in enumerate(NUMBERS):
        if values[place] is not None:
            continue
        if number in reasons:
            known[number] = reasons[number]
            continue
        if standing is None:
            old_reasons, *old = session.execute(_STANDING[side], (name,)).get
            standing = dict(zip(NUMBERS, old, strict=True))
            stood = msgspec.json.decode(old_reasons)
        # Absent is not a value: what was known stays.
        values[place] = standing[number]
        if values[place] is None and number in stood:
            known[number] = stood[number]
    return _encode(known).decode(), values


def restore_numbers(session: Session, request_id: str, fact: AdmitRequest) -> None:
    """A cached answer is the strategy's newest again: give its numbers back if others stand there.

    Without this, a definition that is changed and changed back would stay without numbers for ever: its
    digest is answered, so it is never sent again.
    """
    side = SIDE.get(fact.kind)
    if side is None:
        return
    row = session.execute(_PRESENT[side], (fact.name,)).get
    if row is None:
        return
    present, defined_at, rank, newest_us, standing = row
    if rank == "retired" or standing == request_id:
        return
    if newest_us is not None and fact.requested_us < newest_us:
        return
    work = session.spellings.work_of_payload(fact.payload)
    if work != present if work else defined_at > fact.requested_us:
        return
    stored = session.execute(_STORED, (request_id,)).get
    verdict, digest, trades, pnl, sharpe, sortino, drawdown, win_rate, profit_factor, detail = stored
    known = msgspec.json.decode(detail, type=Detail)
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
    source = (request_id, fact.requested_us, verdict, digest)
    row = strategy_row(session, side, fact.name, source, numbers, known.reasons, fact.requested_us)
    session.many(UPDATE[side], [row])
