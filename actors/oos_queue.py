"""OOSQueue: owner of the requests' state machine, from admission to the applied answer (spec 1.2, 1.4).

Crash-only: all it keeps in memory is a cache of rows and the submits that wait for their commit. A new
incarnation starts with nothing and reads what it needs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actors._admission import EngineOf, Refusal, check_submit, unknown_strategy
from actors._attempts import Rewrite
from actors._base import ProductActor
from actors._candles import CandlesGate
from actors._door import Door
from actors._effects import Alarm, Answer, Effects, Event, Tell, WriteFact
from actors._events import oos_event
from actors._ledger import Ledger, Reapply
from actors._news import broadcast
from actors._orders import Orders
from actors._records import of_fact, window_of
from foldward.contracts import clock
from foldward.contracts.facts import (
    AdmitRequest,
    ApplyResult,
    CancelRequests,
    CountUp,
    Fact,
    FailAttempt,
    GiveUp,
    RequeueRequest,
    ReturnLease,
)
from foldward.contracts.jobs import Window
from foldward.contracts.messages import (
    Admitted,
    AttemptFailed,
    Cancel,
    Cancelled,
    Drain,
    Message,
    Readmit,
    ResultArrived,
    Resume,
    Retried,
    RetryNow,
    Settled,
    Submit,
    SubmitOutcome,
    Tick,
    WorkReturned,
    Written,
)
from foldward.settings import QueueTable, RetryTable
from storage.reads import Reader
from storage.rows import OPEN, RequestRow

TICK_S = 5.0
SIDES = 20_000  # in-sample Sharpes remembered for the mirror guard
GLANCE = 250  # names admitted in one go: a large order must not keep answers waiting
GUESSES = 10  # unknown names of one go that get a "did you mean": comparing with every name takes time


class SomeOf(Message, frozen=True, kw_only=True):
    """To oneself: go on with an order at this name."""

    order: Submit
    key: int
    start: int


class OOSQueue(ProductActor):
    """Admits, judges answers, decides what follows a failure.

    database: path of the SQLite file. queue, retry: settings tables. candles: the data gate. engine: the
    engine's version, part of every request's identity. rng: jitter of the backoff. run_id: of this core.
    """

    service = "oos_queue"

    def __init__(
        self,
        *,
        database: Path | str,
        queue: QueueTable,
        retry: RetryTable,
        candles: CandlesGate,
        engine: EngineOf,
        run_id: str = "-",
        rng: random.Random | None = None,
    ) -> None:
        super().__init__()
        self._database = Path(database)
        self._queue = queue
        self._candles = candles
        self._engine = engine
        self._run_id = run_id
        self._draining = False
        self._orders = Orders()
        self._sides: dict[str, tuple[float | None, Window | None]] = {}
        self._ledger = Ledger(queue, retry, rng or random.Random(), self._read, self._in_sample)
        self._requeues: dict[int, tuple[RetryNow, dict[str, bool]]] = {}
        self._requeue_key = 0
        self._handlers: dict[type, Callable[[Any], Effects]] = {
            Submit: self._submit,
            SomeOf: self._some,
            Readmit: self._readmit,
            ResultArrived: self._arrived,
            Reapply: self._reapply,
            Rewrite: self._rewrite,
            AttemptFailed: self._attempt_failed,
            WorkReturned: self._work_returned,
            Written: self._written,
            Cancel: self._cancel,
            RetryNow: self._retry_now,
            Drain: self._drain_on,
            Resume: self._drain_off,
            Tick: self._tick,
        }
        self._after_commit: dict[type[Fact], Callable[[Written], Effects]] = {
            AdmitRequest: self._admitted,
            ApplyResult: self._applied,
            FailAttempt: self._failed,
            GiveUp: self._ended,
            ReturnLease: self._was_returned,
            CancelRequests: self._cancelled,
            RequeueRequest: self._requeued,
        }

    # --- life ------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Open the rows for reading; nothing else is needed to go on."""
        self._reader = Reader(self._database)
        self._door = Door(self._reader, self._candles, self._queue, self._engine, self._run_id)

    def on_start(self) -> None:
        """Look after submits that the store never answered."""
        self.every(TICK_S, Tick())

    def on_stop(self) -> None:
        """Close the rows."""
        self._reader.close()

    def drain(self, batch: Sequence[Any]) -> None:
        """Take everything that waits."""
        for message in batch:
            handler = self._handlers.get(type(message))
            if handler is not None:
                self.carry_out(handler(message))

    def on_receive(self, message: Any) -> None:
        """One message alone."""
        self.drain((message,))

    def _read(self, request_id: str) -> RequestRow | None:
        return self._reader.request(request_id)

    # --- admission -------------------------------------------------------------------------------------

    def _submit(self, order: Submit) -> Effects:
        key = self._orders.open(order.kind, order.names, order.reply_to, order.tag, clock.now())
        if not order.names:
            return _answered(self._orders.done(key))
        wrong = Refusal("queue.draining", "the core is leaving") if self._draining else check_submit(order)
        if wrong is not None:
            effects: Effects = []
            for index, name in enumerate(order.names):
                effects += self._settle_order(key, index, wrong.outcome(name))
            return effects
        return self._some(SomeOf(order=order, key=key, start=0))

    def _some(self, part: SomeOf) -> Effects:
        """The next names of an order: answers of workers and other orders come in between."""
        order, key, start, now_us = part.order, part.key, part.start, clock.utc_us()
        names = order.names[start : start + GLANCE]
        rows = self._reader.definitions(names)
        effects: Effects = []
        strangers = 0
        for index, name in enumerate(names, start):
            row = rows.get(name)
            if row is not None:
                step = self._door.admit(order, name, row, now_us)
                if order.kind == "oos":
                    self._remember_side(name, row.is_sharpe, None)
            else:
                strangers += 1
                step = unknown_strategy(name, self._reader.strategy_names() if strangers <= GUESSES else ())
            if isinstance(step, AdmitRequest):
                effects.append(WriteFact(step, ("admit", key, index)))
            elif isinstance(step, SubmitOutcome):
                effects += self._throttled(order, step, now_us)
                effects += self._settle_order(key, index, step)
            else:
                effects += self._data_refused(name, step)
                effects += self._settle_order(key, index, step.outcome(name))
        if start + GLANCE < len(order.names):
            effects.append(Tell(self.id, SomeOf(order=order, key=key, start=start + GLANCE)))
        return effects

    def _throttled(self, order: Submit, outcome: SubmitOutcome, now_us: int) -> Effects:
        last_us = self._reader.last_sent_us(outcome.name, order.kind) or now_us
        return [
            WriteFact(CountUp(counts={"throttled": 1}), reply=False),
            oos_event(
                "oos.throttled",
                request_id="-",
                name=outcome.name,
                kind=order.kind,
                origin=order.origin,
                status="throttled",
                attempt=0,
                run_id=order.run_id,
                trace_id=order.trace_id or "-",
                reason="throttle_window",
                age_sec=(now_us - last_us) / clock.US,
            ),
        ]

    def _data_refused(self, name: str, refusal: Refusal) -> Effects:
        verdict = refusal.gate
        if verdict is None:
            return []
        where = verdict.path or name
        findings = [finding.get("code", refusal.code) for finding in verdict.findings] or [refusal.code]
        return [
            WriteFact(CountUp(counts={"data_invalid": 1}), reply=False),
            Event(
                "data.refused",
                {"file": where, "codes": sorted(set(findings)), "findings": len(findings)},
                "warning",
            ),
            Alarm(
                f"data:{where}:{refusal.code}",
                f"Invalid data file ({refusal.code})",
                f"{where}: {refusal.message}",
            ),
        ]

    def _readmit(self, message: Readmit) -> Effects:
        job = message.job
        name = job.strategy.name
        key = self._orders.open(job.phase, (name,), message.reply_to, message.tag, clock.now())
        if self._draining:
            step: AdmitRequest | Refusal = Refusal("queue.draining", "the core is leaving")
        else:
            order = Submit(names=(name,), kind=job.phase, origin=message.origin, parent_id=message.parent_id)
            step = self._door.readmit(job, order, clock.utc_us())
        if isinstance(step, AdmitRequest):
            return [WriteFact(step, ("admit", key, 0))]
        return [*self._data_refused(name, step), *self._settle_order(key, 0, step.outcome(name))]

    def _admitted(self, written: Written) -> Effects:
        fact: AdmitRequest = written.fact  # type: ignore[assignment]
        _, key, index = written.tag
        if not written.ok:
            effects: Effects = [WriteFact(CountUp(counts={"db_error": 1}), reply=False)]
            refusal = Refusal(written.code or "storage.write", written.error or "the store refused")
            return effects + self._settle_order(key, index, refusal.outcome(fact.name))
        value = written.value
        status = value["status"]
        if status == "refused":
            code = value.get("code") or "queue.full"
            refusal = Refusal(code, f"the queue holds {fact.max_open} open requests")
            return self._settle_order(key, index, refusal.outcome(fact.name))
        outcome = SubmitOutcome(name=fact.name, status=status, request_id=value["request_id"])
        effects = self._settle_order(key, index, outcome)
        if status != "queued":
            return effects
        self._ledger.records.add(of_fact(fact, clock.now()))
        effects.append(
            Tell(
                "dispatcher",
                Admitted(
                    request_id=fact.request_id,
                    name=fact.name,
                    kind=fact.kind,
                    payload=fact.payload,
                    due_us=fact.due_us,
                    priority=fact.priority,
                    trace_id=fact.trace_id,
                    origin=fact.origin,
                    requested_us=fact.requested_us,
                ),
            )
        )
        effects.append(
            oos_event(
                "oos.requested",
                request_id=fact.request_id,
                name=fact.name,
                kind=fact.kind,
                origin=fact.origin,
                status="pending",
                attempt=0,
                run_id=fact.run_id,
                trace_id=fact.trace_id,
                start_ts=fact.window_start,
                end_ts=fact.window_end,
                digest=fact.digest,
            )
        )
        return effects

    def _settle_order(self, key: int, index: int, outcome: SubmitOutcome) -> Effects:
        return _answered(self._orders.put(key, index, outcome))

    # --- answers and failures --------------------------------------------------------------------------

    def _arrived(self, message: ResultArrived) -> Effects:
        return self._ledger.arrived(message, clock.now(), clock.utc_us())

    def _reapply(self, message: Reapply) -> Effects:
        return self._ledger.arrived(message.arrived, clock.now(), clock.utc_us(), message.tries)

    def _rewrite(self, message: Rewrite) -> Effects:
        return [WriteFact(message.fact, message.tag)]

    def _attempt_failed(self, message: AttemptFailed) -> Effects:
        return self._ledger.attempt_failed(message, clock.now(), clock.utc_us())

    def _work_returned(self, message: WorkReturned) -> Effects:
        return self._ledger.returned(message, clock.now(), clock.utc_us())

    def _written(self, written: Written) -> Effects:
        step = self._after_commit.get(type(written.fact))
        return [] if step is None else step(written)

    def _applied(self, written: Written) -> Effects:
        effects = self._ledger.applied(written)
        if written.ok and written.value["outcome"] == "applied" and written.value.get("kind") == "backtest":
            result = written.fact.result  # type: ignore[attr-defined]
            self._remember_side(written.value["name"], result.sharpe, result.window)
        return effects

    def _failed(self, written: Written) -> Effects:
        return self._ledger.failed(written) if written.ok else self._ledger.rewrite(written)

    def _ended(self, written: Written) -> Effects:
        return self._ledger.ended(written) if written.ok else self._ledger.rewrite(written)

    def _was_returned(self, written: Written) -> Effects:
        if not written.ok:
            return self._ledger.rewrite(written)
        return self._ledger.was_returned(written, clock.now(), clock.utc_us())

    def _in_sample(self, name: str, fresh: bool) -> tuple[float | None, Window | None]:
        side = None if fresh else self._sides.get(name)
        if side is None:
            row = self._reader.latest(name, "backtest")
            if row is None:
                side = (None, None)
            else:
                side = (row.sharpe, window_of(row.window_start, row.window_end, row.window_bars))
            self._remember_side(name, *side)
        return side

    def _remember_side(self, name: str, sharpe: float | None, window: Window | None) -> None:
        self._sides.pop(name, None)
        self._sides[name] = (sharpe, window)
        if len(self._sides) > SIDES:
            del self._sides[next(iter(self._sides))]

    # --- the operator's verbs --------------------------------------------------------------------------

    def _cancel(self, message: Cancel) -> Effects:
        fact = CancelRequests(
            at_us=clock.utc_us(), why=message.why, request_ids=message.request_ids, names=message.names
        )
        return [WriteFact(fact, ("cancel", message.reply_to, message.tag))]

    def _cancelled(self, written: Written) -> Effects:
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

    def _retry_now(self, message: RetryNow) -> Effects:
        if not message.request_ids:
            return [Answer(message.reply_to, Retried(tag=message.tag, outcomes={}))]
        self._requeue_key += 1
        self._requeues[self._requeue_key] = (message, {})
        now_us = clock.utc_us()
        return [
            WriteFact(
                RequeueRequest(request_id=request_id, due_us=now_us, at_us=now_us),
                ("retry", self._requeue_key),
            )
            for request_id in message.request_ids
        ]

    def _requeued(self, written: Written) -> Effects:
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
        order = self._requeues.get(written.tag[1])
        if order is not None:
            message, outcomes = order
            outcomes[fact.request_id] = changed
            if len(outcomes) == len(set(message.request_ids)):
                del self._requeues[written.tag[1]]
                effects.append(Answer(message.reply_to, Retried(tag=message.tag, outcomes=outcomes)))
        return effects

    def _drain_on(self, _message: Drain) -> Effects:
        self._draining = True
        return []

    def _drain_off(self, _message: Resume) -> Effects:
        self._draining = False
        return []

    def _tick(self, _message: Tick) -> Effects:
        return [effect for late in self._orders.overdue(clock.now()) for effect in _answered(late)]


def _answered(done: tuple[Any, Any] | None) -> Effects:
    return [] if done is None else [Answer(*done)]
