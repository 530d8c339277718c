"""What RankEvaluator has asked for: open, held back until a time, or given up. Built again from rows."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from foldward.contracts import clock
from foldward.contracts.messages import Settled, SubmitOutcome

# When to ask again for what was refused or held back, by the family of the code, in seconds.
AGAIN_S = {"data": 3600.0, "request": 3600.0, "wire": 3600.0, "queue": 60.0, "storage": 60.0}
THROTTLE_S = 600.0
OTHER_S = 600.0
_REMEMBERED = 100_000
CACHED_S = 3600.0  # the answer is there already: asking again can only find the same


class Ask(msgspec.Struct):
    """One kind of work of one strategy: open in the queue, or not to be asked for before `again_at`."""

    request_id: str | None = None
    again_at: float | None = None
    why: str | None = None


class Asked:
    """By strategy and kind. A time is `clock.now()` seconds."""

    def __init__(self) -> None:
        self._asks: dict[str, dict[str, Ask]] = {}
        self._held: dict[tuple[str, str], float] = {}
        self._soonest = math.inf
        self._passing: set[tuple[str, str]] = set()
        self._open: Counter[str] = Counter()  # by kind
        self._ended: dict[tuple[str, str], tuple[int, str]] = {}
        self._settled: dict[str, None] = {}  # ids, newest last

    def recover(self, rows: Iterable[Any]) -> None:
        """Every open, given-up and cancelled row (storage.rows.RequestView)."""
        for row in rows:
            if row.status in ("error", "cancelled"):
                words = "was given up" if row.status == "error" else "was cancelled"
                why = f": {row.last_error}" if row.last_error else ""
                ended = (row.requested_at, f"its request {words}{why}")
                self._ended[row.name, row.kind] = max(ended, self._ended.get((row.name, row.kind), (0, "")))
            else:
                self.open(row.name, row.kind, row.request_id)

    def ended(self, name: str, kind: str, defined_at: int) -> bool:
        """Whether an earlier life of ours saw this given up or cancelled, for the definition of that time."""
        found = self._ended.pop((name, kind), None)
        if found is None or found[0] < defined_at // clock.US:
            return False
        self.give_up(name, kind, found[1])
        return True

    def open(self, name: str, kind: str, request_id: str | None) -> None:
        """A request is in the queue; its end will be told."""
        self._put(name, kind, Ask(request_id))

    def hold(
        self, name: str, kind: str, until: float, why: str | None = None, *, passing: bool = False
    ) -> None:
        """Not before that time; `why` is told with the verdict that needs the number.

        passing: what stands in the way goes away by itself (a full queue, a busy store), so a run waits.
        """
        self._put(name, kind, Ask(None, until, why))
        if passing:
            self._passing.add((name, kind))

    def give_up(self, name: str, kind: str, why: str) -> None:
        """The queue gave it up: not again by ourselves, for this definition."""
        self._put(name, kind, Ask(None, math.inf, why))

    def drop(self, name: str, kind: str) -> None:
        """It is answered, or may be asked for again."""
        asks = self._asks.get(name)
        if asks is None:
            return
        gone = asks.pop(kind, None)
        if gone is not None and gone.again_at is None:
            self._open[kind] -= 1
        self._held.pop((name, kind), None)
        self._passing.discard((name, kind))
        if not asks:
            del self._asks[name]

    def forget(self, name: str) -> None:
        """A new definition: what was given up for the old one may be asked for."""
        for kind, ask in list(self._asks.get(name, {}).items()):
            if ask.again_at is not None:
                self.drop(name, kind)

    def settled(self, message: Settled) -> bool:
        """A request's state changed. True: the strategy is to be looked at."""
        name, kind = message.name, message.kind
        if not name:
            return False
        if message.state in ("retry", "pending"):
            self._settled.pop(message.request_id, None)
            self.open(name, kind, message.request_id)
            return False
        self._settled[message.request_id] = None
        if len(self._settled) > _REMEMBERED:
            del self._settled[next(iter(self._settled))]
        if message.state in ("error", "cancelled"):
            words = "was cancelled" if message.state == "cancelled" else "was given up"
            code = f" ({message.code})" if message.code and message.state == "error" else ""
            self.give_up(name, kind, f"its request {words}{code}")
        else:
            self.drop(name, kind)
        return True

    def outcome(self, item: SubmitOutcome, kind: str, now: float) -> None:
        """The queue's answer to one name."""
        if item.status in ("queued", "pending"):
            if item.request_id in self._settled:
                # A quick worker: the end of the request was told before the answer to the whole Submit.
                self.drop(item.name, kind)
                return
            self.open(item.name, kind, item.request_id)
        elif item.status == "cached":
            self.hold(item.name, kind, now + CACHED_S)
        elif item.status == "throttled":
            self.hold(item.name, kind, now + THROTTLE_S)
        else:
            family = (item.code or "").partition(".")[0]
            why = item.message or item.code or "refused"
            told = f"refused: {why}" if family in ("data", "request", "wire") else None
            passing = family in ("queue", "storage")
            self.hold(item.name, kind, now + AGAIN_S.get(family, OTHER_S), told, passing=passing)

    def due(self, now: float) -> list[str]:
        """Names with something that may be asked for again now; it is forgotten."""
        if now < self._soonest:
            return []
        names = []
        for (name, kind), until in list(self._held.items()):
            if until <= now:
                self.drop(name, kind)
                names.append(name)
        self._soonest = min(self._held.values(), default=math.inf)
        return names

    def closed(self, name: str) -> set[str]:
        """Kinds not to be asked for now."""
        return set(self._asks.get(name, ()))

    def pending(self, name: str) -> bool:
        """Whether a request of the strategy is open in the queue."""
        return any(ask.again_at is None for ask in self._asks.get(name, {}).values())

    def reasons(self, name: str) -> dict[str, str]:
        """Why a kind has no result, for those that were refused or given up."""
        return {kind: ask.why for kind, ask in self._asks.get(name, {}).items() if ask.why}

    @property
    def open_count(self) -> int:
        """Requests open in the queue."""
        return self._open.total()

    @property
    def holds(self) -> bool:
        """Whether something waits for its time (what was given up does not)."""
        return bool(self._held)

    @property
    def passing(self) -> bool:
        """Whether something will be asked for again soon, because what stood in the way passes."""
        return bool(self._passing)

    def opened(self, kind: str) -> bool:
        """Whether any strategy has an open request of this kind."""
        return self._open[kind] > 0

    def check(self, is_open: Callable[[str], bool], count: int) -> list[str]:
        """Look whether the oldest `count` open requests still are; names of those that are not.

        The end of a request is told once; if that was lost, its strategy would wait for ever.
        """
        names = []
        oldest = (
            (name, kind, ask.request_id)
            for name, asks in self._asks.items()
            for kind, ask in asks.items()
            if ask.again_at is None and ask.request_id is not None
        )
        for name, kind, request_id in list(itertools.islice(oldest, count)):
            if is_open(request_id):
                self.open(name, kind, request_id)  # to the back
            else:
                self.drop(name, kind)
                names.append(name)
        return names

    def _put(self, name: str, kind: str, ask: Ask) -> None:
        self.drop(name, kind)
        asks = self._asks.pop(name, {})
        asks[kind] = ask
        self._asks[name] = asks  # what moved last stands last
        if ask.again_at is None:
            self._open[kind] += 1
        elif ask.again_at != math.inf:
            self._held[name, kind] = ask.again_at
            self._soonest = min(self._soonest, ask.again_at)
