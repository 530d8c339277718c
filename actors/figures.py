"""The figures of every report, from the database alone: CLI, dashboard and Reporter show the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from foldward.contracts import clock

SCHEMA_VERSION = 1
COUNTERS = (
    "sent",
    "retry",
    "success",
    "failure",
    "duplicate",
    "stale",
    "throttled",
    "dispatch_failed",
    "data_invalid",
    "send_failure",
    "db_error",
    "telemetry_fail",
)
DAY_US = 86_400 * clock.US


class Rows(Protocol):
    """What is read: storage.reads.Reader."""

    def counters(self) -> dict[str, int]: ...
    def queue_counts(self, now_us: int | None = None) -> dict[str, Any]: ...
    def dead_counts(self) -> dict[str, Any]: ...
    def latency(self, kind: str | None = None) -> dict[str, Any]: ...


def report_oos_metrics(rows: Rows, now_us: int | None = None) -> dict[str, Any]:
    """All figures of the queue: counters, what waits, dead letters, latency; and the summary line.

    {<counter>: n …, pending, in_flight, waiting_retry, given_up, oldest_age_s,
    dead_letters {held, by_reason}, queue_wait {…}, run_time {…}, rank_moves, summary,
    latency {count, min_s, mean_s, p50_s, p95_s, p99_s, max_s, histogram}}
    """
    counters = rows.counters()
    queue = rows.queue_counts(now_us)
    latency = dict(rows.latency())
    wait, run = latency.pop("queue", {}), latency.pop("run", {})
    metrics: dict[str, Any] = {name: counters.get(name, 0) for name in COUNTERS}
    metrics |= {
        "pending": queue["pending"],
        "in_flight": queue["sent"],
        "waiting_retry": queue["retry"],
        "given_up": queue.get("error", 0),
        "oldest_age_s": queue.get("oldest_age_s"),
        "dead_letters": rows.dead_counts(),
        "latency": latency,
        "queue_wait": wait,
        "run_time": run,
        "rank_moves": counters.get("rank_moves", 0),
    }
    metrics["summary"] = summary_line(metrics)
    return metrics


def summary_line(metrics: Mapping[str, Any]) -> str:
    """The one line of every report; a number that is not known yet is `-`."""
    latency = metrics.get("latency") or {}
    percentiles = "/".join(_seconds(latency.get(name)) for name in ("p50_s", "p95_s", "p99_s"))
    oldest = metrics.get("oldest_age_s")
    return (
        f"OOS sent: {metrics['sent']} retry: {metrics['retry']} success: {metrics['success']}"
        f" failure: {metrics['failure']} pending: {metrics['pending']} oldest: {int(oldest or 0)}s"
        f" (data {metrics['data_invalid']} send {metrics['send_failure']} db {metrics['db_error']})"
        f" latency p50/p95/p99: {percentiles} s"
    )


def status_text(summary: str, now_us: int, reason: str) -> str:
    """oos_status.txt: the summary line, then when and why it was written."""
    return f"{summary}\nupdated: {clock.iso_ms(now_us)} reason: {reason}\n"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
