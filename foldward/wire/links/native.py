"""The native link: core binds ROUTER, workers connect DEALER and say how much they take.

A worker that dies is known at once: the kernel closes its socket, ZMQ's monitor reports the descriptor, and
the descriptor of each worker is known from its READY frame (ZMQ_SRCFD). A frozen one fails the ZMTP
heartbeats (spec 2.1), and one that is connected but silent is dropped after `lost_s`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import zmq
from loguru import logger

from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Heartbeat
from foldward.contracts.messages import (
    FrameRefused,
    FrameSent,
    PeerBeat,
    PeerJoined,
    PeerLeft,
    PeerStarted,
)
from foldward.settings import LinkTable
from foldward.wire.codec import loads
from foldward.wire.links import _frames
from foldward.wire.links._endpoints import bind, native_endpoint, secure
from foldward.wire.links._port import Port, Sink
from foldward.wire.links._sockets import FAILED, QUIET_S, DoorKeeper, Monitor, Seldom, make_socket

_WORK_BATCH = 64  # requests in one WORK message


@dataclass
class _Worker:
    name: str
    fd: int
    pid: int | None
    heard: float
    cut: bool = False  # its connection has ended; what it said before is still read


class NativeLink(Port):
    """See the module. `endpoint` is the address really bound, for the workers' command line."""

    name = "native"

    def __init__(
        self,
        sink: Sink,
        settings: LinkTable,
        run_dir: Path | str = ".",
        *,
        lost_s: float = 30.0,
        engine: str = "",
    ) -> None:
        super().__init__(sink, settings)
        self._engine = engine
        self._run_dir = Path(run_dir)
        self._lost_s = lost_s
        self._workers: dict[bytes, _Worker] = {}
        self._fds: set[int] = set()
        self._dying: list[tuple[bytes, _Worker]] = []
        self._departed: set[bytes] = set()
        self._door: DoorKeeper | None = None
        self._said = Seldom(QUIET_S)
        self.endpoint = ""

    def _open(self) -> None:
        endpoint = native_endpoint(self.settings, self._run_dir)
        sock = self._socket = make_socket(self._context, zmq.ROUTER, self.settings)
        sock.setsockopt(zmq.ROUTER_MANDATORY, 1)
        sock.setsockopt(zmq.ROUTER_HANDOVER, 1)
        secure(sock, self.settings, endpoint, server=True)
        self._monitor = Monitor(sock)
        if endpoint.startswith("tcp://"):
            self._door = DoorKeeper(self._context, self.settings.curve_clients)
            self._watch(self._door.socket)
        self._claim(endpoint)
        self.endpoint = bind(sock, endpoint)
        self._watch(sock, source=True)
        self._watch(self._monitor.socket)

    def _receive(self, room: int) -> None:
        if self._door is not None:
            self._door.answer()
        self._connections()
        # What a worker said before it died is told before its death: its answers count, and so does STARTED.
        dying, self._dying = self._dying, []
        now, now_us = clock.now(), clock.utc_us()
        for _ in range(room):
            try:
                routing_id = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            first = self._socket.recv(copy=False)
            rest = self._socket.recv_multipart() if first.more else []
            self._take(routing_id, first, rest, now, now_us)
        else:
            self._dying = dying + self._dying  # more is waiting, perhaps from one of them
            return
        for routing_id, worker in dying:
            if self._workers.get(routing_id) is worker:
                self._leave(routing_id, "disconnected")

    def _unfinished(self) -> bool:
        return bool(self._dying)

    def _take(self, routing_id: bytes, first: zmq.Frame, rest: list[bytes], now: float, now_us: int) -> None:
        kind = first.bytes
        if kind == _frames.READY:
            self._ready(routing_id, first.get(zmq.SRCFD), [kind, *rest], now, now_us)
            return
        heart = routing_id.endswith(_frames.HEART)
        if heart:
            routing_id = routing_id[: -len(_frames.HEART)]
        worker = self._workers.get(routing_id)
        if worker is not None:
            worker.heard = now
        elif kind != _frames.BYE and routing_id not in self._departed:
            self._offer(routing_id)  # also when only its heart speaks: an idle worker says nothing else
        name = _frames.peer_name(routing_id)
        if kind == _frames.RESULT and rest:
            for data in rest:
                self._tell_frame(name, (data,), now_us)
        elif kind == _frames.STARTED and rest:
            for request_id in rest:
                text = request_id.decode("utf-8", "replace")
                self._tell(PeerStarted(peer=name, request_id=text, at_us=now_us))
        elif kind == _frames.HEARTBEAT and len(rest) == 1:
            self._beat(name, rest[0], now_us)
        elif kind == _frames.BYE:
            reason = rest[0].decode("utf-8", "replace")[:200] if rest else ""
            if len(self._departed) > 1000:
                self._departed.clear()
            self._departed.add(routing_id)
            self._leave(routing_id, f"bye {reason}".strip())
        else:
            self._tell_frame(name, (kind, *rest), now_us)

    def _ready(self, routing_id: bytes, fd: int, frames: list[bytes], now: float, now_us: int) -> None:
        ready = _frames.unpack_ready(frames)
        name = _frames.peer_name(routing_id)
        if ready is None:
            self._tell_frame(name, tuple(frames), now_us)
            return
        if ready.protocol != _frames.PROTOCOL:
            logger.error(
                "wire.unsupported: {} speaks protocol {}, core {}", name, ready.protocol, _frames.PROTOCOL
            )
            return
        if self._engine and ready.engine and ready.engine != self._engine:
            self._refuse(routing_id, name, ready.engine)
            return
        # Whatever happened to this descriptor before is history once the events before READY are read.
        self._connections()
        known = self._workers.get(routing_id)
        if known is not None:
            # A new connection may get the descriptor of the one that has just ended.
            if known.fd == fd and known.pid == ready.pid and not known.cut:
                known.heard = now
                return
            self._leave(routing_id, "replaced by a new connection")
        if fd not in self._fds:
            return  # it has died since it wrote this
        self._departed.discard(routing_id)
        self._workers[routing_id] = _Worker(name, fd, ready.pid, now)
        logger.info("worker {} joined: capacity {}, pid {}", name, ready.capacity, ready.pid)
        self._tell(
            PeerJoined(
                peer=name,
                capacity=ready.capacity,
                pid=ready.pid,
                version=ready.version,
                encoding=self.settings.format,
            )
        )

    def _beat(self, name: str, data: bytes, now_us: int) -> None:
        try:
            beat = loads(data)
        except WireError:
            beat = None
        if isinstance(beat, Heartbeat):
            self._tell(PeerBeat(peer=name, beat=beat, at_us=now_us))
        else:
            self._tell_frame(name, (data,), now_us)

    def _connections(self) -> None:
        for event, fd in self._monitor.drain():
            if event == zmq.EVENT_ACCEPTED:
                self._fds.add(fd)
            elif event == zmq.EVENT_DISCONNECTED:
                self._fds.discard(fd)
                cut = [item for item in self._workers.items() if item[1].fd == fd]
                for _, worker in cut:
                    worker.cut = True
                self._dying += cut
            elif event in FAILED and event != zmq.EVENT_HANDSHAKE_FAILED_AUTH and self._said.due(str(event)):
                # Who has no keys, or another server key, never reaches the door keeper.
                logger.warning(
                    "refused handshake at {}: somebody came without CURVE keys, with the wrong server key,"
                    " or speaks something else (docs/how_to/remote_workers.md)",
                    self.endpoint,
                )

    def _leave(self, routing_id: bytes, reason: str) -> None:
        worker = self._workers.pop(routing_id, None)
        if worker is not None:
            logger.info("worker {} left: {}", worker.name, reason)
            self._tell(PeerLeft(peer=worker.name, reason=reason))

    def _refuse(self, routing_id: bytes, name: str, engine: str) -> None:
        """A worker whose numbers would be another engine's: it is told, and gets no work."""
        why = f"{name} computes with {engine}, core with {self._engine}: install the same foldward on both"
        logger.error("wire.unsupported: {}", why)
        try:
            self._socket.send_multipart([routing_id, _frames.REFUSED, why.encode()], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            logger.debug("no REFUSED to {}: {}", name, error.strerror)

    def _offer(self, routing_id: bytes) -> None:
        """Someone unknown speaks: ask who it is."""
        try:
            self._socket.send_multipart([routing_id, _frames.HELLO], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            logger.debug("no HELLO to {}: {}", _frames.peer_name(routing_id), error.strerror)

    def _send_batch(self, batch: list[tuple[str, str, bytes]]) -> None:
        routes = {worker.name: routing_id for routing_id, worker in self._workers.items()}
        by_peer: dict[str, list[tuple[str, bytes]]] = {}
        for peer, request_id, data in batch:
            by_peer.setdefault(peer, []).append((request_id, data))
        for peer, items in by_peer.items():
            for start in range(0, len(items), _WORK_BATCH):
                part = items[start : start + _WORK_BATCH]
                error = self._send_work(routes.get(peer), part)
                for request_id, _ in part:
                    if error is None:
                        self._tell(FrameSent(peer=peer, request_id=request_id))
                    else:
                        self._tell(FrameRefused(peer=peer, request_id=request_id, error=error))

    def _send_work(self, routing_id: bytes | None, items: list[tuple[str, bytes]]) -> str | None:
        if routing_id is None:
            return "no such worker is connected"
        try:
            self._socket.send_multipart([routing_id, *_frames.pack_work(items)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            return error.strerror or str(error)
        return None

    def _tick(self, now: float) -> None:
        for routing_id, worker in list(self._workers.items()):
            if now - worker.heard > self._lost_s:
                self._leave(routing_id, f"silent for {now - worker.heard:.0f} s")

    def _gone(self) -> None:
        for routing_id in list(self._workers):
            self._leave(routing_id, "the link closed")
        self._monitor.close()
