"""A backtest service's end of `pushpull`: PULL requests, PUSH answers. A worker stands in for one with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import zmq
from loguru import logger

from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Heartbeat
from foldward.settings import LinkTable
from foldward.wire.codec import loads
from foldward.wire.links import _frames
from foldward.wire.links._endpoints import bind, connect, secure
from foldward.wire.links._sockets import Mender, make_socket
from foldward.wire.links.worker import Pulse

_HEAD = 256  # bytes in which a HEARTBEAT names its type
LINGER_S = 5.0  # at least: an answer that is computed is worth waiting for


class ServicePort:
    """Same verbs as WorkerPort; requests have no envelope, so their ids are "" until they are decoded.

    One socket carries the answers, so a sign of life waits behind an answer that nobody takes: then the other
    side is away, and old beats are of no use to it.
    """

    refused: str | None = None
    gives_back = False  # nobody hears that it goes: a request that is begun is finished

    def __init__(
        self,
        requests: str,
        results: str,
        *,
        bind_requests: bool = True,
        bind_results: bool = False,
        settings: LinkTable | None = None,
    ) -> None:
        self.settings = settings or LinkTable()
        self.connected = True
        self._speaking = threading.Lock()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._pull = make_socket(self._context, zmq.PULL, self.settings)
        self._push = make_socket(self._context, zmq.PUSH, self.settings)
        self._push.setsockopt(zmq.IMMEDIATE, 0)
        self._push.setsockopt(zmq.LINGER, int(LINGER_S * 1000))
        try:
            secure(self._pull, self.settings, requests, server=bind_requests)
            secure(self._push, self.settings, results, server=bind_results)
            self._mender = None if bind_requests else Mender(self._pull, requests)
            self.requests = bind(self._pull, requests) if bind_requests else requests
            self.results_endpoint = bind(self._push, results) if bind_results else results
            if not bind_requests:
                connect(self._pull, requests)
            if not bind_results:
                connect(self._push, results)
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def poll(self, timeout_ms: int) -> list[tuple[str, bytes]]:
        """Requests that have arrived; a multipart one is joined so that it is answered as unreadable.
        Signs of life of the other side want no answer."""
        if self._mender is not None and self._mender.look(clock.now()):
            logger.warning(
                "the connection to {} broke over what came through it; connected again", self.requests
            )
        work: list[tuple[str, bytes]] = []
        if self._pull.poll(timeout_ms):
            while True:
                try:
                    frames = self._pull.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                raw = frames[0] if len(frames) == 1 else b"\n".join(frames)
                if not _is_beat(raw):
                    work.append(("", raw))
        return work

    def started(self, request_id: str) -> None:
        """Nobody listens for it on this link."""

    def results(self, messages: Sequence[bytes]) -> None:
        """Answer; waits when the other side does not take any more."""
        with self._speaking:
            for message in messages:
                self._push.send(message)

    def say(self, frames: list[bytes]) -> None:
        """For the heart: a RESULT or a HEARTBEAT in the frames of the native link; nothing else is said
        here. Raises zmq.Again when the socket does not take it at once."""
        if frames[0] not in (_frames.RESULT, _frames.HEARTBEAT):
            return
        if not self._speaking.acquire(timeout=0.1):
            raise zmq.Again
        try:
            if not self._context.closed:
                for message in frames[1:]:
                    self._push.send(message, zmq.NOBLOCK)
        finally:
            self._speaking.release()

    def bye(self, reason: str) -> None:
        """Nobody listens for it on this link."""

    def close(self, linger: float = LINGER_S) -> None:
        """Wait at most `linger` seconds until the answers are taken."""
        with self._speaking:
            self._context.destroy(linger=int(linger * 1000))


def _is_beat(raw: bytes) -> bool:
    if b"HEARTBEAT" not in raw[:_HEAD]:
        return False
    try:
        return isinstance(loads(raw), Heartbeat)
    except WireError:
        return False  # it is answered as what it is: unreadable


class _Mouth:
    """The heart speaks through the port's socket and never closes it."""

    def __init__(self, port: ServicePort) -> None:
        self.say = port.say

    def close(self, linger_ms: int) -> None:
        """The port does, when its worker ends."""


class ServiceHeart(Pulse):
    """The pulse of a worker that stands in for a peer's service."""

    def __init__(
        self,
        port: ServicePort,
        beat: Callable[[], Heartbeat],
        *,
        interval_s: float = 10.0,
        check: Callable[[Callable[[list[bytes]], None]], None] | None = None,
    ) -> None:
        super().__init__(lambda: _Mouth(port), beat, interval_s=interval_s, check=check)
