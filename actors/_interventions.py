"""What an operator does to single requests: end them, or have them tried at once."""

from __future__ import annotations

from collections.abc import Callable

from actors._effects import Answer, Effects, WriteFact
from actors._ledger import Ledger
from actors._news import broadcast
from foldward.contracts import clock
from foldward.contracts.facts import CancelRequests, RequeueRequest
from foldward.contracts.messages import Cancel, Cancelled, Retried, RetryNow, Settled, Written
from storage.rows import OPEN, RequestRow


class Interventions:
    """See the module. `read` gives a request's row."""

    def __init__(self, ledger: Ledger, read: Callable[[str], RequestRow | None]) -> None:
        self._ledger = ledger
        self._read = read
        self._orders: dict[int, tuple[RetryNow, dict[str, bool]]] = {}
        self._key = 0

    def cancel(self, message: Cancel) -> Effects:
        """An operator ends requests."""
        fact = CancelRequests(
            at_us=clock.utc_us(), why=message.why, request_ids=message.request_ids, names=message.names
        )
        return [WriteFact(fact, ("cancel", message.reply_to, message.tag))]

    def cancelled(self, written: Written) -> Effects:
        """They are ended."""
        if not written.ok:
            return self._ledger.rewrite(written)
        _, reply_to, tag = written.tag
        effects: Effects = []
        for request_id in written.value:
            record = self._ledger.records.drop(request_id)
            row = None if record is not None else self._read(request_id)
            found = record or row
            settled = Settled(
                request_id=request_id,
                name="" if found is None else found.name,
                kind="unknown" if found is None else found.kind,
                state="cancelled",
                origin="operator" if found is None else found.origin,
                group_id=None if found is None else found.group_id,
                code="request.cancelled",
            )
            effects += broadcast(settled)
        return [*effects, Answer(reply_to, Cancelled(tag=tag, request_ids=tuple(written.value)))]

    def retry_now(self, message: RetryNow) -> Effects:
        """An operator wants requests tried at once."""
        if not message.request_ids:
            return [Answer(message.reply_to, Retried(tag=message.tag, outcomes={}))]
        self._key += 1
        self._orders[self._key] = (message, {})
        now_us = clock.utc_us()
        return [
            WriteFact(
                RequeueRequest(request_id=request_id, due_us=now_us, at_us=now_us, note=message.note),
                ("retry", self._key),
            )
            for request_id in message.request_ids
        ]

    def requeued(self, written: Written) -> Effects:
        """One of them waits again, or did not change."""
        fact: RequeueRequest = written.fact  # type: ignore[assignment]
        changed = bool(written.ok and written.value)
        effects: Effects = []
        self._ledger.records.drop(fact.request_id)
        row = self._read(fact.request_id) if changed else None
        if row is not None and row.status in OPEN:
            settled = Settled(
                request_id=row.request_id,
                name=row.name,
                kind=row.kind,
                state="pending",
                due_us=fact.due_us,
                origin=row.origin,
                group_id=row.group_id,
            )
            effects += broadcast(settled)
        order = self._orders.get(written.tag[1])
        if order is not None:
            message, outcomes = order
            outcomes[fact.request_id] = changed
            if len(outcomes) == len(set(message.request_ids)):
                del self._orders[written.tag[1]]
                effects.append(Answer(message.reply_to, Retried(tag=message.tag, outcomes=outcomes)))
        return effects
