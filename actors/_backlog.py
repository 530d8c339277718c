"""The rows behind the send buffer: read when it has room, when one comes back, and when one was forgotten."""

from __future__ import annotations

from pathlib import Path

from actors._desk import Desk
from actors._effects import Effects
from actors._pacing import SAMPLES
from foldward.contracts import clock
from foldward.contracts.jobs import PHASES
from foldward.contracts.messages import Work
from storage.reads import Reader
from storage.rows import RequestRow

PAUSED = "paused"


class Backlog:
    """See the module. recovered_us: what a restart made due again is due until then (wall clock)."""

    def __init__(self, database: Path) -> None:
        self._reader = Reader(database)
        self.recovered_us = 0

    def recover(self, desk: Desk) -> None:
        """What the rows remember for the desk: the pause, and how long answers take."""
        desk.paused = self._reader.meta(PAUSED) == "1"
        for kind in PHASES:
            samples = self._reader.run_time_samples(kind, SAMPLES)
            desk.run_times.load(kind, (us / clock.US for us in reversed(samples)))

    def refill(self, desk: Desk, now_us: int) -> Effects:
        """As many due rows as the buffer has room for."""
        room = desk.buffer.room()
        if room <= 0:
            return []
        rows = self._reader.due(now_us, room, desk.known_ids())
        desk.buffer.missed = len(rows) >= room
        effects: Effects = []
        for row in rows:
            effects += desk.offer_row(self._work(row), row.payload_crc, now_us)
        return effects

    def offer(self, desk: Desk, request_id: str, now_us: int) -> Effects:
        """This row, if it waits."""
        row = self._reader.request(request_id)
        if row is None or row.status not in ("pending", "retry"):
            return []
        return desk.offer_row(self._work(row), row.payload_crc, now_us)

    def forgotten(self, desk: Desk, now_us: int, limit: int) -> Effects:
        """Rows in state sent whose lease is not here, long overdue: they would wait for ever."""
        return [
            desk.overdue(row.request_id, row.sends, now_us)
            for row in self._reader.expired(now_us, limit)
            if not desk.knows(row.request_id)
        ]

    def close(self) -> None:
        """No more reading."""
        self._reader.close()

    def _work(self, row: RequestRow) -> Work:
        due_us = row.requested_us if row.next_attempt_at is None else row.next_attempt_at
        return Work(
            row.request_id,
            row.name,
            row.kind,
            row.payload,
            due_us,
            row.priority,
            row.trace_id,
            # What a restart or a lost link made due again is not charged to the retry budget.
            row.failures > 0 and row.status == "retry" and due_us > self.recovered_us,
            row.origin,
            row.requested_us,
            row.sends,
        )
