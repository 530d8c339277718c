"""What bounds a worker: wall time of a job, address space of the process, and the life of its parent."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_HEADROOM = 256 * 1024 * 1024
_MIB = 1024 * 1024


class TimeIsUp(BaseException):
    """Raised in the working thread when a job's time is over; no handler for Exception may swallow it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:g} s are over")
        self.seconds = seconds


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeIsUp in the main thread after `seconds`; without effect in other threads.

    The interpreter runs the handler between two bytecodes: a kernel that does not return is ended by the
    heart instead, which answers for the worker and ends the process.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(_signum: int, _frame: FrameType | None) -> None:
        raise TimeIsUp(seconds)

    before = signal.signal(signal.SIGALRM, over)
    try:
        # Again and again: the first may fall into a `finally` or a callback that swallows it.
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.25)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def limit_memory(megabytes: int) -> int:
    """Limit the address space (RLIMIT_AS) and return the limit in bytes.

    Never below what is mapped already and some room to work: a limit that the start has passed would fail
    every job. Above it, an allocation fails with MemoryError, which is answered as engine.memory.
    """
    wanted = max(megabytes * _MIB, address_space() + _HEADROOM)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    return wanted


def address_space() -> int:
    """Bytes of address space in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def resident() -> int:
    """Bytes of memory in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Parent:
    """The process that started this one, and whether it still lives.

    Asked, not signalled: PR_SET_PDEATHSIG fires when the parent's *thread* ends, which would stop a healthy
    worker whenever core replaces the thread that started it.
    """

    def __init__(self, pid: int | None = None) -> None:
        self.pid = os.getppid() if pid is None else pid

    def gone(self) -> bool:
        """True once the parent has died: the kernel has given this process another one."""
        return os.getppid() != self.pid
