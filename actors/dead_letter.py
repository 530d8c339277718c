"""DeadLetter: keeps what could not be processed, exactly as it came, and brings it back (spec 1.5).

It lives beside the DBWriter and outlives everyone's crash. What the store cannot take goes to the spill file;
only when the disk refuses too, it stays in memory and is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actors._base import ProductActor
from actors._effects import Alarm, Answer, Effects, Event, WriteFact
from actors._pacing import Interval
from actors._replay import Desk, Replay, age_limit_us
from actors._spill import NAME, Spill
from foldward.contracts import clock
from foldward.contracts.facts import Fact, GiveUp, HoldDeadLetter, SettleDeadLetter
from foldward.contracts.messages import (
    Ack,
    CancelReplay,
    DropDead,
    Hold,
    ReplayDead,
    ReplayDone,
    Retried,
    Submitted,
    Tick,
    Written,
)
from foldward.settings import StorageTable
from storage.reads import Reader
from storage.rows import DeadRow

TICK_S = 0.1
TRIES = 3
REWRITE_S = 2.0  # first wait after a refused hold, doubled each time
UNSPILL_S = 60.0
PATIENCE_S = 30.0


class _Held:
    """Bytes that the store has not confirmed yet."""

    __slots__ = ("due", "fact", "tries")

    def __init__(self, fact: HoldDeadLetter, due: float) -> None:
        self.fact = fact
        self.tries = 0
        self.due = due


class _Dropping:
    __slots__ = ("items", "left", "order")

    def __init__(self, order: DropDead) -> None:
        self.order = order
        self.left = len(set(order.ids))
        self.items: list[dict[str, Any]] = []


class DeadLetter(ProductActor):
    """Holds, replays, drops.

    database: path of the SQLite file; the spill file lies beside it. storage: settings table (the bounds).
    """

    service = "dead_letter"

    def __init__(self, *, database: Path | str, storage: StorageTable, run_id: str = "-") -> None:
        super().__init__()
        self._database = Path(database)
        self._storage = storage
        self._run_id = run_id
        self._spill = Spill(self._database.with_name(NAME))
        self._unspill = Interval(UNSPILL_S)
        self._unspilling: set[int] = set()
        self._unspill_failed = False
        self._held: dict[int, _Held] = {}
        self._replays: dict[int, Replay] = {}
        self._drops: dict[int, _Dropping] = {}
        self._next = 0
        self._handlers: dict[type, Callable[[Any], Effects]] = {
            Hold: self._hold,
            Written: self._written,
            ReplayDead: self._replay,
            CancelReplay: self._cancel,
            DropDead: self._drop,
            Ack: self._acknowledged,
            Retried: self._retried,
            Submitted: self._submitted,
            Tick: self._tick,
        }
        self._after_commit: dict[type[Fact], Callable[[Written], Effects]] = {
            HoldDeadLetter: self._was_held,
            SettleDeadLetter: self._was_settled,
            GiveUp: self._given_up,
        }

    # --- life ------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Open the rows; replays of an earlier incarnation are over, their letters are where they were."""
        self._reader = Reader(self._database)
        self._desk = Desk(self._reader.request, self._has_result, self._me)

    def on_start(self) -> None:
        """Everything timed goes by one tick."""
        self.every(TICK_S, Tick())

    def on_stop(self) -> None:
        """Nothing unconfirmed may go with the actor."""
        for held in self._held.values():
            self._spill.append(held.fact)
        self._held.clear()
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

    def _me(self) -> Any:
        return self.handle(self.id)

    def _has_result(self, request_id: str) -> bool:
        return self._reader.result(request_id) is not None

    def _key(self) -> int:
        self._next += 1
        return self._next

    # --- holding ---------------------------------------------------------------------------------------

    def _hold(self, message: Hold) -> Effects:
        fact = HoldDeadLetter(
            reason=message.reason,
            code=message.code,
            error=message.error,
            payload=message.payload,
            at_us=clock.utc_us(),
            direction=message.direction,  # type: ignore[arg-type]
            peer=message.peer,
            request_id=message.request_id,
            trace_id=message.trace_id,
        )
        key = self._key()
        self._held[key] = _Held(fact, clock.now() + PATIENCE_S)
        return [WriteFact(fact, ("hold", key))]

    def _was_held(self, written: Written) -> Effects:
        what, key = written.tag
        fact: HoldDeadLetter = written.fact  # type: ignore[assignment]
        if what == "unspill":
            return self._was_unspilled(key, written)
        if not written.ok:
            held = self._held.get(key)
            if held is None or held.fact is not fact:
                # An earlier incarnation held it and was replaced before the commit: these bytes are ours now.
                key = self._key()
                held = self._held[key] = _Held(fact, 0.0)
            return self._not_held(key, held, written)
        self._held.pop(key, None)
        return self._held_effects(fact, written.value)

    def _held_effects(self, fact: HoldDeadLetter, value: dict[str, Any]) -> Effects:
        spilled = bool(value.get("spilled"))
        effects: Effects = [
            Event(
                "dead_letter.held",
                {
                    "dead_id": value.get("dead_id"),
                    "code": fact.code,
                    "size": len(fact.payload),
                    "count": value.get("count", 1),
                    "outcome": "spilled" if spilled else "held",
                },
                "warning",
                fact.request_id or "unknown",
                self._run_id,
                fact.trace_id,
            ),
            Alarm(
                f"dead:{fact.reason}",
                f"Dead letter held ({fact.reason})",
                f"{fact.code}: {fact.error} — foldward dead list --reason {fact.reason}",
            ),
        ]
        if spilled:
            effects.append(self._full())
        return effects

    def _full(self) -> Alarm:
        return Alarm(
            "dead:full",
            "The dead letters are full",
            f"New ones go to {self._spill.path.name}: replay or drop what is held.",
            "error",
        )

    def _not_held(self, key: int, held: _Held, written: Written) -> Effects:
        held.tries += 1
        held.due = clock.now() + REWRITE_S * 2.0 ** (held.tries - 1)
        if held.tries < TRIES:
            return []
        try:
            self._spill.append(held.fact)
        except OSError as error:
            # Neither takes it: it stays here and is tried again, and the operator hears it.
            body = f"{written.code}: {written.error}; spill file: {error}"
            return [Alarm("dead:disk", "A dead letter cannot be stored", body, "critical")]
        del self._held[key]
        return self._held_effects(held.fact, {"spilled": True})

    def _rewrite_held(self, now: float) -> Effects:
        effects: Effects = []
        for key, held in self._held.items():
            if held.due <= now:
                held.due = now + PATIENCE_S
                effects.append(WriteFact(held.fact, ("hold", key)))
        return effects

    def _given_up(self, written: Written) -> Effects:
        """The OOSQueue passes on that a request was given up: its letter is committed with it."""
        fact: GiveUp = written.fact  # type: ignore[assignment]
        dead_id = written.value["dead_id"]
        letter = self._reader.dead_letter(dead_id)
        event = Event(
            "dead_letter.held",
            {
                "dead_id": dead_id,
                "code": fact.code,
                "size": 0 if letter is None else letter.size,
                "count": 1 if letter is None else letter.count,
                "outcome": "held",
            },
            "warning",
            fact.request_id,
            self._run_id,
            "-" if letter is None else letter.trace_id,
        )
        body = f"{fact.code}: {fact.error} — foldward why {fact.request_id}"
        return [event, Alarm(f"dead:{fact.reason}", f"Request given up ({fact.reason})", body)]

    # --- the spill file --------------------------------------------------------------------------------

    def _take_back(self) -> Effects:
        """What was spilled goes back into the store when all of it fits."""
        if self._unspilling or not self._spill.waiting():
            return []
        facts = self._spill.take()
        counts = self._reader.dead_counts()
        rows = self._storage.dead_max_rows - counts["held"]
        room = self._storage.dead_max_bytes - counts["bytes"]
        if len(facts) > rows or sum(len(fact.payload) for fact in facts) > room:
            return [self._full()]
        if not facts:
            self._spill.taken()
        self._unspill_failed = False
        effects: Effects = []
        for fact in facts:
            key = self._key()
            self._unspilling.add(key)
            effects.append(WriteFact(fact, ("unspill", key)))
        return effects

    def _was_unspilled(self, key: int, written: Written) -> Effects:
        if key not in self._unspilling:
            return []
        self._unspilling.discard(key)
        self._unspill_failed = self._unspill_failed or not written.ok
        if not self._unspilling and not self._unspill_failed:
            self._spill.taken()
        return []

    # --- replaying -------------------------------------------------------------------------------------

    def _replay(self, order: ReplayDead) -> Effects:
        key = self._key()
        self._replays[key] = Replay(key, order)
        return self._advance(clock.now(), clock.utc_us())

    def _advance(self, now: float, now_us: int) -> Effects:
        effects: Effects = []
        for key, replay in list(self._replays.items()):
            self._desk.overdue(replay, now)
            while ids := replay.next_ids(now, self._page):
                for dead_id in ids:
                    letter = self._reader.dead_letter(dead_id)
                    effects += self._desk.begin(replay, dead_id, letter, now, now_us)
                if not replay.order.dry_run:
                    break
            if replay.finished():
                del self._replays[key]
                effects.append(replay.done())
        return effects

    def _page(self, order: ReplayDead, after_id: int, limit: int) -> list[DeadRow]:
        if not (order.all or order.reason or order.strategy or order.older_than_s is not None):
            return []
        return self._reader.dead_letters(
            state="held",
            reason=order.reason,
            strategy=order.strategy,
            older_than_us=age_limit_us(order.older_than_s),
            after_id=after_id,
            limit=limit,
        )

    def _of_tag(self, tag: Any) -> tuple[Replay, int] | None:
        if not isinstance(tag, tuple) or len(tag) != 3:
            return None
        replay = self._replays.get(tag[1])
        return None if replay is None else (replay, tag[2])

    def _acknowledged(self, message: Ack) -> Effects:
        found = self._of_tag(message.tag)
        return [] if found is None else self._desk.acknowledged(*found, message, clock.utc_us())

    def _retried(self, message: Retried) -> Effects:
        found = self._of_tag(message.tag)
        if found is None:
            return []
        now_us = clock.utc_us()
        return self._desk.retried(*found, message, now_us) + self._advance(clock.now(), now_us)

    def _submitted(self, message: Submitted) -> Effects:
        found = self._of_tag(message.tag)
        return [] if found is None else self._desk.submitted(*found, message, clock.utc_us())

    def _was_settled(self, written: Written) -> Effects:
        fact: SettleDeadLetter = written.fact  # type: ignore[assignment]
        what, key, dead_id = written.tag
        changed = bool(written.ok and written.value)
        if what == "drop":
            return self._was_dropped(key, dead_id, changed, written)
        effects: Effects = self._settled_event(fact, "dead_letter.replayed") if changed else []
        replay = self._replays.get(key)
        if replay is None:
            return effects
        if not written.ok:
            replay.note(dead_id, "failed", "held", f"{written.code}: {written.error}")
        elif not changed:
            replay.note(dead_id, "skipped", "closed", "somebody closed it meanwhile")
        elif fact.state == "held":
            replay.note(dead_id, "failed", "held", fact.outcome)
        else:
            replay.note(dead_id, "replayed", fact.outcome)
        return effects + self._advance(clock.now(), clock.utc_us())

    def _settled_event(self, fact: SettleDeadLetter, event: str) -> Effects:
        letter = self._reader.dead_letter(fact.dead_id)
        data = {
            "dead_id": fact.dead_id,
            "code": None if letter is None else letter.code,
            "size": None if letter is None else letter.size,
            "count": None if letter is None else letter.count,
            "outcome": fact.outcome,
        }
        request_id = None if letter is None else letter.request_id
        trace_id = "-" if letter is None else letter.trace_id
        return [Event(event, data, "info", request_id or "unknown", self._run_id, trace_id)]

    def _cancel(self, message: CancelReplay) -> Effects:
        cancelled = 0
        for replay in self._replays.values():
            if message.replay is None or replay.order.tag == message.replay:
                replay.cancelled = True
                cancelled += 1
        effects = self._advance(clock.now(), clock.utc_us())
        return [*effects, Answer(message.reply_to, Ack(tag=message.tag, value={"cancelled": cancelled}))]

    # --- dropping --------------------------------------------------------------------------------------

    def _drop(self, order: DropDead) -> Effects:
        ids = list(dict.fromkeys(order.ids))
        if not ids:
            done = ReplayDone(tag=order.tag, replayed=0, failed=0, skipped=0, items=())
            return [Answer(order.reply_to, done)]
        key = self._key()
        self._drops[key] = _Dropping(order)
        now_us = clock.utc_us()
        return [
            WriteFact(
                SettleDeadLetter(
                    dead_id=dead_id, state="dropped", outcome="dropped", at_us=now_us, note=order.note
                ),
                ("drop", key, dead_id),
            )
            for dead_id in ids
        ]

    def _was_dropped(self, key: int, dead_id: int, changed: bool, written: Written) -> Effects:
        fact: SettleDeadLetter = written.fact  # type: ignore[assignment]
        effects = self._settled_event(fact, "dead_letter.dropped") if changed else []
        dropping = self._drops.get(key)
        if dropping is None:
            return effects
        item: dict[str, Any] = {"id": dead_id, "outcome": "dropped" if changed else "unchanged"}
        if not written.ok:
            item |= {"outcome": "failed", "error": f"{written.code}: {written.error}"}
        elif not changed:
            item["error"] = "no held dead letter has that id"
        dropping.items.append(item)
        dropping.left -= 1
        if dropping.left:
            return effects
        del self._drops[key]
        items = tuple(sorted(dropping.items, key=lambda entry: entry["id"]))
        failed = sum(entry["outcome"] == "failed" for entry in items)
        skipped = sum(entry["outcome"] == "unchanged" for entry in items)
        done = ReplayDone(tag=dropping.order.tag, replayed=0, failed=failed, skipped=skipped, items=items)
        return [*effects, Answer(dropping.order.reply_to, done)]

    # --- time ------------------------------------------------------------------------------------------

    def _tick(self, _message: Tick) -> Effects:
        now, now_us = clock.now(), clock.utc_us()
        effects = self._rewrite_held(now) + self._advance(now, now_us)
        if self._unspill.due(now):
            effects = effects + self._take_back()
        return effects

    def _written(self, written: Written) -> Effects:
        step = self._after_commit.get(type(written.fact))
        return [] if step is None else step(written)
