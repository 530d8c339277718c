"""The actor: everything of pykka's that is private and overridden, in this one file.

pykka (pinned ~=4.5) runs `_start_actor_loop` → `_actor_loop` → `_actor_loop_setup`, `_actor_loop_running`,
`_actor_loop_teardown`, on an inbox from `_create_actor_inbox`. A version built on its public hooks alone
cannot see failed starts, SystemExit, lost asks or hangs: `on_failure` is not called when `on_start` raises,
any BaseException in one actor stops all actors of the process, and messages behind a crash vanish. A contract
test checks that the hooks exist and are called.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, ClassVar, NoReturn, cast

import pykka
from pykka import messages
from pykka._envelope import Envelope

from supervision._clock import real, real_clock
from supervision._exit import describe, poison_of
from supervision._life import ActorLife
from supervision._mailbox import Ask, BoundedMailbox, Due, Mailbox, Retried, Stop
from supervision._slot import bare
from supervision._tree import Tree
from supervision.errors import Abandoned, Leaving, SpecError
from supervision.names import Handle, Names
from supervision.plan import Ending
from supervision.spec import Child
from supervision.timers import Timer, Timers

log = logging.getLogger("supervision")

_SPECIAL = frozenset({Ask, Retried, Due, Stop, Envelope})
_PYKKA = (messages.ProxyCall, messages.ProxyGetAttr, messages.ProxySetAttr)
_building = threading.local()


class Actor(pykka.ThreadingActor):
    """An actor that a supervisor can start, watch, replace and fence.

    `__init__` gets the child's args and kwargs; then `recover`, then `on_start`; all in the incarnation's own
    thread and within the child's start_timeout; raising in any of them is a failed start.
    `on_receive(message)` handles one message; what it returns answers an ask and is ignored for a tell. An
    exception under a tell ends the incarnation; under an ask it goes to the asker and the actor lives on, as
    in pykka.

    An actor that defines `drain(batch)` takes all tells that wait, in order, at most `drain_max` at a time;
    asks among them are given to `on_receive` at their place in the order.
    """

    drain: Callable[[list[Any]], None] | None = None
    drain_max: ClassVar[int] = 500
    inbox_limit: ClassVar[int | None] = None  # soft bound, for tells only
    inbox_full: ClassVar[str] = "drop"  # drop | block | raise
    inbox_patience: ClassVar[float] = 5.0  # seconds a blocked sender waits

    _life: ActorLife

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Actor:
        actor = super().__new__(cls)
        life = getattr(_building, "life", None)
        if life is not None:
            _building.life = None  # it is for the first actor built, not for one that that one builds
            actor._life = life
        return actor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "_life" not in self.__dict__:
            self._life = _standalone(self)
        if self.inbox_limit is not None:
            if self.inbox_full not in ("drop", "block", "raise"):
                raise SpecError(f"inbox_full must be drop, block or raise, not {self.inbox_full!r}")
            box = BoundedMailbox(self.inbox_limit, self.inbox_full, self.inbox_patience, self.id)
            self.actor_inbox = cast(Any, box)
            self._actor_ref.actor_inbox = cast(Any, box)

    # --- what an actor's author uses -----------------------------------------------------------------------

    def recover(self) -> None:
        """Read back what must survive a crash. Before on_start; raising is a failed start."""

    def fence(self) -> None:
        """Release what only one incarnation may hold, from outside: this one hangs and is being replaced.

        Called in another thread, with a limit of 1 s, while the actor's own thread may still run.
        """

    def leave(self, why: str = "normal") -> NoReturn:
        """End this incarnation now, from its own thread.

        As OTP's exit/1: "normal", "shutdown" and "shutdown: …" are normal ends; any other reason is a crash.
        After a normal end the message it was handling is done with, in `drain` the whole batch.
        """
        raise Leaving(why)

    @property
    def id(self) -> str:
        """The child's id, which is also its name."""
        return self._life.id

    @property
    def incarnation(self) -> int:
        """1 for the first incarnation of this name, then 2, …"""
        return self._life.incarnation

    @property
    def names(self) -> Names:
        """The name table of this tree."""
        return self._life.tree.names

    @property
    def timers(self) -> Timers:
        """The timers of this tree."""
        return self._life.tree.timers

    def handle(self, name: str) -> Handle:
        """The child of that name, whichever incarnation it is at; the name may be bound later."""
        return Handle(self._life.tree.names, name)

    def after(self, seconds: float, message: Any) -> Timer:
        """Get `message` in `seconds`; this incarnation only."""
        return self.timers.schedule(seconds, lambda timer: self._beat(timer, message))

    def every(self, seconds: float, message: Any) -> Timer:
        """Get `message` every `seconds`; this incarnation only. A beat that still waits is not doubled."""
        return self.timers.schedule(seconds, lambda timer: self._beat(timer, message), interval=seconds)

    # --- pykka's hooks -------------------------------------------------------------------------------------

    @staticmethod
    def _create_actor_inbox() -> Any:
        return Mailbox()

    def _start_actor_loop(self) -> None:
        life = self._life
        life.adopt(self)
        life.start()

    def _actor_loop_setup(self) -> None:
        self.recover()
        self.on_start()
        self._life.come_up()

    def _actor_loop_running(self) -> None:
        life = self._life
        if isinstance(life.mailbox, BoundedMailbox):
            life.mailbox.owned_by(threading.get_ident())
        try:
            if self.drain is None:
                self._one_by_one(life)
            else:
                self._in_batches(life)
        except Leaving as leaving:
            self._left(life, leaving)
        except Abandoned:
            pass
        except BaseException as error:  # SystemExit too: any end is the supervisor's to judge
            self._crashed(life, error)

    def _actor_loop_teardown(self) -> None:
        life = self._life
        if life.abandoned:
            return
        exit = life.exit
        assert exit is not None
        if exit.ending in (Ending.NORMAL, Ending.SHUTDOWN):
            self._close(life, "stopped")
            life.busy_since = 0.0
            try:
                self.on_stop()
            except Leaving:
                pass
            except Abandoned:
                return
            except BaseException as error:  # a goodbye that fails, however, is an abnormal end
                life.exit = life.make_exit(Ending.CRASH, f"on_stop: {describe(error)}", None, error)
        reply = self.__dict__.pop("_stop_reply", None)
        if reply is not None:
            reply.set(None)

    def _stop(self) -> None:
        self.leave("normal")

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,  # noqa: ARG002 - pykka's signature
        exception_value: BaseException | None,
        traceback: TracebackType | None,  # noqa: ARG002 - pykka's signature
    ) -> None:
        if exception_value is not None:
            self._crashed(self._life, exception_value)

    # --- the loop ------------------------------------------------------------------------------------------

    def _one_by_one(self, life: ActorLife) -> None:
        box = life.mailbox
        assert box is not None
        get, qsize, seconds = box.get, box.qsize, real_clock()
        receive = self.on_receive
        while True:
            item = get()
            depth = qsize()
            if depth >= box.peak:
                box.peak = depth + 1
            if life.over:
                life.backlog.append(item)
                self._cut_short(life)
                return
            life.current = item
            life.busy_since = seconds()
            if type(item) in _SPECIAL:
                if type(item) is Stop or self._special(item):
                    self._finish_waiting(life, box, item)
                    return
            else:
                if isinstance(item, _PYKKA):
                    self._handle_receive(item)
                else:
                    receive(item)
            life.busy_since = 0.0
            life.current = None
            life.handled += 1

    def _in_batches(self, life: ActorLife) -> None:
        box, backlog = life.mailbox, life.backlog
        assert box is not None
        while True:
            item = backlog.popleft() if backlog else box.get()
            depth = box.qsize()
            if depth >= box.peak:
                box.peak = depth + 1
            if life.over:
                backlog.appendleft(item)
                self._cut_short(life)
                return
            if isinstance(item, Stop):
                self._finish_waiting(life, box, item)
                return
            batch = self._batch(item, box, backlog)
            life.current = batch or item
            life.busy_since = real()
            if batch:
                assert self.drain is not None
                self.drain(batch)
                life.handled += len(batch)
            else:
                if self._special(item):
                    self._finish_waiting(life, box, item)
                    return
                life.handled += 1
            life.busy_since = 0.0
            life.current = None

    def _batch(self, first: Any, box: Mailbox, backlog: deque[Any]) -> list[Any]:
        """Tells from `first` on, bare; what ends the batch goes to `backlog`. Empty: `first` is no tell."""
        message, plain = _plain(first)
        if not plain:
            return []
        batch = [message]
        while len(batch) < self.drain_max:
            try:
                item = box.get_nowait()
            except queue.Empty:
                break
            message, plain = _plain(item)
            if not plain:
                backlog.append(item)
                break
            batch.append(message)
        return batch

    def _special(self, item: Any) -> bool:
        """Handle an item that is not a bare tell; True when it is pykka's wish to stop."""
        kind = type(item)
        if kind is Ask or (kind is Envelope and item.reply_to is not None):
            if isinstance(item.message, messages._ActorStop):
                self._stop_reply = item.reply_to
                return True
            self._answer(item)
        elif kind is Due:
            item.timer.queued = False
            if not item.timer.cancelled:
                self.on_receive(item.message)
        elif kind is Retried:
            if self.drain is None:
                self._handle_receive(item.message)
            else:
                self.drain([item.message])
        elif isinstance(item.message, messages._ActorStop):
            return True
        else:
            self._handle_receive(item.message)
        return False

    def _answer(self, item: Any) -> None:
        reply = item.reply_to
        try:
            value = self._handle_receive(item.message)
        except Exception:  # pykka's rule: the asker gets it and the actor lives on
            if not self._life.abandoned:
                _set(reply.set_exception, sys.exc_info())
        else:
            if not self._life.abandoned:
                _set(reply.set, value)

    def _finish_waiting(self, life: ActorLife, box: Mailbox, stop: Any) -> None:
        """Close, handle what came in before that, and leave."""
        backlog = life.backlog
        backlog.extend(box.close_and_take())
        while backlog:
            if life.over:
                self._cut_short(life)
                return
            item = backlog.popleft()
            if isinstance(item, Stop):
                continue
            life.current = item
            life.busy_since = real()
            message, plain = _plain(item)
            if not plain:
                self._special(item)
            elif self.drain is not None:
                self.drain([message])
            else:
                self._handle_receive(message)
            life.busy_since = 0.0
            life.current = None
            life.handled += 1
        if isinstance(stop, Stop):
            life.exit = life.make_exit(Ending.SHUTDOWN, stop.why, None)
        else:
            life.exit = life.make_exit(Ending.NORMAL, "normal", None)

    def _cut_short(self, life: ActorLife) -> None:
        """No further message: abandoned, or the time to handle what waits is nearly over."""
        if not life.abandoned:
            life.exit = life.make_exit(Ending.SHUTDOWN, "shutdown", None)
        self._close(life, "killed" if life.abandoned else "stopped")

    def _left(self, life: ActorLife, leaving: Leaving) -> None:
        """leave(why): the message it was handling is done with, unless the reason is abnormal."""
        why, current = leaving.why, life.current
        asked = isinstance(current, Ask | Envelope) and current.reply_to is not None
        if why == "normal" or why == "shutdown" or why.startswith("shutdown:"):
            ending = Ending.NORMAL if why == "normal" else Ending.SHUTDOWN
            life.exit = life.make_exit(ending, why, None)
            self._close(life, "stopped", poison_of(current) if asked else ())
            return
        life.exit = life.make_exit(Ending.CRASH, why, current, leaving)
        self._fail(life, leaving)

    def _crashed(self, life: ActorLife, error: BaseException) -> None:
        life.exit = life.make_exit(Ending.CRASH, describe(error), life.current, error)
        self._fail(life, error)

    def _fail(self, life: ActorLife, error: BaseException) -> None:
        self._close(life, "crashed", poison_of(life.current))
        try:
            self.on_failure(type(error), error, error.__traceback__)
        except Abandoned:
            raise
        except BaseException as second:  # the first error is the one that counts
            life.tree.note(f"on_failure of {life.id!r} raised {second!r}")

    def _close(self, life: ActorLife, why: str, poison: Sequence[Any] = ()) -> None:
        assert life.mailbox is not None
        rest = list(life.backlog)
        life.backlog.clear()
        life.mailbox.close(why, poison, rest)

    def _beat(self, timer: Timer, message: Any) -> None:
        if not timer.queued:
            timer.queued = True
            box = self._life.mailbox
            if box is None or not box.offer(Due(message, timer)):
                timer.cancel()

    def _stop_requested(self) -> None:
        """The supervisor asked this incarnation to stop (called in the supervisor's thread)."""


def build(life: ActorLife) -> Actor:
    """Call the child's start in the present thread, with `life` waiting for the actor it builds.

    Raises SpecError when that does not give an Actor, and whatever the actor's `__init__` raises.
    """
    child = life.child
    _building.life = life
    try:
        actor = child.start(*child.args, **child.kwargs)
    finally:
        _building.life = None
    if not isinstance(actor, Actor):
        raise SpecError(f"child {child.id!r}: start gave {actor!r}, not a supervision.Actor")
    if "_actor_ref" not in actor.__dict__:
        raise SpecError(
            f"child {child.id!r}: {type(actor).__name__}.__init__ does not call super().__init__()"
        )
    if actor._life is not life:
        raise SpecError(f"child {child.id!r}: start gave an actor that was built before")
    return actor


def _standalone(actor: Actor) -> ActorLife:
    """A record for an actor that is started by pykka's own `start()`, outside any tree."""
    name = type(actor).__name__
    return ActorLife(Child(name, type(actor)), Tree.alone(), 1, _ended_alone)


def _ended_alone(news: Any) -> None:
    life = news.life
    pykka.ActorRegistry.unregister(life.holder)
    error = None if life.exit is None else life.exit.error
    if error is not None:
        log.error("Unhandled exception in %s:", life.actor, exc_info=error)
    life.tree.close()


def _plain(item: Any) -> tuple[Any, bool]:
    """The bare message of a tell and True, or the item and False when it needs care of its own."""
    kind = type(item)
    if kind not in _SPECIAL:
        return item, not isinstance(item, _PYKKA)
    if kind is Due and not item.timer.cancelled:
        item.timer.queued = False
        return item.message, True
    if (
        kind is Envelope
        and item.reply_to is None
        and not isinstance(item.message, (messages._ActorStop, *_PYKKA))
    ):
        return bare(item), True
    return item, False


def _set(setter: Callable[[Any], Any], value: Any) -> None:
    with contextlib.suppress(queue.Full):  # a pykka future, answered when this incarnation was given up
        setter(value)
