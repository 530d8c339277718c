"""What the queue remembers of open requests, so that an answer costs no read: a cache of the rows.

Bounded; whoever is not here is read from SQLite, which is what counts. After a crash it starts empty.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from actors._results import Expected
from foldward.contracts.facts import AdmitRequest
from foldward.contracts.jobs import Window
from storage.rows import OPEN, RequestRow

CAPACITY = 50_000
BUSY_S = 60.0  # a transition that is not answered by then was lost with the writer's crash


class Record:
    """An open request. busy: a transition of it is being written: apply | fail | end | return."""

    __slots__ = (
        "busy",
        "busy_at",
        "expected",
        "failures",
        "group_id",
        "kind",
        "mark",
        "name",
        "origin",
        "planned_s",
        "request_id",
        "requested_us",
        "run_id",
        "sends",
        "trace_id",
        "tried_s",
    )

    def __init__(
        self,
        request_id: str,
        name: str,
        kind: str,
        origin: str,
        group_id: str | None,
        run_id: str,
        trace_id: str,
        requested_us: int,
        expected: Expected,
        failures: int,
        sends: int,
        tried_s: float,
        mark: float,
    ) -> None:
        self.request_id = request_id
        self.name = name
        self.kind = kind
        self.origin = origin
        self.group_id = group_id
        self.run_id = run_id
        self.trace_id = trace_id
        self.requested_us = requested_us
        self.expected = expected
        self.failures = failures
        self.sends = sends
        self.tried_s = tried_s
        self.mark = mark
        self.planned_s = 0.0
        self.busy: str | None = None
        self.busy_at = 0.0

    def begin(self, what: str, now: float) -> None:
        """A transition is being written."""
        self.busy = what
        self.busy_at = now

    def is_busy(self, now: float) -> bool:
        """Whether a transition is being written."""
        return self.busy is not None and now - self.busy_at < BUSY_S


def window_of(start: int | None, end: int | None, bars: int | None) -> Window | None:
    """A window from three columns; None when it is not known."""
    return None if start is None or end is None or bars is None else Window(start, end, bars)


def of_fact(fact: AdmitRequest, now: float) -> Record:
    """A request that was just admitted."""
    window = window_of(fact.window_start, fact.window_end, fact.window_bars)
    return Record(
        fact.request_id,
        fact.name,
        fact.kind,
        fact.origin,
        fact.group_id,
        fact.run_id,
        fact.trace_id,
        fact.requested_us,
        Expected(fact.name, fact.kind, fact.fingerprint, window),
        0,
        0,
        0.0,
        now,
    )


def of_row(row: RequestRow, tried_s: float, now: float) -> Record:
    """A request that was read."""
    window = window_of(row.window_start, row.window_end, row.window_bars)
    return Record(
        row.request_id,
        row.name,
        row.kind,
        row.origin,
        row.group_id,
        row.run_id,
        row.trace_id,
        row.requested_us,
        Expected(row.name, row.kind, row.fingerprint, window),
        row.failures,
        row.sends,
        tried_s,
        now,
    )


class Records:
    """The cache. `read` gives a row or None; `tried` estimates the time of trying of a row that was read."""

    def __init__(
        self,
        read: Callable[[str], RequestRow | None],
        tried: Callable[[RequestRow], float],
        capacity: int = CAPACITY,
    ) -> None:
        self._read = read
        self._tried = tried
        self._capacity = capacity
        self._records: OrderedDict[str, Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: Record) -> Record:
        """Remember it; the one added longest ago makes room."""
        self._records[record.request_id] = record
        if len(self._records) > self._capacity:
            self._records.popitem(last=False)
        return record

    def known(self, request_id: str) -> Record | None:
        """Without a read."""
        return self._records.get(request_id)

    def find(self, request_id: str, now: float) -> Record | None:
        """The open request of that id, read if need be; None when there is none."""
        record = self._records.get(request_id)
        if record is None:
            row = self._read(request_id)
            if row is None or row.status not in OPEN:
                return None
            record = self.add(of_row(row, self._tried(row), now))
        return record

    def drop(self, request_id: str) -> Record | None:
        """Its state is not known here any more."""
        return self._records.pop(request_id, None)
