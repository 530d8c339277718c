"""The `oos.*` events with all the keys that each of them always has (spec 4.1)."""

from __future__ import annotations

from typing import Any

from actors._effects import Event


def oos_kind(origin: str, kind: str) -> str:
    """`a-rank` for the validation that a rank needs, else the request's kind."""
    return "a-rank" if origin == "rank" and kind == "oos" else kind


def oos_event(
    event: str,
    *,
    request_id: str,
    name: str,
    kind: str,
    origin: str,
    status: str,
    attempt: int | None,
    run_id: str = "-",
    trace_id: str = "-",
    latency_s: float | None = None,
    severity: str = "info",
    **data: Any,
) -> Event:
    """One step of a request, for telemetry."""
    return Event(
        event,
        {
            "request_id": request_id,
            "oos_kind": oos_kind(origin, kind),
            "strategy": name,
            "status": status,
            "attempt": attempt,
            "latency_sec": latency_s,
            **data,
        },
        severity,
        request_id,
        run_id,
        trace_id,
    )
