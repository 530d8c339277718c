"""Dispatcher: owner of the link and of every lease (spec 1.3).

It decides nothing about a request's fate: it says which row is sent to whom, and tells the OOSQueue what came
back, what failed and what was lost. A row is committed as `sent` before its bytes leave. Receiving has
priority: a batch of messages is worked off before anything is sent, and sending goes in bounded batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actors import _frames
from actors._backlog import PAUSED, Backlog
from actors._base import ProductActor
from actors._desk import Desk
from actors._effects import Effects
from actors._link import FromLink, Link, MakeLink, flooded
from actors._pacing import Interval
from actors._presence import QUEUE
from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.facts import LeaseRequest, RecoverLeases, SetMeta
from foldward.contracts.jobs import Heartbeat, Result
from foldward.contracts.messages import (
    Ack,
    Admitted,
    Drain,
    FrameReceived,
    FrameRefused,
    FrameSent,
    LinkFlooded,
    Look,
    Message,
    Pause,
    PeerBeat,
    PeerJoined,
    PeerLeft,
    PeerResized,
    PeerSilent,
    PeerStarted,
    Resume,
    Settled,
    Tick,
    WorkerExited,
    Written,
)
from foldward.settings import BreakerTable, QueueTable, RetryTable
from foldward.wire import MAX_FRAME, loads

TICK_S = 0.1  # deadlines, graces and due times are looked at this often
NET_S = 60.0  # how often leases that nobody here knows are looked for


class Pump(Message, frozen=True, kw_only=True):
    """To oneself: go on sending after what has come in meanwhile."""


class Dispatcher(ProductActor):
    """Sends what is due to whom can take it.

    database: path of the SQLite file. queue, retry, breaker: settings tables. make_link: called with a sink
    for what the link tells; the link is started when the actor starts and closed when it ends. max_frame: the
    largest answer that is read, in bytes.
    """

    service = "dispatcher"

    def __init__(
        self,
        *,
        database: Path | str,
        queue: QueueTable,
        retry: RetryTable,
        breaker: BreakerTable,
        make_link: MakeLink,
        max_frame: int = MAX_FRAME,
        run_id: str = "-",
    ) -> None:
        super().__init__()
        self._database = Path(database)
        self._queue = queue
        self._make_link = make_link
        self._max_frame = max_frame
        self._run_id = run_id
        self._desk = Desk(queue, retry, breaker)
        self._link: Link | None = None
        self._net = Interval(NET_S)
        self._pumping = False
        self.view: dict[str, Any] = {}
        self._handlers: dict[type, Callable[[Any], Effects]] = {
            Written: self._written,
            FrameReceived: self._frame,
            Admitted: self._admitted,
            Settled: self._settled,
            FromLink: self._from_link,
            WorkerExited: self._worker_exited,
            PeerSilent: self._peer_silent,
            Tick: self._tick,
            Pump: self._pump_on,
            Pause: self._pause,
            Resume: self._resume,
            Drain: self._drain_on,
        }
        self._link_handlers: dict[type, Callable[[Any, float, int], Effects]] = {
            PeerJoined: self._desk.presence.joined,
            PeerResized: self._desk.presence.resized,
            PeerLeft: self._peer_left,
            PeerStarted: self._peer_started,
            PeerBeat: self._peer_beat,
            FrameRefused: self._desk.refused,
            LinkFlooded: flooded,
        }

    # --- life ------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Read what the rows remember: the pause and how long answers take."""
        self._backlog = Backlog(self._database)
        self._backlog.recover(self._desk)

    def on_start(self) -> None:
        """Whatever was sent before becomes due again after the grace; then the link opens."""
        now_us = clock.utc_us()
        self._backlog.recovered_us = now_us + int(self._queue.grace_s * clock.US)
        self.write(RecoverLeases(due_us=self._backlog.recovered_us, at_us=now_us))
        incarnation, me = self.incarnation, self.handle(self.id)
        tell = me.tell

        def sink(message: Message) -> None:
            kind = type(message)
            if self._link is None:
                return  # closing: what it held is given back by other means
            if kind is FrameReceived:
                tell(message)
            elif kind is not FrameSent:  # the lease was committed before; nothing waits for it
                tell(FromLink(incarnation=incarnation, message=message))

        self._desk.buffer.missed = True
        link = self._link = self._make_link(sink)
        link.worked_off(0, 0)  # what it hands over will be accounted for
        link.start()
        self.every(TICK_S, Tick())
        self._look()

    def on_stop(self) -> None:
        """An orderly end: what is out becomes due again after the grace; link and rows are closed."""
        self.fence()
        if self._desk.flight:
            now_us = clock.utc_us()
            due_us = now_us + int(self._queue.grace_s * clock.US)
            self.write(RecoverLeases(due_us=due_us, at_us=now_us), reply=False)
        self._backlog.close()

    def on_failure(self, *_why: Any) -> None:
        """A crash: the next incarnation needs the endpoint."""
        self.fence()

    def fence(self) -> None:
        """Let go of the link; safe from any thread, twice."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def drain(self, batch: Sequence[Any]) -> None:
        """Take everything that waits, then send."""
        handlers = self._handlers
        frames = 0
        for message in batch:
            kind = type(message)
            frames += kind is FrameReceived
            handler = handlers.get(kind)
            if handler is not None:
                effects = handler(message)
                if effects:
                    self.carry_out(effects)
        if frames and self._link is not None:
            self._link.worked_off(frames, *self._desk.arrivals.count_junk())
        self._pump()

    def on_receive(self, message: Any) -> dict[str, Any] | None:
        """One message alone, or the question what is connected and out."""
        if isinstance(message, Look):
            self._look()
            return self.view
        self.drain((message,))
        return None

    def send_bytes(self, peer: str, request_id: str, data: bytes) -> None:
        """Hand bytes to the link."""
        if self._link is not None:
            self._link.send(peer, request_id, data)

    # --- sending ---------------------------------------------------------------------------------------

    def _pump(self) -> None:
        now, now_us = clock.now(), clock.utc_us()
        desk = self._desk
        if desk.buffer.missed and len(desk.buffer) * 2 < desk.buffer.limit and desk.peers.has_room():
            self.carry_out(self._backlog.refill(desk, now_us))
        effects = desk.plan(now, now_us, self._queue.startup_batch)
        if effects:
            self.carry_out(effects)
            if len(effects) >= self._queue.startup_batch and not self._pumping:
                self._pumping = True
                self.handle(self.id).tell(Pump())

    def _pump_on(self, _message: Pump) -> Effects:
        self._pumping = False
        return []

    def _admitted(self, message: Admitted) -> Effects:
        self._desk.offer(message)
        return []

    def _written(self, written: Written) -> Effects:
        fact = written.fact
        if type(fact) is LeaseRequest:
            serial = written.tag[1]
            return self._desk.leased(
                fact.request_id, serial, written.ok, written.value, clock.now(), clock.utc_us()
            )
        if type(fact) is RecoverLeases:
            if written.ok:
                self._desk.buffer.missed = True
            else:  # nothing may stay out that nobody waits for
                self.write(fact)
        elif type(fact) is SetMeta:
            reply_to, tag, value = written.tag
            if reply_to is not None:
                reply_to.tell(Ack(tag=tag, ok=written.ok, value=value if written.ok else written.error))
        return []

    def _settled(self, message: Settled) -> Effects:
        if self._desk.settle(message, clock.now()):
            return self._backlog.offer(self._desk, message.request_id, clock.utc_us())
        return []

    # --- receiving -------------------------------------------------------------------------------------

    def _frame(self, message: FrameReceived) -> Effects:
        frames = message.frames
        if len(frames) != 1:
            sizes = ", ".join(str(len(frame)) for frame in frames)
            text = f"{len(frames)} frames of {sizes} bytes, parted by newlines here"
            multipart = WireError("wire.multipart", message=text)
            return self._desk.arrivals.unreadable(multipart, _frames.joined(frames), message.peer)
        raw = frames[0]
        try:
            decoded = loads(raw, max_frame=self._max_frame)
        except WireError as error:
            return self._desk.arrivals.unreadable(error, raw, message.peer)
        if isinstance(decoded, Result):
            return self._desk.arrivals.answered(decoded, raw, message.peer, message.received_us, clock.now())
        if isinstance(decoded, Heartbeat):
            beat = PeerBeat(peer=message.peer, beat=decoded, at_us=message.received_us)
            return self._peer_beat(beat, clock.now(), message.received_us)
        other = WireError("wire.unknown_type", raw, message="a BACKTEST came where answers are expected")
        return self._desk.arrivals.unreadable(other, raw, message.peer)

    def _from_link(self, message: FromLink) -> Effects:
        if message.incarnation != self.incarnation:
            return []
        handler = self._link_handlers.get(type(message.message))
        return [] if handler is None else handler(message.message, clock.now(), clock.utc_us())

    def _peer_left(self, message: PeerLeft, now: float, now_us: int) -> Effects:
        return self._desk.presence.left(message.peer, message.reason, now, now_us)

    def _peer_started(self, message: PeerStarted, _now: float, _now_us: int) -> Effects:
        self._desk.presence.started(message.peer, message.request_id)
        return []

    def _peer_beat(self, message: PeerBeat, _now: float, _now_us: int) -> Effects:
        self.handle("heartbeat").tell(message)
        return self._desk.presence.beat(message.peer, message.beat, message.at_us)

    def _peer_silent(self, message: PeerSilent) -> Effects:
        return self._desk.presence.silent(message.peer, message.silent_s, clock.now(), clock.utc_us())

    def _worker_exited(self, message: WorkerExited) -> Effects:
        peer = self._desk.peers.of_pid(message.worker, message.pid)
        if peer is None:
            return []
        reason = f"the worker's process ended with {message.exit_code}"
        return self._desk.presence.left(peer.id, reason, clock.now(), clock.utc_us())

    # --- time ------------------------------------------------------------------------------------------

    def _tick(self, _message: Tick) -> Effects:
        now, now_us = clock.now(), clock.utc_us()
        desk = self._desk
        presence = desk.presence
        effects = presence.returns(now, now_us) + presence.watch(now, now_us) + desk.expire(now, now_us)
        if desk.flush.due(now):
            if len(desk.buffer) * 2 < desk.buffer.limit:
                effects = effects + self._backlog.refill(desk, now_us)
            effects = effects + desk.defer(now_us, self._queue.startup_batch)
            if self._net.due(now):
                effects = effects + self._backlog.forgotten(desk, now_us, self._queue.buffer)
            self._look()
        return effects

    def _look(self) -> None:
        desk = self._desk
        self.view = {
            "paused": desk.paused,
            "draining": desk.draining,
            "in_flight": len(desk.flight),
            "buffered": len(desk.buffer),
            "sent": desk.sent,
            "workers": [peer.figures() for peer in desk.peers.all()],
            "breakers": [breaker.snapshot() for breaker in desk.peers.breakers.values()],
        }

    # --- the operator's verbs --------------------------------------------------------------------------

    def _pause(self, message: Pause) -> Effects:
        self._desk.paused = True
        self.write(SetMeta(key=PAUSED, value="1"), (message.reply_to, message.tag, {"paused": True}))
        self._look()
        return []

    def _resume(self, message: Resume) -> Effects:
        self._desk.paused = self._desk.draining = False
        self.handle(QUEUE).tell(Resume())
        self.write(SetMeta(key=PAUSED, value="0"), (message.reply_to, message.tag, {"paused": False}))
        self._look()
        return []

    def _drain_on(self, message: Drain) -> Effects:
        self._desk.draining = True
        self.handle(QUEUE).tell(Drain())
        if message.reply_to is not None:
            message.reply_to.tell(Ack(tag=message.tag, value={"in_flight": len(self._desk.flight)}))
        self._look()
        return []
