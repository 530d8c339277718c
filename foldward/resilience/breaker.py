"""The circuit breaker: the lock around `circuit`, and who is told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

from foldward.contracts import clock as _clock
from foldward.contracts.errors import ProviderError
from foldward.resilience._refuse import BadSetting, count, seconds
from foldward.resilience.circuit import Circuit, Limits, State, admit, fail, ready, retry_at, succeed, trip

P = ParamSpec("P")
T = TypeVar("T")
OnTransition = Callable[[str, State, State], Any]


class BreakerOpen(ProviderError):
    """ProviderError `provider.open`: the call was not made. retry_at: on the breaker's clock."""

    def __init__(self, name: str, retry_at: float, retry_after: float) -> None:
        super().__init__(
            "provider.open",
            f"the circuit breaker {name or 'here'} is open for another {retry_after:.3g} s",
            retry_after=retry_after,
            breaker=name,
            retry_at=retry_at,
        )
        self.retry_at = retry_at


class Permit(NamedTuple):
    """Leave to make one call, handed back with its outcome. `probe`: it decides a half-open breaker."""

    epoch: int
    probe: bool

    def __bool__(self) -> bool:
        return True


class CircuitBreaker:
    """Stops calling what keeps failing. Thread-safe; nothing is called while the lock is held.

    threshold: consecutive failures that open it. recovery: seconds until the first probe. success_threshold:
    probes that must succeed, one after the other, to close it. clock: seconds, never going back. excluded:
    error classes that say nothing about the peer's health (it answered, and the request was wrong): they
    neither count nor forgive the failures before them. A probe asks only whether it answers, so there they
    are a success.
    on_transition(name, old, new): told after each change, in order, outside the lock; what it raises is
    counted in `observer_errors` and goes no further.

    `call` runs a function through it; `allow` with `record_success` or `record_failure` is for work whose
    outcome comes later. Raises ConfigError `config.invalid` for wrong settings.
    """

    def __init__(
        self,
        threshold: int = 5,
        recovery: float = 60.0,
        success_threshold: int = 1,
        clock: Callable[[], float] = _clock.now,
        excluded: type[BaseException] | tuple[type[BaseException], ...] = (),
        *,
        name: str = "",
        on_transition: OnTransition | None = None,
    ) -> None:
        count("threshold", threshold)
        seconds("recovery", recovery)
        count("success_threshold", success_threshold)
        classes = excluded if isinstance(excluded, tuple | list) else (excluded,)
        if not all(isinstance(cls, type) and issubclass(cls, BaseException) for cls in classes):
            raise BadSetting("excluded", excluded, "an exception class or a tuple of them")
        self.name = name
        self.observer_errors = 0
        self._limits = Limits(threshold, recovery, success_threshold)
        self._clock = clock
        self._excluded = tuple(classes)
        self._on_transition = on_transition
        self._lock = threading.Lock()
        self._circuit = Circuit()
        self._opened = self._rejected = 0
        self._news: deque[tuple[State, State]] = deque()
        self._telling = threading.Lock()

    @property
    def state(self) -> State:
        """closed | open | half_open; open with its recovery over reads half_open: the next call may go."""
        with self._lock:
            return self._shown()

    @property
    def retry_at(self) -> float | None:
        """When the next call may be let through, on the breaker's clock; None while closed."""
        with self._lock:
            return retry_at(self._circuit, self._limits)

    def snapshot(self) -> dict[str, Any]:
        """For status: name, state, consecutive failures, retry_at, times opened, calls rejected."""
        with self._lock:
            return {
                "name": self.name,
                "state": str(self._shown()),
                "failures": self._circuit.failures,
                "retry_at": retry_at(self._circuit, self._limits),
                "opened": self._opened,
                "rejected": self._rejected,
            }

    def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`fn(*args, **kwargs)`, or BreakerOpen without calling it.

        A failure is any Exception that is not excluded. KeyboardInterrupt, SystemExit and their like say
        nothing about the peer: they are not counted, but as the outcome of a probe they open it again.
        """
        permit = self._admit()
        if isinstance(permit, BreakerOpen):
            raise permit
        outcome: Callable[[Permit], None] = self.record_failure
        try:
            value = fn(*args, **kwargs)
            outcome = self.record_success
        except self._excluded:
            outcome = self.record_success if permit.probe else _nothing
            raise
        except Exception:
            raise
        except BaseException:
            if not permit.probe:
                outcome = _nothing
            raise
        finally:
            outcome(permit)
        return value

    def allow(self) -> Permit | None:
        """A permit for one call, or None while calls are rejected. Report its outcome with the permit.

        The permit of a probe that is not reported within `recovery` seconds is void, and another is given.
        """
        permit = self._admit()
        return None if isinstance(permit, BreakerOpen) else permit

    def record_success(self, permit: Permit | None = None) -> None:
        """The call succeeded. Without its permit it is taken as an outcome of the present state."""
        with self._lock:
            if permit is None or permit.epoch == self._circuit.epoch:
                self._move(succeed(self._circuit, self._limits))
        self._tell()

    def record_failure(self, permit: Permit | None = None) -> None:
        """The call failed. Without its permit it is taken as an outcome of the present state."""
        with self._lock:
            if permit is None or permit.epoch == self._circuit.epoch:
                self._move(fail(self._circuit, self._limits, self._clock()))
        self._tell()

    def trip(self) -> bool:
        """Open it without waiting for failures. False: it was open, and keeps its time."""
        with self._lock:
            before = self._circuit
            self._move(trip(before, self._limits, self._clock()))
            tripped = self._circuit is not before
        self._tell()
        return tripped

    def half_open(self) -> None:
        """What it waited for is there: an open one lets one probe through now instead of at `retry_at`."""
        with self._lock:
            self._move(ready(self._circuit))
        self._tell()

    def reset(self) -> None:
        """Close it and forget all failures; calls under way no longer count."""
        with self._lock:
            self._move(Circuit(epoch=self._circuit.epoch + 1))
        self._tell()

    def _admit(self) -> Permit | BreakerOpen:
        closed = self._circuit
        if closed.state is State.CLOSED:  # one look at one immutable value needs no lock
            return Permit(closed.epoch, False)
        with self._lock:
            now = self._clock()
            circuit, allowed = admit(self._circuit, self._limits, now)
            self._move(circuit)
            if allowed:
                answer: Permit | BreakerOpen = Permit(circuit.epoch, circuit.state is State.HALF_OPEN)
            else:
                self._rejected += 1
                due = retry_at(circuit, self._limits) or now
                answer = BreakerOpen(self.name, due, max(0.0, due - now))
        self._tell()
        return answer

    def _shown(self) -> State:
        circuit = self._circuit
        if circuit.state is State.OPEN and self._clock() >= circuit.opened_at + self._limits.recovery:
            return State.HALF_OPEN
        return circuit.state

    def _move(self, circuit: Circuit) -> None:
        before, self._circuit = self._circuit.state, circuit
        if circuit.state is not before:
            self._opened += circuit.state is State.OPEN
            self._news.append((before, circuit.state))

    def _tell(self) -> None:
        # One teller at a time keeps the order; whoever finds another telling leaves the news to it. The
        # outer loop picks up what was added between its last look and its release.
        while self._news and self._telling.acquire(blocking=False):
            try:
                while self._news:
                    self._tell_one(*self._news.popleft())
            finally:
                self._telling.release()

    def _tell_one(self, before: State, after: State) -> None:
        if self._on_transition is None:
            return
        try:
            self._on_transition(self.name, before, after)
        except Exception:  # an observer's fault must not become the guarded call's
            self.observer_errors += 1


def _nothing(_permit: Permit) -> None:
    """No outcome: the call says nothing about the peer."""
