"""How fast a link reads: never further ahead than its receiver, and junk only so many messages a second.

Nothing is thrown away: what is not read stays in the sockets, whose limits hold up the sender. ZMQ takes
turns among connections, so an honest peer's next message is among the next few that are read, however many a
flooding neighbour has waiting. What stands in front of it must be read first, though, and one message at the
rate of junk is milliseconds. So half of what may be read at once is kept for the time when an answer is
expected, and every message that is no junk allows one more that is.

While junk comes, the time of the answer decides how: in sips as long as one is expected, for each is judged
before the next is read; else in batches, for every thread that is woken for two messages of junk takes the
processor from good work as much as for ten, and not right after an answer, which is still being stored.
Pure; times are `clock.now()` seconds.
"""

from __future__ import annotations

AHEAD = 256  # messages handed over and not worked off
FIRST = 16  # the same until so many are needed: doubled when half of it came at once and was good
CHUNK = 8  # the same while junk comes and answers too
SIP = 2  # while only junk comes: an answer behind it need not wait for eight to be judged
GAP_S = 0.0005  # between two sips: whoever is to answer needs the processor too
BATCH = 10  # while no answer is expected
QUIET_S = 0.002  # between an answer and a batch, if it can wait
CALM_S = 2.0  # without junk, before a link is read freely again
DEBT_S = 2.0  # of large messages' junk: so long may a link rest for what was read unawares
EXPECT_S = 1.0  # after the last request an answer is no longer waited for so eagerly


class Pace:
    """junk_per_s: messages that were no answers, in a second; 0 = any number. A tenth may come at once.

    What was read before anyone knew that it was junk is not made up for by a pause: honest ones would wait.
    Only the bulk of large ones is, for at most DEBT_S: memory is short before time is.
    """

    def __init__(self, junk_per_s: float) -> None:
        self._per_s = junk_per_s
        self._tokens = self._burst = max(CHUNK, junk_per_s / 10)
        self._reserve = self._burst / 2
        self._batch = int(min(BATCH, self._reserve, max(1.0, junk_per_s / 10)))
        self._filled: float | None = None
        self._careful = False
        self._window = FIRST if junk_per_s else AHEAD
        self._last_junk = 0.0
        self._told = 0
        self._seen = 0  # of those, at the last look
        self._read_at = 0.0
        # messages, junk, bulk of it: the receiver's thread writes it, the rest is the port's
        self._worked = (0, 0, 0)
        self._reports = False  # so is this: one who never says what was worked off is not waited for
        self._charged = 0
        self._weighed = 0
        self._good = 0
        self._good_at = 0.0
        self._chunk = SIP
        self._asked = 0  # requests sent, less those that nobody waits for any more
        self._asked_at = 0.0
        self.held_back = 0  # junk since it first had to be held back; 0 while it need not

    def told(self) -> None:
        """A message was handed over."""
        self._told += 1

    def sent(self, requests: int, now: float) -> None:
        """So many requests went out: their answers are expected."""
        if self._idle:
            self._read_at = now  # nobody answers at once
        self._asked += requests
        self._asked_at = now

    def worked_off(self, messages: int, junk: int, bulk: int = 0) -> bool:
        """So many were worked off, so many of them were no answers. True: the port may wait for this.

        bulk: as how many more messages of junk the large ones count, because what is read faster than it can
        be stored is kept in memory. A receiver that reports says (0, 0) at first: what comes before is read
        without end.
        """
        self._reports = True
        taken, charged, weighed = self._worked
        before = self._told - taken
        self._worked = (taken + messages, charged + junk, weighed + bulk)
        if not self._careful:
            return junk > 0 or 2 * before >= self._window
        # Junk that came in a batch says nothing that the next batch would not find out by itself.
        return junk < messages or not self._idle

    def room(self, now: float) -> int:
        """How many messages may be read now."""
        self._charge(now)
        ahead = self._ahead()
        if not self._careful:
            return max(0, self._window - ahead)
        idle = self._idle
        if self._tokens - (self._reserve if idle else 0.0) < 1.0:
            self.held_back = max(1, self.held_back)
        if idle:
            return 0 if ahead or self._batch_wait_s(now, ahead) > 0.0 else self._batch
        if self._gap_s(now) > 0.0:
            return 0
        return max(0, min(self._chunk, int(self._tokens)) - ahead)

    def wait_s(self) -> float:
        """Seconds until there may be room again, if the receiver does not say so before."""
        if not self._careful:
            return 1.0
        now = self._filled or 0.0
        if self._idle:
            return self._batch_wait_s(now, self._ahead()) or 1.0 / self._per_s
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self._per_s
        return self._gap_s(now) or 1.0

    @property
    def _idle(self) -> bool:
        """Whether no answer is expected."""
        return self._asked <= self._good

    def _ahead(self) -> int:
        return self._told - self._worked[0] if self._reports else 0

    def _batch_wait_s(self, now: float, ahead: int) -> float:
        """Seconds until the next batch: its tokens are there, and no answer came a moment ago.

        The reserve is for when an answer may stand behind junk. What was handed over and not judged counts
        as junk.
        """
        lacking = self._reserve + self._batch + ahead - self._tokens
        if lacking > 0.0:
            return lacking / self._per_s
        gone = now - self._good_at
        if lacking + self._batch > 0.0 and 0.0 <= gone < QUIET_S:
            return QUIET_S - gone
        return 0.0

    def _gap_s(self, now: float) -> float:
        """Seconds until the next sip; none while good messages are among what is read."""
        gone = now - self._read_at
        return GAP_S - gone if self._chunk == SIP and 0.0 <= gone < GAP_S else 0.0

    def _charge(self, now: float) -> None:
        if self._told != self._seen:
            self._seen, self._read_at = self._told, now
        self._last_junk = min(self._last_junk, now)
        taken, all_junk, all_bulk = self._worked
        if taken > self._told:  # the receiver had some of an earlier link: nobody is ahead by less than none
            self._told = self._seen = taken
        good, self._good = taken - all_junk - self._good, taken - all_junk
        self._asked = max(self._asked, self._good)
        if not 0.0 <= now - self._asked_at < EXPECT_S:
            self._asked = self._good
        junk, self._charged = all_junk - self._charged, all_junk
        bulk, self._weighed = all_bulk - self._weighed, all_bulk
        if good > 0:
            self._good_at = now
            self._tokens = min(self._burst, self._tokens + good)
            self._chunk = min(CHUNK, self._chunk * 2)
        elif junk:
            self._chunk = SIP
        if self._per_s:
            self._tokens = max(min(0.0, self._tokens), self._tokens - junk)
            self._tokens = max(-DEBT_S * self._per_s, self._tokens - bulk)
            self._careful = self._careful or self._tokens < self._burst / 2
        self._fill(now)
        if good > junk and 2 * good >= self._window:
            self._window = min(AHEAD, self._window * 2)
        if junk and self._per_s:
            self._window = min(self._window, max(CHUNK, good))
            self._last_junk = now
            if self.held_back:
                self.held_back += junk
        elif self._careful and self._tokens < self._reserve + self._batch:
            self._last_junk = now  # nothing may be read, so it says nothing that nothing came
        elif self._careful and now - self._last_junk >= CALM_S:
            self._careful = False
            self._window = FIRST
            self.held_back = 0

    def _fill(self, now: float) -> None:
        """After what was read is charged: it was read before the time went by."""
        # A clock that was set back (a test's) neither fills nor empties.
        if self._filled is not None and now > self._filled:
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._per_s)
        self._filled = now
