"""The tree as plain data, read from plain attributes: it asks nobody, so it answers while all else hangs."""

from __future__ import annotations

from typing import Any

from foldward.contracts import clock
from supervision import plan
from supervision._clock import now, real
from supervision._exit import Exit, type_name
from supervision._life import Life
from supervision._row import Row
from supervision._supervisor import SupervisorActor
from supervision._tree import Record
from supervision.spec import Child

VERSION = 1


def node(
    spec: Child, life: Life | None, record: Record, state: str, row: Row | None, budget: Any
) -> dict[str, Any]:
    """One child; keys as documented in docs/reference/supervision.md. Supervisors have `children` besides."""
    actor = getattr(life, "actor", None)
    view = _leaf(spec, life, record, state, row, budget, now(), real())
    if isinstance(actor, SupervisorActor):
        own = budget_of(actor)
        view["strategy"] = actor.nest.strategy.value
        view["window"] = [round(t, 6) for t in actor.window]
        view["budget"] = own
        view["children"] = children_of(actor, own)
    elif spec.nest is not None:
        view["strategy"] = spec.nest.strategy.value
        view["budget"] = {"max": spec.nest.intensity, "period_s": spec.nest.period, "used": 0}
        view["children"] = []
    return view


def budget_of(actor: SupervisorActor) -> dict[str, Any]:
    """{"max", "period_s", "used"} of a supervisor at this moment."""
    nest = actor.nest
    count = plan.used(list(actor.window), now(), nest.period)
    return {"max": nest.intensity, "period_s": nest.period, "used": count}


def children_of(actor: SupervisorActor, budget: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a supervisor's children, in start order."""
    moment, clock_now = now(), real()
    nodes = []
    for row in list(actor.rows.values()):
        spec, life = row.spec, row.life
        if spec.nest is not None:
            nodes.append(node(spec, life, row.record, row.state, row, budget))
        else:
            nodes.append(_leaf(spec, life, row.record, row.state, row, budget, moment, clock_now))
    return nodes


def _leaf(
    spec: Child,
    life: Life | None,
    record: Record,
    state: str,
    row: Row | None,
    budget: Any,
    moment: float,
    clock_now: float,
) -> dict[str, Any]:
    error, last = record.last_error, record.last_exit
    until = row.backoff_until if row is not None else None
    view = {
        "id": spec.id,
        "kind": spec.kind,
        "state": state,
        "restarts": record.restarts,
        "budget": budget,
        "uptime_s": 0.0,
        "mailbox": 0,
        "inbox_peak": 0,
        "handled": 0,
        "busy_s": 0.0,
        "current": None,
        "incarnation": 0,
        "thread": None,
        "pid": None,
        "last_error": None if error is None else _error(error),
        "last_exit": None if last is None else _exit(last),
        "backoff_until": until,
        "window": None,
        "strategy": None,
        "restart": spec.restart.value,
    }
    if life is not None:
        box, busy, thread = life.mailbox, life.busy_since, life.thread
        view["incarnation"] = life.incarnation
        view["uptime_s"] = max(0.0, moment - life.started_at)
        view["handled"] = life.handled
        view["pid"] = life.pid
        if thread is not None:
            view["thread"] = thread.ident
        if box is not None:
            view["mailbox"] = box.qsize()
            view["inbox_peak"] = box.peak
        if busy:
            view["busy_s"] = max(0.0, clock_now - busy)
            view["current"] = type_name(life.current)
            if busy == life.hung_since:
                view["state"] = "hung"
    return view


def _error(error: dict[str, Any]) -> dict[str, Any]:
    return {"code": error["code"], "message": error["message"], "at": clock.iso_s(error["at_us"] / clock.US)}


def _exit(last: Exit) -> dict[str, Any]:
    return {"kind": last.ending.value, "reason": last.reason, "at": clock.iso_s(last.at_us / clock.US)}
