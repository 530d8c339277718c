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
    "requested": "Requests accepted.",
    "given_up": "Requests ended without a result.",
    "cancelled": "Requests cancelled.",
    "cached": "Submits answered from the store.",
    "merged": "Submits that found their work open.",
    "refused": "Submits refused at admission.",
    "returned": "Leases given back by a lost worker.",
    "requeued": "Requests sent again by the operator.",
    "recovered": "Leases found open at a start.",
    "nondeterministic": "Requests with two different answers.",
    "rank_moves": "Moves of strategies on the ladder.",
    "notify_failure": "Notifications that did not arrive.",
    "deferred": "Times that a request waited for a worker.",
}
_SIZES = {
    "database_size_bytes": "Size of the database file.",
    "database_wal_size_bytes": "Size of the write-ahead log.",
    "disk_free_bytes": "Free on the disk that holds the database.",
}
_SIZE_KEYS = {
    "database_size_bytes": "database_bytes",
    "database_wal_size_bytes": "wal_bytes",
    "disk_free_bytes": "free_bytes",
}
_TIMES = {
    "latency": ("foldward_request_latency_seconds", "From acceptance to the applied result."),
    "queue": ("foldward_request_queue_wait_seconds", "From acceptance to the first send."),
    "run": ("foldward_request_run_seconds", "From send to result."),
}
_RUNNING = ("running", "idle", "busy", "ready")


def metrics_text(status: Mapping[str, Any]) -> str:
    """The text of `/metrics`.

    status: the document of `foldward status` (core, queue, counters, dead_letters, workers, breakers,
    supervision, children, ranks, verdicts, storage, rss_bytes), with latency_by_kind as
    `storage.reads.Reader.latency_by_kind` gives it.
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
    if status.get("version"):
        info = GaugeMetricFamily("foldward_build_info", "1, labelled with the version.", labels=["version"])
        info.add_metric([str(status["version"])], 1.0)
        yield info
    yield from _core(status.get("core") or {}, status.get("rss_bytes"))
    yield from _queue(status)
    yield from _latencies(status.get("latency_by_kind") or {})
    yield from _machinery(status)
    for name, meaning in _SIZES.items():
        yield from _gauge(f"foldward_{name}", meaning, (status.get("storage") or {}).get(_SIZE_KEYS[name]))
    yield from _labelled("foldward_strategies", "Strategies by rank.", "rank", status.get("ranks"))
    yield from _labelled("foldward_verdicts", "Strategies by verdict.", "verdict", status.get("verdicts"))


def _core(core: Mapping[str, Any], rss: Any) -> Iterator[Metric]:
    running = core.get("running")
    yield from _gauge("foldward_core_running", "1 while a core holds this home.", running)
    if running is not None:
        answers = bool(running) and not core.get("error")
        yield from _gauge("foldward_core_answering", "1 while the core answers its socket.", answers)
    yield from _gauge("foldward_core_uptime_seconds", "Since the core started.", core.get("uptime_s"))
    yield from _gauge("foldward_core_draining", "1 while the core admits nothing.", core.get("draining"))
    yield from _gauge("foldward_paused", "1 while sending is paused.", core.get("paused"))
    yield from _gauge("foldward_resident_memory_bytes", "Memory of the core.", rss)


def _queue(status: Mapping[str, Any]) -> Iterator[Metric]:
    queue = status.get("queue") or {}
    states = {name: queue.get(name) for name in ("pending", "sent", "retry", "error", "cancelled")}
    yield from _labelled("foldward_requests", "Requests without a result by state.", "state", states)
    oldest = queue.get("oldest_age_s")
    yield from _gauge("foldward_oldest_request_seconds", "Age of the oldest open request.", oldest)
    for name, value in (status.get("counters") or {}).items():
        number = _number(value)
        if number is not None and name.isidentifier():
            meaning = _MEANING.get(name, f"Counter {name} since the database was made.")
            yield CounterMetricFamily(f"foldward_{name}", meaning, value=number)
    dead = status.get("dead_letters") or {}
    yield from _labelled("foldward_dead_letters", "Dead letters held.", "reason", dead.get("by_reason"))
    received = dead.get("received")
    meaning = "Dead letters received."
    yield from _labelled("foldward_dead_letters_received", meaning, "reason", received, CounterMetricFamily)


def _machinery(status: Mapping[str, Any]) -> Iterator[Metric]:
    workers = status.get("workers")
    if workers is not None:
        yield from _gauge("foldward_workers", "Worker processes known to the core.", len(workers))
        up = {str(worker.get("id")): worker.get("state") in _RUNNING for worker in workers}
        yield from _labelled("foldward_worker_up", "1 while the worker runs.", "worker", up)
        busy = {str(worker.get("id")): worker.get("busy") for worker in workers}
        yield from _labelled("foldward_worker_requests", "Requests that the worker holds.", "worker", busy)
    opened = {
        str(b.get("name", b.get("breaker"))): b.get("state") != "closed" for b in status.get("breakers") or ()
    }
    yield from _labelled("foldward_breaker_open", "1 while the breaker is not closed.", "breaker", opened)
    children = {str(child.get("id")): child for child in status.get("children") or ()}
    up = {name: child.get("state") == "running" for name, child in children.items()}
    yield from _labelled("foldward_child_up", "1 while this part of the tree runs.", "child", up)
    waiting = {name: child.get("mailbox") for name, child in children.items()}
    yield from _labelled("foldward_mailbox_messages", "Messages that wait for it.", "child", waiting)
    again = {name: child.get("restarts") for name, child in children.items()}
    meaning = "Restarts of this part of the tree since the core started."
    yield from _labelled("foldward_child_restarts", meaning, "child", again, CounterMetricFamily)
    tree = status.get("supervision") or {}
    restarts = _number(tree.get("restarts"))
    if restarts is not None:
        meaning = "Children restarted since the core started."
        yield CounterMetricFamily("foldward_supervisor_restarts", meaning, value=restarts)
    yield from _gauge("foldward_supervisor_zombies", "Hung actors given up.", tree.get("zombies"))


def _latencies(by_kind: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """Labelled with the kind of work, of which there are five; never with a strategy, of which there are
    thousands."""
    for key, (name, meaning) in _TIMES.items():
        parts = {kind: known[key] for kind, known in by_kind.items() if known.get(key)}
        if parts:
            family = HistogramMetricFamily(name, meaning, labels=["kind"])
            for kind, part in parts.items():
                family.add_metric([kind], _cumulative(part), part["sum_s"])
            yield family


def _cumulative(part: Mapping[str, Any]) -> list[tuple[str, float]]:
    """From {count, sum_s, histogram: [{le_s, count}]}: counts per bar, le_s None = above all."""
    total, buckets = 0.0, []
    for bar in part["histogram"]:
        total += bar["count"]
        if bar["le_s"] is not None:
            buckets.append((repr(float(bar["le_s"])), total))
    return [*buckets, ("+Inf", max(total, float(part["count"])))]


def _gauge(name: str, meaning: str, value: Any) -> Iterator[Metric]:
    number = _number(value)
    if number is not None:
        yield GaugeMetricFamily(name, meaning, value=number)


def _labelled(
    name: str,
    meaning: str,
    label: str,
    values: Mapping[str, Any] | None,
    family: type[GaugeMetricFamily] | type[CounterMetricFamily] = GaugeMetricFamily,
) -> Iterator[Metric]:
    """One family with a sample a key; none where nothing is known."""
    known = {key: number for key, value in (values or {}).items() if (number := _number(value)) is not None}
    if known:
        made = family(name, meaning, labels=[label])
        for key, number in sorted(known.items()):
            made.add_metric([key], number)
        yield made


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
