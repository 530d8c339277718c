"""What the OOSQueue decides once a request exists: answers, failures, returns (spec 1.3, 1.4).

`Ledger` is the state machine's only author: every arrow is asked of the DBWriter as one guarded fact, and
what follows (events, `Settled`) is decided when `Written` says that it is committed. All methods take the
message and the time and return effects.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from actors import _results
from actors._effects import Alarm, Answer, Effects, Later, Tell, WriteFact
from actors._events import oos_event
from actors._records import Record, Records
from actors._results import Refused
from actors._retry import End, decide, tried, tried_at_most
from foldward.contracts import clock
from foldward.contracts.facts import ApplyResult, CountUp, FailAttempt, GiveUp, NoteEvent, ReturnLease
from foldward.contracts.jobs import Window
from foldward.contracts.messages import (
    Ack,
    AttemptFailed,
    Hold,
    Message,
    ResultArrived,
    Settled,
    WorkReturned,
    Written,
)
from foldward.settings import QueueTable, RetryTable
from storage.rows import RequestRow

APPLY_TRIES = 3
AUDIENCE = ("dispatcher", "rank_evaluator", "wfv_scheduler", "reporter")
REWRITE_S = 1.0

InSample = Callable[[str, bool], tuple[float | None, Window | None]]


class Reapply(Message, frozen=True, kw_only=True):
    """To oneself: try again to store this answer."""

    arrived: ResultArrived
    tries: int


class Rewrite(Message, frozen=True, kw_only=True):
    """To oneself: ask again for a fact that the store could not take."""

    fact: Any
    tag: Any


class Ledger:
    """See the module. `read` gives a request's row; `in_sample` a strategy's in-sample Sharpe
    and its window, from memory or, when True comes with the name, read anew."""

    def __init__(
        self,
        queue: QueueTable,
        retry: RetryTable,
        rng: random.Random,
        read: Callable[[str], RequestRow | None],
        in_sample: InSample,
    ) -> None:
        self._queue = queue
        self._retry = retry
        self._rng = rng
        self._in_sample = in_sample
        self.records = Records(read, self._tried_of_row)

    def _tried_of_row(self, row: RequestRow) -> float:
        age_s = max(0.0, (clock.utc_us() - row.requested_us) / clock.US)
        return tried_at_most(age_s, row.failures, self._retry, self._queue.attempt_max_s)

    # --- answers ---------------------------------------------------------------------------------------

    def arrived(self, message: ResultArrived, now: float, now_us: int, tries: int = 0) -> Effects:
        """An answer: a failure, a refusal, or something to apply."""
        result = message.result
        record = self.records.find(result.request_id, now)
        if result.error is not None or result.code is not None:
            return self._error(message, record, now, now_us)
        unverified = result.window is None
        if record is not None:
            refused = _results.check(result, record.expected) or self._mirror(message, record)
            if refused is not None:
                return self._refuse(message, record, refused, now, now_us)
            unverified = _results.unverified(result, record.expected)
            record.begin("apply", now)
        # Without an open row the store knows best: a duplicate, another answer, or nobody's.
        fact = ApplyResult(
            result=_results.with_digest(result),
            received_us=message.received_us,
            at_us=now_us,
            peer=message.peer,
            unverified=unverified,
        )
        return [WriteFact(fact, ("apply", message, tries))]

    def _mirror(self, message: ResultArrived, record: Record) -> Refused | None:
        result = message.result
        if record.kind != "oos" or not result.sharpe:
            return None
        if not _results.may_mirror(result, record.kind, self._in_sample(record.name, False)[0]):
            return None
        # Memory is rounded and may be of an earlier definition: such a verdict needs the rows.
        is_sharpe, is_window = self._in_sample(record.name, True)
        if not _results.mirrors(result, record.kind, is_sharpe):
            return None
        if is_window is not None and is_window == (result.window or record.expected.window):
            return None
        return Refused(
            "mismatch",
            "wire.mirror",
            f"the out-of-sample Sharpe {result.sharpe!r} equals the in-sample one over another window",
        )

    def _error(self, message: ResultArrived, record: Record | None, now: float, now_us: int) -> Effects:
        result = message.result
        code = result.code or "engine.failed"
        error = result.error or code
        if message.dead_id is not None:
            return [_replayed(message, False, "failed", code, f"the answer is an error: {error}")]
        if record is None:
            return [*self._stale(message), WriteFact(CountUp(counts={"stale": 1}), reply=False)]
        if not _results.same_name(result.strategy_name, record.name):
            refused = Refused(
                "mismatch",
                "wire.mismatch",
                f"the answer names {result.strategy_name!r}, the request {record.name!r}",
                ours=False,
            )
            return self._refuse(message, record, refused, now, now_us)
        return self._fail(record, "result", code, error, now, now_us, result.retry_after, message.peer)

    def _refuse(
        self, message: ResultArrived, record: Record, refused: Refused, now: float, now_us: int
    ) -> Effects:
        if message.dead_id is not None:
            return [_replayed(message, False, "refused", refused.code, refused.error)]
        effects: Effects = [
            Tell("dead_letter", _hold(message, refused.reason, refused.code, refused.error, record))
        ]
        if refused.code == "wire.mirror":
            sharpe = message.result.sharpe
            effects.append(
                self._event(
                    record, "oos.mirror_rejected", "sent", message, is_sharpe=sharpe, severity="error"
                )
            )
            note = NoteEvent(
                request_id=record.request_id,
                event="oos.mirror_rejected",
                at_us=now_us,
                data={"is_sharpe": sharpe, "code": refused.code, "error": refused.error},
            )
            effects.append(WriteFact(note, reply=False))
        if refused.ours:
            # What is wrong is the answer, not the request: another attempt may bring a right one.
            effects += self._fail(
                record, "result", refused.code, refused.error, now, now_us, None, message.peer, retryable=True
            )
        return effects

    def _stale(self, message: ResultArrived) -> Effects:
        result = message.result
        event = oos_event(
            "oos.stale",
            request_id=result.request_id,
            name=result.strategy_name,
            kind="unknown",
            origin="unknown",
            status="stale",
            attempt=result.attempt,
            trace_id=result.trace_id,
            severity="warning",
            result_digest=result.result_digest,
        )
        if message.dead_id is not None:
            return [
                event,
                _replayed(message, False, "stale", "request.unknown_id", "no open request has that id"),
            ]
        text = f"no open request has the id {result.request_id}"
        return [
            event,
            Tell("dead_letter", _hold(message, "unknown_request_id", "request.unknown_id", text, None)),
        ]

    def applied(self, written: Written) -> Effects:
        """The store's word about an answer."""
        _, message, tries = written.tag
        request_id = message.result.request_id
        record = self.records.known(request_id)
        if not written.ok:
            return self._not_applied(written, message, tries, record)
        value = written.value
        outcome = value["outcome"]
        fact: ApplyResult = written.fact  # type: ignore[assignment]
        if outcome == "stale":
            self.records.drop(request_id)
            return self._stale(message)
        if outcome == "applied":
            self.records.drop(request_id)
        effects: Effects = []
        result = fact.result
        name, kind = value.get("name", result.strategy_name), value.get("kind", "unknown")
        origin = value.get("origin", "operator" if record is None else record.origin)
        group_id = value.get("group_id", None if record is None else record.group_id)
        run_id = value.get("run_id", "-")
        trace_id = value.get("trace_id", result.trace_id)
        attempt = value.get("attempt", result.attempt)
        latency_us = value.get("latency_us")
        more: dict[str, Any]
        if outcome == "applied":
            more = {"sharpe": result.sharpe, "trades": result.trades, "result_digest": result.result_digest}
        else:
            more = {"result_digest": result.result_digest}
        effects.append(
            oos_event(
                _EVENT[outcome],
                request_id=request_id,
                name=name,
                kind=kind,
                origin=origin,
                status="success" if outcome == "applied" else outcome,
                attempt=attempt,
                latency_s=None if latency_us is None else latency_us / clock.US,
                run_id=run_id,
                trace_id=trace_id,
                severity="error" if outcome == "nondeterministic" else "info",
                **more,
            )
        )
        settled = Settled(
            request_id=request_id,
            name=name,
            kind=kind,
            state=outcome,
            origin=origin,
            group_id=group_id,
            result=result if outcome == "applied" else None,
        )
        effects += broadcast(settled)
        if outcome == "nondeterministic":
            effects += self._nondeterministic(message, name)
        if message.reply_to is not None:
            effects.append(_replayed(message, True, outcome))
        return effects

    def _nondeterministic(self, message: ResultArrived, name: str) -> Effects:
        text = f"a second answer of {name} has another result digest"
        effects: Effects = [
            Alarm(f"nondeterministic:{name}", f"{name} is not deterministic", text, severity="error")
        ]
        if message.dead_id is None:
            effects.append(
                Tell("dead_letter", _hold(message, "mismatch", "engine.nondeterministic", text, None))
            )
        return effects

    def _not_applied(
        self, written: Written, message: ResultArrived, tries: int, record: Record | None
    ) -> Effects:
        if tries + 1 < APPLY_TRIES:
            delay = min(self._retry.cap_s, max(self._retry.floor_s, self._rng.uniform(0, 2.0**tries)))
            return [Later(delay, Reapply(arrived=message, tries=tries + 1))]
        if record is not None:
            record.busy = None
        code, error = written.code or "storage.write", written.error or "the store refused"
        effects: Effects = [WriteFact(CountUp(counts={"db_error": 1}), reply=False)]
        if message.dead_id is not None:
            return [*effects, _replayed(message, False, "failed", code, error)]
        hold = _hold(message, "apply_failed", code, f"not applied after {APPLY_TRIES} tries: {error}", record)
        return [*effects, Tell("dead_letter", hold)]

    # --- failures --------------------------------------------------------------------------------------

    def attempt_failed(self, message: AttemptFailed, now: float, now_us: int) -> Effects:
        """The bytes did not leave, or no answer came in time."""
        record = self.records.find(message.request_id, now)
        if record is None:
            return [_gone(message.request_id)]
        record.sends = message.attempt or record.sends
        return self._fail(record, message.cause, message.code, message.error, now, now_us)

    def _fail(
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
            return [_gone(fact.request_id)]
        failures = written.value["failures"]
        if record is None:
            return [Tell("dispatcher", _settled_retry(fact.request_id, None, fact.due_us, fact.code, True))]
        record.failures = failures
        return [
            self._event(
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
            *broadcast(_settled_retry(fact.request_id, record, fact.due_us, fact.code, True)),
        ]

    def ended(self, written: Written) -> Effects:
        """A request was given up; its dead letter is in the same transaction."""
        fact: GiveUp = written.fact  # type: ignore[assignment]
        record = self.records.drop(fact.request_id)
        if written.value is None:
            return [_gone(fact.request_id)]
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
                effects.append(_gone(request_id))
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
            return [_gone(fact.request_id)]
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
            _settled_retry(fact.request_id, record, fact.due_us, "supervision.worker_lost", False)
        )

    # --- the rest --------------------------------------------------------------------------------------

    def rewrite(self, written: Written) -> Effects:
        """The store could not take a transition: it is asked for again, because nothing else ends it."""
        return [Later(REWRITE_S, Rewrite(fact=written.fact, tag=written.tag))]

    def _event(
        self,
        record: Record,
        event: str,
        status: str,
        message: ResultArrived | None,
        severity: str = "info",
        **data: Any,
    ) -> Any:
        return oos_event(
            event,
            request_id=record.request_id,
            name=record.name,
            kind=record.kind,
            origin=record.origin,
            status=status,
            attempt=record.sends if message is None else message.result.attempt,
            run_id=record.run_id,
            trace_id=record.trace_id,
            severity=severity,
            **data,
        )


_EVENT = {"applied": "oos.result", "duplicate": "oos.duplicate", "nondeterministic": "oos.nondeterministic"}


def broadcast(settled: Settled) -> Effects:
    """Everyone who waits for a request's fate hears it."""
    return [Tell(name, settled) for name in AUDIENCE]


def _settled_retry(
    request_id: str, record: Record | None, due_us: int, code: str | None, charged: bool
) -> Settled:
    return Settled(
        request_id=request_id,
        name="" if record is None else record.name,
        kind="unknown" if record is None else record.kind,
        state="retry",
        due_us=due_us,
        origin="operator" if record is None else record.origin,
        group_id=None if record is None else record.group_id,
        code=code,
        charged=charged,
    )


def _gone(request_id: str) -> Tell:
    return Tell("dispatcher", Settled(request_id=request_id, name="", kind="unknown", state="gone"))


def _hold(message: ResultArrived, reason: str, code: str, error: str, record: Record | None) -> Hold:
    result = message.result
    return Hold(
        reason=reason,
        code=code,
        error=error,
        payload=message.raw,
        peer=message.peer,
        request_id=result.request_id or None,
        trace_id=result.trace_id if record is None else record.trace_id,
    )


def _replayed(
    message: ResultArrived, ok: bool, outcome: str, code: str | None = None, error: str | None = None
) -> Answer:
    value: dict[str, Any] = {"outcome": outcome}
    if code is not None:
        value["code"] = code
    if error is not None:
        value["error"] = error
    return Answer(message.reply_to, Ack(tag=message.tag, ok=ok, value=value))
