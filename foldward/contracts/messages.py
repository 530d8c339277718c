"""What actors tell each other: frozen, small, and never mutated.

An address is anything with `tell(message) -> bool`: a Handle (by name, survives a restart) or an Inbox (a
thread that waits for an answer). Whatever matters is in SQLite before it is told, because a crash may lose
what is told; a message is a hint that makes things quick, the rows are what makes them sure.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from foldward.contracts.facts import Fact
from foldward.contracts.jobs import Backtest, Heartbeat, Result


class Address(Protocol):
    """Where an answer goes."""

    def tell(self, message: Any, /) -> bool: ...


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages."""


# --- writing -----------------------------------------------------------------------------------------------


class Write(Message, frozen=True, kw_only=True):
    """To the DBWriter: make `fact` true. `sender` and `incarnation` fence a replaced actor's late writes."""

    fact: Fact
    reply_to: Any = None  # Address | None
    tag: Any = None
    sender: str = "-"
    incarnation: int = 0


class Written(Message, frozen=True, kw_only=True):
    """The answer to a Write, told after the commit: `value` is the fact's outcome; or why it failed."""

    tag: Any
    fact: Fact
    ok: bool
    value: Any = None
    code: str | None = None
    error: str | None = None


# --- asking for work ---------------------------------------------------------------------------------------


class Submit(Message, frozen=True, kw_only=True):
    """To the OOSQueue: validate these strategies. Answered with Submitted once all rows are committed.

    kind: backtest | oos | wfv | cpcv | evidence. now: an operator's wish passes the throttle. plan: splits or
    trial statistics. group_id: the wfv or cpcv run this belongs to.
    """

    names: tuple[str, ...]
    kind: str = "oos"
    now: bool = False
    origin: str = "operator"
    run_id: str = "-"
    trace_id: str | None = None
    seed: int = 0
    priority: int = 0
    plan: dict[str, Any] | None = None
    plans: dict[str, dict[str, Any]] | None = None  # per strategy name; wins over plan
    group_id: str | None = None
    parent_id: str | None = None
    window: tuple[int | None, int | None] | None = None  # Unix seconds, inclusive; None: the kind's own
    reply_to: Any = None
    tag: Any = None


class Readmit(Message, frozen=True, kw_only=True):
    """To the OOSQueue: make a new request of an old one's (edited) content, answered with Submitted.

    parent_id: the request it came from. The gate is asked again; the window and the seed stay.
    """

    job: Backtest
    parent_id: str
    origin: str = "replay"
    reply_to: Any = None
    tag: Any = None


class SubmitOutcome(Message, frozen=True, kw_only=True):
    """What became of one name: queued | cached | pending | throttled | refused."""

    name: str
    status: str
    request_id: str | None = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None


class Submitted(Message, frozen=True, kw_only=True):
    """The answer to Submit, in the order of its names."""

    tag: Any
    kind: str
    items: tuple[SubmitOutcome, ...]


class Cancel(Message, frozen=True, kw_only=True):
    """To the OOSQueue: end these open requests. Answered with Cancelled."""

    request_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    why: str = "operator"
    reply_to: Any = None
    tag: Any = None


class Cancelled(Message, frozen=True, kw_only=True):
    """Ids that were open and are cancelled now."""

    tag: Any
    request_ids: tuple[str, ...]


class RetryNow(Message, frozen=True, kw_only=True):
    """To the OOSQueue: make a waiting or given-up request due at once. Answered with Retried."""

    request_ids: tuple[str, ...]
    reply_to: Any = None
    tag: Any = None


class Retried(Message, frozen=True, kw_only=True):
    """request_id → whether it changed."""

    tag: Any
    outcomes: dict[str, bool]


# --- dispatch ----------------------------------------------------------------------------------------------


class Admitted(Message, frozen=True, kw_only=True):
    """To the Dispatcher: a row is due. The payload saves a read; the row is what counts.

    charged: a resend after a failure, which the retry budget limits.
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


# --- links (told by the port thread) -----------------------------------------------------------------------


class PeerJoined(Message, frozen=True, kw_only=True):
    """A worker or legacy peer can take work: up to `capacity` requests at once."""

    peer: str
    capacity: int
    pid: int | None = None
    version: str = ""
    encoding: str = "json"
    legacy: bool = False  # a pushpull peer: names carry suffixes, answers may lack id and window


class PeerLeft(Message, frozen=True, kw_only=True):
    """The peer's connection is gone, or it was silent too long."""

    peer: str
    reason: str


class PeerResized(Message, frozen=True, kw_only=True):
    """More or fewer services stand behind a legacy link: it takes up to `capacity` requests at once now."""

    peer: str
    capacity: int


class PeerStarted(Message, frozen=True, kw_only=True):
    """The peer reported that it began this request."""

    peer: str
    request_id: str
    at_us: int


class PeerBeat(Message, frozen=True, kw_only=True):
    """A HEARTBEAT of a peer."""

    peer: str
    beat: Heartbeat
    at_us: int


class PeerSilent(Message, frozen=True, kw_only=True):
    """From the Heartbeat to the Dispatcher: a peer that sent HEARTBEATs has sent none for `silent_s`."""

    peer: str
    silent_s: float


class FrameReceived(Message, frozen=True, kw_only=True):
    """A message as it came: more than one frame is itself a fault (multipart)."""

    peer: str
    frames: tuple[bytes, ...]
    received_us: int


class FrameSent(Message, frozen=True, kw_only=True):
    """The socket took the bytes."""

    peer: str
    request_id: str


class FrameRefused(Message, frozen=True, kw_only=True):
    """The socket did not take the bytes."""

    peer: str
    request_id: str
    error: str


class LinkFlooded(Message, frozen=True, kw_only=True):
    """What is no answer comes faster than `per_s` a second: the link is read slowly. junk: so far."""

    link: str
    junk: int
    per_s: float


class WorkerExited(Message, frozen=True, kw_only=True):
    """A worker OS process that core supervises has ended."""

    worker: str
    pid: int
    exit_code: int | None


# --- dead letters ------------------------------------------------------------------------------------------


class Hold(Message, frozen=True, kw_only=True):
    """To the DeadLetter actor: keep these bytes. Fields as in facts.HoldDeadLetter."""

    reason: str
    code: str
    error: str
    payload: bytes
    direction: str = "result"
    peer: str = ""
    request_id: str | None = None
    trace_id: str = "-"


class ReplayDead(Message, frozen=True, kw_only=True):
    """To the DeadLetter actor: replay by ids, reason, strategy, age, or all; answered with ReplayDone."""

    ids: tuple[int, ...] = ()
    all: bool = False
    reason: str | None = None
    strategy: str | None = None
    older_than_s: float | None = None
    dry_run: bool = False
    rate: float = 50.0
    limit: int | None = None
    note: str = ""
    edit: dict[str, Any] | None = None
    reply_to: Any = None
    tag: Any = None


class ReplayDone(Message, frozen=True, kw_only=True):
    """Each entry with its own outcome: {"id", "outcome", "error"?}."""

    tag: Any
    replayed: int
    failed: int
    skipped: int
    items: tuple[dict[str, Any], ...]


class CancelReplay(Message, frozen=True, kw_only=True):
    """To the DeadLetter actor: end the replays with this tag (None: all); each answers its ReplayDone."""

    replay: Any = None
    reply_to: Any = None
    tag: Any = None


class DropDead(Message, frozen=True, kw_only=True):
    """To the DeadLetter actor: close entries without replay; answered with ReplayDone (outcome dropped)."""

    ids: tuple[int, ...]
    note: str = ""
    reply_to: Any = None
    tag: Any = None


# --- everyone ----------------------------------------------------------------------------------------------


class Emit(Message, frozen=True, kw_only=True):
    """To Telemetry: one event (see contracts.events). Emitting never raises and never blocks."""

    event_type: str
    data: dict[str, Any]
    at_us: int
    service: str = "unknown"
    severity: str = "info"
    correlation_id: str = "unknown"
    run_id: str = "-"
    trace_id: str = "-"


class Tail(Message, frozen=True, kw_only=True):
    """Asked of Telemetry: the newest `count` events as decoded lines, oldest first.

    `wanted` keeps only lines that contain this text: an event type, a request id, a trace id.
    """

    count: int = 100
    wanted: str = ""


class Figures(Message, frozen=True, kw_only=True):
    """Asked of an actor: its own figures as plain data (Telemetry, Notifier, RankEvaluator …)."""


class Refresh(Message, frozen=True, kw_only=True):
    """Look again because of `reason`: the Reporter writes its snapshots (dispatch, result, report …), the
    RankEvaluator looks for changed strategies (import)."""

    reason: str


class Notify(Message, frozen=True, kw_only=True):
    """To the Notifier: tell the operator. `key` de-duplicates."""

    key: str
    title: str
    body: str
    severity: str = "warning"


class Tick(Message, frozen=True, kw_only=True):
    """Time passed: compare stored due times with the clock."""


class Pause(Message, frozen=True, kw_only=True):
    """Stop sending (durable); results are still applied."""

    reply_to: Any = None
    tag: Any = None


class Resume(Message, frozen=True, kw_only=True):
    """Send again."""

    reply_to: Any = None
    tag: Any = None


class Drain(Message, frozen=True, kw_only=True):
    """Admit nothing more and send nothing more; what is in flight may finish."""

    reply_to: Any = None
    tag: Any = None


class Look(Message, frozen=True, kw_only=True):
    """Asked (not told) of an actor: what it is doing, as one dict of plain data."""


class Ack(Message, frozen=True, kw_only=True):
    """A plain answer."""

    tag: Any
    ok: bool = True
    value: Any = None
