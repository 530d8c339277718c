"""A running queue on pushpull with an honest peer, and a flood of junk at its result port.

The tree is the product's (Telemetry, OOSQueue, Dispatcher, DBWriter, DeadLetter, the link), in this process;
the peer and the flood (`foldward.testing.junk`) are processes of their own.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from actors.telemetry import Telemetry
from foldward.contracts import clock
from foldward.contracts.facts import ImportStrategies
from foldward.contracts.jobs import Strategy
from foldward.contracts.messages import Settled, Submit, Write
from foldward.settings import Settings
from foldward.testing.queue_tree import queue_tree
from foldward.wire.links import PushPullLink
from storage.reads import Reader
from supervision import KEEP, Child, Inbox, Root, boot

WAIT_S = 120.0
ANY = {"request_endpoint": "tcp://127.0.0.1:*", "result_endpoint": "tcp://127.0.0.1:*"}


class Siege:
    """Use as a context. capacity: requests that the peer takes at once; the others are settings."""

    def __init__(
        self,
        folder: Path,
        *,
        capacity: int = 50,
        junk_per_s: float | None = None,
        dead_max_rows: int | None = None,
    ) -> None:
        self.database = folder / "foldward.db"
        self.telemetry = folder / "telemetry.jsonl"
        link = {"mode": "pushpull", "bind_requests": True, "capacity": capacity, **ANY}
        link |= {} if junk_per_s is None else {"junk_per_s": junk_per_s}
        storage = {} if dead_max_rows is None else {"dead_max_rows": dead_max_rows}
        self.settings = Settings.model_validate({"link": link, "storage": storage})
        self._telemetry = Child(
            "telemetry",
            Telemetry,
            kwargs={"path": self.telemetry, "settings": self.settings.telemetry},
            inbox=KEEP,
        )
        self._applied: dict[str, float] = {}
        self._told = threading.Condition()
        self._links: list[PushPullLink] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._names = 0
        self.root: Root = None  # type: ignore[assignment]

    def __enter__(self) -> Self:
        tree = queue_tree(
            self.database,
            self._make_link,
            settings=self.settings,
            heard=self._heard,
            telemetry=self._telemetry,
        )
        self.root = boot(tree)
        self.reader = Reader(self.database)
        self._peer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.root.stop(10.0)
        self.reader.close()

    @property
    def link(self) -> PushPullLink:
        """The link as it is now; a restarted Dispatcher has another."""
        return self._links[-1]

    @property
    def incarnations(self) -> int:
        """How often a link was made: 1 unless something restarted."""
        return len(self._links)

    def trickle(self, count: int, rate: float) -> list[float]:
        """Submit `count` requests, `rate` a second; the seconds from each order to its committed answer."""
        names = self._strategies(count)
        inbox = Inbox()
        pause = threading.Event()
        due = clock.now()
        began = []
        for name in names:
            due += 1.0 / rate
            pause.wait(max(0.0, due - clock.now()))
            began.append(clock.now())
            self.root.handle("oos_queue").tell(Submit(names=(name,), kind="oos", reply_to=inbox))
        ids = [inbox.get(WAIT_S).items[0].request_id for _ in names]
        with self._told:
            if not self._told.wait_for(lambda: all(one in self._applied for one in ids), WAIT_S):
                missing = sum(one not in self._applied for one in ids)
                raise TimeoutError(f"{missing} of {count} good requests were not answered")
            return [self._applied[one] - at for one, at in zip(ids, began, strict=True)]

    def flood(
        self, frames: int, connections: int, seed: int = 0, at: str | None = None
    ) -> subprocess.Popen[bytes]:
        """A process that pushes junk until all of it is taken. at: where, if not at the link."""
        argv = [sys.executable, "-m", "foldward.testing.junk", "--results", at or self.link.result_endpoint]
        argv += ["--frames", str(frames), "--connections", str(connections), "--seed", str(seed)]
        return self._start(argv)

    def letters(self) -> int:
        """Messages among the dead letters, each as often as it came."""
        return sum(count for name, count in self.reader.counters().items() if name.startswith("dead_letter."))

    def _peer(self) -> None:
        argv = [sys.executable, "-m", "foldward.testing.peer", "--connect-requests"]
        argv += ["--requests", self.link.request_endpoint, "--results", self.link.result_endpoint]
        self._start(argv)

    def _start(self, argv: list[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def _strategies(self, count: int) -> list[str]:
        first, self._names = self._names, self._names + count
        names = [f"s{number}" for number in range(first, self._names)]
        params = {"sma_short": 5.0, "sma_long": 20.0}
        strategies = tuple(
            Strategy(name=name, kind="sma", params=params, symbol="EURUSD", timeframe=1440) for name in names
        )
        inbox = Inbox()
        fact = ImportStrategies(strategies=strategies, at_us=1)
        self.root.handle("db_writer").tell(Write(fact=fact, reply_to=inbox))
        answer = inbox.get(WAIT_S)
        if not answer.ok:
            raise RuntimeError(f"{answer.code}: {answer.error}")
        return names

    def _make_link(self, sink: Any) -> PushPullLink:
        self._links.append(PushPullLink(sink, self.settings.link))
        return self._links[-1]

    def _heard(self, message: Any) -> None:
        if type(message) is Settled and message.state == "applied":
            with self._told:
                self._applied.setdefault(message.request_id, clock.now())
                self._told.notify_all()
