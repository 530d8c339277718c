"""What follows when an attempt ends without an answer: another one, or the end of the request (spec 1.3).

Every arrow is asked of the DBWriter as one guarded fact, and what follows (events, `Settled`) is decided when
`Written` says that it is committed. All methods take the message and the time and return effects.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from actors._effects import Effects, Later, Tell, WriteFact
from actors._news import broadcast, gone, record_event, settled_retry
from actors._records import Record, Records
from actors._retry import End, decide, tried, tried_at_most
from foldward.contracts import clock
from foldward.contracts.facts import FailAttempt, GiveUp, ReturnLease
from foldward.contracts.messages import AttemptFailed, Message, Settled, WorkReturned, Written
from foldward.settings import QueueTable, RetryTable
from storage.rows import RequestRow

REWRITE_S = 1.0


class Rewrite(Message, frozen=True, kw_only=True):
    """To oneself: ask again for a fact that the store could not take."""

    fact: Any
    tag: Any


class Attempts:
    """See the module. `read` gives a request's row."""

    def __init__(
        self,
        queue: QueueTable,
        retry: RetryTable,
        rng: random.Random,
        read: Callable[[str], RequestRow | None],
    ) -> None:
        self._queue = queue
        self._retry = retry
        self._rng = rng
        self.records = Records(read, self._tried_of_row)

    def _tried_of_row(self, row: RequestRow) -> float:
        age_s = max(0.0, (clock.utc_us() - row.requested_us) / clock.US)
        return tried_at_most(age_s, row.failures, self._retry, self._queue.attempt_max_s)

    # --- failures --------------------------------------------------------------------------------------

    def attempt_failed(self, message: AttemptFailed, now: float, now_us: int) -> Effects:
        """The bytes did not leave, or no answer came in time."""
        record = self.records.find(message.request_id, now)
        if record is None:
            return [gone(message.request_id)]
        record.sends = message.attempt or record.sends
        return self.fail(record, message.cause, message.code, message.error, now, now_us)

    def fail(
        self,
        record: Record,
        cause: str,
        code: str,
        error: str,
        now: float,
        now_us: int,
        retry_after: float | None = None,
        peer: str = "",
        retryable: bool | None = None,
    ) -> Effects:
        """An attempt of it has failed: when it is tried again, or why not."""
        if record.is_busy(now):
            return []  # an answer or another end of this attempt is being written
        failures = record.failures + 1
        limit_s = self._queue.attempt_max_s
        tried_s = tried(record.tried_s, now - record.mark, record.planned_s, limit_s)
        step = decide(code, failures, tried_s, self._retry, self._rng, retry_after, retryable)
        if isinstance(step, End):
            reason = "corrupt_payload" if code == "storage.corrupt" else step.reason
            return self._give_up(record, reason, code, error, now, now_us, peer)
        record.begin("fail", now)
        record.tried_s, record.mark, record.planned_s = tried_s, now, step.delay_s
        fact = FailAttempt(
            request_id=record.request_id,
            code=code,
            error=error,
            due_us=now_us + int(step.delay_s * clock.US),
            at_us=now_us,
            cause=cause,  # type: ignore[arg-type]
        )
        return [WriteFact(fact, ("fail",))]

    def _give_up(
        self, record: Record, reason: str, code: str, error: str, now: float, now_us: int, peer: str = ""
    ) -> Effects:
        record.begin("end", now)
        # The request's own payload is kept, not the error's bytes: only that can be replayed.
        fact = GiveUp(
            request_id=record.request_id, reason=reason, code=code, error=error, at_us=now_us, peer=peer
        )
        return [WriteFact(fact, ("end",))]

    def failed(self, written: Written) -> Effects:
        """A failure is committed: the request waits for its next attempt."""
        fact: FailAttempt = written.fact  # type: ignore[assignment]
        record = self.records.known(fact.request_id)
        if record is not None and record.busy == "fail":
            record.busy = None
        if written.value is None:
            self.records.drop(fact.request_id)
            return [gone(fact.request_id)]
        failures = written.value["failures"]
        if record is None:
            return [Tell("dispatcher", settled_retry(fact.request_id, None, fact.due_us, fact.code, True))]
        record.failures = failures
        record.sends = written.value["sends"]  # a peer's error does not say which attempt it answers
        return [
            record_event(
                record,
                "oos.retry",
                "retry",
                None,
                severity="warning",
                error=fact.error,
                code=fact.code,
                failures=failures,
                next_attempt_at=clock.iso_ms(fact.due_us),
            ),
            *broadcast(settled_retry(fact.request_id, record, fact.due_us, fact.code, True)),
        ]

    def ended(self, written: Written) -> Effects:
        """A request was given up; its dead letter is in the same transaction."""
        fact: GiveUp = written.fact  # type: ignore[assignment]
        record = self.records.drop(fact.request_id)
        if written.value is None:
            return [gone(fact.request_id)]
        name, kind = ("", "unknown") if record is None else (record.name, record.kind)
        settled = Settled(
            request_id=fact.request_id,
            name=name,
            kind=kind,
            state="error",
            origin="operator" if record is None else record.origin,
            group_id=None if record is None else record.group_id,
            code=fact.code,
        )
        return [*broadcast(settled), Tell("dead_letter", written)]

    # --- returns ---------------------------------------------------------------------------------------

    def returned(self, message: WorkReturned, now: float, now_us: int) -> Effects:
        """A worker is gone: its work goes out again, and no failure is counted."""
        effects: Effects = []
        for request_id in message.request_ids:
            record = self.records.find(request_id, now)
            if record is None:
                effects.append(gone(request_id))
                continue
            if record.is_busy(now):
                continue
            record.begin("return", now)
            fact = ReturnLease(
                request_id=request_id,
                due_us=now_us,
                at_us=now_us,
                reason=f"{message.peer}: {message.reason}",
                started=request_id in message.started,
            )
            effects.append(WriteFact(fact, ("return", message.peer)))
        return effects

    def was_returned(self, written: Written, now: float, now_us: int) -> Effects:
        """The row waits again; the third death of a worker on it ends it."""
        fact: ReturnLease = written.fact  # type: ignore[assignment]
        record = self.records.known(fact.request_id)
        if record is not None and record.busy == "return":
            record.busy = None
        if written.value is None:
            self.records.drop(fact.request_id)
            return [gone(fact.request_id)]
        crashes = written.value["crashes"]
        if fact.started and crashes >= self._queue.crash_limit:
            error = f"{crashes} workers died on it; the last: {fact.reason}"
            if record is None:
                give_up = GiveUp(
                    request_id=fact.request_id,
                    reason="crash_loop",
                    code="supervision.crash_loop",
                    error=error,
                    at_us=now_us,
                )
                return [WriteFact(give_up, ("end",))]
            peer = written.tag[1]
            return self._give_up(record, "crash_loop", "supervision.crash_loop", error, now, now_us, peer)
        return broadcast(
            settled_retry(fact.request_id, record, fact.due_us, "supervision.worker_lost", False)
        )

    def rewrite(self, written: Written) -> Effects:
        """The store could not take a transition: it is asked for again, because nothing else ends it."""
        return [Later(REWRITE_S, Rewrite(fact=written.fact, tag=written.tag))]
