"""How fast a link reads: never further ahead than its receiver, and junk only so many messages a second.

Nothing is thrown away: what is not read stays in the sockets, whose limits hold up the sender. ZMQ takes
turns among connections, so an honest peer's next message is among the next few that are read, however many a
flooding neighbour has waiting. What stands in front of it must be read first, though, and one message at the
rate of junk is milliseconds. So half of what may be read at once is kept for the time when an answer is
expected, and every message that is no junk allows one more that is. Pure; times are `clock.now()` seconds.
"""

from __future__ import annotations

AHEAD = 256  # messages handed over and not worked off
CHUNK = 8  # the same while junk comes: each chunk is judged before the next is read
SIP = 2  # the same while only junk comes: an answer behind it need not wait for eight to be judged
GAP_S = 0.0005  # between two sips: whoever is to answer needs the processor too
WAKE_AT = AHEAD // 2
CALM_S = 2.0  # without junk, before a link is read freely again
EXPECT_S = 1.0  # after the last request an answer is no longer waited for so eagerly


class Pace:
    """junk_per_s: messages that were no answers, in a second; 0 = any number. A fifth may come at once.

    What was read before anyone knew that it was junk is not made up for by a pause: honest ones would wait.
    """

    def __init__(self, junk_per_s: float) -> None:
        self._per_s = junk_per_s
        self._tokens = self._burst = max(CHUNK, junk_per_s / 5)
        self._reserve = self._burst / 2
        self._filled: float | None = None
        self._careful = False
        self._last_junk = 0.0
        self._told = 0
        self._seen = 0  # of those, at the last look
        self._read_at = 0.0
        self._worked = (0, 0)  # messages, junk: the receiver's thread writes it, the rest is the port's
        self._charged = 0
        self._good = 0
        self._chunk = SIP
        self._asked = 0  # requests sent, less those that nobody waits for any more
        self._asked_at = 0.0
        self.held_back = 0  # junk since it first had to be held back; 0 while it need not

    def told(self) -> None:
        """A message was handed over."""
        self._told += 1

    def sent(self, requests: int, now: float) -> None:
        """So many requests went out: their answers are expected."""
        if self._asked <= self._good:
            self._read_at = now  # nobody answers at once
        self._asked += requests
        self._asked_at = now

    def worked_off(self, messages: int, junk: int) -> bool:
        """So many were worked off, so many of them were no answers. True: the port may wait for this."""
        taken, charged = self._worked
        before = self._told - taken
        self._worked = (taken + messages, charged + junk)
        return junk > 0 or self._careful or before >= WAKE_AT

    def room(self, now: float) -> int:
        """How many messages may be read now."""
        self._charge(now)
        taken = self._worked[0]
        ahead = self._told - taken if taken else 0  # one who never reports is not waited for
        if not self._careful:
            return max(0, AHEAD - ahead)
        free = self._free(now)
        if free < 1.0:
            self.held_back = max(1, self.held_back)
        if self._gap_s(now) > 0.0:
            return 0
        return max(0, min(self._chunk, int(free)) - ahead)

    def wait_s(self) -> float:
        """Seconds until there may be room again, if the receiver does not say so before."""
        if not self._careful:
            return 1.0
        now = self._filled or 0.0
        free = self._free(now)
        return (1.0 - free) / self._per_s if free < 1.0 else self._gap_s(now) or 1.0

    def _free(self, now: float) -> float:
        """Junk that may be read now; the reserve is for when an answer may stand behind it."""
        if not 0.0 <= now - self._asked_at < EXPECT_S:
            self._asked = self._good
        return self._tokens if self._asked > self._good else self._tokens - self._reserve

    def _gap_s(self, now: float) -> float:
        """Seconds until the next sip; none while good messages are among what is read."""
        gone = now - self._read_at
        return GAP_S - gone if self._chunk == SIP and 0.0 <= gone < GAP_S else 0.0

    def _charge(self, now: float) -> None:
        # A clock that was set back (a test's) neither fills nor empties.
        if self._filled is not None and now > self._filled:
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._per_s)
        self._filled = now
        if self._told != self._seen:
            self._seen, self._read_at = self._told, now
        self._last_junk = min(self._last_junk, now)
        taken, all_junk = self._worked
        good, self._good = taken - all_junk - self._good, taken - all_junk
        self._asked = max(self._asked, self._good)
        junk, self._charged = all_junk - self._charged, all_junk
        if good > 0:
            self._tokens = min(self._burst, self._tokens + good)
            self._chunk = min(CHUNK, self._chunk * 2)
        elif junk:
            self._chunk = SIP
        if junk and self._per_s:
            self._tokens = max(0.0, self._tokens - junk)
            self._last_junk = now
            self._careful = self._careful or self._tokens < self._burst / 2
            if self.held_back:
                self.held_back += junk
        elif self._careful and now - self._last_junk >= CALM_S:
            self._careful = False
            self.held_back = 0
