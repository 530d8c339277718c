"""Requests that are due and cannot leave, because nobody is there to take them: said once for each."""

from __future__ import annotations

from actors._buffer import Buffer
from actors._effects import Effects, WriteFact
from actors._events import oos_event
from foldward.contracts import clock
from foldward.contracts.facts import CountUp, NoteEvent
from foldward.contracts.messages import Work


class Deferrals:
    """Who has been told."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def forget(self, request_id: str) -> None:
        """It has left, or is settled."""
        self._told.discard(request_id)

    def tell(self, buffer: Buffer, reason: str, now_us: int, limit: int) -> Effects:
        """For up to `limit` requests of the buffer that have not been told."""
        buffer.mature(now_us)
        effects: Effects = []
        for work in buffer.due(limit, without=self._told):
            self._told.add(work.request_id)
            effects += _deferred(work, reason, now_us)
        if effects:
            effects.append(WriteFact(CountUp(counts={"deferred": len(effects) // 2}), reply=False))
        return effects


def _deferred(work: Work, reason: str, now_us: int) -> Effects:
    age = max(0.0, (now_us - work.requested_us) / clock.US)
    event = oos_event(
        "oos.deferred",
        request_id=work.request_id,
        name=work.name,
        kind=work.kind,
        origin=work.origin,
        status="retry" if work.sends else "pending",
        attempt=work.sends,
        trace_id=work.trace_id,
        reason=reason,
        age_sec=age,
    )
    note = NoteEvent(
        request_id=work.request_id,
        event="oos.deferred",
        at_us=now_us,
        data={"reason": reason, "age_sec": age},
    )
    return [event, WriteFact(note, reply=False)]
