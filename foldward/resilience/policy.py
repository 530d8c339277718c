"""When to try again: exponential backoff with full jitter.

M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): full jitter spreads retries best.
Retry-After: RFC 9110, section 10.2.3.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol

from foldward.resilience._refuse import BadSetting, count, seconds


class Rng(Protocol):
    """What is needed of a random number generator: random.Random and numpy's Generator have it."""

    def uniform(self, a: float, b: float, /) -> float:
        """A number from a to b, equally likely."""
        ...


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try.

    attempts: calls altogether, >= 1. base, cap, factor: the wait after attempt n is at most
    min(cap, base·factor^(n − 1)) seconds. jitter: "full" draws it from U(0, that), None takes it as it is.
    deadline: seconds from the first call; no attempt begins at or after it. attempt_timeout: seconds for one
    attempt (see `retry` for what that can and cannot do). max_retry_after: a peer that asks for a longer
    pause ends the retries instead of holding the caller.

    Raises ConfigError `config.invalid` for values outside these limits.
    """

    attempts: int
    base: float
    cap: float
    factor: float = 2
    jitter: Literal["full"] | None = "full"
    deadline: float | None = None
    attempt_timeout: float | None = None
    max_retry_after: float = 3600.0

    def __post_init__(self) -> None:
        count("attempts", self.attempts)
        seconds("base", self.base, zero=True)
        seconds("cap", self.cap, zero=True)
        if self.cap < self.base:
            raise BadSetting("cap", self.cap, f"at least base, {self.base}")
        number = isinstance(self.factor, int | float) and not isinstance(self.factor, bool)
        if not number or not 1 <= self.factor < math.inf:
            raise BadSetting("factor", self.factor, "a number >= 1")
        if self.jitter not in ("full", None):
            raise BadSetting("jitter", self.jitter, "'full' or None")
        for field in ("deadline", "attempt_timeout"):
            if getattr(self, field) is not None:
                seconds(field, getattr(self, field))
        seconds("max_retry_after", self.max_retry_after, zero=True)

    def ceiling(self, attempt: int) -> float:
        """The longest wait after attempt n (1 is the first)."""
        return _ceiling(attempt, self.base, self.cap, self.factor)

    def delay(self, attempt: int, rng: Rng) -> float:
        """The wait after attempt n."""
        longest = self.ceiling(attempt)
        return longest if self.jitter is None else rng.uniform(0.0, longest)


def next_delay(
    policy: RetryPolicy, attempt: int, elapsed: float, retry_after: float | None, rng: Rng
) -> float | None:
    """Seconds to wait after failed attempt n, or None to give up.

    elapsed: seconds since the first attempt began. retry_after: what the peer asked for; the wait is never
    shorter (nonsense, such as a negative number, is ignored).
    """
    if attempt >= policy.attempts:
        return None
    wait = policy.delay(attempt, rng)
    if retry_after is not None and retry_after > 0:
        if retry_after > policy.max_retry_after:
            return None
        wait = max(wait, retry_after)
    if policy.deadline is not None and elapsed + wait >= policy.deadline:
        return None
    return wait


def backoff(failures: int, base: float, cap: float, rng: Rng, floor: float = 0.1) -> float:
    """Seconds to wait after `failures` >= 1: U(0, min(cap, base·2^(failures − 1))), not under `floor`."""
    return max(floor, rng.uniform(0.0, _ceiling(failures, base, cap, 2)))


backoff_full_jitter = backoff


def retry_after_seconds(value: str | None, utcnow: dt.datetime) -> float | None:
    """Seconds that a Retry-After header asks for: a whole number, or an HTTP date after `utcnow`.

    None for an absent or unreadable header; a date in the past is 0.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 16 else math.inf
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - utcnow).total_seconds())


def _ceiling(attempt: int, base: float, cap: float, factor: float) -> float:
    if attempt < 1:
        raise ValueError(f"attempt is {attempt}; the first is 1")
    try:
        return min(float(cap), base * float(factor) ** (attempt - 1))
    except OverflowError:
        return float(cap) if base > 0 else 0.0
