"""Everything that was said about one trace: the rows of a request, then what the event file adds to them."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from foldward.contracts.clock import US, iso_ms, iso_s

FILES = 8  # the newest; 10 MiB each unless telemetry.max_bytes says otherwise
MOST = 500  # lines of one trace that are shown
SHORTEST = 8
_HIDDEN = frozenset({"at", "at_us", "event", "request_id", "strategy", "digest", "trace_id"})


def file_lines(newest: Path, needles: Iterable[str]) -> list[dict[str, Any]]:
    """The newest MOST events of the newest files that name one of these ids, oldest first.

    An id of fewer than SHORTEST characters is not looked for: it would be found in every line.
    """
    wanted = [needle.encode() for needle in needles if len(needle) >= SHORTEST]
    found: list[dict[str, Any]] = []
    for number in range(FILES):
        path = newest if number == 0 else newest.with_name(f"{newest.name}.{number}")
        lines = {place: line for needle in wanted for place, line in _lines(path, needle)}
        events = (_event(lines[place]) for place in sorted(lines))
        found = [event for event in events if event is not None] + found
        if len(found) >= MOST:
            break
    return found[-MOST:]


def _lines(path: Path, needle: bytes) -> Iterator[tuple[int, bytes]]:
    """(place, line) of the last MOST lines that hold it, the last one first."""
    try:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text:
            end = text.rfind(b"\n") + 1  # what comes after is a line that is being written
            for _ in range(MOST):
                at = text.rfind(needle, 0, end)
                if at < 0:
                    return
                start = text.rfind(b"\n", 0, at) + 1
                yield start, text[start : text.find(b"\n", at)]
                end = start
    except (OSError, ValueError):  # no such file, or an empty one, which cannot be mapped
        return


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        plain = msgspec.json.decode(line)
        at = datetime.fromisoformat(plain["timestamp"])
        return {
            "at_us": round(at.timestamp() * US),
            "event": str(plain["event_type"]),
            "severity": str(plain["severity"]),
            "service": str(plain["service"]),
            "data": dict(plain["data"]),
        }
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


def timeline(
    request_id: str, steps: Iterable[dict[str, Any]], lines: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Rows and lines as one story, oldest first.

    A line that tells what a row tells (same request, same event, one line a row) is left out: the row is of
    the same transaction as the step and knows more. [{at_us, at, since_s, event, tone, facts, of, logged}]
    """
    rows = [dict(step) for step in steps]
    told = Counter(row["event"] for row in rows)
    story = [_entry(row["at_us"], row["event"], row, None, False) for row in rows]
    for line in lines:
        data = line["data"]
        of = data.get("request_id")
        if of in (None, request_id) and told[line["event"]] > 0:
            told[line["event"]] -= 1
            continue
        other = of if of not in (None, request_id) else None
        story.append(_entry(line["at_us"], line["event"], data, other, True, line["severity"]))
    story.sort(key=lambda entry: entry["at_us"])
    for entry in story:
        entry["since_s"] = (entry["at_us"] - story[0]["at_us"]) / US
    return story


def _entry(
    at_us: int, event: str, data: dict[str, Any], other: str | None, logged: bool, severity: str = "info"
) -> dict[str, Any]:
    facts = [
        (key, _told(key, value)) for key, value in data.items() if key not in _HIDDEN and value is not None
    ]
    return {
        "at_us": at_us,
        "at": iso_ms(at_us),
        "event": event,
        "tone": tone(event, severity),
        "facts": facts,
        "of": other,
        "logged": logged,
    }


def _told(key: str, value: Any) -> Any:
    """Times as times; the stored forms are integers (microseconds for *_at, seconds for *_ts)."""
    if isinstance(value, int) and key.endswith("_at") and value > US:
        return iso_ms(value)
    if isinstance(value, int) and key.endswith("_ts"):
        return iso_s(value)
    return value


def tone(event: str, severity: str = "info") -> str:
    """good | warn | bad | plain: how a step looks."""
    name = event.rpartition(".")[2]
    if severity in ("error", "critical") or name in (
        "failed",
        "given_up",
        "error",
        "nondeterministic",
        "held",
    ):
        return "bad"
    if severity == "warning" or name in (
        "retry",
        "expired",
        "throttled",
        "deferred",
        "dispatch_failed",
        "stale",
    ):
        return "warn"
    return "good" if name in ("result", "replayed") else "plain"
