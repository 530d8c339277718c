"""Telemetry's core: events to lines, lines to the file, what fails to the fallback, everything counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from actors._jsonl import JsonlFile, tail
from foldward.contracts import events
from foldward.contracts.messages import Emit

FALLBACK = ".fallback"
_MAX_MISFITS = 1_000  # names kept for the operator; the count goes on
_MAX_LINE = 1024 * 1024


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
            line = self._line(event)
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
