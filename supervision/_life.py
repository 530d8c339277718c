"""One incarnation of a child: its thread, its inbox, what it is doing, how it ended.

The plain attributes are written by the incarnation's thread and read by anyone (the supervisor, the monitor,
inspection), so that a look at a hung actor asks nobody. `lock` decides who ends it: its own thread, or the
supervisor that abandons it.
"""

from __future__ import annotations

import threading
import traceback
from _thread import allocate_lock
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from supervision._clock import now, real, utc_us
from supervision._exit import Exit, describe, poison_of, type_name, why_of
from supervision._frames import frames
from supervision._interrupt import interrupt
from supervision._latch import Latch
from supervision._mailbox import Ask, Mailbox, Stop
from supervision.errors import Abandoned, Ignore, Leaving, StartFailed
from supervision.plan import Ending
from supervision.spec import Child

if TYPE_CHECKING:
    from supervision._hooks import Actor
    from supervision._tree import Tree

LINGER_S = 0.001  # taking a thread down holds the interpreter for a tenth of a restart
FENCE_S = 1.0
CLOSING_FENCE_S = 0.2  # there is no replacement to protect, and a deadline to keep


class News(NamedTuple):
    """To the supervisor: this incarnation has ended, see its exit."""

    life: Life


class Hung(NamedTuple):
    """To the supervisor: this incarnation is busy with one message since `since` (real clock), too long."""

    life: Life
    since: float


class Life(ABC):
    """What every kind of child has in common: actor, supervisor, OS process."""

    kind = "worker"

    def __init__(
        self, child: Child, tree: Tree, incarnation: int, news: Callable[[News | Hung], Any]
    ) -> None:
        self.child = child
        self.id = child.id
        self.tree = tree
        self.incarnation = incarnation
        self.news = news
        self.ready = Latch()  # the start has succeeded, failed, or is not waited for any more
        self.done = Latch()  # it is over: its thread has finished, or it was abandoned
        self.up = False
        self.refused = False  # whoever waited for its start does not wait any more
        self.on_up: Callable[[], Any] = _nothing
        self.declined = False
        self.over = False  # no further message, whatever waits
        self.stopping = False
        self.begun = False  # its thread is at it; before that the thread must not be interrupted
        self.abandoned = False
        self.finished = False
        self.exit: Exit | None = None
        self.mailbox: Mailbox | None = None
        self.holder: Any = None
        self.pid: int | None = None
        self.thread: threading.Thread | None = None
        self.handled = 0
        self.busy_since = 0.0  # real(); 0: idle
        self.current: Any = None
        self.backlog: deque[Any] = deque()  # taken out of the inbox, not yet handled
        self.hung_since = 0.0
        self.started_at = now()
        self.lock = allocate_lock()

    def start(self) -> None:
        """Begin; the outcome is in `ready`, `up` and `exit`. Raises RuntimeError without threads."""
        name = f"{self.id}#{self.incarnation}"
        spare = self.tree.spares.take() if self.incarnation > 1 else None
        if spare is not None:
            self.thread = spare
            spare.hand(name, self._guarded)
            return
        self.thread = threading.Thread(target=self._guarded, name=name, daemon=True)
        self.thread.start()

    def come_up(self) -> None:
        """The start has succeeded: do in this thread what the starter wants done, then let it go on.

        The starter waits meanwhile; had it given up waiting (see refuse), nothing of it is done.
        """
        with self.lock:
            if not self.refused and not self.abandoned:
                self.on_up()
                self.up = True
        self.ready.set()

    def refuse(self) -> bool:
        """Wait no longer for the start: it will not be bound. False when it is up."""
        with self.lock:
            self.refused = not self.up
            return self.refused

    @abstractmethod
    def request_stop(self) -> None:
        """Ask it to finish what waits and leave."""

    def hurry(self) -> None:
        """After request_stop: leave after the present message, whatever else waits."""
        self.over = True

    @abstractmethod
    def abandon(self, ending: Ending, reason: str) -> bool:
        """Give it up: it may run on, but nobody listens to it any more. False when it had ended."""

    def uptime(self) -> float:
        """Seconds since it began."""
        return max(0.0, now() - self.started_at)

    def busy_s(self) -> float:
        """Seconds on the present message, 0.0 when idle."""
        since = self.busy_since
        return max(0.0, real() - since) if since else 0.0

    def stack(self) -> str | None:
        """Where its thread is now, as text."""
        frame = frames().get(self.thread.ident or 0) if self.thread is not None else None
        return None if frame is None else "".join(traceback.format_stack(frame))

    def is_zombie(self) -> bool:
        """Abandoned, and its thread still runs."""
        return self.abandoned and not self.finished

    def hung(self) -> None:
        """The monitor's alarm, to whoever supervises this."""
        self.news(Hung(self, self.hung_since))

    @abstractmethod
    def _main(self) -> None: ...

    def _guarded(self) -> None:
        try:
            with self.lock:
                self.begun = True
                wanted = not self.abandoned
            if wanted:
                self._main()
            else:
                self.finished = True
                self.done.set()
        except Abandoned:  # woke up outside the loop: it has been reported already
            self.finished = True

    def _conclude(self) -> bool:
        """Mark the thread's own end; False when the incarnation was abandoned before."""
        with self.lock:
            self.finished = True
            if self.abandoned:
                interrupt(threading.get_ident(), clear=True)
                return False
            self.over = True
        return True

    def _announce(self) -> None:
        self.ready.set()
        self.done.set()
        self.news(News(self))


class ActorLife(Life):
    """An incarnation of an actor (or of a supervisor)."""

    def __init__(
        self, child: Child, tree: Tree, incarnation: int, news: Callable[[News | Hung], Any]
    ) -> None:
        super().__init__(child, tree, incarnation, news)
        self.kind = child.kind
        self.actor: Actor | None = None

    def adopt(self, actor: Actor) -> None:
        """Take the actor that `start` built: its inbox is this incarnation's."""
        self.actor = actor
        self.holder = actor.actor_ref
        box = actor.actor_inbox
        assert isinstance(box, Mailbox)
        box.residue = self._residue
        self.mailbox = box
        if self.stopping:
            box.force(Stop())
        if self.abandoned:
            box.close(self.exit.ending.value if self.exit else "stopped")

    def request_stop(self, why: str = "shutdown") -> None:
        """Handle what waits, then leave. A supervisor in the midst of starting children stops that too."""
        self.stopping = True
        box = self.mailbox
        if box is not None:
            box.force(Stop(why))
        actor = self.actor
        if actor is not None:
            actor._stop_requested()

    def abandon(self, ending: Ending, reason: str) -> bool:
        """Python cannot kill a thread: cut it off, fence what it holds, and have it raise when it returns."""
        with self.lock:
            if self.finished or self.abandoned:
                return False
            self.abandoned = self.over = self.stopping = True
        busy, current = self.busy_since, self.current
        stack = self.stack()
        self.exit = self.make_exit(ending, reason, current if busy else None, stack=stack)
        if self.mailbox is not None:
            self.mailbox.close(why_of(ending), poison_of(current) if busy else (), list(self.backlog))
            self.mailbox.force(Stop(reason))
        self.tree.names.unbind(self.id, self.incarnation)
        if self.actor is not None:
            self.actor.actor_stopped.set()
            self._fence(self.actor)
        with self.lock:
            ident = self.thread.ident if self.thread is not None else None
            if self.begun and not self.finished and ident is not None:
                interrupt(ident)
        self.tree.abandoned(self)
        self.ready.set()
        self.done.set()
        return True

    def make_exit(
        self,
        ending: Ending,
        reason: str,
        current: Any,
        error: BaseException | None = None,
        stack: str | None = None,
    ) -> Exit:
        """The record of an end, as of now."""
        depth = self.mailbox.qsize() if self.mailbox is not None else 0
        return Exit(ending, reason, error, type_name(current), stack, depth, self.uptime(), utc_us())

    def _fence(self, actor: Actor) -> None:
        """Run fence() apart, for it may touch what the hung thread holds; give it a second."""

        def fence() -> None:
            try:
                actor.fence()
            except BaseException as error:  # the fence of a broken actor must not hurt the tree
                self.tree.note(f"fence() of {self.id!r} raised {error!r}")

        if type(actor).fence is _no_fence():
            return
        helper = threading.Thread(target=fence, name=f"{self.id}#{self.incarnation}-fence", daemon=True)
        try:
            helper.start()
        except RuntimeError as error:  # no more threads: what it holds stays held, but it is given up
            self.tree.note(f"fence() of {self.id!r} could not be called: {error}")
            return
        limit = CLOSING_FENCE_S if self.tree.closing else FENCE_S
        helper.join(limit)
        if helper.is_alive():
            self.tree.note(f"fence() of {self.id!r} took longer than {limit:g} s")

    def _main(self) -> None:
        try:
            actor = self.actor or self._build()
            if self.mailbox is None:
                self.adopt(actor)
            if self.abandoned:
                raise Abandoned
            actor._actor_loop()
        except Ignore as wish:
            self.declined = True
            self.exit = self.make_exit(Ending.NORMAL, f"declined: {wish}" if str(wish) else "declined", None)
        except Leaving as leaving:
            self.exit = self.make_exit(Ending.CRASH, f"left while starting: {leaving.why}", None, leaving)
        except Abandoned:
            pass
        except BaseException as error:  # whatever ends the thread is the supervisor's to judge
            if self.stopping and isinstance(error, StartFailed):
                self.exit = self.make_exit(Ending.SHUTDOWN, "stopped while starting", None, error)
            else:
                self.exit = self.make_exit(Ending.CRASH, describe(error), self.current, error)
        if self.exit is None:
            self.exit = self.make_exit(Ending.NORMAL, "normal", None)
        if not self._conclude():
            return
        if self.mailbox is not None:
            self.mailbox.close(why_of(self.exit.ending))
        if self.actor is not None:
            self.actor.actor_stopped.set()
        self.busy_since, self.current = 0.0, None
        self._announce()
        if not self.stopping:  # its supervisor wakes up now: the end of this thread must not be in its way
            Latch().wait(LINGER_S)

    def _build(self) -> Actor:
        from supervision._hooks import build  # the hooks are built on this record

        return build(self)

    def _residue(self, items: list[Any], why: str, poison: Sequence[Any]) -> None:
        if self.kind == "supervisor":  # what is left there is news of its children; only askers must know
            items = [item for item in items if isinstance(item, Ask)]
        self.tree.names.slot(self.id).give_back(items, why, poison)


def _nothing() -> None:
    """No starter wants anything done."""


def _no_fence() -> Any:
    from supervision._hooks import Actor

    return Actor.fence
