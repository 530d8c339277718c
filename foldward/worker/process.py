"""The worker process: one thread that works, one heart that beats and watches."""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from loguru import logger

from foldward.contracts import clock
from foldward.contracts.jobs import Backtest
from foldward.wire import dumps
from foldward.wire.links.worker import answer
from foldward.worker._limits import Parent
from foldward.worker.desk import Desk
from foldward.worker.life import STOP_S, LastWords, Life, Wire
from foldward.worker.runner import failed

FLUSH = 32  # answers sent together at most
FLUSH_S = 0.002  # and no answer waits longer than this for a neighbour
HUNG_GRACE_S = 5.0  # after a job's limit, before the heart answers in its place


class WorkerProcess(Life):
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
        super().__init__(wire, id=id, version=version, parent=parent, local=local)
        self._desk = desk
        self._capacity = capacity
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._answers: list[bytes] = []
        self._flushed = 0.0
        self._current: tuple[Backtest, float] | None = None
        self.sent = 0

    def turn(self) -> None:
        """Take what has come and answer one request."""
        self._take(0 if self._waiting else 250)
        if self._waiting and self.stopping is None:
            self._work(*self._waiting.popleft())
        elif self.orphaned():
            self.stop("core is gone")

    def finish(self) -> None:
        """What is computed is sent."""
        self._flush()

    def held(self) -> int:
        """What waits, and what is being computed."""
        return len(self._waiting) + (self._current is not None)

    def figures(self) -> dict[str, float]:
        """How many requests it takes, how many answers left, how old the job is."""
        current = self._current
        return {
            "capacity": float(self._capacity),
            "sent": float(self.sent),
            "job_age_s": clock.now() - current[1] if current else 0.0,
        }

    def check(self, last_words: LastWords) -> None:
        """A dead parent, a job that outlives its limit, a stop that takes too long."""
        if self.parent is not None and self.parent.gone():
            logger.warning("the parent is gone; worker {} ends", self.id)
            os._exit(0)
        current = self._current
        # A job that runs on, or answers that core does not take: go, before core kills.
        if self.wire.gives_back and self.stopping_for() > STOP_S and (current or self.local):
            self.leave_now(last_words)
        if current is None:
            return
        job, began = current
        limits = [limit for limit in (self._desk.timeout_s, job.deadline_s) if limit]
        age = clock.now() - began
        if limits and age > min(limits) + HUNG_GRACE_S:
            logger.bind(trace_id=job.trace_id, request_id=job.request_id).error(
                "hung for {:.0f} s; worker {} ends", age, self.id
            )
            answered = failed(job, "engine.timeout", f"hung for {age:.0f} s; the worker was ended")
            last_words(answer(dumps(answered)))
            os._exit(70)

    def _take(self, timeout_ms: int) -> None:
        self._waiting.extend(self.poll(timeout_ms))

    def _work(self, request_id: str, raw: bytes) -> None:
        if request_id:
            self.wire.started(request_id)
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
            self.wire.results(self._answers)
            self.sent += len(self._answers)
            self._answers = []
