"""How the interpreter of a core that is up is set: seldom seeking cycles, often sharing its lock."""

from __future__ import annotations

import gc
import sys

# Net allocations until the youngest are looked at, and how many of those rounds until the older ones are.
# Python's 700, 10, 10 make it run over every open request some times a second under load: 8 % of core's time.
THRESHOLDS = (20_000, 20, 50)
# Seconds until a thread that computes hands the lock to one that waits for it. The writer gives it away at
# each statement; with Python's 5 ms it waits longer for the lock than for the disk, below 1 ms all pay.
SWITCH_S = 0.002


def calm() -> None:
    """Set what start-up made aside for good, and look at the rest seldom. Cycles are still collected."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    sys.setswitchinterval(SWITCH_S)
