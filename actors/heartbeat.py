"""Heartbeat: our own sign of life on a timer of its own, and a watch over those of the peers (spec 2.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors._base import ProductActor
from actors._beats import Beat, Beats
from actors._frozen import Frozen, Seen
from foldward.contracts import clock, ids
from foldward.contracts.messages import Figures, Message, PeerBeat, PeerLeft, PeerSilent, Tick
from foldward.settings import HeartbeatTable

SOURCE = "BRAIN"
WATCH_S = 1.0  # a silence is told at most so much later than it is one
# A process is given up after so many silences: a compiler or an extension may hold its interpreter for long.
AWAY = 4.0


class Watch(Message, frozen=True, kw_only=True):
    """To oneself: look who is silent."""


class Heartbeat(ProductActor):
    """Emits `heartbeat.sent` every `interval_s`, `heartbeat.recv` for a peer's, `heartbeat.lost` for silence.

    Told `PeerBeat` and `PeerLeft`; tells the Dispatcher `PeerSilent`. report_s: how often a sign of life goes
    to the operator through the Notifier as well; None = never. workers: the processes of our own that run,
    None while that is not known; end(id, pid) ends one of them that has been away for `AWAY` times `lost_s`.
    """

    service = "heartbeat"

    def __init__(
        self,
        *,
        settings: HeartbeatTable,
        run_id: str = "-",
        report_s: float | None = None,
        workers: Callable[[], Sequence[Seen] | None] = tuple,
        end: Callable[[str, int], Any] | None = None,
    ) -> None:
        super().__init__()
        self._workers = workers
        self._end = end
        self._away_s = AWAY * settings.lost_s
        self._frozen = Frozen(self._away_s)
        self._settings = settings
        self._run_id = run_id
        self._report_s = report_s
        self._reported: float | None = None
        self._beats = Beats(settings.lost_s)

    def on_start(self) -> None:
        """The first beat comes at once, then every interval; silences are looked for more often."""
        self.every(self._settings.interval_s, Tick())
        self.after(0.0, Tick())
        self.every(min(WATCH_S, self._settings.lost_s / 2), Watch())

    def on_receive(self, message: Any) -> Any:
        """One message, or a question."""
        now = clock.now()
        match message:
            case Figures():
                return self._beats.figures(now)
            case Tick():
                self._pulse(now)
            case Watch():
                self._watch(now)
            case PeerBeat():
                self._heard(message, now)
            case PeerLeft():
                self._beats.left(message.peer)
        return None

    def _pulse(self, now: float) -> None:
        beat_id = ids.new_id()
        self._tell("heartbeat.sent", beat_id, SOURCE, "ok")
        if self._report_s is not None and (self._reported is None or now - self._reported >= self._report_s):
            self._reported = now
            self.notify(f"heartbeat:{beat_id}", "Foldward is alive", f"run {self._run_id}", "debug")
            self._tell("heartbeat.discord_sent", beat_id, SOURCE, "ok")

    def _watch(self, now: float) -> None:
        for lost in self._beats.overdue(now):
            self._tell("heartbeat.lost", lost.id or lost.peer, lost.source, "lost")
            self.handle("dispatcher").tell(PeerSilent(peer=lost.peer, silent_s=now - lost.at))
        if self._end is None:
            return
        for worker in self._frozen.look(self._workers(), now):
            self._tell("heartbeat.lost", worker.id, "WORKER", "frozen")
            body = f"pid {worker.pid} lives and has not answered for {self._away_s:g} s; it is replaced"
            self.notify(f"frozen:{worker.id}", f"Worker {worker.id} is frozen", body)
            self._end(worker.id, worker.pid)

    def _heard(self, message: PeerBeat, now: float) -> None:
        beat = message.beat
        self._beats.heard(Beat(message.peer, beat.id, beat.source, beat.status, now))
        self._tell("heartbeat.recv", beat.id, beat.source, beat.status)

    def _tell(self, event: str, beat_id: str, source: str, status: str) -> None:
        self.emit(
            event,
            {"heartbeat_id": beat_id, "source": source, "status": status},
            correlation_id=beat_id,
            run_id=self._run_id,
        )
