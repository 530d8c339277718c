"""A one-shot gate on a bare lock: cheaper than threading.Event, and always on real time.

A wait with a timeout reads the clock inside the lock, in C: a frozen test clock cannot stretch it.
"""

from __future__ import annotations

import contextlib
import math
import threading
from _thread import allocate_lock


class Latch:
    """Starts shut; `set` opens it for good."""

    __slots__ = ("_lock", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._lock = allocate_lock()
        self._lock.acquire()

    def set(self) -> None:
        """Open. Calling it again changes nothing."""
        if not self.is_set:
            self.is_set = True
            with contextlib.suppress(RuntimeError):  # two setters at once: the second finds it released
                self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """True once open; False after `timeout` seconds (None or infinity: no limit)."""
        if self.is_set:
            return True
        if timeout is None or math.isinf(timeout):
            opened = self._lock.acquire()
        else:
            opened = self._lock.acquire(timeout=min(max(timeout, 0.0), threading.TIMEOUT_MAX))
        if opened:
            with contextlib.suppress(RuntimeError):
                self._lock.release()  # for the next waiter
        return opened or self.is_set
