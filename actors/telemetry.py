"""Telemetry: the one writer of telemetry.jsonl. Everyone tells it, nobody waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors._base import ProductActor
from actors._event_log import EventLog
from foldward.contracts import clock
from foldward.contracts.facts import CountUp
from foldward.contracts.messages import Emit, Figures, Tail, Written
from foldward.settings import TelemetryTable

COUNTER = "telemetry_fail"
_ANSWER_S = 10.0  # a writer that was replaced never answers: count again after this


class Telemetry(ProductActor):
    """Takes all events that wait, writes them in one go, and counts what it could not write.

    path: the event file. Its failures are also counted in the database (`telemetry_fail`), so that they
    survive a restart. Asked with `Tail`, it answers with the newest events.
    """

    service = "telemetry"

    def __init__(self, *, path: Path, settings: TelemetryTable) -> None:
        super().__init__()
        self.log = EventLog(Path(path), max_bytes=settings.max_bytes, keep=settings.keep)
        self._uncounted = 0
        self._counting: float | None = None

    @property
    def telemetry_fail_count(self) -> int:
        """Events that did not reach the event file since this actor started."""
        return self.log.failed

    def recover(self) -> None:
        """Heal a torn last line and open the file."""
        self.log.open()

    def drain(self, batch: Sequence[Any]) -> None:
        """Everything that waits, in order."""
        emits = [message for message in batch if isinstance(message, Emit)]
        if emits:
            self._uncounted += self.log.record(emits)
        for message in batch:
            if isinstance(message, Written):
                self._counted(message)
        self._count()

    def on_receive(self, message: Any) -> Any:
        """One message: an event, or a question."""
        if isinstance(message, Tail):
            return self.log.tail(message.count, message.wanted)
        if isinstance(message, Figures):
            return self.log.figures()
        self.drain((message,))
        return None

    def fence(self) -> None:
        """An abandoned incarnation lets go of the file."""
        self.log.close()

    def on_stop(self) -> None:
        """The end: what was told before is written, for the inbox is drained first."""
        self.log.close()

    def _count(self) -> None:
        # One fact under way at a time: a disk that refuses every event must not flood the writer as well.
        now = clock.now()
        if self._uncounted and (self._counting is None or now - self._counting > _ANSWER_S):
            self._counting = now
            self.write(CountUp(counts={COUNTER: self._uncounted}), tag=self._uncounted)

    def _counted(self, message: Written) -> None:
        self._counting = None
        if message.ok and isinstance(message.tag, int):
            self._uncounted = max(0, self._uncounted - message.tag)
