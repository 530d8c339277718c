"""Toy actors for the supervision tests: they write down what happens to them, and do what they are told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from supervision import Actor, Child, Ignore, Root, boot, supervisor

PATIENCE = float(os.environ.get("TOYS_PATIENCE", "10"))  # seconds of real time before a test gives up


class Journal:
    """What happened, in order, from any thread; waits end as soon as it has happened."""

    def __init__(self) -> None:
        self._entries: list[Any] = []
        self._news = threading.Condition()

    def add(self, *entry: Any) -> None:
        with self._news:
            self._entries.append(entry[0] if len(entry) == 1 else entry)
            self._news.notify_all()

    def clear(self) -> None:
        with self._news:
            self._entries.clear()

    def all(self) -> list[Any]:
        with self._news:
            return list(self._entries)

    def wait(self, *expected: Any) -> list[Any]:
        """All entries, once exactly these are there, or more."""
        return self.until(lambda entries: len(entries) >= len(expected), f"{len(expected)} entries")

    def until(self, true: Callable[[list[Any]], bool], what: str = "the condition") -> list[Any]:
        with self._news:
            if not self._news.wait_for(lambda: true(self._entries), PATIENCE):
                raise AssertionError(f"waited in vain for {what}; there is {self._entries}")
            return list(self._entries)

    def until_has(self, *entries: Any) -> list[Any]:
        return self.until(lambda seen: all(entry in seen for entry in entries), f"{entries}")


class Toy(Actor):
    """Writes ("up"|"down", id) into the journal; a callable message is called with the actor."""

    def __init__(self, journal: Journal, starts: dict[str, list[Any]] | None = None) -> None:
        super().__init__()
        self.journal = journal
        self.starts = starts if starts is not None else {}
        self.seen: list[Any] = []

    def on_start(self) -> None:
        script = self.starts.get(self.id)
        if script:
            outcome = script.pop(0)
            if outcome is not None:
                self.journal.add("failed start" if outcome is not Ignore else "declined", self.id)
                raise outcome
        self.journal.add("up", self.id)

    def on_stop(self) -> None:
        self.journal.add("down", self.id)

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.seen.append(message)
        return message


class Boom(Exception):
    """What the toys crash with."""


def boom(_actor: Any) -> None:
    raise Boom("told to crash")


def leave(actor: Any) -> None:
    actor.leave("normal")


def leave_shutdown(actor: Any) -> None:
    actor.leave("shutdown")


def eventually(true: Callable[[], Any], what: str = "the condition") -> Any:
    """Poll on the real clock: for plain attributes that nothing signals."""
    end = _monotonic[0]() + PATIENCE
    pause = threading.Event()
    while True:
        value = true()
        if value:
            return value
        if _monotonic[0]() > end:
            raise AssertionError(f"waited in vain for {what}")
        pause.wait(0.002)


_monotonic = (time.monotonic,)


class Forest:
    """Boots trees for one test and checks at its end that nothing of them is left."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.events = Journal()
        self.dead = Journal()
        self.crashes: list[Any] = []
        self.starts: dict[str, list[Any]] = {}
        self.roots: list[Root] = []
        self.releases: list[threading.Event] = []
        self.others = set(threading.enumerate())  # what other tests left is not ours to judge

    def toy(self, id: str, **fields: Any) -> Child:
        return Child(id, Toy, args=(self.journal, self.starts), **fields)

    def toys(self, ids: str, **fields: Any) -> list[Child]:
        return [self.toy(id, **fields) for id in ids]

    def boot(self, *children: Child, **fields: Any) -> Root:
        return self.grow(supervisor("root", *children, **fields))

    def grow(self, spec: Child, **options: Any) -> Root:
        root = boot(
            spec,
            on_event=lambda kind, data: self.events.add(kind.removeprefix("supervisor."), data["child"]),
            on_dead=self.dead.add,
            on_crash=self.crashes.append,
            **options,
        )
        self.roots.append(root)
        return root

    def gate(self) -> threading.Event:
        """An event to hang on; opened at the end of the test."""
        gate = threading.Event()
        self.releases.append(gate)
        return gate

    def close(self) -> None:
        for gate in self.releases:
            gate.set()
        for root in self.roots:
            root.stop(PATIENCE)
        eventually(lambda: not left_over(self.others), f"the end of {left_over(self.others)}")


def left_over(but: Collection[threading.Thread] = ()) -> list[str]:
    """Threads that belong to a tree, without those that were there before."""
    return [
        t.name
        for t in threading.enumerate()
        if t not in but and ("#" in t.name or t.name.startswith(("supervision", "timers")))
    ]


def crash(root: Root, id: str) -> None:
    """Tell a toy to crash and wait until its supervisor has seen that."""
    before = root.counters()["crashes"]
    assert root.handle(id).tell(boom)
    eventually(lambda: root.counters()["crashes"] > before, f"the crash of {id}")


def states(root: Root) -> dict[str, str]:
    from supervision.root import walk

    return {view["id"]: view["state"] for view in walk(root.snapshot())}


def settled(root: Root, ids: Sequence[str]) -> bool:
    """Wait until these children run."""
    return bool(eventually(lambda: all(states(root).get(id) == "running" for id in ids), f"{ids} to run"))
