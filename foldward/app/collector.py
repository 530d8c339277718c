"""The cycle collector of a core that is up: seldom, because what passes through it is reference-counted."""

from __future__ import annotations

import gc

# Net allocations until the youngest are looked at, and how many of those rounds until the older ones are.
# Python's 700, 10, 10 make it run over every open request some times a second under load: 8 % of core's time.
THRESHOLDS = (20_000, 20, 50)


def calm() -> None:
    """Set what start-up made aside for good, and look at the rest seldom. Cycles are still collected."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
