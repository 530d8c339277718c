"""What a circuit breaker decides, as functions from one state to the next.

M. Nygard, "Release It!" (2007), ch. 5. Closed lets calls through and counts consecutive failures; open
rejects; half-open lets one probe through at a time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """The three states, spelled as in the events breaker.opened, breaker.half_open, breaker.closed."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Limits(NamedTuple):
    """threshold: consecutive failures that open it. recovery: seconds open. success_threshold: probes."""

    threshold: int
    recovery: float
    success_threshold: int


class Circuit(NamedTuple):
    """failures: consecutive, while closed. successes: of probes. probe_at: when the probe under way began.

    opened_at: when it last opened. epoch grows with every transition, every probe and every outcome of one:
    an outcome that carries an older epoch belongs to an earlier call and says nothing about now.
    """

    state: State = State.CLOSED
    failures: int = 0
    successes: int = 0
    opened_at: float = 0.0
    probe_at: float | None = None
    epoch: int = 0


def retry_at(circuit: Circuit, limits: Limits) -> float | None:
    """When the next call may be let through; None when it may now (closed, or half-open without a probe)."""
    if circuit.state is State.OPEN:
        return circuit.opened_at + limits.recovery
    if circuit.probe_at is not None:
        return circuit.probe_at + limits.recovery
    return None


def admit(circuit: Circuit, limits: Limits, now: float) -> tuple[Circuit, bool]:
    """Ask to make a call: the next state, and whether it may.

    A probe that has not reported within `recovery` seconds is lost and its place is free again, so a caller
    that died with it cannot keep the breaker half-open for ever.
    """
    if circuit.state is State.CLOSED:
        return circuit, True
    due = retry_at(circuit, limits)
    if due is not None and now < due:
        return circuit, False
    successes = circuit.successes if circuit.state is State.HALF_OPEN else 0
    return (
        circuit._replace(
            state=State.HALF_OPEN,
            successes=successes,
            probe_at=now,
            epoch=circuit.epoch + 1,
        ),
        True,
    )


def succeed(circuit: Circuit, limits: Limits) -> Circuit:
    """A call that was let through succeeded."""
    if circuit.state is State.CLOSED:
        return circuit._replace(failures=0)
    if circuit.state is State.OPEN or circuit.probe_at is None:
        return circuit
    if circuit.successes + 1 >= limits.success_threshold:
        return Circuit(epoch=circuit.epoch + 1)
    return circuit._replace(successes=circuit.successes + 1, probe_at=None, epoch=circuit.epoch + 1)


def ready(circuit: Circuit) -> Circuit:
    """The peer shows itself: an open breaker lets its next call through now, as the probe."""
    if circuit.state is not State.OPEN:
        return circuit
    return circuit._replace(state=State.HALF_OPEN, successes=0, probe_at=None, epoch=circuit.epoch + 1)


def trip(circuit: Circuit, limits: Limits, now: float) -> Circuit:
    """As good as all the failures that open it; an open one whose time is not over keeps that time."""
    if circuit.state is State.OPEN and now < circuit.opened_at + limits.recovery:
        return circuit
    failures = max(circuit.failures, limits.threshold)
    return Circuit(State.OPEN, failures=failures, opened_at=now, epoch=circuit.epoch + 1)


def fail(circuit: Circuit, limits: Limits, now: float) -> Circuit:
    """A call that was let through failed."""
    if circuit.state is State.OPEN:
        return circuit
    failures = circuit.failures + 1
    if circuit.state is State.CLOSED and failures < limits.threshold:
        return circuit._replace(failures=failures)
    return Circuit(State.OPEN, failures=failures, opened_at=now, epoch=circuit.epoch + 1)
