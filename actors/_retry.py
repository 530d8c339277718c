"""What follows a failed attempt: another one, and when, or the end of the request (spec 1.3).

Backoff is exponential with full jitter, U(0, min(cap, base·2^(n−1))) with a floor (Marc Brooker,
"Exponential Backoff and Jitter", AWS Architecture Blog 2015). The total deadline counts the time a request
was being tried: what each failure can have cost at most. Neither time it lay in a queue without workers,
nor a core that was off, nor a jump of the wall clock uses it up.
"""

from __future__ import annotations

import math
import random

import msgspec

from foldward.contracts.errors import is_retryable
from foldward.resilience import backoff_full_jitter
from foldward.settings import RetryTable


class Again(msgspec.Struct, frozen=True):
    """Try again after so many seconds."""

    delay_s: float


class End(msgspec.Struct, frozen=True):
    """Give the request up: the reason of its dead letter."""

    reason: str  # non_retryable | exhausted | expired


def decide(
    code: str,
    failures: int,
    tried_s: float,
    policy: RetryTable,
    rng: random.Random,
    retry_after: float | None = None,
    retryable: bool | None = None,
) -> Again | End:
    """What follows the failure that makes `failures` of them, after `tried_s` seconds of trying in all.

    retryable: None lets the catalogue decide by the code.
    """
    if not (is_retryable(code) if retryable is None else retryable):
        return End("non_retryable")
    if failures >= policy.max_failures:
        return End("exhausted")
    left = policy.deadline_s - tried_s
    if left <= 0:
        return End("expired")
    delay = backoff_full_jitter(failures, policy.base_s, policy.cap_s, rng, policy.floor_s)
    if retry_after is not None and math.isfinite(retry_after):
        delay = max(delay, retry_after)
    return Again(min(delay, max(left, policy.floor_s)))


def tried(before_s: float, elapsed_s: float, planned_s: float, attempt_s: float) -> float:
    """The time of trying after one more attempt: what passed, but no more than it can have taken.

    planned_s: the wait that was asked for. attempt_s: the longest one attempt may last.
    """
    return before_s + min(max(elapsed_s, 0.0), planned_s + attempt_s)


def tried_at_most(age_s: float, failures: int, policy: RetryTable, attempt_s: float) -> float:
    """For a request known only from its row: an upper bound of its time of trying."""
    return max(0.0, min(age_s, failures * (attempt_s + policy.cap_s)))
