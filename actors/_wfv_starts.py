"""Runs that are about to begin: asked of the queue, not yet in `wfv_runs`; and who waits to hear of them."""

from __future__ import annotations

from typing import Any

import msgspec

from actors._effects import Answer, Effects, Tell
from actors._schedule import Pending
from foldward.contracts import ids
from foldward.contracts.messages import Submit, SubmitOutcome, Submitted

QUEUE = "oos_queue"
KINDS = ("wfv", "cpcv")
PLANS: dict[str, dict[str, Any]] = {"wfv": {"mode": "classic"}, "cpcv": {"groups": 10, "test_groups": 2}}
ANSWER_S = 60.0  # a queue that was replaced never answers


class _Order(msgspec.Struct):
    """A manual start that waits for the queue's answers."""

    kind: str
    names: tuple[str, ...]
    reply_to: Any
    tag: Any
    until: float
    items: dict[str, SubmitOutcome] = {}


class Start(msgspec.Struct):
    """A run between its Submit and its row."""

    wfv_id: str
    name: str
    kind: str
    plan: dict[str, Any]
    until: float
    scheduled: bool
    order: int | None = None


class Starts:
    """See the module. Times are wall clock, Unix seconds; address: where the queue answers."""

    def __init__(self, *, seed: int, run_id: str, address: Any) -> None:
        self._seed = seed
        self._run_id = run_id
        self._address = address
        self._starts: dict[str, Start] = {}
        self._orders: dict[int, _Order] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._starts)

    def pending(self) -> list[Pending]:
        """As what they will be."""
        return [
            Pending(start.wfv_id, start.name, start.until - ANSWER_S, kind=start.kind)
            for start in self._starts.values()
        ]

    def order(self, message: Submit, now: float) -> Effects:
        """By hand: every name that is given."""
        self._serial += 1
        order = _Order(message.kind, message.names, message.reply_to, message.tag, now + ANSWER_S)
        self._orders[self._serial] = order
        effects: Effects = []
        for name in dict.fromkeys(message.names):
            if message.kind not in KINDS:
                wrong = SubmitOutcome(
                    name=name,
                    status="refused",
                    code="request.bad_plan",
                    message=f"kind {message.kind!r} is not wfv or cpcv",
                )
                order.items[name] = wrong
                continue
            plan = (message.plans or {}).get(name) or message.plan or dict(PLANS[message.kind])
            effects += self.start(
                name, message.kind, plan, now, scheduled=False, order=self._serial, of=message
            )
        return effects + self._answered(self._serial)

    def start(
        self,
        name: str,
        kind: str,
        plan: dict[str, Any],
        now: float,
        *,
        scheduled: bool,
        order: int | None = None,
        of: Submit | None = None,
    ) -> Effects:
        """Ask the queue for one run; `of` is the order that it is for."""
        wfv_id = ids.new_id()
        self._starts[wfv_id] = Start(wfv_id, name, kind, plan, now + ANSWER_S, scheduled, order)
        submit = Submit(
            names=(name,),
            kind=kind,
            now=of.now if of else False,
            origin="wfv" if of is None else of.origin,
            run_id=self._run_id if of is None else of.run_id,
            trace_id=None if of is None else of.trace_id,
            seed=self._seed if of is None else of.seed,
            priority=0 if of is None else of.priority,
            plan=plan,
            group_id=wfv_id,
            reply_to=self._address,
            tag=wfv_id,
        )
        return [Tell(QUEUE, submit)]

    def take(self, message: Submitted) -> Start | None:
        """The start that the queue answers, which is over with it."""
        start = self._starts.pop(message.tag, None) if isinstance(message.tag, str) else None
        return start if message.items else None

    def answer(self, start: Start, item: SubmitOutcome) -> Effects:
        """Whoever ordered it hears what became of all that it named, once all are known."""
        if start.order is None or start.order not in self._orders:
            return []
        self._orders[start.order].items[start.name] = item
        return self._answered(start.order)

    def tidy(self, now: float) -> Effects:
        """Give up what the queue never answered."""
        effects: Effects = []
        for wfv_id, start in list(self._starts.items()):
            if start.until <= now:
                del self._starts[wfv_id]
        for serial, order in list(self._orders.items()):
            if order.until <= now:
                for name in order.names:
                    late = SubmitOutcome(
                        name=name,
                        status="refused",
                        code="request.timeout",
                        message="the queue did not answer",
                    )
                    order.items.setdefault(name, late)
                effects += self._answered(serial)
        return effects

    def _answered(self, serial: int) -> Effects:
        order = self._orders[serial]
        if not all(name in order.items for name in order.names):
            return []
        del self._orders[serial]
        items = tuple(order.items[name] for name in order.names)
        return [Answer(order.reply_to, Submitted(tag=order.tag, kind=order.kind, items=items))]
