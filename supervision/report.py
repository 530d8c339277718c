"""Crash reports: what OTP's SASL says about a child, in one record.

The stack is formatted when it is first asked for (by the sink's thread, at once): a restart should not wait
for the formatting of the crash that caused it.
"""

from __future__ import annotations

import threading
import traceback
from typing import Any

from supervision._exit import Exit
from supervision._life import Life
from supervision.plan import Ending

KEEP = 20  # per child


class CrashReport:
    """Who failed, under whom, in which context, why, on what, after how long.

    context: start_error | child_terminated | shutdown_error | shutdown (the supervisor itself gave up).
    """

    def __init__(self, supervisor: str, context: str, life: Life, exit: Exit) -> None:
        child = life.child
        self.supervisor = supervisor
        self.context = context
        self.child = life.id
        self.incarnation = life.incarnation
        self.reason = exit.reason
        self.ending = exit.ending.value
        self.at_us = exit.at_us
        self.message_type = exit.message_type
        self.inbox_depth = exit.inbox_depth
        self.uptime_s = exit.uptime_s
        self.offender = {
            "id": life.id,
            "kind": child.kind,
            "restart": child.restart.value,
            "shutdown": str(child.shutdown),
            "start": getattr(child.start, "__qualname__", repr(child.start)),
            "incarnation": life.incarnation,
            "pid": life.pid,
            "thread": life.thread.ident if life.thread is not None else None,
        }
        self.code = code_of(exit)
        self._stack = exit.stack
        self._error = exit.error
        self._lock = threading.Lock()

    @property
    def stack(self) -> str:
        """The traceback, the stack of a hung thread, or the tail of a process's stderr."""
        with self._lock:
            if self._stack is None:
                self._stack = "".join(traceback.format_exception(self._error)) if self._error else ""
            self._error = None  # it holds the frames of the dead incarnation and all they refer to
            return self._stack

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON; `at_us` is integer microseconds UTC, `uptime_s` seconds."""
        return {
            "supervisor": self.supervisor,
            "context": self.context,
            "child": self.child,
            "incarnation": self.incarnation,
            "ending": self.ending,
            "reason": self.reason,
            "code": self.code,
            "offender": dict(self.offender),
            "message_type": self.message_type,
            "inbox_depth": self.inbox_depth,
            "uptime_s": round(self.uptime_s, 6),
            "at_us": self.at_us,
            "stack": self.stack,
        }


def code_of(exit: Exit) -> str:
    """The error's own dotted code when it has one, else what kind of end it was."""
    code = getattr(exit.error, "code", None)
    if isinstance(code, str) and code:
        return code
    if exit.ending is Ending.HUNG:
        return "supervision.hung"
    return exit.code or "internal"
