"""What becomes of an order: its names become rows, or the caller hears why not (spec 1.2)."""

from __future__ import annotations

from actors._admission import Refusal, check_submit, unknown_strategy
from actors._door import Door
from actors._effects import Alarm, Effects, Event, Tell, WriteFact
from actors._events import oos_event
from actors._orders import Orders, answered
from actors._records import Records, of_fact
from actors._sides import Sides
from foldward.contracts import clock
from foldward.contracts.facts import AdmitRequest, CountUp
from foldward.contracts.messages import Admitted, Message, Readmit, Submit, SubmitOutcome, Work, Written
from storage.reads import Reader

_DRAINING = Refusal("queue.draining", "the core drains: it admits nothing more")
GLANCE = 250  # names admitted in one go: a large order must not keep answers waiting
GUESSES = 10  # unknown names of one go that get a "did you mean": comparing with every name takes time


class SomeOf(Message, frozen=True, kw_only=True):
    """To oneself: go on with an order at this name."""

    order: Submit
    key: int
    start: int


class Intake:
    """See the module. me: the name of the actor that this belongs to, for what it tells itself."""

    def __init__(self, reader: Reader, door: Door, records: Records, sides: Sides, me: str) -> None:
        self._reader = reader
        self._door = door
        self._records = records
        self._sides = sides
        self._me = me
        self._orders = Orders()
        self.draining = False

    def submit(self, order: Submit) -> Effects:
        """An order: its names become rows, some at a time."""
        key = self._orders.open(order.kind, order.names, order.reply_to, order.tag, clock.now())
        if not order.names:
            return answered(self._orders.done(key))
        wrong = _DRAINING if self.draining else check_submit(order)
        if wrong is not None:
            effects: Effects = []
            for index, name in enumerate(order.names):
                effects += self._settle_order(key, index, wrong.outcome(name))
            return effects
        return self.some(SomeOf(order=order, key=key, start=0))

    def some(self, part: SomeOf) -> Effects:
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
                    self._sides.remember(name, row.is_sharpe, None)
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
            effects.append(Tell(self._me, SomeOf(order=order, key=key, start=start + GLANCE)))
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

    def readmit(self, message: Readmit) -> Effects:
        """A request of an old one's content, admitted anew."""
        job = message.job
        name = job.strategy.name
        key = self._orders.open(job.phase, (name,), message.reply_to, message.tag, clock.now())
        if self.draining:
            step: AdmitRequest | Refusal = _DRAINING
        else:
            order = Submit(names=(name,), kind=job.phase, origin=message.origin, parent_id=message.parent_id)
            step = self._door.readmit(job, order, clock.utc_us())
        if isinstance(step, AdmitRequest):
            return [WriteFact(step, ("admit", key, 0))]
        return [*self._data_refused(name, step), *self._settle_order(key, 0, step.outcome(name))]

    def admitted(self, written: Written) -> Effects:
        """The store's word about an admission: the caller hears "queued" only now."""
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
        self._records.add(of_fact(fact, clock.now()))
        effects.append(
            Tell(
                "dispatcher",
                Admitted(
                    work=Work(
                        fact.request_id,
                        fact.name,
                        fact.kind,
                        fact.payload,
                        fact.due_us,
                        fact.priority,
                        fact.trace_id,
                        origin=fact.origin,
                        requested_us=fact.requested_us,
                    )
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
        return answered(self._orders.put(key, index, outcome))

    def overdue(self) -> Effects:
        """Orders that the store never answered."""
        return [effect for late in self._orders.overdue(clock.now()) for effect in answered(late)]
