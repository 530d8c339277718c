"""A status document with everything in it, as `foldward status --json` gives it."""

from typing import Any


def sample() -> dict[str, Any]:
    """A core under load with a worker down and a breaker open; with the times by kind that a scrape adds."""
    bars = [{"le_s": edge, "count": count} for edge, count in ((0.1, 2), (1, 0), (10, 4), (None, 1))]
    times = {"count": 7, "mean_s": 2.5, "p50_s": 2.0, "p95_s": 9.0, "p99_s": 60.0, "histogram": bars}
    by_kind = {"count": 7, "sum_s": 17.5, "histogram": bars}
    none = {"count": 0, "sum_s": 0.0, "histogram": [{**bar, "count": 0} for bar in bars]}
    names = ("sent", "retry", "success", "failure", "duplicate", "stale", "throttled", "dispatch_failed")
    more = (
        "data_invalid",
        "send_failure",
        "db_error",
        "telemetry_fail",
        "requested",
        "given_up",
        "nondeterministic",
    )
    return {
        "version": "0.1.0",
        "core": {
            "running": True,
            "pid": 7,
            "run_id": "r",
            "uptime_s": 5.0,
            "paused": True,
            "draining": False,
            "error": None,
        },
        "queue": {"pending": 6, "sent": 1, "retry": 2, "error": 0, "cancelled": 0, "oldest_age_s": 12.7},
        "counters": {
            name: number for number, name in enumerate((*names, *more, "rank_moves", "notify_failure"), 1)
        },
        "dead_letters": {"held": 2, "by_reason": {"schema": 2}, "received": {"schema": 3, "oversize": 1}},
        "latency": {**times, "queue": times, "run": times},
        "latency_by_kind": {
            "oos": dict.fromkeys(("latency", "queue", "run"), by_kind),
            "wfv": dict.fromkeys(("latency", "queue", "run"), none),
        },
        "workers": [
            {"id": "worker-1", "state": "running", "pid": 8, "busy": 2},
            {"id": "worker-2", "state": "backoff", "pid": None, "busy": 0},
        ],
        "breakers": [{"name": "worker-1", "state": "open"}],
        "supervision": {"restarts": 3, "zombies": 0},
        "children": [
            {"id": "db_writer", "kind": "worker", "state": "running", "restarts": 0, "mailbox": 4},
            {"id": "worker-2", "kind": "process", "state": "backoff", "restarts": 3, "mailbox": None},
        ],
        "rss_bytes": 120_000_000,
        "ranks": {"B": 4, "incubator": 2},
        "verdicts": {"PASS": 1, "none": 5},
        "storage": {"database_bytes": 4096, "wal_bytes": 0, "free_bytes": 10**10},
    }
