"""Figures of a period: what came between then and now, without reading what came before."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from storage._histogram import bucket_middle
from storage.reads._connection import Connected
from storage.reads._figures import _figures

HOUR_US = 3_600_000_000
_APPLIED_FROM = "SELECT applied_at FROM results WHERE rowid >= ? ORDER BY rowid LIMIT 1"
Marks = dict[str, list[list[int]]]


class PeriodReads(Connected):
    """Reading differences: the writer only ever adds to its counts."""

    def latency_marks(self) -> Marks:
        """The counts of all durations as they stand: {"<what> <kind>": [[bucket, count, total µs]]}."""
        marks: Marks = {}
        sql = "SELECT what, kind, bucket, count, total FROM latencies ORDER BY what, kind, bucket"
        for what, kind, *bucket in self._all(sql):
            marks.setdefault(f"{what} {kind}", []).append(bucket)
        return marks

    def latency_since(
        self, marks: Mapping[str, Sequence[Sequence[int]]], kind: str | None = None
    ) -> dict[str, Any]:
        """The durations counted after `marks` were taken, in the form of `latency`; within 0.8 %."""
        now = self.latency_marks()
        parts = {what: _since(now, marks, what, kind) for what in ("latency", "queue", "run")}
        return {**parts["latency"], "queue": parts["queue"], "run": parts["run"]}

    def kinds_since(self, marks: Mapping[str, Sequence[Sequence[int]]]) -> list[str]:
        """Kinds of request that were answered after `marks` were taken."""
        now = self.latency_marks()
        kinds = sorted({key.partition(" ")[2] for key in now if key.startswith("latency ")})
        return [kind for kind in kinds if _grown(now, marks, f"latency {kind}")]

    def results_by_hour(self, since_us: int, until_us: int) -> list[int]:
        """Results applied in each hour from `since_us` (the start of one) to the hour that holds `until_us`.

        Results are never removed and numbered as they are applied, so two numbers tell how many lie between:
        twenty look-ups an hour, however many rows there are.
        """
        edges = range(since_us, until_us + HOUR_US, HOUR_US)
        last = self._value("SELECT max(rowid) FROM results") or 0
        places = [self._first_applied(edge, last) for edge in edges]
        return [max(0, after - before) for before, after in itertools.pairwise(places)]

    def _first_applied(self, at_us: int, last: int) -> int:
        """The number of the first result applied at `at_us` or later."""
        low, high = 1, last + 1
        while low < high:
            middle = (low + high) // 2
            found = self._value(_APPLIED_FROM, (middle,))
            if found is not None and found < at_us:
                low = middle + 1
            else:
                high = middle
        return low

    def failures_by_hour(self, since_us: int, until_us: int) -> list[int]:
        """Failed steps in each hour from `since_us` (the start of one) to the hour that holds `until_us`."""
        hours = [0] * max(0, -(-(until_us - since_us) // HOUR_US))
        sql = (
            f"SELECT (at - ?1) / {HOUR_US} AS hour, count(*) FROM events"
            " WHERE code IS NOT NULL AND at >= ?1 AND at < ?2 GROUP BY hour"
        )
        for hour, count in self._all(sql, (since_us, since_us + len(hours) * HOUR_US)):
            hours[hour] = count
        return hours


def _grown(
    now: Marks, marks: Mapping[str, Sequence[Sequence[int]]], key: str
) -> list[tuple[int, int, int, int, int]]:
    before = {bucket: (count, total) for bucket, count, total in marks.get(key, ())}
    found = []
    for bucket, count, total in now.get(key, ()):
        was = before.get(bucket, (0, 0))
        if count > was[0]:
            middle = round(bucket_middle(bucket))
            found.append((bucket, count - was[0], max(0, total - was[1]), middle, middle))
    return found


def _since(
    now: Marks, marks: Mapping[str, Sequence[Sequence[int]]], what: str, kind: str | None
) -> dict[str, Any]:
    keys = [key for key in now if key == f"{what} {kind}" or (kind is None and key.startswith(f"{what} "))]
    together: dict[int, list[int]] = {}
    for key in keys:
        for bucket, count, total, middle, _ in _grown(now, marks, key):
            seen = together.setdefault(bucket, [0, 0, middle])
            seen[0] += count
            seen[1] += total
    ordered = [(bucket, n, total, mid, mid) for bucket, (n, total, mid) in sorted(together.items())]
    return _figures(ordered, None)
