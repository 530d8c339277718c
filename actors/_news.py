"""What others hear of a request: the words of the queue, made in one place."""

from __future__ import annotations

from typing import Any

from actors._effects import Answer, Effects, Event, Tell
from actors._events import oos_event
from actors._records import Record
from foldward.contracts.messages import Ack, Hold, ResultArrived, Settled

AUDIENCE = ("dispatcher", "rank_evaluator", "wfv_scheduler", "reporter")


def record_event(
    record: Record,
    event: str,
    status: str,
    message: ResultArrived | None,
    severity: str = "info",
    **data: Any,
) -> Event:
    """A step of an open request, for telemetry; of the attempt that an answer belongs to, if there is one."""
    return oos_event(
        event,
        request_id=record.request_id,
        name=record.name,
        kind=record.kind,
        origin=record.origin,
        status=status,
        attempt=record.sends if message is None else message.result.attempt,
        run_id=record.run_id,
        trace_id=record.trace_id,
        severity=severity,
        **data,
    )


def broadcast(settled: Settled) -> Effects:
    """Everyone who waits for a request's fate hears it."""
    return [Tell(name, settled) for name in AUDIENCE]


def settled_retry(
    request_id: str, record: Record | None, due_us: int, code: str | None, charged: bool
) -> Settled:
    """It waits for its next attempt."""
    return Settled(
        request_id=request_id,
        name="" if record is None else record.name,
        kind="unknown" if record is None else record.kind,
        state="retry",
        due_us=due_us,
        origin="operator" if record is None else record.origin,
        group_id=None if record is None else record.group_id,
        code=code,
        charged=charged,
    )


def gone(request_id: str) -> Tell:
    """The Dispatcher need not wait for it: the row is not open any more."""
    return Tell("dispatcher", Settled(request_id=request_id, name="", kind="unknown", state="gone"))


def hold(
    message: ResultArrived, reason: str, code: str, error: str, record: Record | None, trace_id: str = "-"
) -> Hold:
    """Bytes that are kept, and why. trace_id: of a request that has ended."""
    result = message.result
    return Hold(
        reason=reason,
        code=code,
        error=error,
        payload=message.raw,
        peer=message.peer,
        request_id=result.request_id or None,
        trace_id=record.trace_id if record is not None else trace_id if trace_id != "-" else result.trace_id,
    )


def replayed(
    message: ResultArrived, ok: bool, outcome: str, code: str | None = None, error: str | None = None
) -> Answer:
    """The answer to a replay."""
    value: dict[str, Any] = {"outcome": outcome}
    if code is not None:
        value["code"] = code
    if error is not None:
        value["error"] = error
    return Answer(message.reply_to, Ack(tag=message.tag, ok=ok, value=value))
