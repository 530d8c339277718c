"""Counters and percentiles (restart-safe): from the tables that the writer keeps in the same transactions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from peewee import fn

from foldward.contracts.jobs import PHASES
from storage._histogram import bucket_middle
from storage.models import Latency
from storage.reads._connection import Connected

# Always present, so that a reader needs no default.
COUNTERS = (
    "requested",
    "sent",
    "retry",
    "success",
    "failure",
    "duplicate",
    "stale",
    "nondeterministic",
    "throttled",
    "dispatch_failed",
    "data_invalid",
    "send_failure",
    "db_error",
    "cached",
    "merged",
    "refused",
    "cancelled",
    "given_up",
    "requeued",
    "returned",
    "recovered",
)
_INTERNAL = ("revision", "dead_rows", "dead_bytes")
EXACT = 5000  # up to here percentiles come from the results themselves
_EDGES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200)
_WHAT = {"latency": "latency_us", "queue": "queue_us", "run": "run_us"}


class FigureReads(Connected):
    """Reading flags, counters and latencies."""

    def meta(self, key: str) -> str | None:
        """One durable flag."""
        value: str | None = self._value("SELECT value FROM meta WHERE key = ?", (key,))
        return value

    def counters(self) -> dict[str, int]:
        """All counters since the database was made; dead letters by reason as `dead_letter.<reason>`."""
        counters = dict.fromkeys(COUNTERS, 0)
        counters.update(dict(self._all("SELECT name, value FROM counters")))
        for name in _INTERNAL:
            counters.pop(name, None)
        return counters

    def latency(self, kind: str | None = None) -> dict[str, Any]:
        """Request→result, with queue wait and run time apart, in seconds, of one kind or of all.

        {count, min_s, mean_s, p50_s, p95_s, p99_s, max_s, histogram: [{le_s, count}], queue: {…}, run: {…}}.
        Up to 5,000 results percentiles are exact (nearest rank); beyond, they are within 0.8 %.
        """
        query = Latency.select(
            Latency.what,
            Latency.bucket,
            fn.SUM(Latency.count),
            fn.SUM(Latency.total),
            fn.MIN(Latency.low),
            fn.MAX(Latency.high),
        )
        if kind is not None:
            query = query.where(Latency.kind == kind)
        query = query.group_by(Latency.what, Latency.bucket).order_by(Latency.what, Latency.bucket)
        buckets: dict[str, list[Any]] = {what: [] for what in _WHAT}
        for what, *bucket in self._select(query):
            buckets[what].append(tuple(bucket))
        which, bindings = ("", ()) if kind is None else ("WHERE kind = ?", (kind,))
        exact: list[tuple[Any, ...]] | None = None
        if sum(bucket[1] for bucket in buckets["latency"]) <= EXACT:
            exact = self._all(f"SELECT latency_us, queue_us, run_us FROM results {which}", bindings)
        figures: dict[str, Any] = {}
        for index, what in enumerate(_WHAT):
            samples = None if exact is None else sorted(row[index] for row in exact if row[index] is not None)
            part = _figures(buckets[what], samples)
            if what == "latency":
                figures = part
            else:
                figures[what] = part
        return figures

    def latency_by_kind(self) -> dict[str, dict[str, dict[str, Any]]]:
        """{kind: {latency | queue | run: {count, sum_s, histogram: [{le_s, count}]}}}, every kind of work.

        From the writer's buckets alone, so it costs the same with a million results.
        """
        query = Latency.select(
            Latency.kind,
            Latency.what,
            Latency.bucket,
            Latency.count,
            Latency.total,
            Latency.low,
            Latency.high,
        )
        buckets: dict[str, dict[str, list[Any]]] = {kind: {what: [] for what in _WHAT} for kind in PHASES}
        for kind, what, *bucket in self._select(query):
            buckets[kind][what].append(tuple(bucket))
        return {
            kind: {
                what: {
                    "count": sum(bucket[1] for bucket in found),
                    "sum_s": sum(bucket[2] for bucket in found) / 1e6,
                    "histogram": _histogram(found),
                }
                for what, found in parts.items()
            }
            for kind, parts in buckets.items()
        }


def _figures(buckets: list[tuple[int, int, int, int, int]], exact: list[int] | None) -> dict[str, Any]:
    count = sum(bucket[1] for bucket in buckets)
    if not count:
        empty = dict.fromkeys(("min_s", "mean_s", "p50_s", "p95_s", "p99_s", "max_s"))
        return {"count": 0, **empty, "histogram": []}
    low, high = min(bucket[3] for bucket in buckets), max(bucket[4] for bucket in buckets)

    def percentile(share: float) -> float:
        rank = math.ceil(share * count)
        if exact is not None and len(exact) == count:
            return exact[rank - 1] / 1e6
        seen = 0
        for bucket, n, *_ in buckets:
            seen += n
            if seen >= rank:
                return min(max(bucket_middle(bucket), low), high) / 1e6
        return high / 1e6

    return {
        "count": count,
        "min_s": low / 1e6,
        "mean_s": sum(bucket[2] for bucket in buckets) / count / 1e6,
        "p50_s": percentile(0.50),
        "p95_s": percentile(0.95),
        "p99_s": percentile(0.99),
        "max_s": high / 1e6,
        "histogram": _histogram(buckets),
    }


def _histogram(buckets: Iterable[tuple[int, int, int, int, int]]) -> list[dict[str, Any]]:
    bars = [{"le_s": edge, "count": 0} for edge in (*_EDGES_S, None)]
    for bucket, n, *_ in buckets:
        seconds = bucket_middle(bucket) / 1e6
        place = next((i for i, edge in enumerate(_EDGES_S) if seconds <= edge), len(_EDGES_S))
        bars[place]["count"] += n  # type: ignore[operator]
    return bars
