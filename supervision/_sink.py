"""The way out of the tree: events, dead letters and crash reports, carried by a thread of their own.

What listens may be slow or broken; the tree only ever puts into a queue. An exception of a listener is
counted. What the listeners themselves cause (a dead letter of a dead-letter handler) is counted and not
carried on, so that no loop can start.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from typing import Any

from supervision._clock import real
from supervision._latch import Latch
from supervision.report import CrashReport

RESTART_FIRST_S = 0.001  # formatting a stack holds the interpreter longer than starting a replacement takes
WORK_S = 0.005  # between two such pauses
LIMIT = 100_000  # entries; beyond it the newest are dropped and counted

OnEvent = Callable[[str, dict[str, Any]], Any]
OnDead = Callable[[str, Any, str], Any]
OnCrash = Callable[[CrashReport], Any]

log = logging.getLogger("supervision")


class Sink:
    """The queue and its thread. A listener may be None: crashes are then logged, the rest only counted."""

    def __init__(self, on_event: OnEvent | None, on_dead: OnDead | None, on_crash: OnCrash | None) -> None:
        self._on_event = on_event
        self._on_dead = on_dead
        self._on_crash = on_crash
        self._queue: deque[Callable[[], Any] | None] = deque()
        self._work = allocate_lock()  # a binary semaphore: so that putting and waking can be two things
        self._work.acquire()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._pause = Latch()
        self._gave_way = 0.0
        self.counters = {"events": 0, "dead_letters": 0, "crashes": 0, "listener_errors": 0, "overflow": 0}

    def event(self, event_type: str, data: dict[str, Any], *, quiet: bool = False) -> None:
        """supervisor.* happened. `quiet`: the listeners hear of it at the next kick."""
        self.counters["events"] += 1
        if (listener := self._on_event) is not None:
            self._put(lambda: listener(event_type, data), quiet=quiet)

    def dead(self, name: str, message: Any, reason: str) -> None:
        """A message that nobody handled."""
        self.counters["dead_letters"] += 1
        if (listener := self._on_dead) is not None:
            self._put(lambda: listener(name, message, reason))

    def crash(self, report: CrashReport) -> None:
        """A child failed."""
        self.counters["crashes"] += 1
        self._put(lambda: self._report(report))

    def after_restart(self, task: Callable[[], Any]) -> None:
        """Do this in the listeners' thread, after the next kick, when a restart under way is over."""

        def wait_and_do() -> None:
            self._give_way()
            task()

        self._put(wait_and_do, quiet=True)

    def kick(self) -> None:
        """Wake the thread for what was put quietly."""
        if not self._queue:
            return
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._closed:
                    thread = threading.Thread(target=self._run, name="supervision-sink", daemon=True)
                    self._thread = thread  # before it runs: it must know itself
                    try:
                        thread.start()
                    except RuntimeError:  # the machine gives no more threads now: at the next kick perhaps
                        self._thread = None
        self._wake()

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until the listeners have seen everything so far; False when that takes longer."""
        self.kick()
        with self._lock:
            if self._closed or self._thread is None or self._thread is threading.current_thread():
                return True
        seen = Latch()
        self._queue.append(seen.set)
        self._wake()
        return seen.wait(timeout)

    def close(self, timeout: float = 1.0) -> bool:
        """Flush, then end the thread. What comes later is only counted."""
        self._pause.set()
        done = self.flush(timeout)
        with self._lock:
            self._closed = True
            thread = self._thread
        if not done:
            log.warning(
                "the listeners have not heard of %d events and messages yet", max(0, len(self._queue) - 1)
            )
        self._queue.append(None)
        self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout if done else 0.05)
        return done

    def _give_way(self) -> None:
        """Let the restart go first; not before each of many, or a storm of restarts would fill the queue."""
        if real() - self._gave_way > WORK_S:
            self._pause.wait(RESTART_FIRST_S)
            self._gave_way = real()

    def _report(self, report: CrashReport) -> None:
        self._give_way()
        stack = report.stack  # formats it, and lets go of the frames
        if self._on_crash is not None:
            self._on_crash(report)
        else:
            log.error(
                "%s of %s under %s: %s\n%s",
                report.context,
                report.child,
                report.supervisor,
                report.reason,
                stack,
            )

    def _put(self, task: Callable[[], Any], *, quiet: bool = False) -> None:
        if self._closed or threading.current_thread() is self._thread:
            return
        if len(self._queue) >= LIMIT:
            self.counters["overflow"] += 1
            return
        self._queue.append(task)
        if not quiet:
            self.kick()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has been told already
            self._work.release()

    def _run(self) -> None:
        while True:
            try:
                task = self._queue.popleft()
            except IndexError:
                self._work.acquire()
                continue
            if task is None:
                return
            try:
                task()
            except BaseException:  # not even a listener's SystemExit may end the others' service
                self.counters["listener_errors"] += 1
                log.debug("a listener of the supervision tree raised", exc_info=True)
