"""The settings: one frozen model a table of `foldward.toml`, each number with its unit, limits and reason.

Read once at the door (see `load`), handed down, never changed: a reload makes a new snapshot (spec 5.2).
"""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Seconds = Annotated[float, Field(ge=0, le=10 * 365 * 86_400)]
Positive = Annotated[float, Field(gt=0, le=10 * 365 * 86_400)]


class Table(BaseModel):
    """Base: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class CoreTable(Table):
    """Where things live and how much of the machine is used."""

    home: str = Field("./var", description="data directory: database, run directory, cache, telemetry")
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=0, le=1024, description="worker processes"
    )
    data_roots: tuple[str, ...] = Field((), description="folders that candles may be read from")
    kinds: tuple[str, ...] = Field((), description="modules that register further kinds of strategy")
    cluster: str = Field(
        "", description="Ray cluster that computes too: host:port, auto, or local[:CPUS]; empty: none"
    )
    memory_mb: int = Field(4096, ge=256, description="address-space limit of one worker, in MiB")
    stop_s: Positive = Field(3.5, description="time for the whole stop; honcho kills after 5 s")


class QueueTable(Table):
    """The durable queue and what leaves it (spec 1.2, 1.3)."""

    max_inflight: int = Field(500, ge=1, description="requests in state sent at once")
    rate_per_s: float = Field(0.0, ge=0, description="sends a second; 0 = no limit")
    flush_interval_s: Positive = Field(1.0, description="how often whatever waits is looked at, in s")
    throttle_s: Seconds = Field(600.0, description="an automatic repeat waits this long after the last send")
    grace_s: Seconds = Field(
        5.0, description="after a restart, how long a sent request may still be answered"
    )
    disconnect_grace_s: Seconds = Field(0.25, description="after a lost link, before its work goes out again")
    oos_window_days: int = Field(180, ge=1, le=36_500, description="newest days that are out of sample")
    max_open: int = Field(1_000_000, ge=1, description="open rows before admission refuses")
    buffer: int = Field(5_000, ge=1, description="rows held in memory for sending")
    startup_batch: int = Field(50, ge=1, description="rows of a start-up backlog sent at once")
    attempt_s: Positive = Field(120.0, description="deadline of one attempt until run times are known")
    attempt_min_s: Positive = Field(30.0, description="shortest deadline of an attempt")
    attempt_max_s: Positive = Field(3600.0, description="longest deadline of an attempt")
    crash_limit: int = Field(3, ge=1, description="worker deaths on one request before it is given up")


class RetryTable(Table):
    """Failed attempts: exponential backoff with full jitter (spec 1.3)."""

    base_s: Positive = Field(2.0, description="first backoff ceiling, in s")
    cap_s: Positive = Field(300.0, description="highest backoff, in s")
    floor_s: Seconds = Field(0.1, description="shortest backoff, in s")
    max_failures: int = Field(8, ge=1, description="failures before a request is given up")
    deadline_s: Positive = Field(86_400.0, description="total time of a request, in s")
    budget_ratio: float = Field(0.2, ge=0, le=1, description="resends per first send and minute")
    budget_min_per_s: float = Field(10.0, ge=0, description="resends that are always allowed, per s")


class LinkTable(Table):
    """How workers and peers are reached (spec 2.1)."""

    native: bool = Field(True, description="the link to our own workers")
    native_endpoint: str = Field("", description="empty: ipc in the run directory; or tcp://host:port")
    mode: Literal["native", "pushpull"] = "native"
    request_endpoint: str = Field("tcp://127.0.0.1:5580", description="PUSH side of pushpull")
    result_endpoint: str = Field("tcp://127.0.0.1:5581", description="PULL side of pushpull")
    bind_requests: bool = Field(False, description="bind instead of connect: the peer's service binds 5580")
    bind_results: bool = Field(True, description="bind instead of connect")
    format: Literal["json", "sexp"] = "json"
    max_frame: int = Field(8 * 1024 * 1024, ge=1024, description="largest message, in bytes")
    heartbeat_ms: int = Field(1000, ge=10, description="ZMQ heartbeat interval")
    heartbeat_timeout_ms: int = Field(3000, ge=20, description="ZMQ heartbeat timeout")
    capacity: int = Field(2, ge=1, description="requests a worker may hold: one running, one ahead")
    junk_per_s: float = Field(
        500.0, ge=0, description="messages that are no answers, read in a second; 0 = any number"
    )
    allow_plain: bool = Field(False, description="allow a link beyond this machine without CURVE")
    curve_public_key: str = ""
    curve_secret_key: SecretStr = SecretStr("")
    curve_server_key: str = ""
    curve_clients: tuple[str, ...] = ()


class BreakerTable(Table):
    """Circuit breaker of each worker link (spec 5.3)."""

    threshold: int = Field(5, ge=1, description="consecutive failures that open it")
    recovery_s: Positive = Field(60.0, description="how long it stays open")
    success_threshold: int = Field(1, ge=1, description="successes that close it again")


class WfvTable(Table):
    """The scheduling guard of walk-forward validation (spec 8.4)."""

    enabled: bool = True
    interval_s: Seconds = 3600.0
    max_pending: int = Field(2, ge=0)
    max_per_run: int = Field(1, ge=1)


class GateTable(Table):
    """Thresholds of one rank; None means not configured, which BLOCKS a verdict that needs it."""

    sharpe: float | None = None
    profit_factor: float | None = None
    win_rate: float | None = None
    max_drawdown: float | None = None
    oos_sharpe: float | None = None
    trades: int | None = None
    expectancy: float | None = None
    ruin: float | None = None
    dsr: float | None = None
    pbo: float | None = None
    cpcv: bool | None = None


class GatesTable(Table):
    """The ladder (spec 8.6)."""

    B: GateTable = GateTable(sharpe=0.15, profit_factor=1.05, win_rate=0.35, max_drawdown=0.25)
    A: GateTable = GateTable(
        sharpe=0.45,
        profit_factor=1.30,
        win_rate=0.43,
        max_drawdown=0.16,
        oos_sharpe=0.35,
        trades=200,
        expectancy=0.0,
        ruin=0.02,
    )
    S: GateTable = GateTable(
        sharpe=0.75, profit_factor=1.70, win_rate=0.50, max_drawdown=0.10, dsr=0.95, pbo=0.25, cpcv=True
    )
    final_dsr: float | None = 0.95


class RankTable(Table):
    """RankEvaluator's cycle."""

    cycle_s: Positive = 60.0
    auto_request: bool = Field(True, description="begin in each cycle what a strategy still needs")
    gates: GatesTable = GatesTable()


class TelemetryTable(Table):
    """Event file and snapshots (spec 4)."""

    max_bytes: int = Field(10 * 1024 * 1024, ge=1024)
    keep: int = Field(5, ge=1, le=1000)
    snapshot_s: Positive = 60.0


class HeartbeatTable(Table):
    """Signs of life (spec 2.5)."""

    interval_s: Positive = 10.0
    lost_s: Positive = 30.0


class NotifyTable(Table):
    """Where the operator is told; URLs are secrets."""

    urls: tuple[SecretStr, ...] = ()
    min_interval_s: Seconds = 5.0


class WebTable(Table):
    """The dashboard."""

    host: str = Field("127.0.0.1", description="address to bind; beyond this machine only with a token")
    port: int = Field(8710, ge=0, le=65_535, description="0 takes a free one")
    token: SecretStr = Field(SecretStr(""), description="signs in; empty: a new one at every start")
    hosts: tuple[str, ...] = Field((), description="further names it is reached by, behind a proxy")
    read_only: bool = Field(False, description="pages only: every button and POST is refused")


class RetentionTable(Table):
    """Days that closed rows are kept; results and trials are never removed."""

    error_days: Seconds = 30.0
    cancelled_days: Seconds = 7.0
    trades_days: Seconds = 90.0
    dead_days: Seconds = 90.0
    events_days: Seconds = 14.0


class StorageTable(Table):
    """SQLite."""

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    busy_timeout_ms: int = Field(5000, ge=0)
    batch: int = Field(500, ge=1, description="commands in one transaction at most")
    wal_max_mb: int = Field(64, ge=1)
    dead_max_rows: int = Field(100_000, ge=1)
    dead_max_bytes: int = Field(1024**3, ge=1024)
    retention: RetentionTable = RetentionTable()


class DataTable(Table):
    """The data gate."""

    coverage_min: float = Field(0.95, ge=0, le=1)
    allow: tuple[str, ...] = Field(
        (), description="finding codes that are accepted and noted on every verdict"
    )


class Settings(Table):
    """All settings of one snapshot."""

    core: CoreTable = CoreTable()
    queue: QueueTable = QueueTable()
    retry: RetryTable = RetryTable()
    link: LinkTable = LinkTable()
    breaker: BreakerTable = BreakerTable()
    wfv: WfvTable = WfvTable()
    rank: RankTable = RankTable()
    telemetry: TelemetryTable = TelemetryTable()
    heartbeat: HeartbeatTable = HeartbeatTable()
    notify: NotifyTable = NotifyTable()
    web: WebTable = WebTable()
    storage: StorageTable = StorageTable()
    data: DataTable = DataTable()
