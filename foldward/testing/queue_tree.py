"""The part of the tree that queue tests and benchmarks need, with real threads: memory and work, no more.

`python -m foldward.testing.queue_tree DATABASE COUNT` runs it as a process of its own with one obedient peer:
it submits COUNT requests when there are none, works until nothing is open, prints the counters and leaves.
Killing it at any moment is what it is for.
"""

from __future__ import annotations

import json
import queue
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors._candles import CandlesGate
from actors._link import MakeLink
from actors.db_writer import DBWriter
from actors.dead_letter import DeadLetter
from actors.dispatcher import Dispatcher
from actors.oos_queue import OOSQueue
from foldward.contracts.facts import ImportStrategies
from foldward.contracts.jobs import Backtest, Strategy
from foldward.contracts.messages import Submit, Write
from foldward.settings import QueueTable, Settings
from foldward.testing.actor_world import Candles, answer_to
from foldward.testing.fake_link import FakeLink, FakePeer
from foldward.wire import dumps, loads
from storage.reads import Reader
from supervision import KEEP, Actor, Child, Inbox, Root, boot, supervisor
from supervision import Strategy as Restarting


class Bystander(Actor):
    """Takes the place of whoever merely listens; `heard` gets what it is told, when given."""

    def __init__(self, heard: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self._heard = heard

    def drain(self, batch: list[Any]) -> None:
        """Pass it on."""
        if self._heard is not None:
            for message in batch:
                self._heard(message)

    def on_receive(self, message: Any) -> None:
        """One message alone."""
        self.drain([message])


def queue_tree(
    database: Path,
    make_link: MakeLink,
    *,
    settings: Settings | None = None,
    candles: CandlesGate | None = None,
    heard: Callable[[Any], Any] | None = None,
    seed: int = 1,
    telemetry: Child | None = None,
) -> Child:
    """memory (telemetry, db_writer, dead_letter, notifier) and work (oos_queue, …, dispatcher, reporter)."""
    table = settings or Settings()
    listen = {"heard": heard}
    rows = {"database": database}
    return supervisor(
        "root",
        supervisor(
            "memory",
            telemetry or Child("telemetry", Bystander, kwargs=listen),
            Child("db_writer", DBWriter, kwargs={**rows, "settings": table.storage}, inbox=KEEP),
            Child(
                "dead_letter",
                DeadLetter,
                kwargs={**rows, "storage": table.storage, "max_frame": table.link.max_frame},
                inbox=KEEP,
            ),
            Child("notifier", Bystander),
            intensity=5,
            period=60.0,
        ),
        supervisor(
            "work",
            Child("wfv_scheduler", Bystander),
            Child("rank_evaluator", Bystander),
            Child("reporter", Bystander, kwargs=listen),
            Child("heartbeat", Bystander),
            Child(
                "oos_queue",
                OOSQueue,
                kwargs={
                    **rows,
                    "queue": table.queue,
                    "retry": table.retry,
                    "candles": candles or Candles(),
                    "engine": lambda _kind: "test-engine",
                    "rng": random.Random(seed),
                },
                inbox=KEEP,
            ),
            Child(
                "dispatcher",
                Dispatcher,
                kwargs={
                    **rows,
                    "queue": table.queue,
                    "retry": table.retry,
                    "breaker": table.breaker,
                    "make_link": make_link,
                    "max_frame": table.link.max_frame,
                },
                inbox=KEEP,
            ),
            strategy=Restarting.REST_FOR_ONE,
            intensity=5,
            period=60.0,
        ),
        strategy=Restarting.REST_FOR_ONE,
        intensity=3,
        period=60.0,
    )


class Obedient:
    """A peer in a thread that answers whatever a FakeLink gives it."""

    def __init__(
        self, link: FakeLink, name: str = "w1", capacity: int = 100, candles: Candles | None = None
    ) -> None:
        self._work: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._candles = candles or Candles()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self.peer: FakePeer = link.connect(name, capacity, on_work=lambda _id, data: self._work.put(data))

    def _run(self) -> None:
        while (data := self._work.get()) is not None:
            job = loads(data)
            assert isinstance(job, Backtest)
            self.peer.answer(dumps(answer_to(job, self._candles)))

    def stop(self) -> None:
        """End the thread."""
        self._work.put(None)
        self._thread.join(5.0)


def add_strategies(root: Root, names: list[str]) -> None:
    """Store strategies through the writer of a running tree."""
    params = {"sma_short": 5.0, "sma_long": 20.0}
    strategies = tuple(
        Strategy(name=name, kind="sma", params=params, symbol="EURUSD", timeframe=1440) for name in names
    )
    inbox = Inbox()
    fact = ImportStrategies(strategies=strategies, at_us=1)
    root.names.handle("db_writer").tell(Write(fact=fact, reply_to=inbox))
    written = inbox.get(60.0)
    assert written.ok, written


def submit(root: Root, names: list[str], **fields: Any) -> list[Any]:
    """Submit to a running tree; the outcomes."""
    inbox = Inbox()
    root.names.handle("oos_queue").tell(Submit(names=tuple(names), reply_to=inbox, **fields))
    return list(inbox.get(60.0).items)


def main(database: Path, count: int) -> dict[str, Any]:
    """See the module."""
    links: list[FakeLink] = []

    def make(sink: Any) -> FakeLink:
        links.append(FakeLink(sink))
        return links[-1]

    # Its peer dies with it, so that after a start nobody is waited for who might still answer.
    root = boot(queue_tree(database, make, settings=Settings(queue=QueueTable(grace_s=0.1))))
    reader = Reader(database)
    if not reader.counters().get("requested"):
        names = [f"s{n}" for n in range(count)]
        add_strategies(root, names)
        submit(root, names)
    Obedient(links[-1], capacity=20)
    pause = threading.Event()
    while reader.queue_counts()["open"]:
        pause.wait(0.02)
    counters = reader.counters()
    reader.close()
    root.stop(5.0)
    return counters


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
