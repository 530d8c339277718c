"""Letters until the store has them: written, tried again, spilled, taken back (spec 1.5).

What the store cannot take goes to the spill file; only when the disk refuses too, it stays in memory and is
tried again. Methods return effects; the only file touched is the spill file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors._bell import Bell
from actors._effects import Alarm, Effects, Event, WriteFact
from actors._pacing import Interval
from actors._spill import Spill
from foldward.contracts import clock
from foldward.contracts.facts import HoldDeadLetter
from foldward.contracts.messages import Hold, Written
from foldward.settings import StorageTable

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


class Holding:
    """counts: {"held": rows, "bytes": their payloads} of what the store holds now."""

    def __init__(
        self, spill: Spill, bounds: StorageTable, run_id: str, counts: Callable[[], dict[str, int]]
    ) -> None:
        self._spill = spill
        self._bounds = bounds
        self._run_id = run_id
        self._counts = counts
        self._bell = Bell()
        self._unspill = Interval(UNSPILL_S)
        self._unspilling: set[int] = set()
        self._unspill_failed = False
        self._held: dict[int, _Held] = {}
        self._next = 0

    def _key(self) -> int:
        self._next += 1
        return self._next

    def take(self, message: Hold) -> Effects:
        """A letter comes in."""
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

    def written(self, written: Written) -> Effects:
        """The store has it, or refused it."""
        what, key = written.tag
        fact: HoldDeadLetter = written.fact  # type: ignore[assignment]
        if what == "unspill":
            self._was_unspilled(key, ok=written.ok)
            return []
        if not written.ok:
            held = self._held.get(key)
            if held is None or held.fact is not fact:
                # An earlier incarnation held it and was replaced before the commit: these bytes are ours now.
                key = self._key()
                held = self._held[key] = _Held(fact, 0.0)
            return self._refused(key, held, written)
        self._held.pop(key, None)
        return self._told(fact, written.value)

    def tick(self, now: float) -> Effects:
        """Try again what was refused; now and then, take back what was spilled."""
        effects = self._bell.tick(now)
        for key, held in self._held.items():
            if held.due <= now:
                held.due = now + PATIENCE_S
                effects.append(WriteFact(held.fact, ("hold", key)))
        if self._unspill.due(now):
            effects += self._take_back()
        return effects

    def spill_all(self) -> None:
        """Nothing unconfirmed may go with the actor. Raises OSError."""
        for held in self._held.values():
            self._spill.append(held.fact)
        self._held.clear()

    def _told(self, fact: HoldDeadLetter, value: dict[str, Any]) -> Effects:
        spilled = bool(value.get("spilled"))
        now = clock.now()
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
        ]
        body = f"{fact.code}: {fact.error} — foldward dead list --reason {fact.reason}"
        alarm = Alarm(f"dead:{fact.reason}", f"Dead letter held ({fact.reason})", body)
        effects += self._bell.ring(alarm, now)
        if spilled:
            effects += self._bell.ring(self._full(), now)
        return effects

    def _full(self) -> Alarm:
        return Alarm(
            "dead:full",
            "The dead letters are full",
            f"New ones go to {self._spill.path.name}: replay or drop what is held.",
            "error",
        )

    def _refused(self, key: int, held: _Held, written: Written) -> Effects:
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
        return self._told(held.fact, {"spilled": True})

    def _take_back(self) -> Effects:
        """What was spilled goes back into the store when all of it fits."""
        if self._unspilling or not self._spill.waiting():
            return []
        facts = self._spill.take()
        counts = self._counts()
        rows = self._bounds.dead_max_rows - counts["held"]
        room = self._bounds.dead_max_bytes - counts["bytes"]
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

    def _was_unspilled(self, key: int, *, ok: bool) -> None:
        if key not in self._unspilling:
            return
        self._unspilling.discard(key)
        self._unspill_failed = self._unspill_failed or not ok
        if not self._unspilling and not self._unspill_failed:
            self._spill.taken()
