"""The link to existing peers: one PUSH and one PULL socket, one single-frame message a piece (spec 2.1).

The peer is whoever holds the other end of the PUSH socket; it is known by the request endpoint. PUSH/PULL
promises no delivery: the queue's deadlines and retries do.
"""

from __future__ import annotations

import zmq
from loguru import logger

from foldward.contracts import clock
from foldward.contracts.ids import new_id
from foldward.contracts.jobs import Heartbeat
from foldward.contracts.messages import (
    FrameRefused,
    FrameSent,
    PeerJoined,
    PeerLeft,
    PeerResized,
)
from foldward.settings import LinkTable
from foldward.wire.codec import dumps
from foldward.wire.links._endpoints import bind, connect, secure
from foldward.wire.links._port import Port, Sink
from foldward.wire.links._sockets import DoorKeeper, Mender, Monitor, make_socket

SOURCE = "BRAIN"
UNREAD = 64  # messages of one connection in our memory before they are read; ZMQ's 1,000 may be gigabytes


class PushPullLink(Port):
    """See the module. `peer` is the name of the one peer; endpoints are those really used.

    beat_s: time between our own HEARTBEATs, sent by the port thread, so that no work holds them up. Each
    connection of the PUSH socket counts as a service that takes `link.capacity` requests, until a HEARTBEAT
    of the peer says how many it takes.
    """

    name = "pushpull"

    def __init__(self, sink: Sink, settings: LinkTable, *, beat_s: float = 10.0, version: str = "") -> None:
        super().__init__(sink, settings)
        self._beat_s = beat_s
        self._version = version
        self._next_beat = 0.0
        self._sent = 0
        self._takers = 0
        self._door: DoorKeeper | None = None
        self._mender: Mender | None = None
        self.request_endpoint = settings.request_endpoint
        self.result_endpoint = settings.result_endpoint

    @property
    def peer(self) -> str:
        """The peer's name: where the requests go."""
        return self.request_endpoint

    def _open(self) -> None:
        settings = self.settings
        push = self._push = make_socket(self._context, zmq.PUSH, settings)
        push.setsockopt(zmq.IMMEDIATE, 1)
        pull = self._pull = make_socket(self._context, zmq.PULL, settings)
        # None at the PULL. While it is read slowly, libzmq takes nothing from a full connection, not even
        # pongs, and a ping to a peer that has said all and gone makes the kernel throw away what it said. Who
        # is frozen is noticed at the PUSH.
        pull.setsockopt(zmq.HEARTBEAT_IVL, 0)
        pull.setsockopt(zmq.RCVHWM, UNREAD)
        secure(push, settings, settings.request_endpoint, server=settings.bind_requests)
        secure(pull, settings, settings.result_endpoint, server=settings.bind_results)
        self._monitor = Monitor(push)
        if settings.curve_secret_key.get_secret_value():
            self._door = DoorKeeper(self._context, settings.curve_clients)
            self._watch(self._door.socket)
        self._claim(settings.result_endpoint)
        if settings.bind_results:
            self.result_endpoint = bind(pull, settings.result_endpoint)
        else:
            self._mender = Mender(pull, settings.result_endpoint)
            self._watch(self._mender.monitor.socket)
            connect(pull, settings.result_endpoint)
        if settings.bind_requests:
            self.request_endpoint = bind(push, settings.request_endpoint)
        else:
            connect(push, settings.request_endpoint)
        self._watch(pull, source=True)
        self._watch(self._monitor.socket)

    def _receive(self, room: int) -> None:
        if self._door is not None:
            self._door.answer()
        self._connections()
        self._mend(clock.now())
        now_us = clock.utc_us()
        for _ in range(room):
            try:
                frames = self._pull.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._tell_frame(self.peer, tuple(frames), now_us)

    def _connections(self) -> None:
        for event, _ in self._monitor.drain():
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._takers += 1
                if self._takers == 1:
                    logger.info("peer {} joined", self.peer)
                    self._tell(
                        PeerJoined(
                            peer=self.peer,
                            capacity=self.settings.capacity,
                            encoding=self.settings.format,
                            legacy=True,
                        )
                    )
                    self._next_beat = clock.now() + self._beat_s
                else:
                    self._resized()
            elif event == zmq.EVENT_DISCONNECTED and self._takers:
                self._takers -= 1
                if self._takers:
                    self._resized()
                else:
                    self._left("disconnected")

    def _resized(self) -> None:
        self._tell(PeerResized(peer=self.peer, capacity=self._takers * self.settings.capacity))

    def _mend(self, now: float) -> None:
        if self._mender is not None and self._mender.look(now):
            logger.warning(
                "the connection to {} broke over what came through it, such as a message beyond"
                " link.max_frame ({} bytes); connected again",
                self.result_endpoint,
                self.settings.max_frame,
            )

    def _tick(self, now: float) -> None:
        self._mend(now)
        # A clock that was set back must not silence us.
        if not self._takers or self._beat_s >= self._next_beat - now > 0:
            return
        self._next_beat = now + self._beat_s
        beat = Heartbeat(
            id=new_id(),
            timestamp=clock.utc_us() / clock.US,
            version=self._version,
            source=SOURCE,
            data={"sent": float(self._sent)},
        )
        try:
            self._push.send(dumps(beat, self.settings.format), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            logger.debug("no heartbeat to {}: {}", self.peer, error.strerror)

    def _left(self, reason: str) -> None:
        logger.info("peer {} left: {}", self.peer, reason)
        self._tell(PeerLeft(peer=self.peer, reason=reason))

    def _send_batch(self, batch: list[tuple[str, str, bytes]]) -> None:
        for peer, request_id, data in batch:
            if peer != self.peer:
                self._tell(FrameRefused(peer=peer, request_id=request_id, error="no such peer on this link"))
                continue
            try:
                self._push.send(data, zmq.NOBLOCK)
            except zmq.ZMQError as error:
                why = "no peer takes requests" if error.errno == zmq.EAGAIN else str(error)
                self._tell(FrameRefused(peer=peer, request_id=request_id, error=why))
            else:
                self._sent += 1
                self._tell(FrameSent(peer=peer, request_id=request_id))

    def _gone(self) -> None:
        if self._takers:
            self._takers = 0
            self._left("the link closed")
        self._monitor.close()
        if self._mender is not None:
            self._mender.monitor.close()
