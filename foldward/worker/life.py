"""The life of a process that works for core: ready, turn after turn, told to stop, gone.

What it does in a turn is its own (`process`: one job at a time; `cluster.bridge`: a cluster's tasks). How it
is told to stop, when it is nobody's any more, what its heart says and how it leaves is the same for all.
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from loguru import logger

from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Heartbeat
from foldward.wire.links.worker import leave
from foldward.worker._limits import Parent, address_space, resident

if TYPE_CHECKING:
    from foldward.wire.links import Pulse

STOP_S = 1.2  # a stopping worker finishes its job in this time or gives it back; core kills after 2 s
ORPHAN_S = 10.0  # an ipc worker without core for so long is nobody's

LastWords = Callable[[list[bytes]], None]


class Wire(Protocol):
    """WorkerPort or ServicePort. gives_back: what is not answered goes to another worker after `bye`."""

    connected: bool
    refused: str | None
    gives_back: bool

    def poll(self, timeout_ms: int) -> list[tuple[str, bytes]]: ...

    def started(self, request_id: str) -> None: ...

    def results(self, messages: list[bytes]) -> None: ...

    def bye(self, reason: str) -> None: ...

    def close(self, linger: float = 5.0) -> None: ...


class Life(ABC):
    """See the module. local: core is on this machine (ipc). parent: the process whose end is this one's."""

    what = "worker"

    def __init__(self, wire: Wire, *, id: str, version: str, parent: Parent | None, local: bool) -> None:
        self.wire = wire
        self.id = id
        self.parent = parent
        self.local = local
        self.stopping: str | None = None
        self.received = self.done = 0
        self._version = version
        self._stopped_at = 0.0
        self._exit_code = 0
        self._began = clock.now()
        self._away_since: float | None = None

    # --- what it does in its life ----------------------------------------------------------------------

    @abstractmethod
    def turn(self) -> None:
        """Take what has come (with `poll`), and do one piece of work."""

    @abstractmethod
    def finish(self) -> None:
        """It is told to stop: what can still be answered is."""

    @abstractmethod
    def held(self) -> int:
        """Requests taken and not answered; at the end they go back."""

    @abstractmethod
    def check(self, last_words: LastWords) -> None:
        """The heart's watch, from its own thread: what the working thread may be too busy to see.

        last_words: sends frames past the working thread, which may hang.
        """

    def figures(self) -> dict[str, float]:
        """What its heart tells beyond what every heart does."""
        return {}

    # --- to its end ------------------------------------------------------------------------------------

    def stop(self, reason: str, exit_code: int = 0) -> None:
        """Finish what runs, give back what waits, leave. Only the first reason counts."""
        if self.stopping is None:
            self._exit_code = exit_code
            self.stopping, self._stopped_at = reason, clock.now()

    def stopping_for(self) -> float:
        """Seconds since it was told to stop; 0 before."""
        return 0.0 if self.stopping is None else clock.now() - self._stopped_at

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT drain."""

        def drain(number: int, _frame: FrameType | None) -> None:
            self.stop(signal.Signals(number).name)

        signal.signal(signal.SIGTERM, drain)
        signal.signal(signal.SIGINT, drain)

    def run(self) -> int:
        """Work until stopped; the exit code. Raises WireError wire.unsupported when core refuses it."""
        logger.info("{} {} is ready after {:.2f} s, pid {}", self.what, self.id, uptime(), os.getpid())
        while self.stopping is None:
            self.turn()
        self.finish()
        left = self.held()
        self.wire.bye(self.stopping)
        self.wire.close(0.5 if self.local else 5.0)
        logger.info(
            "{} {} ends: {}; {} done, {} given back", self.what, self.id, self.stopping, self.done, left
        )
        return self._exit_code

    def poll(self, timeout_ms: int) -> list[tuple[str, bytes]]:
        """Requests that have come: (request_id, raw). Raises WireError when core has refused this process."""
        arrived = self.wire.poll(timeout_ms)
        self.received += len(arrived)
        if self.wire.refused is not None:
            raise WireError("wire.unsupported", message=self.wire.refused)
        return arrived

    def orphaned(self) -> bool:
        """Whether its core is gone: the parent's end says so at once, an ipc link after `ORPHAN_S`."""
        if self.parent is not None and self.parent.gone():
            return True
        if self.wire.connected or not self.local:
            self._away_since = None
            return False
        now = clock.now()
        self._away_since = now if self._away_since is None else self._away_since
        return now - self._away_since > ORPHAN_S

    def leave_now(self, last_words: LastWords) -> None:
        """From the heart: the working thread does not come to its end in time, and core would kill."""
        logger.warning("{} {} ends without waiting for its work", self.what, self.id)
        last_words(leave(self.stopping or ""))
        os._exit(self._exit_code)

    # --- its heart -------------------------------------------------------------------------------------

    def beat(self) -> Heartbeat:
        """What the heart sends: counts, memory in bytes, ages in seconds."""
        held = self.held()
        return Heartbeat(
            id=self.id,
            timestamp=clock.utc_us() / 1e6,
            version=self._version,
            status="stopping" if self.stopping else "busy" if held else "idle",
            data={
                "in_flight": float(held),
                "received": float(self.received),
                "done": float(self.done),
                "rss_bytes": float(resident()),
                "address_space_bytes": float(address_space()),
                "uptime_s": clock.now() - self._began,
                **self.figures(),
            },
        )


def live(life: Life, heart: Callable[[], Pulse]) -> int:
    """Beat and work until stopped; the exit code.

    heart: makes it, once signals drain. While the process leaves, a further SIGTERM changes nothing: core
    sends one to its group when it stops, and what is left to do is short.
    """
    life.handle_signals()
    beating = heart()
    beating.start()
    try:
        return life.run()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        beating.stop()


def uptime() -> float:
    """Seconds since this process was started, read from the kernel: imports count."""
    with open("/proc/self/stat") as file:
        started = int(file.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    with open("/proc/uptime") as file:
        return float(file.read().split()[0]) - started
