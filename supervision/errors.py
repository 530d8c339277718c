"""What the supervision tree raises on purpose.

    SpecError(ValueError)      a spec that cannot be; raised when it is built
    └─ MaxChildren             a dynamic supervisor is full
    SupervisorError
    ├─ NotFound                no child of that id
    ├─ Running                 the child runs: terminate it first
    ├─ Restarting              the child is between two lives
    ├─ AlreadyStarted          start_child of an id that runs (or is restarting, as in OTP)
    ├─ AlreadyPresent          start_child of an id whose spec is there, not running
    ├─ StartFailed             a child did not start; `cause` says why
    └─ InboxFull               a bounded inbox whose policy is "raise"
    Ignore                     raised by a child in its start: "leave me out"

The names are those of the OTP supervisor's error atoms: https://www.erlang.org/doc/apps/stdlib/supervisor.html
"""

from __future__ import annotations

import queue
from typing import Any


class SpecError(ValueError):
    """A child or supervisor spec that cannot be. The message names the child, the field and the value."""


class SupervisorError(Exception):
    """Base of what the administration calls of a supervisor raise. `id` is the child's."""

    def __init__(self, id: str, message: str) -> None:
        super().__init__(message)
        self.id = id


class MaxChildren(SpecError):
    """A dynamic supervisor holds as many children as its spec allows."""


class NotFound(SupervisorError):
    """No child of that id under this supervisor."""

    def __init__(self, id: str, hint: str = "") -> None:
        super().__init__(id, f"no child {id!r}{hint}")


class Running(SupervisorError):
    """The child runs; terminate it first."""

    def __init__(self, id: str) -> None:
        super().__init__(id, f"child {id!r} is running")


class Restarting(SupervisorError):
    """The child is between two lives; terminate_child cancels that."""

    def __init__(self, id: str) -> None:
        super().__init__(id, f"child {id!r} is being restarted")


class AlreadyStarted(SupervisorError):
    """start_child of an id that runs. `ref` is its Handle."""

    def __init__(self, id: str, ref: Any = None) -> None:
        super().__init__(id, f"child {id!r} is already started")
        self.ref = ref


class AlreadyPresent(SupervisorError):
    """start_child of an id whose spec is kept but not running: restart_child or delete_child it."""

    def __init__(self, id: str) -> None:
        super().__init__(id, f"child {id!r} is already present, not running")


class StartFailed(SupervisorError):
    """A child did not start. `cause` is what it raised; under a supervisor causes nest as in OTP."""

    def __init__(self, id: str, cause: BaseException) -> None:
        super().__init__(id, f"child {id!r} did not start: {type(cause).__name__}: {cause}")
        self.cause = cause
        self.__cause__ = cause


class InboxFull(SupervisorError):
    """The receiver's inbox is at its bound and its policy is "raise"."""

    def __init__(self, id: str, limit: int) -> None:
        super().__init__(id, f"the inbox of {id!r} holds {limit} messages already")


class Ignore(Exception):
    """Raised in `__init__`, `recover` or `on_start`: this child does not want to run.

    Its spec stays (not running); a temporary child's spec goes. Starting the tree goes on.
    """


class Empty(TimeoutError, queue.Empty):
    """No message came in time (Inbox.get). Catch it as TimeoutError or as queue.Empty."""


class Leaving(BaseException):
    """Carries `Actor.leave(why)` out of the handler; user code that catches Exception does not stop it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Abandoned(BaseException):
    """Raised inside the thread of an abandoned incarnation when it returns to Python bytecode."""
