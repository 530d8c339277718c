"""Socket options that every link sets, the monitor of a socket, and the door keeper for CURVE."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import zmq
from loguru import logger
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from foldward.contracts import clock
from foldward.settings import LinkTable

ZAP_DOMAIN = b"foldward"
FAILED = frozenset(
    {
        zmq.EVENT_HANDSHAKE_FAILED_AUTH,
        zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
        zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    }
)
_EVENTS = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_CONNECTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
_BEGUN_AGAIN = frozenset({zmq.EVENT_CONNECTED, zmq.EVENT_CONNECT_DELAYED, zmq.EVENT_CONNECT_RETRIED})
MEND_S = 0.25
# libzmq throws away what is beyond its limit, and the connection with it. What is only somewhat beyond ours
# is let in, so that it can be refused with its bytes kept.
HEADROOM = 2
QUIET_S = 60.0  # who is refused comes again many times a second


def make_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, settings: LinkTable) -> zmq.Socket[bytes]:
    """A socket with limits, heartbeats and a ZAP domain.

    Without the domain a socket that binds takes junk bytes and ZMTP/1.0 frames for messages; with it libzmq
    refuses peers that do not complete a handshake.
    """
    sock = context.socket(kind)
    sock.setsockopt(zmq.LINGER, 0)
    sock.setsockopt(zmq.MAXMSGSIZE, HEADROOM * settings.max_frame)
    sock.setsockopt(zmq.HEARTBEAT_IVL, settings.heartbeat_ms)
    sock.setsockopt(zmq.HEARTBEAT_TIMEOUT, settings.heartbeat_timeout_ms)
    sock.setsockopt(zmq.RECONNECT_IVL, 50)
    sock.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    sock.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    return sock


class Monitor:
    """The connection events of one socket: (event, fd)."""

    def __init__(self, sock: zmq.Socket[bytes], more: int = 0) -> None:
        self.socket = sock.get_monitor_socket(_EVENTS | more)
        self._watched = sock

    def drain(self) -> Iterator[tuple[int, int]]:
        """What happened since the last call; `fd` is 0 for a handshake."""
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            event = parse_monitor_message(frames)
            yield int(event["event"]), int(event["value"])

    def close(self) -> None:
        """Stop watching."""
        with contextlib.suppress(zmq.ZMQError):
            self._watched.disable_monitor()


class Mender:
    """Connects a socket again that libzmq has given up.

    After what it calls a protocol error, such as a message beyond MAXMSGSIZE, libzmq ends the session of a
    socket that connects and never tries again (session_base.cpp, engine_error): one such message would leave
    the link deaf until a restart.
    """

    def __init__(self, sock: zmq.Socket[bytes], endpoint: str) -> None:
        self._sock = sock
        self._endpoint = endpoint
        self._due: float | None = None
        self.monitor = Monitor(sock, zmq.EVENT_CONNECT_DELAYED | zmq.EVENT_CONNECT_RETRIED)

    def look(self, now: float) -> bool:
        """Read what happened; True when the socket was connected again by hand."""
        for event, _ in self.monitor.drain():
            if event == zmq.EVENT_DISCONNECTED or event in FAILED:
                self._due = now + MEND_S
            elif event in _BEGUN_AGAIN:
                self._due = None
        if self._due is None or 0 < self._due - now <= MEND_S:
            return False
        self._due = None
        with contextlib.suppress(zmq.ZMQError):  # the ended session may be known no more
            self._sock.disconnect(self._endpoint)
        self._sock.connect(self._endpoint)
        return True


class Seldom:
    """Lets the same news through once in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._told: dict[str, float] = {}

    def due(self, news: str) -> bool:
        """Whether to tell it now."""
        now = clock.now()
        told = self._told.get(news)
        if told is not None and 0 <= now - told < self._seconds:
            return False
        if len(self._told) > 1000:
            self._told.clear()
        self._told[news] = now
        return True


class DoorKeeper:
    """ZAP (RFC 27): lets in the configured CURVE keys, and anyone who comes without CURVE on a plain link.

    Answered by the port thread itself: one REP socket in the link's own context.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], clients: tuple[str, ...]) -> None:
        self._allowed = {client.encode() for client in clients}
        self.socket = context.socket(zmq.REP)
        self._said = Seldom(QUIET_S)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind("inproc://zeromq.zap.01")

    def answer(self) -> None:
        """Answer what waits."""
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self.socket.send_multipart(self._decide(frames))

    def _decide(self, frames: list[bytes]) -> list[bytes]:
        version, serial = frames[0], frames[1]
        mechanism = frames[5] if len(frames) > 5 else b""
        ok = mechanism == b"NULL"
        if mechanism == b"CURVE" and len(frames) > 6:
            ok = not self._allowed or z85.encode(frames[6]) in self._allowed
        status, text = (b"200", b"OK") if ok else (b"400", b"unknown key")
        if not ok:
            self._refused(frames)
        return [version, serial, status, text, b"", b""]

    def _refused(self, frames: list[bytes]) -> None:
        address = frames[3].decode("utf-8", "replace") or "somebody"
        key = z85.encode(frames[6]).decode() if len(frames) > 6 and len(frames[6]) == 32 else ""
        if self._said.due(f"{address} {key}"):
            logger.warning(
                "refused key: {} came with the public key {} that is not allowed in"
                " (foldward keys allow NAME KEY, then restart core)",
                address,
                key or "-",
            )
