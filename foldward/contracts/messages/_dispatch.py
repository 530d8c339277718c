"""From a due row to an applied answer."""

from __future__ import annotations

from typing import Any

import msgspec

from foldward.contracts.jobs import Result
from foldward.contracts.messages._base import Message


class Work(msgspec.Struct, frozen=True, gc=False):
    """A row as the sender needs it.

    charged: a resend after a failure, which the retry budget limits. sends: how often it left before.
    """

    request_id: str
    name: str
    kind: str
    payload: bytes
    due_us: int
    priority: int = 0
    trace_id: str = "-"
    charged: bool = False
    origin: str = "operator"
    requested_us: int = 0
    sends: int = 0


class Admitted(Message, frozen=True, kw_only=True):
    """To the Dispatcher: a row is due. The work saves a read; the row is what counts."""

    work: Work


class Settled(Message, frozen=True, kw_only=True):
    """From the OOSQueue to Dispatcher, RankEvaluator, WFVScheduler and Reporter: a request's state changed.

    state: applied | duplicate | nondeterministic | retry | error | cancelled | pending; and, to the
    Dispatcher alone, gone: the row is not open any more, nothing is to be done. `due_us` for retry and
    pending. charged: the resend follows a failure, so the retry budget limits it. `result` for applied.
    """

    request_id: str
    name: str
    kind: str
    state: str
    due_us: int | None = None
    origin: str = "operator"
    group_id: str | None = None
    code: str | None = None
    result: Result | None = None
    charged: bool = False


class ResultArrived(Message, frozen=True, kw_only=True):
    """From Dispatcher (or DeadLetter's replay) to the OOSQueue: a decoded answer with its bytes.

    With reply_to it is answered with Ack: ok, and value {"outcome": applied | duplicate | nondeterministic |
    stale | refused | failed, "code"?, "error"?}.
    """

    result: Result
    raw: bytes
    peer: str
    received_us: int
    dead_id: int | None = None  # set when it is replayed
    reply_to: Any = None
    tag: Any = None


class AttemptFailed(Message, frozen=True, kw_only=True):
    """From Dispatcher to OOSQueue: the bytes did not leave (send) or no answer came in time (deadline)."""

    request_id: str
    cause: str  # send | deadline
    code: str
    error: str
    at_us: int
    attempt: int = 0


class WorkReturned(Message, frozen=True, kw_only=True):
    """To OOSQueue: the worker that held these is gone. started: ids it had begun (or held alone)."""

    request_ids: tuple[str, ...]
    started: tuple[str, ...]
    peer: str
    reason: str
    at_us: int
