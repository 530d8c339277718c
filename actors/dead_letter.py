"""DeadLetter: keeps what could not be processed, exactly as it came, and brings it back (spec 1.5).

It lives beside the DBWriter and outlives everyone's crash. `_holding` keeps letters until the store has them,
`_replay` brings them back, `_dropping` closes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actors._base import ProductActor
from actors._dropping import Dropping
from actors._effects import Alarm, Answer, Effects, Event
from actors._holding import Holding
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
    Retried,
    Submitted,
    Tick,
    Written,
)
from foldward.settings import StorageTable
from foldward.wire import MAX_FRAME
from storage.reads import Reader
from storage.rows import DeadRow

TICK_S = 0.1


class DeadLetter(ProductActor):
    """Holds, replays, drops.

    database: path of the SQLite file; the spill file lies beside it. storage: settings table (the bounds).
    max_frame: the largest message that is read again, in bytes.
    """

    service = "dead_letter"

    def __init__(
        self,
        *,
        database: Path | str,
        storage: StorageTable,
        max_frame: int = MAX_FRAME,
        run_id: str = "-",
    ) -> None:
        super().__init__()
        self._database = Path(database)
        self._run_id = run_id
        self._max_frame = max_frame
        spill = Spill(self._database.with_name(NAME))
        self._holding = Holding(spill, storage, run_id, lambda: self._reader.dead_counts())
        self._dropping = Dropping()
        self._replays: dict[int, Replay] = {}
        self._next = 0
        self._handlers: dict[type, Callable[[Any], Effects]] = {
            Hold: self._holding.take,
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
            HoldDeadLetter: self._holding.written,
            SettleDeadLetter: self._was_settled,
            GiveUp: self._given_up,
        }

    # --- life ------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Open the rows; replays of an earlier incarnation are over, their letters are where they were."""
        self._reader = Reader(self._database)
        self._desk = Desk(self._reader.request, self._has_result, self._me, self._max_frame)

    def on_start(self) -> None:
        """Everything timed goes by one tick."""
        self.every(TICK_S, Tick())

    def on_stop(self) -> None:
        """Nothing unconfirmed may go with the actor."""
        self._holding.spill_all()
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

    # --- given-up requests -----------------------------------------------------------------------------

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
            told = self._settled_event(fact, "dead_letter.dropped") if changed else []
            return told + self._dropping.written(key, dead_id, written)
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

    def _drop(self, order: DropDead) -> Effects:
        return self._dropping.begin(order, clock.utc_us())

    # --- time ------------------------------------------------------------------------------------------

    def _tick(self, _message: Tick) -> Effects:
        now, now_us = clock.now(), clock.utc_us()
        return self._holding.tick(now) + self._advance(now, now_us)

    def _written(self, written: Written) -> Effects:
        step = self._after_commit.get(type(written.fact))
        return [] if step is None else step(written)
