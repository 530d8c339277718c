"""Prometheus metrics, built at scrape time from the figures of the database (spec 4.3).

The counters live in SQLite, so nothing is counted twice in memory: a scrape builds families from one
`report_oos_metrics()` document and whatever the running core adds. Base units, `foldward_` names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from actors.figures import COUNTERS

_MEANING = {
    "sent": "Requests sent to workers.",
    "retry": "Attempts that will be repeated.",
    "success": "Results applied.",
    "failure": "Attempts that failed.",
    "duplicate": "Equal answers that came again.",
    "stale": "Answers for requests that are unknown or closed.",
    "throttled": "Submits held back by the throttle window.",
    "dispatch_failed": "Sends whose bytes did not leave.",
    "data_invalid": "Submits refused by the data gate.",
    "send_failure": "Failures of sending.",
    "db_error": "Writes that the database refused.",
    "telemetry_fail": "Events that did not reach the event file.",
}
_TIMES = {
    "latency": ("foldward_request_latency_seconds", "From acceptance to result."),
    "queue_wait": ("foldward_request_queue_wait_seconds", "From acceptance to the first send."),
    "run_time": ("foldward_request_run_seconds", "From send to result."),
}


def metrics_text(status: Mapping[str, Any]) -> str:
    """The text of `/metrics`.

    status: `report_oos_metrics()`, and optionally uptime_s, rss (bytes), workers [{id, state, busy}],
    supervision {restarts, zombies}, paused, breakers [{name, state}], strategy_count, ranks {rank: n}.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(tuple(families(status))))
    return generate_latest(registry).decode()


class _Families:
    """A collector of what is known already."""

    def __init__(self, found: tuple[Metric, ...]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        return self._found


def families(status: Mapping[str, Any]) -> Iterable[Metric]:
    """All metric families of a status; what is not known is left out, never 0."""
    for name in COUNTERS:
        if name in status:
            yield CounterMetricFamily(f"foldward_{name}", _MEANING[name], value=_number(status[name]) or 0)
    yield from _gauges(status)
    dead = (status.get("dead_letters") or {}).get("by_reason") or {}
    family = GaugeMetricFamily("foldward_dead_letters", "Dead letters held.", labels=["reason"])
    for reason, count in sorted(dead.items()):
        family.add_metric([str(reason)], _number(count) or 0)
    yield family
    for key, (name, meaning) in _TIMES.items():
        part = status.get(key) or {}
        if part:
            yield _histogram(name, meaning, part)


def _gauges(status: Mapping[str, Any]) -> Iterable[Metric]:
    plain = {
        "foldward_oldest_request_age_seconds": ("Age of the oldest open request.", "oldest_age_s"),
        "foldward_uptime_seconds": ("Since the core started.", "uptime_s"),
        "foldward_resident_memory_bytes": ("Memory of the core.", "rss"),
        "foldward_strategies": ("Strategies known.", "strategy_count"),
        "foldward_paused": ("1 while sending is paused.", "paused"),
    }
    for name, (meaning, key) in plain.items():
        value = _number(status.get(key))
        if value is not None:
            yield GaugeMetricFamily(name, meaning, value=value)
    queue = GaugeMetricFamily("foldward_requests", "Requests by state.", labels=["state"])
    for state, key in (
        ("pending", "pending"),
        ("sent", "in_flight"),
        ("retry", "waiting_retry"),
        ("error", "given_up"),
    ):
        value = _number(status.get(key))
        if value is not None:
            queue.add_metric([state], value)
    yield queue
    tree = status.get("supervision") or {}
    if "restarts" in tree:
        restarts = _number(tree["restarts"]) or 0
        yield CounterMetricFamily("foldward_restarts", "Children restarted since start.", value=restarts)
    if "zombies" in tree:
        yield GaugeMetricFamily(
            "foldward_zombies", "Hung actors given up.", value=_number(tree["zombies"]) or 0
        )
    yield from _labelled(status)


def _labelled(status: Mapping[str, Any]) -> Iterable[Metric]:
    if "workers" in status:
        workers = GaugeMetricFamily("foldward_worker_up", "1 while the worker runs.", labels=["worker"])
        for worker in status["workers"] or ():
            up = 1.0 if worker.get("state") in ("running", "idle", "busy", "ready") else 0.0
            workers.add_metric([str(worker.get("id"))], up)
        yield workers
    if "breakers" in status:
        family = GaugeMetricFamily(
            "foldward_breaker_open", "1 while the breaker is open.", labels=["breaker"]
        )
        for breaker in status["breakers"] or ():
            family.add_metric([str(breaker.get("name"))], 0.0 if breaker.get("state") == "closed" else 1.0)
        yield family
    if "ranks" in status:
        family = GaugeMetricFamily("foldward_strategies_by_rank", "Strategies at a rank.", labels=["rank"])
        for rank, count in sorted((status["ranks"] or {}).items()):
            family.add_metric([rank], _number(count) or 0)
        yield family


def _histogram(name: str, meaning: str, part: Mapping[str, Any]) -> Metric:
    """A histogram family from {count, mean_s, histogram: [{le_s, count}]} (counts per bar, None = above)."""
    total, buckets = 0.0, []
    for bar in part.get("histogram") or ():
        total += bar["count"]
        edge = bar["le_s"]
        buckets.append(("+Inf" if edge is None else repr(float(edge)), total))
    count = float(part.get("count") or 0)
    if not buckets or buckets[-1][0] != "+Inf":
        buckets.append(("+Inf", count))
    return HistogramMetricFamily(
        name, meaning, buckets=buckets, sum_value=count * (part.get("mean_s") or 0.0)
    )


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
