"""`/metrics`: the status document in Prometheus' text format (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector


class _Status(Collector):
    """One scrape of one document: the counters are the database's, so a restart does not reset them."""

    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        return list(self._families())

    def _families(self) -> Iterator[Metric]:
        status = self._status
        yield _gauge("foldward_core_running", "1 while a core runs in this home.", status["core"]["running"])
        if status["core"].get("uptime_s") is not None:
            yield _gauge(
                "foldward_core_uptime_seconds", "Seconds since core started.", status["core"]["uptime_s"]
            )
        yield _gauge("foldward_paused", "1 while sending is paused.", status["core"]["paused"])
        requests = GaugeMetricFamily("foldward_requests", "Requests in the queue by state.", labels=["state"])
        for state in ("pending", "sent", "retry", "error", "cancelled"):
            requests.add_metric([state], status["queue"].get(state, 0))
        yield requests
        oldest = status["queue"].get("oldest_age_s")
        yield _gauge("foldward_oldest_request_seconds", "Age of the oldest open request.", oldest or 0)
        for name, value in status["counters"].items():
            counter = CounterMetricFamily(f"foldward_{name}", f"Counter {name} since the database was made.")
            counter.add_metric([], value)
            yield counter
        dead = GaugeMetricFamily("foldward_dead_letters", "Held dead letters by reason.", labels=["reason"])
        for reason, count in status["dead_letters"]["by_reason"].items():
            dead.add_metric([reason], count)
        yield dead
        yield _gauge("foldward_workers", "Worker processes known to core.", len(status["workers"]))
        supervision = status["supervision"]
        restarts = CounterMetricFamily("foldward_supervisor_restarts", "Restarts since core started.")
        restarts.add_metric([], supervision["restarts"])
        yield restarts
        yield _gauge("foldward_supervisor_zombies", "Abandoned actor threads.", supervision["zombies"])
        latency = status["latency"]
        summary = SummaryMetricFamily(
            "foldward_request_latency_seconds",
            "Request to applied result.",
            count_value=latency["count"],
            sum_value=(latency.get("mean_s") or 0.0) * latency["count"],
        )
        yield summary
        quantiles = GaugeMetricFamily(
            "foldward_request_latency_quantile_seconds", "Request to applied result.", labels=["quantile"]
        )
        for label, key in (("0.5", "p50_s"), ("0.95", "p95_s"), ("0.99", "p99_s")):
            if latency.get(key) is not None:
                quantiles.add_metric([label], latency[key])
        yield quantiles


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], float(value))
    return family


def metrics_text(status: dict[str, Any]) -> str:
    """The whole exposition."""
    registry = CollectorRegistry()
    registry.register(_Status(status))
    return generate_latest(registry).decode()
