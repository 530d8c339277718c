"""The product's clock, and the one thing virtual time must not touch: how long a thread really took.

Due times, windows and uptimes follow `now()`. Hang limits, shutdown limits and ask timeouts are about real
threads, so they use `real()`, which a frozen clock does not stop and a tick of an hour does not fire.
"""

from __future__ import annotations

from foldward.contracts import clock
from foldward.contracts.clock import now, utc_us, utcnow

# in a tuple, because freezegun replaces module attributes that are time.monotonic itself
REAL = clock._real_monotonic


def real() -> float:
    """Seconds on the monotonic clock of the machine, never frozen."""
    return REAL[0]()


__all__ = ["REAL", "now", "real", "utc_us", "utcnow"]
