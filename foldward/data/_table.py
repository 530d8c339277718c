"""The canonical table while it is being checked: columns, where each row stood, what was already found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from foldward.contracts.clock import iso_s
from foldward.data.bars import NS, Floats, Ints
from foldward.data.findings import ERROR, MAX_PLACES, Finding, Place, finding

PRICES = ("open", "high", "low", "close")


@dataclass
class Findings:
    """Findings being gathered: one entry a code, with its count and its first places."""

    counts: dict[str, int] = field(default_factory=dict)
    severities: dict[str, str] = field(default_factory=dict)
    places: dict[str, list[Place]] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)  # what to do about this one, where that is known

    def add(self, code: str, place: Place | None = None, *, severity: str = ERROR, count: int = 1) -> None:
        """Count one more; the place is kept while there are few."""
        self.counts[code] = self.counts.get(code, 0) + count
        self.severities.setdefault(code, severity)
        kept = self.places.setdefault(code, [])
        if place is not None and len(kept) < MAX_PLACES:
            kept.append(place)

    def extend_places(self, code: str, places: Sequence[Place], count: int, severity: str = ERROR) -> None:
        """Count many at once, with the first places."""
        if count:
            self.add(code, severity=severity, count=count)
            kept = self.places[code]
            kept.extend(places[: MAX_PLACES - len(kept)])

    def list(self) -> tuple[Finding, ...]:
        """Errors first, each group in the order of discovery."""
        made = [
            finding(code, self.severities[code], count, self.places[code], self.hints.get(code))
            for code, count in self.counts.items()
        ]
        return tuple(sorted(made, key=lambda item: item.severity != ERROR))


@dataclass
class Table:
    """Rows as read. Prices and volume are NaN where a cell was bad; `timed` is False where the time was.

    time: int64 ns UTC. lines: line (or row) number of each row; None when row i stands on first_line + i.
    whole: no cell was bad, so the columns can be canonical.
    """

    time: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    lines: Ints | None = None
    first_line: int = 2
    timed: np.ndarray | None = None
    whole: bool = True

    def __len__(self) -> int:
        return len(self.time)

    def line(self, row: int) -> int:
        """The line number of a row."""
        return self.first_line + int(row) if self.lines is None else int(self.lines[row])

    def when(self, row: int) -> str | None:
        """The row's time as ISO-8601, or None when it could not be read."""
        if self.timed is not None and not self.timed[row]:
            return None
        return iso_ns(int(self.time[row]))

    def place(self, row: int, detail: str) -> Place:
        """Where a row is, with what is wrong there."""
        return Place(self.line(row), self.when(row), detail)


def iso_ns(time_ns: int) -> str | None:
    """ISO-8601 UTC to the second, or None outside the years that a calendar date can have."""
    try:
        return iso_s(time_ns // NS)
    except (OverflowError, ValueError):
        return None


def number(value: float) -> str:
    """`500` for 500.0, else the shortest form that reads back as the same number."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
