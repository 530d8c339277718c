"""An exception for another thread, when it comes back to Python."""

from __future__ import annotations

import ctypes
import threading

from supervision.errors import Abandoned


class _Absorbed(BaseException):
    """Raised and caught at once by the thread that interrupts another one."""


def interrupt(ident: int, *, clear: bool = False) -> None:
    """Have the thread raise Abandoned at its next bytecode, or take that back.

    CPython 3.11 keeps one flag an interpreter for "some thread has an asynchronous exception". A thread that
    is stuck outside bytecode never takes it, so the flag stays up: every thread goes the slow way, and one
    that is profiled or traced loops for ever on entering a function. An exception of our own, taken at once,
    lowers the flag; the other thread still finds its own when it comes back and yields the interpreter.
    """
    send = ctypes.pythonapi.PyThreadState_SetAsyncExc
    other, own = ctypes.c_ulong(ident), ctypes.c_ulong(threading.get_ident())
    abandoned = None if clear else ctypes.py_object(Abandoned)
    absorbed = ctypes.py_object(_Absorbed)
    try:
        # No Python function may be entered between these two.
        send(other, abandoned)
        send(own, absorbed)
        for _ in range(100):  # the exception comes at the latest with a jump back
            pass
    except _Absorbed:
        return
