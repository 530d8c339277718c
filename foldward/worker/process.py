"""The worker process: one thread that works, one heart that beats and watches."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

from loguru import logger

from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Heartbeat
from foldward.wire import dumps
from foldward.wire.links.worker import answer, leave
from foldward.worker._limits import Parent, address_space, resident
from foldward.worker.desk import Desk
from foldward.worker.runner import failed

FLUSH = 32  # answers sent together at most
FLUSH_S = 0.002  # and no answer waits longer than this for a neighbour
HUNG_GRACE_S = 5.0  # after a job's limit, before the heart answers in its place
STOP_S = 1.2  # a stopping worker finishes its job in this time or gives it back; core kills after 2 s
ORPHAN_S = 10.0  # an ipc worker without core for so long is nobody's


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


class WorkerProcess:
    """See the module. `run` returns the exit code: 0 after SIGTERM or the parent's end."""

    def __init__(
        self,
        wire: Wire,
        desk: Desk,
        *,
        id: str,
        version: str = "",
        parent: Parent | None = None,
        local: bool = True,
        capacity: int = 2,
    ) -> None:
        self._wire = wire
        self._desk = desk
        self._id = id
        self._version = version
        self._parent = parent
        self._local = local
        self._capacity = capacity
        self._stopping: str | None = None
        self._stopped_at = 0.0
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._answers: list[bytes] = []
        self._flushed = 0.0
        self._current: tuple[Backtest, float] | None = None
        self._began = clock.now()
        self._away_since: float | None = None
        self.received = self.done = self.sent = 0

    def stop(self, reason: str) -> None:
        """Finish what runs, give back what waits, leave."""
        if self._stopping is None:
            self._stopping, self._stopped_at = reason, clock.now()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT drain."""

        def drain(number: int, _frame: FrameType | None) -> None:
            self.stop(signal.Signals(number).name)

        signal.signal(signal.SIGTERM, drain)
        signal.signal(signal.SIGINT, drain)

    def run(self) -> int:
        """Work until stopped."""
        logger.info("worker {} is ready after {:.2f} s, pid {}", self._id, uptime(), os.getpid())
        while self._stopping is None:
            self._take(0 if self._waiting else 250)
            if self._wire.refused is not None:
                raise WireError("wire.unsupported", message=self._wire.refused)
            if self._waiting and self._stopping is None:
                self._work(*self._waiting.popleft())
            elif self._orphaned():
                self.stop("core is gone")
        self._flush()
        given_back = len(self._waiting)
        self._wire.bye(self._stopping)
        self._wire.close(0.5 if self._local else 5.0)
        logger.info(
            "worker {} ends: {}; {} done, {} given back", self._id, self._stopping, self.done, given_back
        )
        return 0

    def beat(self) -> Heartbeat:
        """What the heart sends: how many requests it takes, counts, memory in bytes, ages in seconds."""
        current = self._current
        now = clock.now()
        return Heartbeat(
            id=self._id,
            timestamp=clock.utc_us() / 1e6,
            version=self._version,
            status="stopping" if self._stopping else "busy" if current else "idle",
            data={
                "capacity": float(self._capacity),
                "in_flight": float(len(self._waiting) + (current is not None)),
                "received": float(self.received),
                "done": float(self.done),
                "sent": float(self.sent),
                "rss_bytes": float(resident()),
                "address_space_bytes": float(address_space()),
                "uptime_s": now - self._began,
                "job_age_s": now - current[1] if current else 0.0,
            },
        )

    def check(self, last_words: Callable[[list[bytes]], None]) -> None:
        """The heart's watch: a dead parent, a job that outlives its limit, a stop that takes too long."""
        if self._parent is not None and self._parent.gone():
            logger.warning("the parent is gone; worker {} ends", self._id)
            os._exit(0)
        current = self._current
        if (
            self._stopping is not None
            and self._wire.gives_back
            and clock.now() - self._stopped_at > STOP_S
            and (current or self._local)
        ):
            # A job that runs on, or answers that core does not take: go, before core kills.
            logger.warning("worker {} ends without waiting for its work", self._id)
            last_words(leave(self._stopping or ""))
            os._exit(0)
        if current is None:
            return
        job, began = current
        limits = [limit for limit in (self._desk.timeout_s, job.deadline_s) if limit]
        age = clock.now() - began
        if limits and age > min(limits) + HUNG_GRACE_S:
            logger.bind(trace_id=job.trace_id, request_id=job.request_id).error(
                "hung for {:.0f} s; worker {} ends", age, self._id
            )
            answered = failed(job, "engine.timeout", f"hung for {age:.0f} s; the worker was ended")
            last_words(answer(dumps(answered)))
            os._exit(70)

    def _take(self, timeout_ms: int) -> None:
        arrived = self._wire.poll(timeout_ms)
        self.received += len(arrived)
        self._waiting.extend(arrived)

    def _work(self, request_id: str, raw: bytes) -> None:
        if request_id:
            self._wire.started(request_id)
        try:
            answer = self._desk.answer(raw, request_id, self._begin)
        finally:
            self._current = None
        self.done += 1
        self._answers.append(answer)
        if not self._waiting:
            self._take(0)
        now = clock.now()
        if not self._waiting or len(self._answers) >= FLUSH or abs(now - self._flushed) >= FLUSH_S:
            self._flush()
            self._flushed = now

    def _begin(self, job: Any) -> None:
        self._current = (job, clock.now())

    def _flush(self) -> None:
        if self._answers:
            self._wire.results(self._answers)
            self.sent += len(self._answers)
            self._answers = []

    def _orphaned(self) -> bool:
        if self._parent is not None and self._parent.gone():
            return True
        if self._wire.connected or not self._local:
            self._away_since = None
            return False
        now = clock.now()
        self._away_since = now if self._away_since is None else self._away_since
        return now - self._away_since > ORPHAN_S


def uptime() -> float:
    """Seconds since this process was started, read from the kernel: imports count."""
    with open("/proc/self/stat") as file:
        started = int(file.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    with open("/proc/uptime") as file:
        return float(file.read().split()[0]) - started
