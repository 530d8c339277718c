"""What the breakers of the links have to tell: events and alarms, in the order in which they moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors._effects import Alarm, Effects, Event
from foldward.contracts import clock
from foldward.resilience import State

_EVENT = {
    State.CLOSED: "breaker.closed",
    State.OPEN: "breaker.opened",
    State.HALF_OPEN: "breaker.half_open",
}


class News:
    """snapshot: figures of the breaker with that name."""

    def __init__(self, snapshot: Callable[[str], dict[str, Any]]) -> None:
        self._snapshot = snapshot
        self._waiting: Effects = []
        self._silent: dict[str, str] = {}

    def silent(self, name: str, reason: str) -> None:
        """Its breaker is about to open because nothing is heard, not for failures."""
        self._silent[name] = reason

    def moved(self, name: str, _before: State, after: State) -> None:
        """A breaker has changed its state."""
        breaker = self._snapshot(name)
        why = self._silent.pop(name, None) or f"{breaker['failures']} failures in a row"
        due = breaker["retry_at"]
        left_us = 0 if due is None else int((due - clock.now()) * clock.US)
        retry_at = None if due is None else clock.iso_ms(clock.utc_us() + left_us)
        self._waiting.append(
            Event(
                _EVENT[after],
                {"breaker": name, "failures": breaker["failures"], "retry_at": retry_at},
                "warning" if after is State.OPEN else "info",
            )
        )
        if after is State.OPEN:
            self._waiting.append(
                Alarm(
                    f"breaker:{name}",
                    f"Breaker of {name} is open",
                    f"{why}; its requests wait.",
                )
            )

    def after(self, effects: Effects) -> Effects:
        """The effects, and behind them what there is to tell."""
        if self._waiting:
            effects = effects + self._waiting
            self._waiting = []
        return effects
