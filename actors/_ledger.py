"""What the OOSQueue decides once a request exists: answers, and through `Attempts` failures and returns.

`Ledger` is the state machine's only author: every arrow is asked of the DBWriter as one guarded fact, and
what follows (events, `Settled`) is decided when `Written` says that it is committed. All methods take the
message and the time and return effects (spec 1.4).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from actors import _results
from actors._attempts import Attempts
from actors._effects import Alarm, Effects, Later, Tell, WriteFact
from actors._events import oos_event
from actors._news import broadcast, hold, record_event, replayed
from actors._records import Record
from actors._results import Refused
from foldward.contracts import clock
from foldward.contracts.facts import ApplyResult, CountUp, NoteEvent
from foldward.contracts.jobs import Window
from foldward.contracts.messages import Message, ResultArrived, Settled, Written
from foldward.settings import QueueTable, RetryTable
from storage.rows import RequestRow

APPLY_TRIES = 3

InSample = Callable[[str, bool], tuple[float | None, Window | None]]


class Reapply(Message, frozen=True, kw_only=True):
    """To oneself: try again to store this answer."""

    arrived: ResultArrived
    tries: int


class Ledger(Attempts):
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
        super().__init__(queue, retry, rng, read)
        self._in_sample = in_sample

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
            return [replayed(message, False, "failed", code, f"the answer is an error: {error}")]
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
        return self.fail(record, "result", code, error, now, now_us, result.retry_after, message.peer)

    def _refuse(
        self, message: ResultArrived, record: Record, refused: Refused, now: float, now_us: int
    ) -> Effects:
        if message.dead_id is not None:
            return [replayed(message, False, "refused", refused.code, refused.error)]
        effects: Effects = [
            Tell("dead_letter", hold(message, refused.reason, refused.code, refused.error, record))
        ]
        if refused.code == "wire.mirror":
            sharpe = message.result.sharpe
            effects.append(
                record_event(
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
            effects += self.fail(
                record, "result", refused.code, refused.error, now, now_us, None, message.peer, retryable=True
            )
        return effects

    def _stale(self, message: ResultArrived, known: dict[str, Any] | None = None) -> Effects:
        """known: what the store says of a request that has ended."""
        result = message.result
        whose = known or {}
        event = oos_event(
            "oos.stale",
            request_id=result.request_id,
            name=whose.get("name") or result.strategy_name,
            kind=whose.get("kind") or "unknown",
            origin=whose.get("origin", "unknown"),
            status="stale",
            attempt=result.attempt,
            run_id=whose.get("run_id", "-"),
            trace_id=whose.get("trace_id", result.trace_id),
            severity="warning",
            result_digest=None if result.error else _results.with_digest(result).result_digest,
        )
        if message.dead_id is not None:
            return [
                event,
                replayed(message, False, "stale", "request.unknown_id", "no open request has that id"),
            ]
        text = f"no open request has the id {result.request_id}"
        return [
            event,
            Tell(
                "dead_letter",
                hold(
                    message,
                    "unknown_request_id",
                    "request.unknown_id",
                    text,
                    None,
                    whose.get("trace_id", "-"),
                ),
            ),
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
            return self._stale(message, value)
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
            effects += self._nondeterministic(message, name, trace_id)
        if message.reply_to is not None:
            effects.append(replayed(message, True, outcome))
        return effects

    def _nondeterministic(self, message: ResultArrived, name: str, trace_id: str) -> Effects:
        text = f"a second answer of {name} has another result digest"
        effects: Effects = [
            Alarm(f"nondeterministic:{name}", f"{name} is not deterministic", text, severity="error")
        ]
        if message.dead_id is None:
            effects.append(
                Tell(
                    "dead_letter", hold(message, "mismatch", "engine.nondeterministic", text, None, trace_id)
                )
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
            return [*effects, replayed(message, False, "failed", code, error)]
        letter = hold(
            message, "apply_failed", code, f"not applied after {APPLY_TRIES} tries: {error}", record
        )
        return [*effects, Tell("dead_letter", letter)]


_EVENT = {"applied": "oos.result", "duplicate": "oos.duplicate", "nondeterministic": "oos.nondeterministic"}
