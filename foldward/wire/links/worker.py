"""The worker's end of the native link: a DEALER that the working thread itself uses, and a heart beside it.

The working thread sends STARTED on its own socket before it begins, so that a request that kills the process
is known by name. Signs of life come from the heart, a thread with a socket and a timer of its own: a worker
that computes for an hour still beats every ten seconds.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import zmq
from loguru import logger

from foldward.contracts.errors import FoldwardError
from foldward.contracts.jobs import Heartbeat
from foldward.settings import LinkTable
from foldward.wire.codec import dumps
from foldward.wire.links import _frames
from foldward.wire.links._endpoints import connect, secure
from foldward.wire.links._sockets import FAILED, QUIET_S, Monitor, Seldom, make_socket


class WorkerPort:
    """One thread's connection to core. Not thread-safe: the thread that polls is the one that sends.

    connected is False until core has answered the handshake, and again after a disconnect. refused: why core
    gives this worker no work, once it has said so.
    """

    gives_back = True

    def __init__(
        self,
        endpoint: str,
        id: str,
        *,
        capacity: int = 2,
        version: str = "",
        engine: str = "",
        settings: LinkTable | None = None,
    ) -> None:
        self.settings = settings or LinkTable()
        self.ready = _frames.Ready(id=id, capacity=capacity, pid=os.getpid(), version=version, engine=engine)
        self.connected = False
        self.refused: str | None = None
        self._endpoint = endpoint
        self._said = Seldom(QUIET_S)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = make_socket(self._context, zmq.DEALER, self.settings)
            self._socket.setsockopt(zmq.ROUTING_ID, id.encode())
            secure(self._socket, self.settings, endpoint, server=False)
            self._monitor = Monitor(self._socket)
            connect(self._socket, endpoint)
        except FoldwardError:
            self._context.destroy(linger=0)
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor.socket, zmq.POLLIN)

    def watch(self, descriptor: int) -> None:
        """Let `poll` return as soon as this descriptor can be read too; whoever owns it empties it."""
        self._poller.register(descriptor, zmq.POLLIN)

    def poll(self, timeout_ms: int) -> list[tuple[str, bytes]]:
        """Work that has arrived, as (request_id, message); waits at most `timeout_ms` for some."""
        self._poller.poll(timeout_ms)
        for event, _ in self._monitor.drain():
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.connected = True
                self._socket.send_multipart(_frames.pack_ready(self.ready))
            elif event == zmq.EVENT_DISCONNECTED:
                self.connected = False
            elif event in FAILED and self._said.due("refused"):
                logger.error(
                    "core at {} refuses the handshake: {}; trying on",
                    self._endpoint,
                    "it does not know this worker's public key (foldward keys allow, then restart core)"
                    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
                    else "one side has no CURVE keys, or the server key is not core's",
                )
        work: list[tuple[str, bytes]] = []
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return work
            if frames[0] == _frames.WORK:
                work += _frames.unpack_work(frames)
            elif frames[0] == _frames.REFUSED:
                self.refused = b" ".join(frames[1:]).decode("utf-8", "replace")
            elif frames[0] == _frames.HELLO:
                self._socket.send_multipart(_frames.pack_ready(self.ready))

    def started(self, request_id: str) -> None:
        """Say that this request is begun.

        ZMQ's own thread writes it a moment later: a process that ends in that moment was not heard, and its
        request is named at the next try.
        """
        self._socket.send_multipart([_frames.STARTED, request_id.encode()])

    def results(self, messages: Sequence[bytes]) -> None:
        """Answer, many at once."""
        if messages:
            self._socket.send_multipart([_frames.RESULT, *messages])

    def bye(self, reason: str) -> None:
        """Take no more work; what is held and not answered goes elsewhere.

        A worker that core has never let in has nobody to say it to, and must not wait for one.
        """
        with contextlib.suppress(zmq.Again):
            self._socket.send_multipart(leave(reason), zmq.NOBLOCK)

    def close(self, linger: float = 5.0) -> None:
        """Wait at most `linger` seconds until core has taken the answers."""
        self._monitor.close()
        self._context.destroy(linger=int(linger * 1000) if self.connected else 0)


def answer(message: bytes) -> list[bytes]:
    """Frames of one RESULT."""
    return [_frames.RESULT, message]


def leave(reason: str) -> list[bytes]:
    """Frames of BYE."""
    return [_frames.BYE, reason.encode()]


class Voice(Protocol):
    """What a heart speaks with: frames as `answer`, `leave` and `sign` make them."""

    def say(self, frames: list[bytes]) -> None:
        """Hand frames over without waiting. Raises zmq.Again when nobody takes them."""

    def close(self, linger_ms: int) -> None:
        """Wait at most so long until what was said is taken."""


def sign(message: bytes) -> list[bytes]:
    """Frames of HEARTBEAT."""
    return [_frames.HEARTBEAT, message]


class _OwnSocket:
    """The heart of a worker on the native link has a DEALER of its own."""

    def __init__(self, endpoint: str, id: str, settings: LinkTable) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = make_socket(self._context, zmq.DEALER, settings)
        self._socket.setsockopt(zmq.ROUTING_ID, id.encode() + _frames.HEART)
        self._socket.setsockopt(zmq.SNDHWM, 10)
        secure(self._socket, settings, endpoint, server=False)
        connect(self._socket, endpoint)

    def say(self, frames: list[bytes]) -> None:
        self._socket.send_multipart(frames, zmq.NOBLOCK)

    def close(self, linger_ms: int) -> None:
        self._context.destroy(linger=linger_ms)


class Pulse(threading.Thread):
    """Beats with `voice()` every `interval_s`, whatever the process computes; `check` runs every 0.25 s.

    beat() makes the HEARTBEAT; check(last_words) may speak for the worker (`answer` or `leave` make the
    frames) and end the process.
    """

    def __init__(
        self,
        voice: Callable[[], Voice],
        beat: Callable[[], Heartbeat],
        *,
        interval_s: float = 10.0,
        check: Callable[[Callable[[list[bytes]], None]], None] | None = None,
    ) -> None:
        super().__init__(name="heart", daemon=True)
        self._make_voice = voice
        self._beat = beat
        self._interval_s = interval_s
        self._check = check
        self._stop_it = threading.Event()

    def run(self) -> None:
        """Beat until stopped."""
        voice = self._make_voice()

        def last_words(frames: list[bytes]) -> None:
            voice.say(frames)
            voice.close(500)
            self._stop_it.set()

        try:
            ticks = max(1, round(self._interval_s / 0.25))
            count = 0
            while not self._stop_it.wait(min(0.25, self._interval_s)):
                if self._check is not None:
                    self._check(last_words)
                    if self._stop_it.is_set():
                        return
                count += 1
                if count >= ticks:
                    count = 0
                    self._send_beat(voice)
        finally:
            voice.close(0)

    def _send_beat(self, voice: Voice) -> None:
        try:
            voice.say(sign(dumps(self._beat())))
        except zmq.Again:
            return  # core is away: old beats are of no use
        except Exception:  # a beat that cannot be made must not stop the next one: silence means death
            logger.exception("no heartbeat")

    def stop(self) -> None:
        """Stop beating."""
        self._stop_it.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(2.0)


class Heart(Pulse):
    """The pulse of a worker on the native link."""

    def __init__(
        self,
        endpoint: str,
        id: str,
        beat: Callable[[], Heartbeat],
        *,
        interval_s: float = 10.0,
        check: Callable[[Callable[[list[bytes]], None]], None] | None = None,
        settings: LinkTable | None = None,
    ) -> None:
        super().__init__(
            lambda: _OwnSocket(endpoint, id, settings or LinkTable()),
            beat,
            interval_s=interval_s,
            check=check,
        )
