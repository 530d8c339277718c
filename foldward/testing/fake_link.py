"""A link without sockets: the same verbs and the same messages, told at once from the caller's thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Heartbeat
from foldward.contracts.messages import (
    FrameReceived,
    FrameRefused,
    FrameSent,
    Message,
    PeerBeat,
    PeerJoined,
    PeerLeft,
    PeerStarted,
)
from foldward.wire import MAX_FRAME

Sink = Callable[[Message], Any]


class FakePeer:
    """A worker on a FakeLink. `on_work(request_id, data)` is called for each request if it is given."""

    def __init__(self, link: FakeLink, name: str, on_work: Callable[[str, bytes], Any] | None) -> None:
        self._link = link
        self._on_work = on_work
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._arrived = threading.Condition()
        self.name = name
        self.connected = True

    def take(self, timeout: float = 5.0) -> tuple[str, bytes]:
        """The oldest request not taken yet. Raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._waiting, timeout):
                raise TimeoutError(f"{self.name} got no request within {timeout} s")
            return self._waiting.popleft()

    def started(self, request_id: str) -> None:
        """Report that a request is begun."""
        self._link.tell(PeerStarted(peer=self.name, request_id=request_id, at_us=clock.utc_us()))

    def answer(self, *frames: bytes) -> None:
        """Send one message; more than one frame makes it multipart."""
        self._link.tell(FrameReceived(peer=self.name, frames=frames, received_us=clock.utc_us()))

    def beat(self, beat: Heartbeat) -> None:
        """Send a HEARTBEAT."""
        self._link.tell(PeerBeat(peer=self.name, beat=beat, at_us=clock.utc_us()))

    def leave(self, reason: str = "disconnected") -> None:
        """Die, or go."""
        self._link.drop(self, reason)

    def deliver(self, request_id: str, data: bytes) -> None:
        """Called by the link."""
        if self._on_work is not None:
            self._on_work(request_id, data)
            return
        with self._arrived:
            self._waiting.append((request_id, data))
            self._arrived.notify_all()


class FakeLink:
    """See the module. `sent` lists everything that a peer got: (peer, request_id, data); `done_with` counts
    what the receiver says it has taken."""

    def __init__(self, sink: Sink, *, max_frame: int = MAX_FRAME, encoding: str = "json") -> None:
        self._sink = sink
        self._max_frame = max_frame
        self._encoding = encoding
        self._peers: dict[str, FakePeer] = {}
        self._open = False
        self._lock = threading.RLock()
        self.refuse: str | None = None  # set: every send is refused with this text
        self.taken = False  # set: start fails as if another process had the address
        self.sent: list[tuple[str, str, bytes]] = []
        self.done_with = (0, 0)  # frames, and how many of them were no answers

    @property
    def alive(self) -> bool:
        """True from start to close."""
        return self._open

    def start(self) -> None:
        """Open. Raises WireError `wire.endpoint_taken` when `taken` is set."""
        if self.taken:
            raise WireError("wire.endpoint_taken", message="the fake address is taken")
        self._open = True

    def connect(
        self,
        name: str = "worker-1",
        capacity: int = 2,
        *,
        on_work: Callable[[str, bytes], Any] | None = None,
        legacy: bool = False,
        pid: int | None = None,
        version: str = "",
    ) -> FakePeer:
        """A peer joins; one of the same name that was there leaves first."""
        with self._lock:
            before = self._peers.get(name)
        if before is not None:
            self.drop(before, "replaced by a new connection")
        peer = FakePeer(self, name, on_work)
        with self._lock:
            self._peers[name] = peer
        self.tell(
            PeerJoined(
                peer=name,
                capacity=capacity,
                pid=pid,
                version=version,
                encoding=self._encoding,
                legacy=legacy,
            )
        )
        return peer

    def send(self, peer: str, request_id: str, data: bytes) -> None:
        """Deliver, and tell FrameSent; or FrameRefused."""
        with self._lock:
            target = self._peers.get(peer)
        error = self.refuse
        if not self._open:
            error = "the link is closed"
        elif len(data) > self._max_frame:
            error = f"{len(data)} bytes, allowed are {self._max_frame}"
        elif target is None:
            error = "no such worker is connected"
        if error is not None or target is None:
            self.tell(FrameRefused(peer=peer, request_id=request_id, error=error or ""))
            return
        self.sent.append((peer, request_id, data))
        self.tell(FrameSent(peer=peer, request_id=request_id))
        target.deliver(request_id, data)

    def worked_off(self, frames: int, junk: int, bulk: int = 0) -> None:
        """The receiver keeps up by itself: what is told here is told in the peer's own thread."""
        del bulk
        self.done_with = (self.done_with[0] + frames, self.done_with[1] + junk)

    def close(self, linger: float = 0.0) -> None:
        """Everyone leaves; sends are refused from now."""
        del linger
        with self._lock:
            peers = list(self._peers.values())
            was_open, self._open = self._open, False
        if was_open:
            for peer in peers:
                self.drop(peer, "the link closed")

    def drop(self, peer: FakePeer, reason: str) -> None:
        """The peer's connection is gone."""
        with self._lock:
            if self._peers.get(peer.name) is not peer:
                return
            del self._peers[peer.name]
            peer.connected = False
        self.tell(PeerLeft(peer=peer.name, reason=reason))

    def tell(self, message: Message) -> None:
        """Give the sink a message; like a real link, survive a sink that fails."""
        try:
            self._sink(message)
        except Exception as error:  # the real port thread survives it too, and logs it
            self.sink_failures.append(error)

    @property
    def sink_failures(self) -> list[Exception]:
        """What the sink raised."""
        failures: list[Exception] = self.__dict__.setdefault("_sink_failures", [])
        return failures
