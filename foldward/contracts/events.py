"""Telemetry events: the envelope of every line of telemetry.jsonl, and one documented row per event type.

The pattern is Oban's telemetry module: each event is documented with all its keys, and all its keys are
always there (null when unknown), so a reader never has to ask whether a key may be missing. Events that say
that something is finished are emitted after the commit (`after_commit`).

`SCHEMA_VERSION` rises only when a reader could break: a key removed, renamed or given another meaning. New
event types and new keys do not raise it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldward.contracts import clock
from foldward.contracts._event_rows import ROWS, EventType
from foldward.contracts.masking import mask
from foldward.contracts.messages import Emit

SCHEMA_VERSION = 1
LOG_TYPE = "telemetry"
SEVERITIES = ("debug", "info", "warning", "error", "critical")
ENVELOPE: Mapping[str, str] = {
    "schema_version": "version of this envelope and of the table below",
    "timestamp": "when, UTC, ISO-8601 with milliseconds and Z",
    "log_type": 'always "telemetry"',
    "event_type": "name of the event",
    "service": 'who emitted it; "unknown" when left out',
    "severity": "debug, info, warning, error or critical; left out: the event type's own",
    "correlation_id": "request, walk-forward run or heartbeat that the event belongs to",
    "run_id": 'the run it belongs to, or "-"',
    "trace_id": 'follows one request through CLI, actors, wire, worker and database, or "-"',
    "data": "what happened, with every key of the event type",
}
# The key of `data` that names what an event belongs to, by the event's family.
CORRELATION: Mapping[str, str] = {
    "oos": "request_id",
    "wfv": "wfv_id",
    "cpcv": "cpcv_id",
    "heartbeat": "heartbeat_id",
    "run": "run_id",
}
EVENTS: Mapping[str, EventType] = {row.name: row for row in ROWS}


def envelope(emit: Emit) -> dict[str, Any]:
    """The JSON object of one event: every key of the envelope and of the event type, secrets masked.

    Missing keys are null; unknown keys and unknown types are kept (`faults` names both). Never raises for
    anything an Emit can hold: data that is no mapping is kept under the key `value`.
    """
    row = EVENTS.get(emit.event_type)
    given = emit.data if isinstance(emit.data, Mapping) else {"value": emit.data}
    data = {} if row is None else {name: given.get(name) for name in row.keys}
    if given.keys() != data.keys():
        data.update((str(name), value) for name, value in given.items() if name not in data)
    return {
        "schema_version": SCHEMA_VERSION,
        "timestamp": _timestamp(emit.at_us),
        "log_type": LOG_TYPE,
        "event_type": emit.event_type,
        "service": emit.service or "unknown",
        "severity": _severity(emit, row),
        "correlation_id": _correlation(emit, data),
        "run_id": emit.run_id or "-",
        "trace_id": emit.trace_id or "-",
        "data": mask(data),
    }


def faults(emit: Emit) -> tuple[str, ...]:
    """What in an event does not fit the table: `type`, `missing:KEY`, `unknown:KEY`, `severity`."""
    row = EVENTS.get(emit.event_type)
    found = [] if emit.severity in SEVERITIES else ["severity"]
    if row is None:
        return ("type", *found)
    given = emit.data if isinstance(emit.data, Mapping) else {"value": emit.data}
    if given.keys() == row.keys.keys():
        return tuple(found)
    found += [f"missing:{name}" for name in row.keys if name not in given]
    found += [f"unknown:{name}" for name in given if name not in row.keys]
    return tuple(found)


def _severity(emit: Emit, row: EventType | None) -> str:
    if emit.severity not in SEVERITIES:
        return "info"
    # An emitter that leaves the severity out sends "info": then the type's own counts.
    return row.severity if row is not None and emit.severity == "info" else emit.severity


def _correlation(emit: Emit, data: Mapping[str, Any]) -> str:
    if emit.correlation_id not in ("", "unknown"):
        return emit.correlation_id
    known = data.get(CORRELATION.get(emit.event_type.partition(".")[0], ""))
    return known if isinstance(known, str) and known else "unknown"


def _timestamp(at_us: int) -> str:
    try:
        return clock.iso_ms(at_us)
    except (OverflowError, ValueError, OSError, TypeError):
        return clock.iso_ms(clock.utc_us())
