"""Facts: what the one writer is asked to make true, one struct a fact (spec 1.6).

An actor tells the DBWriter `Write(fact, …)`; the writer commits many facts in one transaction and answers
each with `Written`. `storage.writes` has one function for each fact here, with the same name in snake case;
each of them also writes the fact's row of the request's timeline (table `events`) and raises its counters in
the same transaction. The outcome documented with each fact is `Written.value`. Times are microseconds UTC.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from foldward.contracts.jobs import Result, Strategy


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all facts: plain data, no cycles, so the collector need not look at them."""


class AdmitRequest(Fact, frozen=True, kw_only=True):
    """A new row in `oos_queue`, state pending.

    Outcome {"status": "queued" | "pending" | "cached" | "refused", "request_id", "code"}: `pending` when an
    open row has the same digest (or an open `oos` row the same strategy), with that row's id; `cached` when
    a result has the digest, with the result's id; `refused` with code queue.full past `max_open`.
    """

    request_id: str
    name: str
    kind: str
    digest: str
    payload: bytes
    requested_us: int
    due_us: int
    run_id: str = "-"
    trace_id: str = "-"
    priority: int = 0
    group_id: str | None = None
    parent_id: str | None = None
    origin: str = "operator"  # operator | rank | wfv | run | replay
    fingerprint: str = ""
    window_start: int | None = None
    window_end: int | None = None
    window_bars: int | None = None
    max_open: int = 1_000_000


class LeaseRequest(Fact, frozen=True, kw_only=True):
    """pending | retry → sent, sends + 1. Outcome: the attempt (sends), or None when the row moved on."""

    request_id: str
    worker: str
    sent_us: int
    deadline_us: int


class ReturnLease(Fact, frozen=True, kw_only=True):
    """sent → retry without a failure: the worker died, the link dropped, or core restarts.

    `started` says that the worker had begun this request (or had it alone): only then `crashes` + 1.
    Outcome {"crashes": n} or None when the row was no longer sent.
    """

    request_id: str
    due_us: int
    at_us: int
    reason: str
    started: bool = False


class FailAttempt(Fact, frozen=True, kw_only=True):
    """pending | sent | retry → retry, failures + 1. Outcome {"failures": n, "sends": n} or None when the row
    moved on.

    cause: send (the bytes did not leave) | result (the peer answered with an error) | deadline.
    """

    request_id: str
    code: str
    error: str
    due_us: int
    at_us: int
    cause: Literal["send", "result", "deadline"]


class GiveUp(Fact, frozen=True, kw_only=True):
    """Any open state → error, and a dead letter that says why, in one transaction.

    The failure that ends it is counted in the row as well; a crash_loop is none.
    `payload` is the answer's bytes where there is one, else the request's own payload is kept.
    Outcome {"dead_id": n} or None when the row was not open.
    """

    request_id: str
    reason: str  # non_retryable | exhausted | crash_loop | expired | corrupt_payload
    code: str
    error: str
    at_us: int
    payload: bytes | None = None
    peer: str = ""


class CancelRequests(Fact, frozen=True, kw_only=True):
    """Open rows → cancelled. Outcome: list of the ids that were open."""

    at_us: int
    why: str
    request_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class ApplyResult(Fact, frozen=True, kw_only=True):
    """An answer: result row, strategy update, trade list, queue row removed, in one transaction.

    Outcome {"outcome": "applied" | "duplicate" | "nondeterministic" | "stale", "name", "kind", "attempt",
    "latency_us", "queue_us", "run_us", "failures", and of a known request "origin", "run_id", "trace_id"}:
    duplicate for an equal result digest, nondeterministic for a different one (the strategy is marked
    INVALID), stale for an id that is unknown or not open.
    """

    result: Result
    received_us: int
    at_us: int
    peer: str = ""
    unverified: bool = False


class HoldDeadLetter(Fact, frozen=True, kw_only=True):
    """Bytes that could not be processed, exactly as received; the same again raises `count`.

    direction: result (bytes from a peer) | request (a row given up) | message (crashed an actor).
    Outcome {"dead_id": n, "count": n} , or {"spilled": true} at the bound (100,000 rows, 1 GiB).
    """

    reason: str
    code: str
    error: str
    payload: bytes
    at_us: int
    direction: Literal["result", "request", "message"] = "result"
    peer: str = ""
    request_id: str | None = None
    trace_id: str = "-"


class SettleDeadLetter(Fact, frozen=True, kw_only=True):
    """One entry's replay or drop; held means it failed again (count + 1). Outcome: True if it changed."""

    dead_id: int
    state: Literal["held", "replayed", "dropped"]
    outcome: str
    at_us: int
    note: str = ""


class RequeueRequest(Fact, frozen=True, kw_only=True):
    """error | cancelled → pending with failures and crashes 0, or retry → due at once (`retry --now`).

    note: kept with the dead letter that this closes. Outcome: True if it changed.
    """

    request_id: str
    due_us: int
    at_us: int
    note: str = ""


class RecoverLeases(Fact, frozen=True, kw_only=True):
    """At start: every `sent` row → retry, due after the grace; sends and failures stay. Outcome: how many."""

    due_us: int
    at_us: int


class ImportStrategies(Fact, frozen=True, kw_only=True):
    """Insert or update definitions; never resurrects a retired strategy. Outcome {"imported", "updated",
    "unchanged", "refused": [[name, code]]}. A changed definition clears the numbers that it no longer has."""

    strategies: tuple[Strategy, ...]
    at_us: int


class RetireStrategies(Fact, frozen=True, kw_only=True):
    """rank → retired; open requests are cancelled. Outcome: list of names that changed."""

    names: tuple[str, ...]
    at_us: int


class RecordVerdict(Fact, frozen=True, kw_only=True):
    """A strategy's verdict for a stage, with every gate, and its rank. Outcome: True if anything changed."""

    name: str
    stage: str
    verdict: Literal["PASS", "FAIL", "INVALID", "BLOCKED"]
    rank: str
    gates: tuple[dict[str, Any], ...]
    reasons: tuple[str, ...]
    at_us: int
    numbers: dict[str, float | None] = {}


class StartRun(Fact, frozen=True, kw_only=True):
    """A row in `runs` with its manifest. Outcome: True, or False when the id is known (resumed)."""

    run_id: str
    seed: int
    manifest: dict[str, Any]
    at_us: int


class FinishRun(Fact, frozen=True, kw_only=True):
    """The end of a run. Outcome: True if it was open."""

    run_id: str
    status: Literal["finished", "failed", "interrupted"]
    result_digest: str | None
    summary: dict[str, Any]
    at_us: int


class StartWfv(Fact, frozen=True, kw_only=True):
    """A row in `wfv_runs`, state pending, for the request that carries it. Outcome: True."""

    wfv_id: str
    name: str
    kind: Literal["wfv", "cpcv"]
    request_id: str
    plan: dict[str, Any]
    at_us: int
    deadline_us: int


class FinishWfv(Fact, frozen=True, kw_only=True):
    """pending → done | failed | expired. Outcome: True if it was pending."""

    wfv_id: str
    state: Literal["done", "failed", "expired"]
    decision: str | None
    detail: dict[str, Any]
    at_us: int


class SetMeta(Fact, frozen=True, kw_only=True):
    """One durable flag or date (paused, last_report_date, last_wfv_us …). Outcome: True."""

    key: str
    value: str


class CountUp(Fact, frozen=True, kw_only=True):
    """Raise restart-safe counters (throttled, dispatch_failed, data_invalid …). Outcome: True."""

    counts: dict[str, int]


class NoteEvent(Fact, frozen=True, kw_only=True):
    """A step of a request's timeline that changes no other table (deferred, throttled). Outcome: True."""

    request_id: str
    event: str
    at_us: int
    data: dict[str, Any] = {}


class Prune(Fact, frozen=True, kw_only=True):
    """Retention in one small batch (spec 1.6). Outcome: rows removed."""

    what: Literal["error_rows", "cancelled_rows", "trade_lists", "dead_letters", "events"]
    before_us: int
    limit: int = 1000
