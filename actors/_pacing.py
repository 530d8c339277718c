"""How fast: the rate limit, the retry budget and the deadline of an attempt (spec 1.3).

All take the time as an argument (`clock.now()` seconds), so a test drives an hour in a microsecond.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

SAMPLES = 2000  # run times kept a kind: p99.9 needs a thousand, and yesterday's matter little
NEEDED = 50
WINDOW_S = 60


class Interval:
    """True at most every so many seconds: due when now − last ≥ interval (a plain > was once a bug)."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self._last: float | None = None

    def due(self, now: float) -> bool:
        """Whether it is time; if so, the next time counts from now."""
        # A clock that was set back must not silence it for as long as it was set back.
        if self._last is None or now - self._last >= self.every_s or now < self._last:
            self._last = now
            return True
        return False


class RateLimit:
    """A token bucket: `per_s` sends a second, a tenth of a second's worth at once. 0 is no limit."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._room = max(1.0, per_s * 0.1)
        self._tokens = self._room
        self._last: float | None = None

    def allows(self, now: float) -> bool:
        """Whether one more send is allowed now. Takes nothing."""
        if not self.per_s:
            return True
        if self._last is not None:
            self._tokens = min(self._room, self._tokens + max(0.0, now - self._last) * self.per_s)
        self._last = now
        return self._tokens >= 1.0 - 1e-9

    def take(self) -> None:
        """One send is made."""
        if self.per_s:
            self._tokens -= 1.0


class RetryBudget:
    """Resends after failures: at most a share of the minute's first sends, but always some a second.

    Keeps a failing peer from turning every request into eight (Google SRE book, "Handling Overload": the
    per-client retry budget).
    """

    def __init__(self, ratio: float, min_per_s: float) -> None:
        self.ratio = ratio
        self.min_per_s = min_per_s
        self._firsts = _Minute()
        self._resends = _Minute()

    def allows(self, now: float) -> bool:
        """Whether one more resend is within the budget."""
        return self._resends.this_second(now) < self.min_per_s or self._resends.total(
            now
        ) < self.ratio * self._firsts.total(now)

    def first(self, now: float) -> None:
        """A first send is made."""
        self._firsts.add(now)

    def resend(self, now: float) -> None:
        """A resend after a failure is made."""
        self._resends.add(now)


class _Minute:
    """Counts of the last sixty seconds, one a second."""

    def __init__(self) -> None:
        self._counts: deque[list[int]] = deque()
        self._sum = 0

    def add(self, now: float) -> None:
        second = int(now)
        if self._counts and self._counts[-1][0] == second:
            self._counts[-1][1] += 1
        else:
            self._counts.append([second, 1])
        self._sum += 1

    def total(self, now: float) -> int:
        oldest = int(now) - WINDOW_S
        while self._counts and self._counts[0][0] <= oldest:
            self._sum -= self._counts.popleft()[1]
        return self._sum

    def this_second(self, now: float) -> int:
        if self._counts and self._counts[-1][0] == int(now):
            return self._counts[-1][1]
        return 0


class RunTimes:
    """Seconds from send to answer, by kind, and the deadline that follows from them."""

    def __init__(self, default_s: float, shortest_s: float, longest_s: float) -> None:
        self._default_s = default_s
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._by_kind: dict[str, tuple[deque[float], list[float]]] = {}

    def add(self, kind: str, seconds: float) -> None:
        """One more answer."""
        order, ranked = self._by_kind.setdefault(kind, (deque(), []))
        if len(order) == SAMPLES:
            del ranked[bisect_left(ranked, order.popleft())]
        order.append(seconds)
        insort(ranked, seconds)

    def load(self, kind: str, samples: Iterable[float]) -> None:
        """What the database remembers, oldest first."""
        for seconds in samples:
            self.add(kind, seconds)

    def deadline_s(self, kind: str) -> float:
        """120 s until 50 answers are known, then 1.5 × their p99.9 within [30 s, 1 h] (by default)."""
        _, ranked = self._by_kind.get(kind, ((), ()))
        count = len(ranked)
        if count < NEEDED:
            return self._default_s
        # The nearest-rank percentile: the smallest value with at least 99.9 % at or below it.
        p999 = ranked[min(count - 1, -(-999 * count // 1000) - 1)]
        return min(self._longest_s, max(self._shortest_s, 1.5 * p999))
