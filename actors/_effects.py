"""What a decision asks its actor to do: the only things an actor's pure core can cause.

A core takes its state, a message and the time, changes its state and returns effects; the shell
(`ProductActor.carry_out`) does them in order. So every rule is tested without a thread, a socket or a file.
"""

from __future__ import annotations

from typing import Any

import msgspec

from foldward.contracts.facts import Fact


class Effect(msgspec.Struct, frozen=True, gc=False):
    """Base of all effects. They live for a moment and lead to no cycle: the collector need not count them."""


class WriteFact(Effect, frozen=True):
    """Ask the DBWriter to make a fact true; with a tag, `Written` comes back with it."""

    fact: Fact
    tag: Any = None
    reply: bool = True


class Tell(Effect, frozen=True):
    """Tell a message to the actor of that name."""

    to: str
    message: Any


class Answer(Effect, frozen=True):
    """Tell a message to an address that somebody gave with a question; None is nobody."""

    to: Any
    message: Any


class Event(Effect, frozen=True):
    """Emit a telemetry event."""

    event_type: str
    data: dict[str, Any]
    severity: str = "info"
    correlation_id: str = "unknown"
    run_id: str = "-"
    trace_id: str = "-"


class Alarm(Effect, frozen=True):
    """Tell the operator; equal keys are one alarm."""

    key: str
    title: str
    body: str
    severity: str = "warning"


class SendBytes(Effect, frozen=True):
    """Hand bytes to the link for a peer."""

    peer: str
    request_id: str
    data: bytes


class Later(Effect, frozen=True):
    """Tell oneself a message after so many seconds, because something is due then."""

    after_s: float
    message: Any


Effects = list[Effect]
