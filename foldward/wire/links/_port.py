"""What all links share: the thread that owns the sockets, and the queue by which others hand it bytes."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import zmq
from loguru import logger

from foldward.contracts import clock
from foldward.contracts.messages import FrameReceived, FrameRefused, LinkFlooded, Message
from foldward.settings import LinkTable
from foldward.wire.links._pace import Pace

Sink = Callable[[Message], Any]
_owners: weakref.WeakValueDictionary[str, Port] = weakref.WeakValueDictionary()
_owners_lock = threading.Lock()
SEND_BURST = 200  # receiving has priority: requests sent before receiving is looked at again
TICK_MS = 250
FLOOD_S = 60.0


class Link(Protocol):
    """What the dispatcher needs of a link, and what the doubles give."""

    def start(self) -> None: ...

    def send(self, peer: str, request_id: str, data: bytes) -> None: ...

    def worked_off(self, frames: int, junk: int, bulk: int = 0) -> None: ...

    def close(self, linger: float = 0.0) -> None: ...

    @property
    def alive(self) -> bool: ...


class Port:
    """One thread, its sockets, and a queue of what others want sent.

    Subclasses open sockets in `_open` (called by `start`, so that a taken address is the caller's error) and
    register them with `_watch`. `send` may be called from any thread and never blocks.
    """

    name = "port"

    def __init__(self, sink: Sink, settings: LinkTable) -> None:
        self._sink = sink
        self.settings = settings
        self._outgoing: deque[tuple[str, str, bytes]] = deque()
        self._closing = threading.Event()
        self._linger = 0.0
        self._woken = threading.Event()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poller = zmq.Poller()
        self._pace = Pace(settings.junk_per_s)
        self._sources: list[zmq.Socket[bytes]] = []
        self._reading = True
        self._flood_told: float | None = None
        self._thread: threading.Thread | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._lock = threading.Lock()
        self.failure: str | None = None

    @property
    def alive(self) -> bool:
        """True from start to close, unless the port thread failed (`failure` says how)."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Open the sockets and run the thread. Raises WireError for an address that cannot be used."""
        try:
            self._open()
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._poller.register(self._wake, zmq.POLLIN)
        self._thread = threading.Thread(target=self._run, name=f"{self.name}-port", daemon=True)
        self._thread.start()

    def send(self, peer: str, request_id: str, data: bytes) -> None:
        """Queue bytes for a peer; FrameSent or FrameRefused is told once the socket was asked."""
        with self._lock:
            if self._thread is not None and not self._closing.is_set() and self.failure is None:
                self._outgoing.append((peer, request_id, data))
                self._rouse()
                return
        self._tell(FrameRefused(peer=peer, request_id=request_id, error=self.failure or "the link is closed"))

    def worked_off(self, frames: int, junk: int, bulk: int = 0) -> None:
        """The receiver has worked off so many FrameReceived, so many of them were no answers; bulk: as how
        many more of those the large ones count."""
        if self._pace.worked_off(frames, junk, bulk):
            with self._lock:
                if not self._closing.is_set():
                    self._rouse()

    def close(self, linger: float = 0.0) -> None:
        """Send what is queued, wait at most `linger` seconds for the peers to take it, end the thread."""
        with self._lock:
            self._linger = linger
            already = self._closing.is_set()
            self._closing.set()
            if not already:
                self._rouse()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(linger + 5.0)
        if self._thread is None and not self._context.closed:
            self._context.destroy(linger=0)

    # --- for subclasses ------------------------------------------------------------------------------------

    def _open(self) -> None:
        raise AssertionError("a link opens its sockets")

    def _receive(self, room: int) -> None:
        """Take what has arrived, at most `room` messages."""

    def _unfinished(self) -> bool:
        """Whether the next turn has work that no socket will announce."""
        return False

    def _send_batch(self, batch: list[tuple[str, str, bytes]]) -> None:
        """Hand these to the sockets and tell what became of each."""

    def _tick(self, now: float) -> None:
        """Periodic work, about every TICK_MS."""

    def _gone(self) -> None:
        """The thread ends: tell whoever was connected."""

    def _claim(self, endpoint: str) -> None:
        """Become this process's link at `endpoint`: one that a crashed or hung owner left open is closed."""
        if "*" in endpoint:
            return  # a port of its own
        with _owners_lock:
            before = _owners.get(endpoint)
            _owners[endpoint] = self
        if before is not None and before is not self:
            before.close()

    def _watch(self, sock: zmq.Socket[bytes], *, source: bool = False) -> None:
        """Wake up for this socket. source: peers' messages come from it; it rests while there is no room."""
        self._poller.register(sock, zmq.POLLIN)
        if source:
            self._sources.append(sock)

    def _tell_frame(self, peer: str, frames: tuple[bytes, ...], received_us: int) -> None:
        self._pace.told()
        self._tell(FrameReceived(peer=peer, frames=frames, received_us=received_us))

    def _tell(self, message: Message) -> None:
        try:
            self._sink(message)
        except Exception:  # a failing receiver must not end the thread that all peers depend on
            logger.exception("the link's sink failed on {}", type(message).__name__)

    # --- the thread ----------------------------------------------------------------------------------------

    def _rest_ms(self) -> int:
        """How long to poll until more may be read; less than a poll can wait is waited here."""
        rest_s = self._pace.wait_s()
        if rest_s < 0.001:
            self._woken.wait(rest_s)
            return 0
        return min(TICK_MS, 1 + int(rest_s * 1000))

    def _rouse(self) -> None:
        if not self._woken.is_set():
            self._woken.set()
            os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        try:
            next_tick = clock.now()
            while not self._closing.is_set():
                room = self._pace.room(clock.now())
                self._listen(room > 0)
                busy = bool(self._outgoing) or (room > 0 and self._unfinished())
                ready = self._poller.poll(0 if busy else TICK_MS if room else self._rest_ms())
                if any(sock == self._wake for sock, _ in ready):
                    os.eventfd_read(self._wake)
                    self._woken.clear()
                self._receive(room)
                self._flush(SEND_BURST)
                now = clock.now()
                self._watch_flood(now)
                # A clock that was set back (a test's) must not silence the ticks.
                if now >= next_tick or next_tick - now > 1.0:
                    next_tick = now + TICK_MS / 1000
                    self._tick(now)
            self._flush(None)
        except Exception as error:  # the thread is the only witness: say so, and refuse what is sent from now
            self.failure = f"{type(error).__name__}: {error}"
            logger.exception("the {} port failed", self.name)
        finally:
            with self._lock:
                self._closing.set()
                left = list(self._outgoing)
                self._outgoing.clear()
            for peer, request_id, _ in left:
                self._tell(FrameRefused(peer=peer, request_id=request_id, error=self.failure or "closed"))
            self._gone()
            self._context.destroy(linger=int(self._linger * 1000))
            os.close(self._wake)

    def _listen(self, wanted: bool) -> None:
        if wanted != self._reading:
            self._reading = wanted
            for sock in self._sources:
                self._poller.modify(sock, zmq.POLLIN if wanted else 0)

    def _watch_flood(self, now: float) -> None:
        """Say that junk is held back when it begins, and once a minute while it lasts."""
        held_back = self._pace.held_back
        if not held_back:
            return
        if self._flood_told is None or not 0 <= now - self._flood_told < FLOOD_S:
            self._flood_told = now
            flooded = LinkFlooded(link=self.name, junk=held_back, per_s=self.settings.junk_per_s)
            logger.warning("the {} link is flooded with what is no answer; it is read slowly", self.name)
            self._tell(flooded)

    def _flush(self, limit: int | None) -> None:
        count = len(self._outgoing) if limit is None else min(limit, len(self._outgoing))
        if not count:
            return
        batch = []
        for _ in range(count):
            peer, request_id, data = self._outgoing.popleft()
            if len(data) > self.settings.max_frame:
                why = f"{len(data)} bytes, allowed are {self.settings.max_frame}"
                self._tell(FrameRefused(peer=peer, request_id=request_id, error=why))
            else:
                batch.append((peer, request_id, data))
        if batch:
            self._send_batch(batch)
            self._pace.sent(len(batch), clock.now())
