"""Where threads are now, without stopping the whole process.

`sys._current_frames()` builds its dict while it holds the interpreter's list of threads. In CPython before
3.11.8 a garbage collection that starts in there runs callbacks, which may hand over the interpreter lock; a
thread that begins at that moment then waits for the list, and everything waits for it (gh-106883). So no
collection may start in there.
"""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType

_lock = threading.Lock()  # two callers must not put the collector back in each other's way


def frames() -> dict[int, FrameType]:
    """The topmost frame of every thread, by thread identity."""
    with _lock:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if collecting:
                gc.enable()
