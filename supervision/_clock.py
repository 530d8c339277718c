"""The product's clock, and the one thing virtual time must not touch: how long a thread really took.

Due times, windows and uptimes follow `now()`. Hang limits, shutdown limits and ask timeouts are about real
threads, so they use `real()`, which a frozen clock does not stop and a tick of an hour does not fire.
"""

from __future__ import annotations

from foldward.contracts.clock import now, real, real_clock, utc_us, utcnow

__all__ = ["now", "real", "real_clock", "utc_us", "utcnow"]
