"""OOSQueue: owner of the requests' state machine, from admission to the applied answer (spec 1.2, 1.4).

Crash-only: all it keeps in memory is a cache of rows and the submits that wait for their commit. A new
incarnation starts with nothing and reads what it needs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actors._admission import EngineOf
from actors._attempts import Rewrite
from actors._base import ProductActor
from actors._candles import CandlesGate
from actors._door import Door
from actors._effects import Effects, WriteFact
from actors._intake import Intake, SomeOf
from actors._interventions import Interventions
from actors._ledger import Ledger, Reapply
from actors._sides import Sides
from foldward.contracts import clock
from foldward.contracts.facts import (
    AdmitRequest,
    ApplyResult,
    CancelRequests,
    Fact,
    FailAttempt,
    GiveUp,
    RequeueRequest,
    ReturnLease,
)
from foldward.contracts.messages import (
    AttemptFailed,
    Cancel,
    Drain,
    Readmit,
    ResultArrived,
    Resume,
    RetryNow,
    Submit,
    Tick,
    WorkReturned,
    Written,
)
from foldward.settings import QueueTable, RetryTable
from storage.reads import Reader

TICK_S = 5.0


class OOSQueue(ProductActor):
    """Admits, judges answers, decides what follows a failure.

    database: path of the SQLite file. queue, retry: settings tables. candles: the data gate. engine: the
    engine's version, part of every request's identity. rng: jitter of the backoff. run_id: of this core.
    """

    service = "oos_queue"

    def __init__(
        self,
        *,
        database: Path | str,
        queue: QueueTable,
        retry: RetryTable,
        candles: CandlesGate,
        engine: EngineOf,
        run_id: str = "-",
        rng: random.Random | None = None,
    ) -> None:
        super().__init__()
        self._database = Path(database)
        self._queue = queue
        self._candles = candles
        self._engine = engine
        self._run_id = run_id
        self._retry = retry
        self._rng = rng or random.Random()

    # --- life ------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Open the rows for reading; nothing else is needed to go on."""
        reader = self._reader = Reader(self._database)
        sides = self._sides = Sides(reader)
        self._ledger = Ledger(self._queue, self._retry, self._rng, reader.request, sides.of)
        door = Door(reader, self._candles, self._queue, self._engine, self._run_id)
        intake = self._intake = Intake(reader, door, self._ledger.records, sides, self.id)
        operator = Interventions(self._ledger, reader.request)
        self._handlers: dict[type, Callable[[Any], Effects]] = {
            Submit: intake.submit,
            SomeOf: intake.some,
            Readmit: intake.readmit,
            ResultArrived: self._arrived,
            Reapply: self._reapply,
            Rewrite: self._rewrite,
            AttemptFailed: self._attempt_failed,
            WorkReturned: self._work_returned,
            Written: self._written,
            Cancel: operator.cancel,
            RetryNow: operator.retry_now,
            Drain: self._drain_on,
            Resume: self._drain_off,
            Tick: self._tick,
        }
        self._after_commit: dict[type[Fact], Callable[[Written], Effects]] = {
            AdmitRequest: intake.admitted,
            ApplyResult: self._applied,
            FailAttempt: self._failed,
            GiveUp: self._ended,
            ReturnLease: self._was_returned,
            CancelRequests: operator.cancelled,
            RequeueRequest: operator.requeued,
        }

    def on_start(self) -> None:
        """Look after submits that the store never answered."""
        self.every(TICK_S, Tick())

    def on_stop(self) -> None:
        """Close the rows."""
        self._reader.close()

    def drain(self, batch: Sequence[Any]) -> None:
        """Take everything that waits."""
        for message in batch:
            handler = self._handlers.get(type(message))
            if handler is not None:
                self.carry_out(handler(message))

    def on_receive(self, message: Any) -> None:
        """One message alone."""
        self.drain((message,))

    # --- answers and failures --------------------------------------------------------------------------

    def _arrived(self, message: ResultArrived) -> Effects:
        return self._ledger.arrived(message, clock.now(), clock.utc_us())

    def _reapply(self, message: Reapply) -> Effects:
        return self._ledger.arrived(message.arrived, clock.now(), clock.utc_us(), message.tries)

    def _rewrite(self, message: Rewrite) -> Effects:
        return [WriteFact(message.fact, message.tag)]

    def _attempt_failed(self, message: AttemptFailed) -> Effects:
        return self._ledger.attempt_failed(message, clock.now(), clock.utc_us())

    def _work_returned(self, message: WorkReturned) -> Effects:
        return self._ledger.returned(message, clock.now(), clock.utc_us())

    def _written(self, written: Written) -> Effects:
        step = self._after_commit.get(type(written.fact))
        return [] if step is None else step(written)

    def _applied(self, written: Written) -> Effects:
        effects = self._ledger.applied(written)
        if written.ok and written.value["outcome"] == "applied" and written.value.get("kind") == "backtest":
            result = written.fact.result  # type: ignore[attr-defined]
            self._sides.remember(written.value["name"], result.sharpe, result.window)
        return effects

    def _failed(self, written: Written) -> Effects:
        return self._ledger.failed(written) if written.ok else self._ledger.rewrite(written)

    def _ended(self, written: Written) -> Effects:
        return self._ledger.ended(written) if written.ok else self._ledger.rewrite(written)

    def _was_returned(self, written: Written) -> Effects:
        if not written.ok:
            return self._ledger.rewrite(written)
        return self._ledger.was_returned(written, clock.now(), clock.utc_us())

    # --- the operator's verbs --------------------------------------------------------------------------

    def _drain_on(self, _message: Drain) -> Effects:
        self._intake.draining = True
        return []

    def _drain_off(self, _message: Resume) -> Effects:
        self._intake.draining = False
        return []

    def _tick(self, _message: Tick) -> Effects:
        return self._intake.overdue()
