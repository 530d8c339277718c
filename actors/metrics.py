"""Prometheus metrics, built at scrape time from the status document (spec 4.3).

The counters live in SQLite, so nothing is counted twice in memory and a restart resets nothing: a scrape
turns one document of `foldward status` into families. Base units, `foldward_` names; what is not known is
left out, never 0. Latencies are histograms (exposition format 0.0.4).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_MEANING = {
    "sent": "Requests sent to workers.",
    "retry": "Attempts that are repeated.",
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
    "latency": ("foldward_request_latency_seconds", "From acceptance to the applied result."),
    "queue": ("foldward_request_queue_wait_seconds", "From acceptance to the first send."),
    "run": ("foldward_request_run_seconds", "From send to result."),
}
_RUNNING = ("running", "idle", "busy", "ready")


def metrics_text(status: Mapping[str, Any]) -> str:
    """The text of `/metrics`.

    status: the document of `foldward status` (core, queue, counters, dead_letters, latency with its histogram
    and the parts queue and run, workers, breakers, supervision); further ranks {rank: n} and rss (bytes).
    """
    registry = CollectorRegistry()
    registry.register(_Known(status))
    return generate_latest(registry).decode()


class _Known(Collector):
    """One scrape of one document."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self._families = tuple(families(status))

    def collect(self) -> Iterable[Metric]:
        return self._families


def families(status: Mapping[str, Any]) -> Iterator[Metric]:
    """All metric families of a status document."""
    core, queue = status.get("core") or {}, status.get("queue") or {}
    yield from _gauge("foldward_core_running", "1 while a core runs in this home.", core.get("running"))
    yield from _gauge("foldward_core_uptime_seconds", "Since the core started.", core.get("uptime_s"))
    yield from _gauge("foldward_paused", "1 while sending is paused.", core.get("paused"))
    yield from _gauge("foldward_resident_memory_bytes", "Memory of the core.", status.get("rss"))
    states = {name: queue.get(name) for name in ("pending", "sent", "retry", "error", "cancelled")}
    yield _labelled("foldward_requests", "Requests without a result by state.", "state", states)
    oldest = queue.get("oldest_age_s")
    yield from _gauge("foldward_oldest_request_seconds", "Age of the oldest open request.", oldest)
    for name, value in (status.get("counters") or {}).items():
        number = _number(value)
        if number is not None:
            meaning = _MEANING.get(name, f"Counter {name} since the database was made.")
            yield CounterMetricFamily(f"foldward_{name}", meaning, value=number)
    dead = (status.get("dead_letters") or {}).get("by_reason") or {}
    yield _labelled("foldward_dead_letters", "Dead letters held.", "reason", dead)
    yield from _latencies(status.get("latency") or {})
    yield from _machinery(status)


def _machinery(status: Mapping[str, Any]) -> Iterator[Metric]:
    workers = status.get("workers")
    if workers is not None:
        up = {str(worker.get("id")): worker.get("state") in _RUNNING for worker in workers}
        yield from _gauge("foldward_workers", "Worker processes known to the core.", len(workers))
        yield _labelled("foldward_worker_up", "1 while the worker runs.", "worker", up)
    breakers = status.get("breakers")
    if breakers:
        opened = {str(b.get("name", b.get("breaker"))): b.get("state") != "closed" for b in breakers}
        yield _labelled("foldward_breaker_open", "1 while the breaker is not closed.", "breaker", opened)
    tree = status.get("supervision") or {}
    restarts = _number(tree.get("restarts"))
    if restarts is not None:
        meaning = "Children restarted since the core started."
        yield CounterMetricFamily("foldward_supervisor_restarts", meaning, value=restarts)
    yield from _gauge("foldward_supervisor_zombies", "Hung actors given up.", tree.get("zombies"))
    if status.get("ranks") is not None:
        yield _labelled("foldward_strategies", "Strategies by rank.", "rank", status["ranks"])


def _latencies(latency: Mapping[str, Any]) -> Iterator[Metric]:
    for key, (name, meaning) in _TIMES.items():
        part = latency if key == "latency" else latency.get(key)
        if part and part.get("histogram") is not None:
            yield _histogram(name, meaning, part)


def _histogram(name: str, meaning: str, part: Mapping[str, Any]) -> Metric:
    """From {count, mean_s, histogram: [{le_s, count}]}: counts per bar, le_s None = above all."""
    total, buckets = 0.0, []
    for bar in part["histogram"]:
        total += bar["count"]
        edge = bar["le_s"]
        buckets.append(("+Inf" if edge is None else repr(float(edge)), total))
    count = float(part.get("count") or 0)
    if not buckets or buckets[-1][0] != "+Inf":
        buckets.append(("+Inf", count))
    return HistogramMetricFamily(
        name, meaning, buckets=buckets, sum_value=count * (part.get("mean_s") or 0.0)
    )


def _gauge(name: str, meaning: str, value: Any) -> Iterator[Metric]:
    number = _number(value)
    if number is not None:
        yield GaugeMetricFamily(name, meaning, value=number)


def _labelled(name: str, meaning: str, label: str, values: Mapping[str, Any]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in sorted(values.items()):
        number = _number(value)
        if number is not None:
            family.add_metric([key], number)
    return family


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
