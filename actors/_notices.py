"""Which notification goes out when: de-duplicated, paced, limited, split, retried. Pure but for its clock.

One notice is under way at a time. Equal keys within `QUIET_S` are one notice, whose successor says how many
were held back. At most `LIMIT` leave in `WINDOW_S`; what is beyond waits. A notice that fails is tried again
with backoff, or after what the service asked for (Retry-After, which holds all others too), and given up
after `ATTEMPTS`; everything is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from foldward.contracts.masking import mask_text
from foldward.contracts.messages import Notify

QUIET_S = 300.0
WINDOW_S = 600.0
LIMIT = 30
ATTEMPTS = 4
HOLD_MOST_S = 3_600.0  # and no longer, also when the clock was set back
BACKOFF_S = (2.0, 10.0, 60.0)
MAX_WAITING = 1_000
PART = 1_800  # Discord takes 2,000 characters; title and part number need some
MAX_PARTS = 5
_MAX_KEYS = 10_000


class Notice(msgspec.Struct, frozen=True):
    """One message to the operator, ready to send."""

    key: str
    title: str
    body: str
    severity: str
    attempt: int = 1


class Notices:
    """See the module. min_interval_s: shortest time between two sends."""

    def __init__(self, min_interval_s: float, jitter: Callable[[], float] = lambda: 0.5) -> None:
        self.sent = self.failed = self.suppressed = self.dropped = self.retries = 0
        self.last_error: str | None = None
        self._min_interval_s = min_interval_s
        self._jitter = jitter
        self._waiting: deque[tuple[float, Notice]] = deque()  # not before that time
        self._seen: dict[str, float] = {}
        self._held: dict[str, int] = {}
        self._times: deque[float] = deque()
        self._last: float | None = None
        self._hold: float | None = None  # a service asked for silence until then
        self.under_way: tuple[Notice, float] | None = None

    def offer(self, message: Notify, now: float) -> None:
        """Somebody wants the operator to know."""
        last = self._seen.get(message.key)
        if last is not None and 0 <= now - last < QUIET_S:
            self.suppressed += 1
            self._held[message.key] = self._held.get(message.key, 0) + 1
            return
        self._seen.pop(message.key, None)
        self._seen[message.key] = now
        if len(self._seen) > _MAX_KEYS:
            gone = next(iter(self._seen))
            del self._seen[gone]
            self._held.pop(gone, None)
        more = self._held.pop(message.key, 0)
        body = mask_text(message.body) + (f"\n({more} more like this since the last)" if more else "")
        title = mask_text(message.title)[:200]
        texts = split(body, PART, MAX_PARTS)
        for number, text in enumerate(texts, start=1):
            if len(self._waiting) >= MAX_WAITING:
                self.dropped += 1
                continue
            head = title if len(texts) == 1 else f"{title} ({number}/{len(texts)})"
            self._waiting.append((now, Notice(message.key, head, text, message.severity)))

    def next(self, now: float) -> Notice | None:
        """The notice to send now, which is then under way; None when there is none, or it must wait."""
        if self.under_way is not None or not self._waiting or self.wait_s(now) > 0:
            return None
        due = [entry for entry in self._waiting if entry[0] <= now]
        entry = due[0]
        self._waiting.remove(entry)
        self._last = now
        self._times.append(now)
        self.under_way = (entry[1], now)
        return entry[1]

    def wait_s(self, now: float) -> float:
        """Seconds until something may be sent; 0 = now; infinite when nothing waits."""
        if not self._waiting:
            return float("inf")
        while self._times and not 0 <= now - self._times[0] < WINDOW_S:
            self._times.popleft()
        waits = [min(at for at, _ in self._waiting) - now]
        if self._last is not None and now >= self._last:
            waits.append(self._last + self._min_interval_s - now)
        if self._hold is not None and now >= self._hold - HOLD_MOST_S:
            waits.append(self._hold - now)
        if len(self._times) >= LIMIT:
            waits.append(self._times[0] + WINDOW_S - now)
        return max(0.0, *waits)

    def done(self, error: str | None, now: float, wait_s: float | None = None) -> None:
        """What is under way was sent, or why not, and how long the service wants to be left alone."""
        if self.under_way is None:
            return
        notice, _ = self.under_way
        self.under_way = None
        if error is None:
            self.sent += 1
            return
        self.last_error = mask_text(error)
        if wait_s:
            self._hold = now + wait_s
        if notice.attempt >= ATTEMPTS:
            self.failed += 1
            return
        self.retries += 1
        wait = max(wait_s or 0.0, BACKOFF_S[notice.attempt - 1] * (0.5 + self._jitter()))
        again = msgspec.structs.replace(notice, attempt=notice.attempt + 1)
        self._waiting.append((now + wait, again))

    def figures(self) -> dict[str, object]:
        """What the Notifier says about itself."""
        return {
            "sent": self.sent,
            "failed": self.failed,
            "retries": self.retries,
            "suppressed": self.suppressed,
            "dropped": self.dropped,
            "waiting": len(self._waiting) + (self.under_way is not None),
            "last_error": self.last_error,
        }


def split(text: str, size: int, parts: int) -> list[str]:
    """`text` in pieces of at most `size`, cut at line ends where possible; a note says what is left out."""
    pieces: list[str] = []
    rest = text
    while len(rest) > size and len(pieces) < parts - 1:
        cut = rest.rfind("\n", 1, size + 1)
        cut = size if cut <= 0 else cut
        pieces.append(rest[:cut])
        rest = rest[cut:].removeprefix("\n")
    if len(rest) > size:
        tail = f"\n… {len(rest) - size + 60} more characters, see the log"
        rest = rest[: size - len(tail)] + tail
    return [*pieces, rest]
