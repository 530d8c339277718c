"""A running tree, and how one is started."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from supervision._admin import Supervisor
from supervision._latch import Latch
from supervision._life import ActorLife, Hung, Life, News
from supervision._sink import OnCrash, OnDead, OnEvent
from supervision._snapshot import node
from supervision._supervisor import GiveUp, SupervisorActor
from supervision._tree import MAX_ZOMBIES, Tree
from supervision.errors import NotFound, SpecError, StartFailed
from supervision.names import Handle, Names
from supervision.plan import Ending
from supervision.report import CrashReport
from supervision.spec import Child, unique_ids
from supervision.timers import Timers


class Root:
    """The top of a running tree. All methods may be called from any thread."""

    def __init__(self, spec: Child, tree: Tree) -> None:
        self.spec = spec
        self._tree = tree
        self.on_end_request: Callable[[], Any] | None = None
        self._started = False
        self._ended = Latch()
        self._listeners: list[Callable[[], Any]] = []
        self._life = ActorLife(spec, tree, tree.names.next_incarnation(spec.id), self._news)
        tree.give_up = self._give_up

    @property
    def names(self) -> Names:
        """The name table of this tree."""
        return self._tree.names

    @property
    def timers(self) -> Timers:
        """The timers of this tree."""
        return self._tree.timers

    @property
    def id(self) -> str:
        """The id of the root supervisor."""
        return self.spec.id

    def handle(self, name: str) -> Handle:
        """A child by name."""
        return self._tree.names.handle(name)

    def supervisor(self, id: str | None = None) -> Supervisor:
        """The administration of a supervisor; without an id the root's own. Raises NotFound."""
        if id is None:
            return Supervisor(self._tree.names, self.spec.id)
        if self._tree.names.slot(id).kind != "supervisor":
            raise NotFound(id, " that is a supervisor")
        return Supervisor(self._tree.names, id)

    def supervisor_of(self, id: str) -> Supervisor:
        """The supervisor that holds this child. Raises NotFound."""
        owner = self._tree.owner(id)
        if owner is None or id == self.spec.id:
            raise NotFound(id)
        return Supervisor(self._tree.names, owner)

    @property
    def alive(self) -> bool:
        """False once the root supervisor has ended."""
        return not self._ended.is_set

    @property
    def gave_up(self) -> str | None:
        """Why the root supervisor gave up (budget spent, too many zombies), else None."""
        actor = self._life.actor
        return actor.gave_up if isinstance(actor, SupervisorActor) else None

    def snapshot(self) -> dict[str, Any]:
        """The nested tree as plain data, see docs/reference/supervision.md. Asks nobody."""
        life = self._life
        if life.done.is_set:
            state = "failed" if self.gave_up else "stopped"
        elif not life.up:
            state = "starting"
        else:
            state = "stopping" if life.stopping else "running"
        return node(self.spec, life, self._tree.record(self.spec.id), state, None, None)

    def find(self, id: str) -> dict[str, Any]:
        """One node of the snapshot. Raises NotFound."""
        for view in walk(self.snapshot()):
            if view["id"] == id:
                return view
        raise NotFound(id)

    def crashes(self, id: str | None = None) -> list[CrashReport]:
        """The last crash reports (20 per child), oldest first. Raises NotFound for an id never seen."""
        records = dict(self._tree.records)
        if id is not None and id not in records:
            raise NotFound(id)
        chosen = records.values() if id is None else [records[id]]
        return sorted((r for record in chosen for r in list(record.reports)), key=lambda r: r.at_us)

    def stacks(self) -> dict[str, str]:
        """Where each thread of the tree is now, by `id#incarnation`; zombies too."""
        lives = [*self.lives(), *self._tree.zombies()]
        found = {f"{life.id}#{life.incarnation}": life.stack() for life in lives}
        return {name: stack for name, stack in found.items() if stack is not None}

    def zombies(self) -> list[dict[str, Any]]:
        """Abandoned incarnations whose threads still run."""
        return [
            {
                "id": life.id,
                "incarnation": life.incarnation,
                "reason": life.exit.reason if life.exit is not None else "",
                "message_type": life.exit.message_type if life.exit is not None else None,
                "thread": life.thread.ident if life.thread is not None else None,
            }
            for life in self._tree.zombies()
        ]

    def counters(self) -> dict[str, int]:
        """events, dead_letters, crashes, listener_errors, overflow, restarts, abandoned, zombies."""
        return {
            **self._tree.sink.counters,
            "restarts": sum(record.restarts for record in list(self._tree.records.values())),
            "abandoned": self._tree.abandoned_total,
            "zombies": len(self._tree.zombies()),
        }

    def lives(self) -> list[Life]:
        """The incarnations that run now, the root's first."""
        found: list[Life] = [self._life]
        for life in found:
            actor = getattr(life, "actor", None)
            if isinstance(actor, SupervisorActor):
                found.extend(row.life for row in list(actor.rows.values()) if row.life is not None)
        return found

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until the listeners have seen every event, dead letter and crash so far."""
        return self._tree.sink.flush(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the tree has ended; False after `timeout` seconds (real time)."""
        return self._ended.wait(timeout)

    def on_end(self, listener: Callable[[], Any]) -> None:
        """Call `listener()` once when the root supervisor ends (also when it has ended already)."""
        self._listeners.append(listener)
        if self._ended.is_set:
            self._tell_listeners()

    def stop(self, timeout: float | None = None) -> bool:
        """Stop everything, in reverse order, and end the helper threads.

        True when all ended by itself; False when after `timeout` seconds (real time; None: as long as the
        children's own limits allow) the rest was abandoned and its processes killed. Calling it again is
        harmless.
        """
        self.ask_to_stop()
        if not self._started:
            self._ended.set()
            self._close(0.2)
            return True
        stopped = self._life.done.wait(math.inf if timeout is None else timeout)
        if not stopped:
            self._abandon_all("the tree's deadline has passed")
        self._close(1.0 if stopped else 0.2)
        return stopped

    def ask_to_stop(self) -> None:
        """Begin to stop, without waiting. Safe in a signal handler, also while the tree is still starting."""
        self._tree.closing = True
        self._life.request_stop()

    def request_end(self) -> None:
        """What an operator's stop means: who runs the tree (see run) ends it in order, else ask_to_stop."""
        (self.on_end_request or self.ask_to_stop)()

    def start(self) -> None:
        """Start everything. Raises StartFailed; then nothing of it is left."""
        tree, life, spec = self._tree, self._life, self.spec
        self._started = True
        tree.claim(spec, spec.id)
        tree.hold([spec])
        life.on_up = self._is_up
        life.start()
        life.ready.wait()
        if life.up:
            tree.spares.refill()
            return
        life.done.wait()
        self._close()
        error = life.exit.error if life.exit is not None else None
        raise error if isinstance(error, StartFailed) else StartFailed(spec.id, error or RuntimeError("?"))

    def _is_up(self) -> None:
        life = self._life
        self._tree.names.bind(
            self.spec.id, life.incarnation, life.mailbox, holder=life.holder, kind="supervisor"
        )

    def _news(self, message: News | Hung) -> None:
        if isinstance(message, News):
            self._tree.names.unbind(self.spec.id, self._life.incarnation)
            self._ended.set()
            self._tell_listeners()

    def _tell_listeners(self) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def _give_up(self, reason: str) -> None:
        box = self._life.mailbox
        if box is not None:
            box.offer(GiveUp(reason))

    def _abandon_all(self, reason: str) -> None:
        self._life.abandon(Ending.HUNG, reason)
        for life in reversed(self.lives()):
            life.abandon(Ending.HUNG, reason)
        for process in list(self._tree.processes):
            process.abandon(Ending.KILLED, reason)
        self._ended.set()
        self._tell_listeners()

    def _close(self, patience: float = 1.0) -> None:
        self._tree.closing = True
        self._tree.release(self.spec, "stopped")
        self._tree.close(patience)


def boot(
    tree: Child,
    *,
    on_event: OnEvent | None = None,
    on_dead: OnDead | None = None,
    on_crash: OnCrash | None = None,
    max_zombies: int = MAX_ZOMBIES,
) -> Root:
    """Start a tree: children left to right, each only when the previous one is up.

    on_event(event_type, data) hears supervisor.*, on_dead(child_id, message, reason) every message that
    nobody handled, on_crash(report) every CrashReport; in a thread of their own, exceptions counted.
    Raises SpecError, or StartFailed with the cause after what ran has been stopped in reverse.
    """
    root = Root(checked(tree), Tree(on_event, on_dead, on_crash, max_zombies))
    root.start()
    return root


def checked(tree: Child) -> Child:
    """The spec of a root, if it is one. Raises SpecError."""
    if not isinstance(tree, Child) or tree.nest is None:
        raise SpecError(f"the root of a tree must be a supervisor(…), not {tree!r}")
    unique_ids(tree)
    return tree


def walk(view: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a snapshot, the given one first."""
    yield view
    for child in view.get("children", ()):
        yield from walk(child)
