"""Replaying dead letters: which, how fast, and what became of each (spec 1.5).

A letter is never taken out before its replay has succeeded: it is decoded anew, put on the guarded road of
any answer, and settled by what that road says. Each entry keeps its own outcome; replaying twice is harmless.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from actors._admission import Refusal, patched
from actors._effects import Answer, Effects, Event, Tell, WriteFact
from actors._pacing import RateLimit
from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.facts import NoteEvent, SettleDeadLetter
from foldward.contracts.jobs import Backtest, Result
from foldward.contracts.messages import (
    Ack,
    Readmit,
    ReplayDead,
    ReplayDone,
    ResultArrived,
    Retried,
    RetryNow,
    Submitted,
)
from foldward.wire import loads
from storage.rows import OPEN, DeadRow, RequestRow

QUEUE = "oos_queue"
PAGE = 200
AT_ONCE = 100  # entries of one replay that wait for their outcome
PATIENCE_S = 30.0

Page = Callable[[ReplayDead, int, int], list[DeadRow]]


class _Entry:
    __slots__ = ("letter", "since")

    def __init__(self, letter: DeadRow, since: float) -> None:
        self.letter = letter
        self.since = since


class Replay:
    """One order to replay, under way."""

    def __init__(self, key: int, order: ReplayDead) -> None:
        rate = order.rate if math.isfinite(order.rate) and order.rate > 0 else 0.0
        self.key = key
        self.order = order
        self.items: list[dict[str, Any]] = []
        self.counts = {"replayed": 0, "failed": 0, "skipped": 0}
        self.waiting: dict[int, _Entry] = {}
        self.cancelled = False
        self._rate = RateLimit(rate)
        self._queue: deque[int] = deque(dict.fromkeys(order.ids))
        self._last_id = 0
        self._exhausted = bool(order.ids)
        self._taken = 0

    def next_ids(self, now: float, page: Page) -> list[int]:
        """The ids that may begin now, within rate and limit."""
        ids: list[int] = []
        while not self.cancelled and len(ids) + len(self.waiting) < AT_ONCE:
            if self.order.limit is not None and self._taken >= self.order.limit:
                self._queue.clear()
                self._exhausted = True
            if not self._queue and not self._exhausted:
                rows = page(self.order, self._last_id, PAGE)
                self._exhausted = len(rows) < PAGE
                if rows:
                    self._last_id = rows[-1].id
                    self._queue.extend(row.id for row in rows)
            if not self._queue or not (self.order.dry_run or self._rate.allows(now)):
                break
            self._rate.take()
            self._taken += 1
            ids.append(self._queue.popleft())
        return ids

    def note(self, dead_id: int, kind: str, outcome: str, error: str | None = None) -> None:
        """One entry is done: kind is replayed | failed | skipped."""
        self.waiting.pop(dead_id, None)
        self.counts[kind] += 1
        item: dict[str, Any] = {"id": dead_id, "outcome": outcome}
        if error:
            item["error"] = error
        self.items.append(item)

    def finished(self) -> bool:
        """Whether nothing is left to begin or to wait for."""
        return not self.waiting and (self.cancelled or (self._exhausted and not self._queue))

    def done(self) -> Answer:
        """The answer to the order."""
        order = self.order
        items = tuple(sorted(self.items, key=lambda item: item["id"]))
        return Answer(order.reply_to, ReplayDone(tag=order.tag, items=items, **self.counts))


class Desk:
    """How one letter is replayed. `read` gives a request's open or closed row, `answered` whether it has a
    result; `me` is the address for answers; max_frame: the largest message read, in bytes."""

    def __init__(
        self,
        read: Callable[[str], RequestRow | None],
        answered: Callable[[str], bool],
        me: Callable[[], Any],
        max_frame: int,
    ) -> None:
        self._read = read
        self._answered = answered
        self._me = me
        self._max_frame = max_frame

    def begin(self, replay: Replay, dead_id: int, letter: DeadRow | None, now: float, now_us: int) -> Effects:
        """Put one letter on its road, or say why not."""
        if letter is None:
            replay.note(dead_id, "skipped", "missing", "no dead letter has that id")
            return []
        if letter.state != "held":
            replay.note(dead_id, "skipped", letter.state, f"it was {letter.state} before")
            return []
        if replay.order.dry_run:
            replay.note(dead_id, "skipped", "would_replay")
            return []
        replay.waiting[dead_id] = _Entry(letter, now)
        if replay.order.edit is not None:
            return self._edited(replay, letter, now_us)
        if letter.direction == "result":
            return self._result(replay, letter, now_us)
        if letter.direction == "request" and letter.request_id:
            tag = ("replay", replay.key, dead_id)
            ids = (letter.request_id,)
            order = RetryNow(request_ids=ids, note=replay.order.note, reply_to=self._me(), tag=tag)
            return [Tell(QUEUE, order)]
        replay.note(
            dead_id, "skipped", "not_replayable", "a message of the inside: drop it when its cause is gone"
        )
        return []

    def _result(self, replay: Replay, letter: DeadRow, now_us: int) -> Effects:
        raw = letter.payload or b""
        try:
            result = loads(raw, max_frame=self._max_frame)
        except WireError as error:
            return self._settle(replay, letter, "held", f"{error.code}: {error.message}", now_us)
        if not isinstance(result, Result):
            return self._settle(replay, letter, "held", "wire.unknown_type: it is no result", now_us)
        if not result.request_id and letter.request_id:
            result = msgspec.structs.replace(result, request_id=letter.request_id)
        arrived = ResultArrived(
            result=result,
            raw=raw,
            peer=letter.peer,
            received_us=now_us,
            dead_id=letter.id,
            reply_to=self._me(),
            tag=("replay", replay.key, letter.id),
        )
        return [Tell(QUEUE, arrived)]

    def _edited(self, replay: Replay, letter: DeadRow, now_us: int) -> Effects:
        job = self._job(letter)
        if job is None:
            return self._settle(replay, letter, "held", "request.unknown_id: its request is not kept", now_us)
        changed = patched(job, replay.order.edit or {})
        if isinstance(changed, Refusal):
            return self._settle(replay, letter, "held", f"{changed.code}: {changed.message}", now_us)
        return self._readmit(replay, letter, changed, job.request_id)

    def _readmit(self, replay: Replay, letter: DeadRow, job: Backtest, parent_id: str) -> Effects:
        tag = ("replay", replay.key, letter.id)
        return [Tell(QUEUE, Readmit(job=job, parent_id=parent_id, reply_to=self._me(), tag=tag))]

    def _job(self, letter: DeadRow) -> Backtest | None:
        """The request that a letter is about: its own bytes, or the row's."""
        payloads = [letter.payload] if letter.direction == "request" else []
        row = self._read(letter.request_id) if letter.request_id else None
        if row is not None:
            payloads.append(row.payload)
        for payload in payloads:
            try:
                job = loads(payload or b"", max_frame=self._max_frame)
            except WireError:
                continue
            if isinstance(job, Backtest):
                return job
        return None

    def _settle(self, replay: Replay, letter: DeadRow, state: str, outcome: str, now_us: int) -> Effects:
        fact = SettleDeadLetter(
            dead_id=letter.id,
            state=state,  # type: ignore[arg-type]
            outcome=outcome,
            at_us=now_us,
            note=replay.order.note,
        )
        return [WriteFact(fact, ("settle", replay.key, letter.id))]

    # --- what the road says ----------------------------------------------------------------------------

    def acknowledged(self, replay: Replay, dead_id: int, message: Ack, now_us: int) -> Effects:
        """An answer was applied, or was not."""
        entry = replay.waiting.get(dead_id)
        if entry is None:
            return []
        value = message.value or {}
        outcome = str(value.get("outcome", "failed"))
        if message.ok:
            return self._settle(replay, entry.letter, "replayed", outcome, now_us)
        text = ": ".join(str(value[key]) for key in ("code", "error") if value.get(key))
        return self._settle(replay, entry.letter, "held", text or outcome, now_us)

    def retried(self, replay: Replay, dead_id: int, message: Retried, now_us: int) -> Effects:
        """A request went back to pending, or could not."""
        entry = replay.waiting.get(dead_id)
        if entry is None:
            return []
        letter = entry.letter
        request_id = letter.request_id or ""
        if message.outcomes.get(request_id):
            return self._requeued(replay, letter, request_id, now_us)
        if self._answered(request_id):
            return self._settle(replay, letter, "replayed", "answered", now_us)
        row = self._read(request_id)
        if row is not None and row.status in OPEN:
            return self._settle(replay, letter, "replayed", "open", now_us)
        job = self._job(letter)
        if job is None:
            return self._settle(
                replay, letter, "held", "storage.corrupt: neither its row nor its bytes can be read", now_us
            )
        return self._readmit(replay, letter, job, request_id)

    def _requeued(self, replay: Replay, letter: DeadRow, request_id: str, now_us: int) -> Effects:
        # The requeue closed the letter in its own transaction. Closing it once more from here could close
        # the letter of a request that has failed again by then.
        replay.note(letter.id, "replayed", "requeued")
        data = {
            "dead_id": letter.id,
            "code": letter.code,
            "size": letter.size,
            "count": letter.count,
            "outcome": "requeued",
        }
        note = NoteEvent(
            request_id=request_id,
            event="dead_letter.replayed",
            at_us=now_us,
            data={**data, "note": replay.order.note},
        )
        return [
            WriteFact(note, reply=False),
            Event("dead_letter.replayed", data, "info", request_id, "-", letter.trace_id),
        ]

    def submitted(self, replay: Replay, dead_id: int, message: Submitted, now_us: int) -> Effects:
        """A new request was made of it, or was not."""
        entry = replay.waiting.get(dead_id)
        if entry is None:
            return []
        item = message.items[0]
        if item.status in ("queued", "pending", "cached"):
            return self._settle(
                replay, entry.letter, "replayed", f"{item.status} as {item.request_id}", now_us
            )
        return self._settle(replay, entry.letter, "held", f"{item.code}: {item.message}", now_us)

    def overdue(self, replay: Replay, now: float) -> None:
        """Entries that nobody answered for: they stay held, and count as failed."""
        late = [key for key, entry in replay.waiting.items() if now - entry.since >= PATIENCE_S]
        for dead_id in late:
            replay.note(dead_id, "failed", "held", f"no answer within {PATIENCE_S:g} s")


def age_limit_us(older_than_s: float | None) -> int | None:
    """Letters seen last before this moment, for an age in seconds."""
    return None if older_than_s is None else clock.utc_us() - int(older_than_s * clock.US)
