"""Socket options that every link sets, the monitor of a socket, and the door keeper for CURVE."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import zmq
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from foldward.settings import LinkTable

ZAP_DOMAIN = b"foldward"
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED


def make_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, settings: LinkTable) -> zmq.Socket[bytes]:
    """A socket with limits, heartbeats and a ZAP domain.

    Without the domain a socket that binds takes junk bytes and ZMTP/1.0 frames for messages; with it libzmq
    refuses peers that do not complete a handshake.
    """
    sock = context.socket(kind)
    sock.setsockopt(zmq.LINGER, 0)
    sock.setsockopt(zmq.MAXMSGSIZE, settings.max_frame)
    sock.setsockopt(zmq.HEARTBEAT_IVL, settings.heartbeat_ms)
    sock.setsockopt(zmq.HEARTBEAT_TIMEOUT, settings.heartbeat_timeout_ms)
    sock.setsockopt(zmq.RECONNECT_IVL, 50)
    sock.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    sock.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    return sock


class Monitor:
    """The connection events of one socket: (event, fd)."""

    def __init__(self, sock: zmq.Socket[bytes]) -> None:
        self.socket = sock.get_monitor_socket(_EVENTS)
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


class DoorKeeper:
    """ZAP (RFC 27): lets in the configured CURVE keys, and anyone who comes without CURVE on a plain link.

    Answered by the port thread itself: one REP socket in the link's own context.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], clients: tuple[str, ...]) -> None:
        self._allowed = {client.encode() for client in clients}
        self.socket = context.socket(zmq.REP)
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
        return [version, serial, status, text, b"", b""]
