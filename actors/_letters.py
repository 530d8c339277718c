"""Dead letters on their way into the store: each at once, but in groups while many come. Pure.

Every commit costs an fsync and a dozen pages of the log, and good work that comes meanwhile waits for it.
Who sends junk waits for nothing, so beyond the first few the letters of `GROUP_S` go together, never in the
commit of other work, and in a moment without any if one comes within twice `GROUP_S`. A letter in here is
also in the memory of DeadLetter, which tells it again when it is not answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf

from foldward.contracts.facts import ApplyResult, HoldDeadLetter
from foldward.contracts.messages import Write

GROUP_S = 0.02
GROUP = 32  # letters of one commit
GROUP_BYTES = 256 * 1024  # and of their payloads, unless one alone is larger
QUIET_S = 0.003  # since the last good work: between two commits of one request there is less
DONE_S = 0.001  # since the last answer: the request is through, and the next may come at any time
AT_ONCE = 10  # commits that need not wait; one comes back every GROUP_S


def still_s(writes: Sequence[Write]) -> float:
    """How long after these it is quiet."""
    return DONE_S if all(type(write.fact) is ApplyResult for write in writes) else QUIET_S


def is_letter(write: Write) -> bool:
    """Whether it may wait for others: bytes from a peer, who was promised nothing."""
    fact = write.fact
    return type(fact) is HoldDeadLetter and fact.direction == "result"


class Letters:
    """Times are `clock.now()` seconds."""

    def __init__(self) -> None:
        self._waiting: deque[Write] = deque()
        self._taken: list[Write] = []
        self._bytes = 0
        self._credit = float(AT_ONCE)
        self._since: float | None = None  # the oldest of them was seen waiting
        self._filled: float | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, write: Write) -> None:
        """One more."""
        self._waiting.append(write)
        self._bytes += _size(write)

    def take(self, now: float, quiet_at: float = -inf) -> list[Write]:
        """The next group, if it is due; `done` says that it was answered. quiet_at: the next quiet moment."""
        if self.wait_s(now, quiet_at) > 0.0:
            return []
        self._since = None
        self._credit = max(0.0, self._credit - 1.0)
        self._taken = self._group()
        return self._taken

    def done(self) -> None:
        """What was taken is stored, or its sender knows that it is not."""
        self._taken = []

    def take_all(self) -> list[Write]:
        """Everything that is not done, due or not."""
        letters = [*self._taken, *self._waiting]
        self._taken = []
        self._waiting.clear()
        self._bytes = 0
        return letters

    def wait_s(self, now: float, quiet_at: float = -inf) -> float:
        """Seconds until `take` gives a group; infinite when nothing waits."""
        # A clock that was set back (a test's) neither fills nor empties.
        if self._filled is not None and now > self._filled:
            self._credit = min(float(AT_ONCE), self._credit + (now - self._filled) / GROUP_S)
        self._filled = now
        if not self._waiting:
            self._since = None
            return inf
        self._since = now if self._since is None else min(self._since, now)
        if len(self._waiting) >= GROUP or self._bytes >= GROUP_BYTES:
            return 0.0
        due_s = max(0.0, (1.0 - self._credit) * GROUP_S)
        return max(0.0, min(self._since + 2.0 * GROUP_S - now, max(due_s, until_quiet(now, quiet_at))))

    def _group(self) -> list[Write]:
        group: list[Write] = []
        size = 0
        while self._waiting and len(group) < GROUP:
            size += _size(self._waiting[0])
            if group and size > GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        self._bytes = sum(map(_size, self._waiting))
        return group


def until_quiet(now: float, quiet_at: float) -> float:
    """Seconds until the last good work is so long ago that none is in the middle of something."""
    left = quiet_at - now
    return left if 0.0 < left < 1.0 else 0.0  # more is a clock that was set back


def _size(write: Write) -> int:
    return len(write.fact.payload)  # type: ignore[attr-defined]
