"""Names: how actors find each other, through every restart.

One table per root. A name is bound on behalf of a supervisor that waits for the child, when that is ready (in
the child's thread, see Life.come_up); unbinding checks the incarnation, so a late goodbye of a replaced one
cannot take the name from its successor. Incarnation numbers of a name only grow, also when its supervisor is
itself restarted.
"""

from __future__ import annotations

import difflib
import threading
from typing import Any

from pykka import ActorDeadError

from supervision._latch import Latch
from supervision._mailbox import Ask, Mailbox, Reply
from supervision._slot import DeadSink, Slot
from supervision.plan import is_current


class Handle:
    """A child by name: never stale, because the name is resolved at each use."""

    __slots__ = ("_names", "_slot", "name")

    def __init__(self, names: Names, name: str) -> None:
        self.name = name
        self._names = names
        self._slot = names.slot(name)

    def __repr__(self) -> str:
        return f"<Handle {self.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other._slot is self._slot

    def __hash__(self) -> int:
        return hash((Handle, self.name))

    def tell(self, message: Any) -> bool:
        """Send without waiting. False: it went to the dead-letter sink. Raises InboxFull only if the
        receiver's bound says "raise"."""
        box = self._slot.box
        if box is not None and box.tell(message):
            return True
        return self._slot.undelivered(message, box)

    def ask(self, message: Any, timeout: float | None = 5.0, retry: bool = False) -> Any:
        """Send and wait for the answer.

        Raises pykka.Timeout after `timeout` seconds (real time), pykka.ActorDeadError when nobody holds the
        name or the holder ended first, and whatever the handler raised. `retry`: ask the next incarnation
        too, within the same timeout; only for questions that may be asked twice.
        """
        slot, reply = self._slot, Reply()
        asked = Ask(message, reply, retry)
        box = slot.box
        if box is None or not box.offer(asked):
            if not retry:
                raise ActorDeadError(f"{self.name} is not running")
            slot.ask_next(asked)
        try:
            return reply.get(timeout=timeout)
        except BaseException:  # a timeout, or Ctrl-C in the main thread: nobody waits any more
            if retry:
                slot.withdraw(asked)
            raise

    def is_alive(self) -> bool:
        """True while the name is bound to an open inbox or a process."""
        slot = self._slot
        return slot.pid is not None or (slot.box is not None and not slot.box.closed)

    @property
    def incarnation(self) -> int | None:
        """The number of the incarnation that holds the name now."""
        return self._slot.incarnation

    @property
    def pid(self) -> int | None:
        """The process id, for a child that is an OS process."""
        return self._slot.pid


class Names:
    """The name table of one root."""

    def __init__(self, dead: DeadSink | None = None) -> None:
        self._slots: dict[str, Slot] = {}
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, int | None, Latch]] = []
        self._dead: DeadSink = dead or _nowhere

    def slot(self, name: str) -> Slot:
        """The slot of a name, made when it is first spoken of."""
        slot = self._slots.get(name)
        if slot is None:
            with self._lock:
                slot = self._slots.setdefault(name, Slot(name, self._dead))
        return slot

    def handle(self, name: str) -> Handle:
        """A Handle; the name need not be bound yet."""
        return Handle(self, name)

    def next_incarnation(self, name: str) -> int:
        """The number of the incarnation about to start."""
        slot = self.slot(name)
        slot.issued += 1
        return slot.issued

    def bind(
        self,
        name: str,
        incarnation: int,
        box: Mailbox | None = None,
        *,
        holder: Any = None,
        pid: int | None = None,
        kind: str = "worker",
    ) -> bool:
        """Give the name to a ready incarnation, with what waited for it. False when that one is stale."""
        slot = self.slot(name)
        if box is None:
            with slot.lock:
                bound = slot.bind(incarnation, None, holder, pid, kind)
        else:
            with box.lock, slot.lock:  # in this order, as a closing box takes them
                bound = slot.bind(incarnation, box, holder, pid, kind)
        if not bound:
            return False
        self._wake(name)
        return True

    def unbind(self, name: str, incarnation: int, why: str = "not_running") -> bool:
        """Take the name away from that incarnation; False (and no change) when another one holds it."""
        slot = self.slot(name)
        with slot.lock:
            if not is_current(slot.incarnation, incarnation):
                return False
            slot.box = slot.holder = slot.incarnation = slot.pid = None
            slot.why = why
        return True

    def lookup(self, name: str) -> Handle | None:
        """A Handle of a name that is bound now, else None."""
        slot = self._slots.get(name)
        return None if slot is None or slot.incarnation is None else Handle(self, name)

    def incarnation(self, name: str) -> int | None:
        """The number of the incarnation that holds the name, None when nobody does."""
        slot = self._slots.get(name)
        return None if slot is None else slot.incarnation

    def wait(self, name: str, timeout: float | None = 5.0) -> Handle:
        """Wait until the name is bound. Raises TimeoutError after `timeout` seconds (real time)."""
        if not self.wait_change(name, None, timeout):
            near = difflib.get_close_matches(name, self.bound(), n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise TimeoutError(f"nobody took the name {name!r} within {timeout} seconds{hint}")
        return Handle(self, name)

    def wait_change(self, name: str, than: int | None, timeout: float | None) -> bool:
        """Wait until an incarnation other than `than` holds the name; False after `timeout` seconds."""
        latch = Latch()
        entry = (name, than, latch)
        with self._lock:
            self._waiting.append(entry)
        try:
            if self.incarnation(name) not in (None, than):
                return True
            return latch.wait(timeout)
        finally:
            with self._lock:
                self._waiting.remove(entry)

    def bound(self) -> list[str]:
        """The names that are bound now."""
        return [slot.name for slot in list(self._slots.values()) if slot.incarnation is not None]

    def forget(self, name: str) -> None:
        """Drop a name that will never be used again (generated ids of dynamic children)."""
        with self._lock:
            slot = self._slots.get(name)
            if slot is not None and slot.incarnation is None and not slot.hold:
                del self._slots[name]

    def _wake(self, name: str) -> None:
        if self._waiting:
            with self._lock:
                held = self.incarnation(name)
                for wanted, than, latch in self._waiting:
                    if wanted == name and held not in (None, than):
                        latch.set()


def _nowhere(name: str, message: Any, why: str) -> None:
    """The sink of a table without a root."""
