"""What everybody says: events, alarms, looks, time, and how dispatch is steered."""

from __future__ import annotations

from typing import Any

from foldward.contracts.messages._base import Message


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
