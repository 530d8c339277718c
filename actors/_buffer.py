"""The bounded send buffer: what is due, what will be, in the order in which it may leave.

It holds a part of the rows, never more than its limit; the rows are what counts, and whoever is turned
away here is found again by reading them.
"""

from __future__ import annotations

from collections.abc import Container
from heapq import heappop, heappush

from foldward.contracts.messages import Work


class Buffer:
    """Work by priority, then by due time. First sends and charged resends wait apart, so that a spent retry
    budget never blocks a first send."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.missed = False  # something was turned away, or may be in the rows and not here
        self._seq = 0
        self._live: dict[str, int] = {}
        self._later: list[tuple[int, int, Work]] = []
        self._first: list[tuple[int, int, int, Work]] = []
        self._resend: list[tuple[int, int, int, Work]] = []

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._live

    def ids(self) -> set[str]:
        """Everything in it."""
        return set(self._live)

    def room(self) -> int:
        """How many more it takes."""
        return self.limit - len(self._live)

    def add(self, work: Work, *, force: bool = False) -> bool:
        """Take it, unless it is known (False) or there is no room (False, and `missed` is set)."""
        if work.request_id in self._live:
            return False
        if len(self._live) >= self.limit and not force:
            self.missed = True
            return False
        self._seq += 1
        self._live[work.request_id] = self._seq
        heappush(self._later, (work.due_us, self._seq, work))
        return True

    def discard(self, request_id: str) -> bool:
        """Forget it; False when it was not here."""
        return self._live.pop(request_id, None) is not None

    def mature(self, now_us: int) -> None:
        """What has become due moves to where it can be taken."""
        later = self._later
        while later and later[0][0] <= now_us:
            due_us, seq, work = heappop(later)
            if self._live.get(work.request_id) == seq:
                heap = self._resend if work.charged else self._first
                heappush(heap, (-work.priority, due_us, seq, work))

    def take(self, resends: bool) -> Work | None:
        """The next due one (call `mature` before), or None. resends: the retry budget allows one."""
        first = self._head(self._first)
        again = self._head(self._resend) if resends else None
        if first is None and again is None:
            return None
        heap = self._first if again is None or (first is not None and first < again) else self._resend
        work = heappop(heap)[3]
        del self._live[work.request_id]
        return work

    def _head(self, heap: list[tuple[int, int, int, Work]]) -> tuple[int, int, int] | None:
        while heap:
            priority, due_us, seq, work = heap[0]
            if self._live.get(work.request_id) == seq:
                return priority, due_us, seq
            heappop(heap)
        return None

    def has_due(self, resends: bool = True) -> bool:
        """Whether anything may leave (call `mature` before)."""
        return self._head(self._first) is not None or (resends and self._head(self._resend) is not None)

    def due(self, limit: int, without: Container[str] = ()) -> list[Work]:
        """Up to `limit` of what is due, in no order (call `mature` before)."""
        found: list[Work] = []
        for heap in (self._first, self._resend):
            for _, _, seq, work in heap:
                if len(found) >= limit:
                    return found
                if self._live.get(work.request_id) == seq and work.request_id not in without:
                    found.append(work)
        return found
