"""A supervisor's book-keeping about one child."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from supervision.spec import Child

if TYPE_CHECKING:
    from supervision._life import Life
    from supervision._tree import Record
    from supervision.names import Handle
    from supervision.timers import Timer


class Info(NamedTuple):
    """A row of which_children. state: running | restarting | not_running; ref is set while it runs."""

    id: str
    ref: Handle | None
    state: str
    kind: str
    restart: str


class Pending:
    """A restart that is to come: these children, in this order, because of `cause`."""

    __slots__ = ("cause", "ids", "timer")

    def __init__(self, cause: str, ids: list[str]) -> None:
        self.cause = cause
        self.ids = ids
        self.timer: Timer | None = None

    def leave(self, id: str) -> None:
        """One child has no part in it any more; without children it is off."""
        if id in self.ids:
            self.ids.remove(id)
        if not self.ids:
            self.cancel()

    def cancel(self) -> None:
        """It does not happen."""
        self.ids = []
        if self.timer is not None:
            self.timer.cancel()


class Row:
    """One child as its supervisor sees it; plain attributes, read by inspection.

    state: starting | running | backoff | stopping | stopped | failed; `life` is None when nothing runs.
    """

    __slots__ = (
        "attempts",
        "backoff_until",
        "delay",
        "generated",
        "life",
        "pending",
        "record",
        "spec",
        "state",
        "uptime",
    )

    def __init__(self, spec: Child, record: Record) -> None:
        self.spec = spec
        self.record = record
        self.life: Life | None = None
        self.state = "stopped"
        self.pending: Pending | None = None
        self.backoff_until: float | None = None
        self.attempts = 0  # backoff steps since the last good run
        self.delay = 0.0  # of the attempt under way
        self.uptime = 0.0  # of the last incarnation, seconds
        self.generated = False  # the id was made by a dynamic supervisor

    def down(self, state: str) -> None:
        """Nothing runs."""
        self.life = None
        self.state = state
        self.backoff_until = None

    def cancel(self) -> None:
        """It has no part in a pending restart any more."""
        if self.pending is not None:
            self.pending.leave(self.spec.id)
            self.pending = None

    def info(self, handle: Any) -> Info:
        """The row of which_children."""
        if self.life is not None:
            state = "running"
        elif self.pending is not None:
            state = "restarting"
        else:
            state = "not_running"
        ref = handle if state == "running" else None
        return Info(self.spec.id, ref, state, self.spec.kind, self.spec.restart.value)
