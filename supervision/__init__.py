"""A small OTP for pykka: supervision trees of actors and OS processes.

See docs/explanation/supervision.md for what it does and why, docs/reference/supervision.md for every name.
"""

from __future__ import annotations

from foldward.contracts.clock import now, utcnow
from supervision._admin import Supervisor
from supervision._hooks import Actor
from supervision._row import Info
from supervision._run import run
from supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    Empty,
    Ignore,
    InboxFull,
    MaxChildren,
    NotFound,
    Restarting,
    Running,
    SpecError,
    StartFailed,
    SupervisorError,
)
from supervision.inbox import Inbox
from supervision.names import Handle, Names
from supervision.report import CrashReport
from supervision.root import Root, boot
from supervision.spec import (
    DROP,
    KEEP,
    AutoShutdown,
    Backoff,
    Child,
    InboxPolicy,
    Restart,
    Strategy,
    dynamic,
    process,
    supervisor,
)
from supervision.timers import Timer, Timers

__all__ = [
    "DROP",
    "KEEP",
    "Actor",
    "AlreadyPresent",
    "AlreadyStarted",
    "AutoShutdown",
    "Backoff",
    "Child",
    "CrashReport",
    "Empty",
    "Handle",
    "Ignore",
    "Inbox",
    "InboxFull",
    "InboxPolicy",
    "Info",
    "MaxChildren",
    "Names",
    "NotFound",
    "Restart",
    "Restarting",
    "Root",
    "Running",
    "SpecError",
    "StartFailed",
    "Strategy",
    "Supervisor",
    "SupervisorError",
    "Timer",
    "Timers",
    "boot",
    "dynamic",
    "now",
    "process",
    "run",
    "supervisor",
    "utcnow",
]
