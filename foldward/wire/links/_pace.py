"""How fast a link reads: never further ahead than its receiver, and junk only so many messages a second.

Nothing is thrown away: what is not read stays in the sockets, whose limits hold up the sender. ZMQ takes
turns among connections, so an honest peer's next message is among the next few that are read, however many a
flooding neighbour has waiting. Pure; times are `clock.now()` seconds.
"""

from __future__ import annotations

AHEAD = 256  # messages handed over and not worked off
CHUNK = 8  # the same while junk comes: each chunk is judged before the next is read
WAKE_AT = AHEAD // 2
CALM_S = 2.0  # without junk, before a link is read freely again


class Pace:
    """junk_per_s: messages that were no answers, in a second; 0 = any number. A fifth may come at once.

    What was read before anyone knew that it was junk is not made up for by a pause: honest ones would wait.
    """

    def __init__(self, junk_per_s: float) -> None:
        self._per_s = junk_per_s
        self._tokens = self._burst = max(CHUNK, junk_per_s / 5)
        self._filled: float | None = None
        self._careful = False
        self._last_junk = 0.0
        self._told = 0
        self._taken = 0  # written by the receiver's thread, as _junk is; the rest is the port's
        self._junk = 0
        self._charged = 0
        self.held_back = 0  # junk since it first had to be held back; 0 while it need not

    def told(self) -> None:
        """A message was handed over."""
        self._told += 1

    def worked_off(self, messages: int, junk: int) -> bool:
        """So many were worked off, so many of them were no answers. True: the port may wait for this."""
        before = self._told - self._taken
        self._junk += junk
        self._taken += messages
        return junk > 0 or self._careful or before >= WAKE_AT

    def room(self, now: float) -> int:
        """How many messages may be read now."""
        self._charge(now)
        ahead = self._told - self._taken if self._taken else 0  # one who never reports is not waited for
        if not self._careful:
            return max(0, AHEAD - ahead)
        if self._tokens < 1.0:
            self.held_back = max(1, self.held_back)
        return max(0, min(CHUNK, int(self._tokens)) - ahead)

    def wait_s(self) -> float:
        """Seconds until there may be room again, if the receiver does not say so before."""
        if self._careful and self._tokens < 1.0:
            return (1.0 - self._tokens) / self._per_s
        return 1.0

    def _charge(self, now: float) -> None:
        # A clock that was set back (a test's) neither fills nor empties.
        if self._filled is not None and now > self._filled:
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._per_s)
        self._filled = now
        self._last_junk = min(self._last_junk, now)
        junk, self._charged = self._junk - self._charged, self._junk
        if junk and self._per_s:
            self._tokens = max(0.0, self._tokens - junk)
            self._last_junk = now
            self._careful = self._careful or self._tokens < self._burst / 2
            if self.held_back:
                self.held_back += junk
        elif self._careful and now - self._last_junk >= CALM_S:
            self._careful = False
            self.held_back = 0
