"""`foldward status`: what the database knows, and what only the running core knows, as one document."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from foldward.console import Client
from foldward.contracts.errors import FoldwardError
from foldward.settings import Home

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


_DEAD = "dead_letter."


def status(home: Home, timeout: float = 5.0) -> dict[str, Any]:
    """The document of the acceptance surface. Works while core is down, and before there is a database."""
    answer = stored(home)
    live = _live(home, timeout)
    paused = bool(answer.pop("paused"))
    answer["core"] = {
        "running": live is not None,
        "pid": live.get("pid") if live else None,
        "run_id": live.get("run_id") if live else None,
        "uptime_s": live.get("uptime_s") if live else None,
        "paused": paused,
        "draining": bool(live and live.get("draining")),
        "error": live.get("error") if live else None,
    }
    answer["children"] = live.get("children", []) if live else []
    answer["rss_bytes"] = live.get("rss_bytes") if live else None
    answer["workers"] = live.get("workers", []) if live else []
    answer["breakers"] = live.get("breakers", []) if live else []
    answer["supervision"] = (
        live.get("supervision") if live and live.get("supervision") else {"restarts": 0, "zombies": 0}
    )
    if live and "telemetry_fail" in live:
        answer["counters"]["telemetry_fail"] = live["telemetry_fail"]
    return answer


def stored(home: Home) -> dict[str, Any]:
    """The part that comes from the database (read-only)."""
    answer: dict[str, Any] = {
        "version": metadata.version("foldward"),
        "home": str(home.root),
        "queue": {"pending": 0, "sent": 0, "retry": 0, "error": 0, "cancelled": 0, "oldest_age_s": None},
        "counters": dict.fromkeys((*COUNTERS, "notify_failure", "rank_moves"), 0),
        "dead_letters": {"held": 0, "by_reason": {}},
        "latency": {"count": 0, "p50_s": None, "p95_s": None, "p99_s": None},
        "ranks": {},
        "verdicts": {},
        "storage": {},
        "paused": False,
    }
    if not home.database.exists():
        return answer
    from storage.reads import Reader

    reader = Reader(home.database)
    try:
        counters = reader.counters()
        answer["queue"] |= reader.queue_counts()
        received = {name: counters.pop(name) for name in [*counters] if name.startswith(_DEAD)}
        answer["counters"] |= counters
        answer["dead_letters"] = reader.dead_counts()
        answer["dead_letters"]["received"] = {
            name.removeprefix(_DEAD): count for name, count in sorted(received.items())
        }
        answer |= reader.standing()
        answer["storage"] = reader.sizes()
        answer["latency"] |= reader.latency()
        answer["paused"] = reader.meta("paused") == "1"
    finally:
        reader.close()
    return answer


def _live(home: Home, timeout: float) -> dict[str, Any] | None:
    holder = home.holder()
    if holder is None:
        return None
    try:
        return {"pid": holder.get("pid"), **Client(home, timeout=timeout).status()}
    except FoldwardError as error:
        # A core that starts, stops or hangs is still there: say so instead of failing.
        return {"pid": holder.get("pid"), "run_id": holder.get("run_id"), "error": error.as_dict()}
