"""The two signals of a running tree, taken by a thread of their own.

The kernel may give a signal of the process to any thread. Python runs handlers in the main thread only, and
nothing wakes that one when it waits for a lock and another thread was given the signal: the signal would be
seen when the tree ends by itself. `signal.set_wakeup_fd` writes the number to a pipe in whichever thread it
arrives, so a thread that reads the pipe sees it at once, whatever the main thread does (boots, waits, stops).
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LOOK = 0  # in the inbox: nothing for us, but the main thread may have a handler to run


class Signals:
    """SIGTERM and SIGINT while a tree runs: the first is put into `inbox`, the second leaves at once.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.first: int | None = None
        self.on_first: Callable[[], Any] | None = None
        self._previous: dict[int, Any] = {}
        self._previous_fd = -1
        self._write: int | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            read, write = os.pipe()
            os.set_blocking(write, False)
            self._write = write
            self._thread = threading.Thread(
                target=self._watch, args=(read,), name="supervision-signals", daemon=True
            )
            self._thread.start()
            self._previous_fd = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, _taken)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._write is None or self._thread is None:
            return
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._write)  # the thread reads the end
        self._thread.join()
        self._write = self._thread = None

    def wait(self) -> int | None:
        """The signal's number, or None when somebody else wants the end. Others' handlers run meanwhile."""
        while (item := self.inbox.get()) == LOOK:
            pass
        return item

    def _watch(self, read: int) -> None:
        with contextlib.closing(os.fdopen(read, "rb", buffering=0)) as pipe:
            while numbers := pipe.read(64):
                for number in numbers:
                    if number in SIGNALS:
                        self._caught(number)
                    else:
                        self.inbox.put(LOOK)

    def _caught(self, number: int) -> None:
        if self.first is not None:
            os._exit(128 + number)
        self.first = number
        self.inbox.put(number)
        if self.on_first is not None:
            self.on_first()


def _taken(_number: int, _frame: FrameType | None) -> None:
    """The thread has seen it; without a handler it would end the process."""
