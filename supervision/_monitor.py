"""The watch for hangs: one thread that compares plain attributes with the clock, and asks nobody."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from supervision._clock import real

if TYPE_CHECKING:
    from supervision._life import Life

LONGEST_S = 0.5
SHORTEST_S = 0.01


class Monitor:
    """Tells a life's supervisor (once per message) that it is busy for longer than its hang_after."""

    def __init__(self) -> None:
        self._watched: dict[Life, float] = {}
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, life: Life) -> None:
        """Begin; a life without hang_after is not watched."""
        limit = life.child.hang_after
        if limit is None:
            return
        with self._wake:
            if self._closed:
                return
            self._watched[life] = limit
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="supervision-monitor", daemon=True)
                with contextlib.suppress(RuntimeError):  # no more threads now: with the next life perhaps
                    thread.start()
                    self._thread = thread
            self._wake.notify()

    def forget(self, life: Life) -> None:
        """End; harmless when it was not watched."""
        if life.child.hang_after is not None:
            with self._wake:
                self._watched.pop(life, None)

    def close(self, timeout: float = 1.0) -> None:
        """End the thread."""
        with self._wake:
            self._closed = True
            self._watched.clear()
            self._wake.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._closed:
                    return
                watched = list(self._watched.items())
                if not watched:
                    self._wake.wait()
                    continue
            for life, limit in watched:
                since = life.busy_since
                if since and since != life.hung_since and real() - since > limit:
                    life.hung_since = since
                    life.hung()
            nearest = min(limit for _, limit in watched) / 4
            with self._wake:
                if not self._closed:
                    self._wake.wait(min(LONGEST_S, max(SHORTEST_S, nearest)))
