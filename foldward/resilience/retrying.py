"""Call again what failed, as a policy says."""

from __future__ import annotations

import contextvars
import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from foldward.contracts import clock as _clock
from foldward.contracts.errors import FoldwardError, RequestError
from foldward.resilience.breaker import BreakerOpen
from foldward.resilience.policy import RetryPolicy, Rng, next_delay

T = TypeVar("T")
Retryable = Callable[[Exception], bool] | type[Exception] | tuple[type[Exception], ...]


class AttemptTimeout(RequestError, TimeoutError):
    """RequestError `request.timeout`: one attempt took longer than the policy allows. Always retryable."""

    def __init__(self, limit: float) -> None:
        super().__init__("request.timeout", f"the attempt did not finish within {limit:g} s", limit=limit)


def retry(
    policy: RetryPolicy,
    fn: Callable[[], T],
    clock: Callable[[], float] = _clock.now,
    sleep: Callable[[float], Any] = time.sleep,
    rng: Rng | None = None,
    retryable: Retryable | None = None,
    on_retry: Callable[[int, Exception, float], Any] | None = None,
) -> T:
    """The first result of `fn()`, or its last error once the policy gives up (with a note saying why).

    clock, sleep, rng: injected; a Rng of its own by default. retryable: a predicate, an exception class or a
    tuple of them; by default what a FoldwardError says of itself, and nothing else. `BreakerOpen` is never
    retried: a rejection is not an attempt. An error's `retry_after` (seconds) is honoured. on_retry(attempt,
    error, wait) is called before each wait.

    attempt_timeout: the attempt runs in a daemon thread of its own and is waited for that long (or until the
    deadline, if nearer); then it counts as failed with AttemptTimeout. Python cannot stop a thread: `fn` may
    still be running, and its late answer is dropped, so `fn` must bear being run twice and should carry a
    timeout of its own (socket, HTTP client). An answer that comes late by `clock` is dropped too. Without
    attempt_timeout a hanging `fn` hangs the caller; the deadline only bounds when attempts begin.
    """
    rng = random.Random() if rng is None else rng
    started = clock()
    attempt = 1
    while True:
        try:
            return _attempt(policy, fn, clock, started)
        except Exception as error:  # whatever the call raises is the predicate's to judge
            elapsed = clock() - started
            if not _is_retryable(error, retryable):
                raise
            asked = getattr(error, "retry_after", None)
            wait = next_delay(policy, attempt, elapsed, _number(asked), rng)
            if wait is None:
                error.add_note(f"gave up after {attempt} attempts in {elapsed:.3g} s")
                raise
            if on_retry is not None:
                on_retry(attempt, error, wait)
            sleep(wait)
            elapsed = clock() - started
            if policy.deadline is not None and elapsed >= policy.deadline:
                error.add_note(f"gave up after {attempt} attempts: the wait ran past the deadline")
                raise
        attempt += 1


def _attempt(policy: RetryPolicy, fn: Callable[[], T], clock: Callable[[], float], started: float) -> T:
    limit = policy.attempt_timeout
    if limit is None:
        return fn()
    begun = clock()
    if policy.deadline is not None:
        limit = min(limit, started + policy.deadline - begun)
    if limit <= 0:
        raise AttemptTimeout(0.0)
    outcome: list[tuple[bool, Any]] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome.append((True, context.run(fn)))
        except BaseException as error:  # carried to the caller's thread, where it belongs
            outcome.append((False, error))

    thread = threading.Thread(target=run, name="retry-attempt", daemon=True)
    thread.start()
    thread.join(limit)
    if not outcome:
        raise AttemptTimeout(limit)
    succeeded, value = outcome[0]
    if not succeeded:
        raise value
    if clock() - begun > limit:
        raise AttemptTimeout(limit)
    return value  # type: ignore[no-any-return]


def _is_retryable(error: Exception, retryable: Retryable | None) -> bool:
    if isinstance(error, BreakerOpen):
        return False
    if isinstance(error, AttemptTimeout):
        return True
    if retryable is None:
        return isinstance(error, FoldwardError) and error.retryable
    if isinstance(retryable, type | tuple):
        return isinstance(error, retryable)
    return bool(retryable(error))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
