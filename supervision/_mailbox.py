"""A closable inbox over queue.SimpleQueue.

Tells travel bare, everything else in an item class of its own, so that the common case costs one C call and
one look at a flag. Closing is exact: the closer sets the flag and empties the queue under the lock; a putter
puts, then looks at the flag, and empties the queue too when it is set. So every message is taken by exactly
one of them and none is lost, and the order of one sender's messages is kept.
"""

from __future__ import annotations

import queue
import sys
import threading
from _thread import allocate_lock
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, cast

from pykka import ActorDeadError, Timeout

from supervision._latch import Latch
from supervision.errors import InboxFull

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
Residue = Callable[[list[Any], str, Sequence[Any]], None]


class Reply:
    """A one-shot answer with the part of pykka's Future that an asker and an actor use."""

    __slots__ = ("_error", "_latch", "_value")

    def __init__(self) -> None:
        self._latch = Latch()
        self._value: Any = None
        self._error: BaseException | None = None

    def set(self, value: Any = None) -> None:
        """Answer; only the first answer counts."""
        if not self._latch.is_set:
            self._value = value
            self._latch.set()

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Answer with an exception: the given one, or the one being handled."""
        if not self._latch.is_set:
            self._error = (exc_info or sys.exc_info())[1]
            self._latch.set()

    def get(self, *, timeout: float | None = None) -> Any:
        """The answer. Raises pykka.Timeout after `timeout` seconds, or what the answerer raised."""
        if not self._latch.wait(timeout):
            raise Timeout(f"{timeout} seconds")
        if self._error is not None:
            raise self._error
        return self._value


class Ask:
    """A message whose sender waits. `retry`: he wants the next incarnation's answer if this one ends."""

    __slots__ = ("message", "reply_to", "retry")

    def __init__(self, message: Any, reply_to: Any, retry: bool = False) -> None:
        self.message = message
        self.reply_to = reply_to
        self.retry = retry


class Retried:
    """A message that was being handled when an incarnation ended; it gets one more chance."""

    __slots__ = ("message",)

    def __init__(self, message: Any) -> None:
        self.message = message


class Due:
    """A timer's message; `timer` may have been cancelled after it was put."""

    __slots__ = ("message", "timer")

    def __init__(self, message: Any, timer: Any) -> None:
        self.message = message
        self.timer = timer


class Stop:
    """Ends the loop when it comes up: what was put before it is handled first."""

    __slots__ = ("reply_to", "why")

    def __init__(self, why: str = "shutdown", reply_to: Any = None) -> None:
        self.why = why
        self.reply_to = reply_to


def dead_error(name: str, why: str) -> ExcInfo:
    """What an asker gets whose receiver is gone, in the shape of pykka's futures."""
    return (ActorDeadError, ActorDeadError(f"{name} {why}"), None)


class Mailbox:
    """The inbox of one incarnation.

    `residue` gets, in order, what is left when it closes and what is put too late; it is called with the
    mailbox's lock held and must not block.
    """

    __slots__ = ("_put", "closed", "get", "get_nowait", "lock", "peak", "qsize", "queue", "residue", "why")

    def __init__(self) -> None:
        # the C queue's own bound methods: attribute look-ups and frames are what a tell costs
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._put = self.queue.put
        self.get = self.queue.get
        self.get_nowait = self.queue.get_nowait
        self.qsize = self.queue.qsize
        self.closed = False
        self.lock = allocate_lock()
        self.peak = 0
        self.why = "stopped"
        self.residue: Residue | None = None

    def offer(self, item: Any) -> bool:
        """Put; False when it is closed (the item was not taken)."""
        if self.closed:
            return False
        self._put(item)
        if self.closed:
            self.sweep()
        return True

    tell = offer

    def put(self, item: Any) -> None:
        """pykka's interface: like offer, but a closed inbox hands the item to the residue."""
        if not self.offer(item):
            with self.lock:
                self._give([item])

    def empty(self) -> bool:
        """pykka's interface."""
        return self.queue.empty()

    def force(self, item: Any) -> None:
        """Put past every check: wakes a thread that waits on a closed inbox."""
        self._put(item)

    def sweep(self) -> None:
        """Hand over what came too late."""
        with self.lock:
            self._give(self._drain())

    def close(self, why: str = "stopped", poison: Sequence[Any] = (), rest: Sequence[Any] = ()) -> None:
        """Close for the reason `why`: what was being handled (`poison`), what the owner had taken out already
        (`rest`) and what waits go to the residue. Closing twice is harmless.
        """
        with self.lock:
            if not self.closed:
                self.closed = True
                self.why = why
            self._give([*rest, *self._drain()], poison)

    def close_and_take(self) -> list[Any]:
        """Close, but give what waits to the caller, who still wants to handle it."""
        with self.lock:
            self.closed = True
            return self._drain()

    def barrier(self) -> None:
        """Return when a close under way has handed everything over."""
        with self.lock:
            pass

    def _drain(self) -> list[Any]:
        items: list[Any] = []
        try:
            while True:
                items.append(self.get_nowait())
        except queue.Empty:
            return items

    def _give(self, items: list[Any], poison: Sequence[Any] = ()) -> None:
        if (items or poison) and self.residue is not None:
            self.residue(items, self.why, poison)


class BoundedMailbox(Mailbox):
    """A mailbox with a soft bound for tells: asks, timers and control always pass.

    full: "drop" (the tell is dead-lettered), "raise" (InboxFull in the sender), "block" (the sender waits, at
    most `patience` seconds, then it is dropped; the owner's own tells never wait).
    """

    __slots__ = ("_full", "_limit", "_name", "_owner", "_patience", "_room")

    def __init__(self, limit: int, full: str, patience: float, name: str) -> None:
        super().__init__()
        self._limit = limit
        self._full = full
        self._patience = patience
        self._name = name
        self._owner: int | None = None
        self._room = threading.Condition()
        take, take_now = self.get, self.get_nowait

        def get() -> Any:
            item = take()
            if self._full == "block" and self.qsize() < self._limit:
                self._notify()
            return item

        def get_nowait() -> Any:
            item = take_now()
            if self._full == "block" and self.qsize() < self._limit:
                self._notify()
            return item

        self.get = cast(Any, get)
        self.get_nowait = cast(Any, get_nowait)

    def owned_by(self, ident: int) -> None:
        """The thread that empties it: its own tells are never blocked."""
        self._owner = ident

    def tell(self, item: Any) -> bool:
        """Put a tell; False when it is closed or full."""
        if self.closed:
            return False
        if self.qsize() >= self._limit and not self._wait_for_room():
            return False
        return self.offer(item)

    def close(self, why: str = "stopped", poison: Sequence[Any] = (), rest: Sequence[Any] = ()) -> None:
        super().close(why, poison, rest)
        self._notify()

    def close_and_take(self) -> list[Any]:
        items = super().close_and_take()
        self._notify()
        return items

    def _wait_for_room(self) -> bool:
        if self._full == "raise":
            raise InboxFull(self._name, self._limit)
        if self._full == "drop":
            return False
        if self._owner == threading.get_ident():
            return True
        with self._room:
            return self._room.wait_for(lambda: self.closed or self.qsize() < self._limit, self._patience)

    def _notify(self) -> None:
        with self._room:
            self._room.notify_all()
