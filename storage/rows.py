"""What reading gives back: one frozen struct a table, field for field as the columns are named.

Fields named `*_at` and `*_us` are integer microseconds UTC (`requested_at` alone is Unix seconds); JSON
columns arrive decoded. `msgspec.to_builtins(row)` is the JSON form.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from foldward.contracts.jobs import Strategy

OPEN = ("pending", "sent", "retry")
CLOSED = ("error", "cancelled")
RANKS = ("incubator", "B", "A", "S", "legend", "graveyard", "retired")

Status = Literal["pending", "sent", "retry", "error", "cancelled"]


class Row(msgspec.Struct, frozen=True):
    """Base of all rows."""


class RequestRow(Row, frozen=True):
    """A row of `oos_queue`: a request that has no result (yet).

    `requested_us` never moves; `opened_at` is when its present life began (admission, or the last requeue),
    which is what the total deadline counts from.
    """

    request_id: str
    name: str
    requested_at: int
    status: Status
    last_error: str | None
    kind: str
    digest: str
    run_id: str
    trace_id: str
    sends: int
    failures: int
    crashes: int
    first_sent_at: int | None
    sent_at: int | None
    deadline_at: int | None
    next_attempt_at: int | None
    closed_at: int | None
    requested_us: int
    opened_at: int
    priority: int
    group_id: str | None
    parent_id: str | None
    origin: str
    worker: str | None
    last_code: str | None
    fingerprint: str
    window_start: int | None
    window_end: int | None
    window_bars: int | None
    payload_crc: int
    payload: bytes


class RequestView(Row, frozen=True):
    """One line of a list of requests, open or finished; a finished one has the status `success`."""

    request_id: str
    name: str
    requested_at: int
    status: Literal["pending", "sent", "retry", "error", "cancelled", "success"]
    last_error: str | None
    kind: str
    digest: str
    run_id: str
    trace_id: str
    sends: int
    failures: int
    sent_at: int | None
    next_attempt_at: int | None
    deadline_at: int | None
    finished_at: int | None
    priority: int
    origin: str
    group_id: str | None
    parent_id: str | None
    worker: str | None
    latency_us: int | None
    sharpe: float | None
    trades: int | None
    verdict: str | None
    result_digest: str | None


class ResultRow(Row, frozen=True):
    """A row of `results`.

    `win_rate` is a ratio (0 to 1). `work` says which definition of the strategy was computed (empty when a
    legacy payload could not be read); a result is current while it equals the strategy's. `conflicts`
    counts later answers with another result digest. `detail` holds metrics, reasons,
    faults, notes, equity, blocks, the phase's own `report` (folds, paths, evidence) and timings; lists
    leave it empty.
    """

    request_id: str
    name: str
    kind: str
    digest: str
    result_digest: str | None
    work: str
    verdict: str
    requested_us: int
    sent_at: int | None
    received_at: int
    applied_at: int
    latency_us: int
    queue_us: int | None
    run_us: int | None
    sends: int
    failures: int
    attempt: int
    run_id: str
    trace_id: str
    origin: str
    group_id: str | None
    parent_id: str | None
    worker: str | None
    peer: str
    engine: str
    profile: str
    fingerprint: str
    provenance: str
    seed: int | None
    window_start: int | None
    window_end: int | None
    window_bars: int | None
    unverified: bool
    conflicts: int
    trades: int | None
    wins: int | None
    losses: int | None
    pnl: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float | None
    win_rate: float | None
    profit_factor: float | None
    row_crc: int
    detail: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float | None]:
        """All metrics of the answer by name."""
        metrics: dict[str, float | None] = self.detail.get("metrics", {})
        return metrics

    @property
    def report(self) -> dict[str, Any]:
        """The phase's own report: folds, paths, evidence."""
        report: dict[str, Any] = self.detail.get("report") or {}
        return report


class DefinitionRow(Row, frozen=True):
    """What admission needs of a strategy: its rank, its definition as stored (JSON), its in-sample Sharpe.

    The Sharpe has been a decimal in between: a hint to some 15 digits, not the bits that are stored.
    """

    rank: str
    definition: str
    is_sharpe: float | None


class StrategyRow(Row, frozen=True):
    """A row of `strategies`: the definition, where it stands, and the numbers of both sides.

    A number that is None was not validated, or is undefined with its reason in `is_reasons`/`oos_reasons`.
    Win rates are ratios. `definition` is the canonical form of `jobs.Strategy`.
    """

    name: str
    kind: str
    symbol: str
    timeframe: int
    params: dict[str, float]
    definition: dict[str, Any]
    definition_crc: int
    work: str
    defined_at: int
    rank: str
    verdict: str | None
    stage: str | None
    gates: list[dict[str, Any]]
    reasons: list[str]
    numbers: dict[str, Any]
    verdict_at: int | None
    nondeterministic: bool
    generation: int
    parent: str | None
    is_request_id: str | None
    is_requested_us: int | None
    is_verdict: str | None
    is_result_digest: str | None
    is_reasons: dict[str, str]
    is_sharpe: float | None
    is_sortino: float | None
    is_profit_factor: float | None
    is_win_rate: float | None
    is_max_drawdown: float | None
    is_expectancy: float | None
    is_pnl: float | None
    is_trades: int | None
    oos_request_id: str | None
    oos_requested_us: int | None
    oos_verdict: str | None
    oos_result_digest: str | None
    oos_reasons: dict[str, str]
    oos_sharpe: float | None
    oos_sortino: float | None
    oos_profit_factor: float | None
    oos_win_rate: float | None
    oos_max_drawdown: float | None
    oos_expectancy: float | None
    oos_pnl: float | None
    oos_trades: int | None
    created_at: int
    updated_at: int
    retired_at: int | None
    revision: int

    @property
    def strategy(self) -> Strategy:
        """The definition as the struct that requests carry."""
        return msgspec.convert(self.definition, Strategy)


class DeadRow(Row, frozen=True):
    """A row of `dead_letters`. `payload` is None in lists: read one letter for its bytes."""

    id: int
    reason: str
    code: str
    error: str
    state: Literal["held", "replayed", "dropped"]
    direction: Literal["result", "request", "message"]
    first_seen: int
    last_seen: int
    count: int
    attempts: int
    peer: str
    request_id: str | None
    trace_id: str
    name: str | None
    outcome: str | None
    note: str
    closed_at: int | None
    size: int
    payload: bytes | None = None


class RunRow(Row, frozen=True):
    """A row of `runs`."""

    run_id: str
    seed: int
    status: Literal["running", "finished", "failed", "interrupted"]
    result_digest: str | None
    started_at: int
    finished_at: int | None
    manifest: dict[str, Any]
    summary: dict[str, Any]


class WfvRow(Row, frozen=True):
    """A row of `wfv_runs`."""

    wfv_id: str
    name: str
    kind: Literal["wfv", "cpcv"]
    request_id: str
    state: Literal["pending", "done", "failed", "expired"]
    decision: str | None
    started_at: int
    deadline_at: int
    finished_at: int | None
    plan: dict[str, Any]
    detail: dict[str, Any]


class EventRow(Row, frozen=True):
    """A row of `events`."""

    id: int
    request_id: str
    at: int
    event: str
    code: str | None
    data: dict[str, Any]


class TradesRow(Row, frozen=True):
    """A row of `trade_lists`."""

    request_id: str
    name: str
    applied_at: int
    count: int
    truncated: bool
    trades: list[dict[str, Any]]
