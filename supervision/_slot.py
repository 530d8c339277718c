"""One name: who holds it, what waits for the next holder, and where what nobody takes goes."""

from __future__ import annotations

import contextlib
import queue
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from supervision._mailbox import Ask, Due, Mailbox, Retried, Stop, dead_error

DeadSink = Callable[[str, Any, str], None]


class Slot:
    """One name: who holds it now, and what waits for the next holder."""

    __slots__ = (
        "box",
        "dead",
        "hold",
        "holder",
        "incarnation",
        "issued",
        "kind",
        "lock",
        "name",
        "parked",
        "pid",
        "why",
    )

    def __init__(self, name: str, dead: DeadSink) -> None:
        self.name = name
        self.dead = dead
        self.box: Mailbox | None = None
        self.holder: Any = None  # the pykka ActorRef
        self.pid: int | None = None
        self.kind: str | None = None
        self.incarnation: int | None = None  # of the holder
        self.issued = 0  # the last number given out
        self.hold = False  # what cannot be delivered waits for the next incarnation
        self.parked: deque[Any] = deque()
        self.why = "unknown"
        self.lock = allocate_lock()

    def bind(self, incarnation: int, box: Mailbox | None, holder: Any, pid: int | None, kind: str) -> bool:
        """Names.bind under both locks: a closed box takes nothing of what is parked."""
        if incarnation < self.issued:
            return False
        self.issued = incarnation
        if box is not None and not box.closed:
            while self.parked:
                box.force(self.parked.popleft())
        self.incarnation = incarnation
        self.holder = holder
        self.pid = pid
        self.kind = kind
        self.box = box
        self.why = "no_inbox" if box is None else "not_running"
        return True

    def undelivered(self, message: Any, tried: Mailbox | None = None) -> bool:
        """The slow road of a tell: the holder is gone, closed or full. True when the message is kept."""
        while True:
            box = self.box
            if box is not None:
                if box is not tried:
                    tried = box
                    if box.tell(message):
                        return True
                if not box.closed:
                    self.dead(self.name, message, "full")
                    return False
                box.barrier()  # a close under way parks what is older first
            with self.lock:
                if self.box is not box:
                    continue
                if self.hold:
                    self.parked.append(message)
                    return True
                why = self.why
            self.dead(self.name, message, why)
            return False

    def ask_next(self, ask: Ask) -> None:
        """The slow road of an ask that may be retried: whoever holds the name next gets it."""
        while True:
            box = self.box
            if box is not None:
                if box.offer(ask):
                    return
                box.barrier()  # a close under way parks what is older first
            with self.lock:
                if self.box is box:
                    self.parked.append(ask)
                    return

    def withdraw(self, ask: Ask) -> None:
        """Its sender does not wait any more."""
        ask.retry = False
        with self.lock:
            if ask in self.parked:
                self.parked.remove(ask)

    def _asked_again(self, item: Any) -> bool:
        if type(item) is not Ask or not item.retry:
            return False
        self.parked.append(item)
        return True

    def give_back(self, items: Iterable[Any], why: str, poison: Iterable[Any] = ()) -> None:
        """What an incarnation left: kept for the next one, or dead-lettered; askers are told at once.

        `poison`: what it was handling. It is kept once, at the head, and dead-lettered the second time.
        """
        lost: list[tuple[Any, str]] = []
        with self.lock:
            for item in poison:
                message = bare(item)
                if self._asked_again(item):
                    continue
                if isinstance(item, Stop) or answered(item, self.name, why):
                    continue
                if isinstance(item, Due):
                    lost.append((item.message, "poison"))
                elif self.hold and not isinstance(message, Retried):
                    self.parked.append(Retried(message))
                else:
                    lost.append((message, "poison"))
            for item in items:
                if isinstance(item, Due):
                    continue
                if isinstance(item, Stop):
                    if item.reply_to is not None:
                        item.reply_to.set(None)
                elif not self._asked_again(item) and not answered(item, self.name, why):
                    if self.hold:
                        self.parked.append(bare(item))
                    else:
                        lost.append((bare(item), why))
        for message, reason in lost:
            self.dead(self.name, message.message if isinstance(message, Retried) else message, reason)

    def release(self, why: str) -> None:
        """Nobody comes back to this name: what waits for it is dead-lettered."""
        with self.lock:
            self.hold = False
            self.why = why
            items = [item for item in self.parked if type(item) is not Ask]
            self.parked = deque(item for item in self.parked if type(item) is Ask)
        for item in items:
            self.dead(self.name, item.message if isinstance(item, Retried) else item, why)


def bare(item: Any) -> Any:
    """A message without pykka's envelope."""
    if type(item).__name__ == "Envelope":
        return item.message
    return item


def answered(item: Any, name: str, why: str) -> bool:
    """Refuse the sender of `item` when it waits for an answer; False when nobody waits."""
    reply_to = getattr(item, "reply_to", None) if type(item).__name__ in ("Ask", "Envelope") else None
    if reply_to is None:
        return False
    refuse(reply_to, name, why)
    return True


def refuse(reply_to: Any, name: str, why: str) -> None:
    """Answer an asker with ActorDeadError, unless it has been answered."""
    with contextlib.suppress(queue.Full):  # a pykka future that has been answered already
        reply_to.set_exception(dead_error(name, why))
