"""What all children of one root share: names, timers, the sink, the memory of each id, the zombies."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from supervision._claims import Claims
from supervision._monitor import Monitor
from supervision._sink import OnCrash, OnDead, OnEvent, Sink
from supervision._spare import Spares
from supervision.names import Names
from supervision.report import KEEP, CrashReport
from supervision.spec import KEEP as KEEP_INBOX
from supervision.spec import Child, Restart
from supervision.timers import Timers

if TYPE_CHECKING:
    from supervision._exit import Exit
    from supervision._life import Life

MAX_ZOMBIES = 3

log = logging.getLogger("supervision")


class Record:
    """What is remembered of a child id, also when its supervisor is itself restarted."""

    __slots__ = ("last_error", "last_exit", "reports", "restarts")

    def __init__(self) -> None:
        self.restarts = 0
        self.last_exit: Exit | None = None
        self.last_error: dict[str, Any] | None = None
        self.reports: deque[CrashReport] = deque(maxlen=KEEP)


class Tree:
    """The shared part of one root; `give_up` is set by the root."""

    def __init__(
        self,
        on_event: OnEvent | None = None,
        on_dead: OnDead | None = None,
        on_crash: OnCrash | None = None,
        max_zombies: int = MAX_ZOMBIES,
    ) -> None:
        self.sink = Sink(on_event, on_dead, on_crash)
        self.names = Names(self.sink.dead)
        self.timers = Timers()
        self.monitor = Monitor()
        self.spares = Spares(self.sink.after_restart)
        self.records: dict[str, Record] = {}
        self.max_zombies = max_zombies
        self.give_up: Callable[[str], Any] = _nobody
        self.closing = False
        self.processes: set[Any] = set()
        self.abandoned_total = 0
        self._abandoned: list[Life] = []
        self._claims = Claims()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    @classmethod
    def alone(cls) -> Tree:
        """For an actor started outside any tree: its lost messages are logged."""
        return cls(on_dead=lambda name, message, why: log.warning("%s lost %r: %s", name, message, why))

    def record(self, id: str) -> Record:
        """The memory of a child id."""
        record = self.records.get(id)
        if record is None:
            record = self.records.setdefault(id, Record())
        return record

    def claim(self, spec: Child, owner: str) -> None:
        """Take the ids of a spec for the tree. Raises SpecError when one is taken by somebody else."""
        self._claims.take(spec, owner)

    def disclaim(
        self, spec: Child, owner: str = "", static: Collection[str] = (), *, forget: bool = False
    ) -> None:
        """Give the ids back, those in `static` reserved for `owner`; `forget`: they never come again."""
        self._claims.give_back(spec, owner, static)
        if forget:
            for child in spec.walk():
                self.records.pop(child.id, None)
                self.names.forget(child.id)

    def owner(self, id: str) -> str | None:
        """The id of the supervisor that holds this child."""
        return self._claims.owner(id)

    def adopt(self, spec: Child, owner: str) -> None:
        """Note who holds the children of a supervisor that starts."""
        self._claims.adopt(spec, owner)

    def hold(self, specs: Iterable[Child]) -> None:
        """From now on messages to these names wait for their next incarnation, where the spec says KEEP."""
        for spec in specs:
            for child in spec.walk():
                if child.inbox is KEEP_INBOX and child.restart is not Restart.TEMPORARY:
                    self.names.slot(child.id).hold = True

    def release(self, spec: Child, why: str) -> None:
        """Nobody comes back to these names."""
        for child in spec.walk():
            self.names.slot(child.id).release(why)

    def zombies(self) -> list[Life]:
        """Abandoned incarnations whose threads still run."""
        self._abandoned = [life for life in self._abandoned if life.is_zombie()]
        return list(self._abandoned)

    def abandoned(self, life: Life) -> None:
        """A life was given up; too many that still run and the root gives up."""
        with self._lock:
            self._abandoned.append(life)
            self.abandoned_total += 1
        if life.thread is not None and not life.busy_since:
            # an idle one is gone at once and no zombie; at the deadline of a stop nobody waits
            life.thread.join(0.01 if self.closing else 0.1)
        count = len(self.zombies())
        if count > self.max_zombies and not self.closing:
            self.give_up(f"{count} zombies")

    def note(self, text: str) -> None:
        """Something odd that hurts nobody: counted and logged."""
        self.sink.counters["listener_errors"] += 1
        log.warning("%s", text)

    def close(self, timeout: float = 1.0) -> None:
        """End the helper threads."""
        self.spares.close(timeout)
        self.timers.close(timeout)
        self.monitor.close(timeout)
        self.sink.close(timeout)


def _nobody(reason: str) -> None:
    """No root to give up."""
