"""What failed: steps of requests from the rows, and crashes of the tree's children from the event file.

A child's crash belongs to no request, so no row of the events table can hold it. The event file does
(`supervisor.child_terminated` with a code), and it is there when core is not.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from foldward.contracts.clock import US
from storage.reads import Reader

FILES = 8  # the newest; 10 MiB each unless telemetry.max_bytes says otherwise
EVENT = "supervisor.child_terminated"
_NEEDLE = f'"event_type":"{EVENT}"'.encode()


class _Data(msgspec.Struct):
    child: str
    reason: str
    supervisor: str = ""
    code: str | None = None


class _Line(msgspec.Struct):
    timestamp: str
    data: _Data


def failures(reader: Reader, telemetry: Path, since_us: int, by: str) -> list[dict[str, Any]]:
    """Failed steps and crashed children since then, grouped: [{by, count, requests, last_at_us, last_error}].

    by: reason | code | strategy | kind | worker | event. A crash has no strategy and no kind, and only a
    worker's has a worker; where it has no group it is not counted. `requests` counts what the rows name: a
    crash that cost a request has its own row there (`supervision.worker_lost`).
    """
    rows = {row[by]: row for row in reader.failures(since_us, by)}
    for at_us, crash in crashes(telemetry, since_us):
        group = _group(crash, by)
        if group is None:
            continue
        row = rows.setdefault(
            group, {by: group, "count": 0, "requests": 0, "last_at_us": 0, "last_error": None}
        )
        row["count"] += 1
        if at_us >= row["last_at_us"]:
            row["last_at_us"], row["last_error"] = at_us, f"{crash.child}: {crash.reason}"
    return sorted(rows.values(), key=lambda row: (-row["count"], row[by] is not None, str(row[by])))


def _group(crash: _Data, by: str) -> str | None:
    if by == "worker":
        return crash.child if crash.supervisor == "workers" else None
    return {"reason": crash.reason, "code": crash.code, "event": EVENT}.get(by)


def crashes(newest: Path, since_us: int) -> Iterator[tuple[int, _Data]]:
    """(at_us, what the event says) of every crash since then, newest first; without a file there are none."""
    for number in range(FILES):
        path = newest if number == 0 else newest.with_name(f"{newest.name}.{number}")
        for line in _lines(path):
            try:
                event = msgspec.json.decode(line, type=_Line)
                at_us = round(datetime.fromisoformat(event.timestamp).timestamp() * US)
            except (msgspec.DecodeError, ValueError):
                continue  # not ours
            if at_us < since_us:
                return
            if event.data.code is not None:
                yield at_us, event.data


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text:
            end = text.rfind(b"\n") + 1  # what comes after is a line that is being written
            while (at := text.rfind(_NEEDLE, 0, end)) >= 0:
                start = text.rfind(b"\n", 0, at) + 1
                yield text[start : text.find(b"\n", at)]
                end = start
    except (OSError, ValueError):  # no such file, or an empty one, which cannot be mapped
        return
