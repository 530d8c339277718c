"""A thread in waiting: a restart should not wait for the machine to make one.

Making a thread and shaking hands with it (threading.Thread.start returns when the new thread has run) costs
more than all the rest of a restart. So one thread, which has run nothing yet, waits for the next incarnation;
when it is taken, another is made once the restart is over. A thread that has carried an incarnation is never
used again: what it left in thread-local storage must not reach the next one.
"""

from __future__ import annotations

import contextlib
import threading
from _thread import allocate_lock
from collections.abc import Callable
from typing import Any

NAME = "supervision-spare"


class Spare(threading.Thread):
    """Waits for the one thing it will run."""

    def __init__(self) -> None:
        super().__init__(name=NAME, daemon=True)
        self._gate = allocate_lock()
        self._gate.acquire()
        self._task: Callable[[], Any] | None = None

    def run(self) -> None:
        self._gate.acquire()
        task, self._task = self._task, None
        if task is not None:
            task()

    def hand(self, name: str, task: Callable[[], Any] | None) -> None:
        """Have it run `task` under that name; None: have it end."""
        self.name = name
        self._task = task
        self._gate.release()


class Spares:
    """At most one spare; `later(refill)` is called when it has been taken and another one is to be made."""

    def __init__(self, later: Callable[[Callable[[], Any]], Any]) -> None:
        self._later = later
        self._spare: Spare | None = None
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Spare | None:
        """The spare, or None when there is none at the moment: then start a thread as usual."""
        with self._lock:
            spare, self._spare = self._spare, None
            closed = self._closed
        if not closed:
            self._later(self.refill)
        return spare

    def refill(self) -> None:
        """Make one if there is none. A machine that gives no more threads has none to spare."""
        with self._lock:
            if self._closed or self._spare is not None:
                return
            with contextlib.suppress(RuntimeError):
                spare = Spare()
                spare.start()
                self._spare = spare

    def close(self, timeout: float = 1.0) -> None:
        """End the spare; there will be no other."""
        with self._lock:
            self._closed = True
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.hand(NAME, None)
            spare.join(timeout)
