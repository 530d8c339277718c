"""What may fail and is worth another try: retry with backoff, and a circuit breaker.

Clock, sleep and random numbers are arguments, so tests drive hours in milliseconds.
"""

from foldward.resilience.breaker import BreakerOpen, CircuitBreaker, Permit
from foldward.resilience.circuit import State
from foldward.resilience.policy import (
    RetryPolicy,
    backoff,
    backoff_full_jitter,
    next_delay,
    retry_after_seconds,
)
from foldward.resilience.retrying import AttemptTimeout, retry

__all__ = [
    "AttemptTimeout",
    "BreakerOpen",
    "CircuitBreaker",
    "Permit",
    "RetryPolicy",
    "State",
    "backoff",
    "backoff_full_jitter",
    "next_delay",
    "retry",
    "retry_after_seconds",
]
