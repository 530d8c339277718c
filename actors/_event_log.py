"""Telemetry's core: events to lines, lines to the file, what fails to the fallback, everything counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from actors._jsonl import JsonlFile, tail
from foldward.contracts import clock, events
from foldward.contracts.masking import is_secret_name, may_hold_secret
from foldward.contracts.messages import Emit

FALLBACK = ".fallback"
_MAX_MISFITS = 1_000  # names kept for the operator; the count goes on
_MAX_LINE = 1024 * 1024
_PLAIN = frozenset({str, int, float, bool, type(None)})
_encode = msgspec.json.Encoder().encode


class EventLog:
    """`telemetry.jsonl` and its counters. No method raises, whatever the events hold or the disk does.

    `failed` counts events that are not in the event file (`telemetry_fail_count`): those whose disk refused
    them are in `PATH.fallback` instead, `lost` of them nowhere. `misfits` counts what does not fit the table
    of events; such events are written all the same.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self.path = path
        self.keep = keep
        self.written = 0
        self.failed = 0
        self.lost = 0
        self.misfits: Counter[str] = Counter()
        self.last_error: str | None = None
        self._file = JsonlFile(path, max_bytes=max_bytes, keep=keep)
        self._fallback = JsonlFile(path.with_name(path.name + FALLBACK), max_bytes=max_bytes, keep=1)

    @property
    def rotations(self) -> int:
        """How often the file was rotated."""
        return self._file.rotations

    def open(self) -> None:
        """Heal and open the file; a disk that refuses is met again at the first event."""
        try:
            self._file.open()
        except OSError as error:
            self.last_error = str(error)

    def record(self, batch: Iterable[Emit]) -> int:
        """Write events in order; returns how many of them failed."""
        failed = self.failed
        lines = []
        for event in batch:
            line = plain_line(event) or self._line(event)
            if line is not None:
                lines.append(line)
        if lines:
            written, error = self._file.append(lines)
            self.written += written
            if error is not None:
                self._put_aside(lines[written:], error)
        return self.failed - failed

    def tail(self, count: int, wanted: str = "") -> list[dict[str, Any]]:
        """The newest events, decoded, oldest first."""
        return read_tail(self.path, count, keep=self.keep, wanted=wanted)

    def close(self) -> None:
        """Let go of the files."""
        self._file.close()
        self._fallback.close()

    def figures(self) -> dict[str, Any]:
        """What Telemetry says about itself."""
        return {
            "written": self.written,
            "telemetry_fail_count": self.failed,
            "lost": self.lost,
            "rotations": self.rotations,
            "set_aside": self._file.set_aside,
            "misfits": dict(self.misfits),
            "last_error": self.last_error,
        }

    def _line(self, event: Emit) -> bytes | None:
        # Anything an emitter handed over may be wrong in any way, and telemetry must outlive all of it.
        try:
            for fault in events.faults(event):
                self._misfit(f"{event.event_type}:{fault}")
            line = msgspec.json.encode(events.envelope(event), enc_hook=str)
            if len(line) > _MAX_LINE:
                self._misfit(f"{event.event_type}:oversize")
                line = msgspec.json.encode(events.envelope(_shortened(event, len(line))))
            return line
        except Exception as error:
            self.failed += 1
            self.lost += 1
            self.last_error = f"{type(error).__name__}: {error}"
            return None

    def _misfit(self, name: str) -> None:
        if name in self.misfits or len(self.misfits) < _MAX_MISFITS:
            self.misfits[name] += 1
        else:
            self.misfits["others"] += 1

    def _put_aside(self, lines: list[bytes], error: OSError) -> None:
        self.failed += len(lines)
        self.last_error = str(error)
        kept, _ = self._fallback.append(lines)
        self.lost += len(lines) - kept


# A key that names a secret is for the careful way.
_ROWS = {name: row for name, row in events.EVENTS.items() if not any(map(is_secret_name, row.keys))}


def _signs(text: str) -> bool:
    """`may_hold_secret` of text in ASCII; most texts are through after three looks for a letter."""
    if not text.isascii():
        return True
    low = text.lower()
    if "k" in low or "w" in low or "z" in low:
        return may_hold_secret(low)
    return "secret" in low or "basic" in low or "bearer" in low or "://" in low


class _Line(msgspec.Struct, gc=False):
    """The envelope of an event, with the keys of `events.ENVELOPE` in their order."""

    schema_version: int
    timestamp: str
    log_type: str
    event_type: str
    service: str
    severity: str
    correlation_id: str
    run_id: str
    trace_id: str
    data: dict[str, Any]


def plain_line(event: Emit) -> bytes | None:
    """The line of an event that has nothing to be said about it: a third of the time of the careful way.

    None unless it fits the table exactly, its values are bare and none of them may hold a secret.
    """
    row = _ROWS.get(event.event_type)
    given = event.data
    if (
        row is None
        or type(given) is not dict
        or given.keys() != row.keys.keys()
        or not _PLAIN.issuperset(map(type, given.values()))
        or event.severity not in events.SEVERITIES
        or event.correlation_id in ("", "unknown")
        or _signs("\n".join([value for value in given.values() if type(value) is str]))
    ):
        return None
    try:
        line = _encode(
            _Line(
                events.SCHEMA_VERSION,
                clock.iso_ms(event.at_us),
                events.LOG_TYPE,
                event.event_type,
                event.service or "unknown",
                row.severity if event.severity == "info" else event.severity,
                event.correlation_id,
                event.run_id or "-",
                event.trace_id or "-",
                {name: given[name] for name in row.keys},
            )
        )
    except (TypeError, ValueError, OverflowError, OSError):
        return None  # the careful way counts it
    if len(line) > _MAX_LINE:
        return None
    return line


def read_tail(path: Path, count: int, *, keep: int = 5, wanted: str = "") -> list[dict[str, Any]]:
    """The newest events of an event file, oldest first; works without a running core."""
    found = []
    for line in tail(path, count, keep=keep, wanted=wanted.encode()):
        try:
            event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def _shortened(event: Emit, size: int) -> Emit:
    return msgspec.structs.replace(event, data={"oversize": size, "start": repr(event.data)[:2000]})
