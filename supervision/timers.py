"""Timers: messages that come later. One thread and one heap per root.

While a timer is armed and freezegun is loaded, the thread looks at the clock every 20 ms, so virtual time
that jumps (a frozen clock ticked by an hour) fires without any patching. Where time cannot be frozen it looks
when the next timer is due, and four times a second: fifty wake-ups a second alone cost half a percent of a
core.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import sys
import threading
from _thread import allocate_lock
from collections.abc import Callable
from typing import Any, Protocol

from supervision._clock import now

POLL_S = 0.02  # while time may be virtual
LOOK_S = 0.25  # otherwise
SWEEP = 64  # heap entries from which on cancelled ones are looked for

log = logging.getLogger("supervision")


class Address(Protocol):
    """Anything that takes messages: a Handle, an Inbox, a mailbox."""

    def tell(self, message: Any, /) -> bool: ...


class Timer:
    """One pending message (or, with `every`, a series of them)."""

    __slots__ = ("cancelled", "due", "interval", "queued", "send")

    def __init__(self, due: float, send: Callable[[Timer], Any], interval: float | None) -> None:
        self.due = due
        self.send = send
        self.interval = interval
        self.cancelled = False
        self.queued = False  # put into an inbox, not yet handled there

    def cancel(self) -> None:
        """No more messages from it, also none that waits in the actor's own inbox; harmless at any time."""
        self.cancelled = True


class Timers:
    """The timer service of one root."""

    def __init__(self, name: str = "timers") -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()  # the heap
        self._kick = (
            allocate_lock()
        )  # a binary semaphore: cheaper to wait on 50 times a second than a Condition
        self._kick.acquire()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._sweep_at = SWEEP
        self._name = name

    def after(self, seconds: float, address: Address, message: Any) -> Timer:
        """Tell `address` the message once, `seconds` from now (0 or less: as soon as possible)."""
        return self.schedule(seconds, lambda _timer: address.tell(message))

    def every(self, seconds: float, address: Address, message: Any) -> Timer:
        """Tell `address` the message again and again, first after `seconds` (more than 0).

        Beats that were missed (a late thread, a jump of the clock) are not made up for: one comes, then the
        next whole interval after now.
        """
        return self.schedule(seconds, lambda _timer: address.tell(message), interval=seconds)

    def schedule(
        self, seconds: float, send: Callable[[Timer], Any], *, interval: float | None = None
    ) -> Timer:
        """Call `send(timer)` in the timer thread; it must not block. After close nothing fires.

        Raises RuntimeError when that thread is needed now and the machine gives no more threads.
        """
        if interval is not None and not interval > 0:
            raise ValueError(f"an interval must be more than 0 seconds, not {interval!r}")
        timer = Timer(now() + seconds, send, interval)
        with self._lock:
            if self._closed:
                timer.cancelled = True
                return timer
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()  # raises when the machine gives no more threads; then nothing is armed
                self._thread = thread
            self._push(timer)
        self._look()
        return timer

    def armed(self) -> int:
        """How many timers are pending."""
        return sum(1 for _, _, timer in list(self._heap) if not timer.cancelled)

    def size(self) -> int:
        """How many entries the heap holds, cancelled ones included."""
        return len(self._heap)

    def close(self, timeout: float = 1.0) -> None:
        """Cancel everything and end the thread."""
        with self._lock:
            self._closed = True
            self._heap.clear()
            thread = self._thread
        self._look()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _push(self, timer: Timer) -> None:
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if not entry[2].cancelled]
            heapq.heapify(self._heap)
            self._sweep_at = max(SWEEP, 2 * len(self._heap))
        heapq.heappush(self._heap, (timer.due, next(self._order), timer))

    def _look(self) -> None:
        """Have the thread look at the heap."""
        with contextlib.suppress(RuntimeError):  # it has been told already
            self._kick.release()

    def _run(self) -> None:
        wait = self._kick.acquire
        while not self._closed:
            try:
                due, _, timer = self._heap[0]
            except IndexError:  # nothing armed: no need to look at the clock
                wait()
                continue
            left = due - now()
            if left > 0 and not timer.cancelled:
                wait(timeout=min(POLL_S if "freezegun" in sys.modules else LOOK_S, left))
                continue
            with self._lock:
                ready = self._due()
            for timer in ready:
                self._fire(timer)

    def _due(self) -> list[Timer]:
        moment = now()
        due = []
        while self._heap and (self._heap[0][2].cancelled or self._heap[0][0] <= moment):
            timer = heapq.heappop(self._heap)[2]
            if timer.cancelled:
                continue
            due.append(timer)
            if timer.interval is not None:
                timer.due += timer.interval
                if timer.due <= moment:
                    timer.due = moment + timer.interval
                self._push(timer)
        return due

    def _fire(self, timer: Timer) -> None:
        if timer.cancelled:
            return
        try:
            timer.send(timer)
        except Exception:  # the one thread of all timers outlives any receiver
            log.exception("a timer's receiver raised")
