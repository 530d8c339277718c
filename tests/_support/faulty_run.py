"""A `foldward run` in which one part fails once: `faulty_run.py PART FAULT NTH WHEN RUN-ARGUMENTS…`.

PART: one of the eleven actors, `worker` (a worker process), or `none`. FAULT: crash (RuntimeError; SIGKILL),
exit (SystemExit; SIGTERM), hang (never returns from one message and is found by hang_after; SIGSTOP).
NTH: the message, counted from 1, on which it happens; for `worker` the nth answer that core receives.
WHEN: before (nothing of the message, or of the batch that holds it, is done), within (of a batch, what comes
before the message is done) or after (all is done, and the actor has not come back to its inbox).

A second thread asks the console all the time, as a dashboard does. On stderr: FAULT when it strikes, and at
the end HANDLED with the number of messages of every actor.
"""

import json
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import foldward.app.tree as tree
from actors.db_writer import DBWriter
from actors.dead_letter import DeadLetter
from actors.dispatcher import Dispatcher
from actors.heartbeat import Heartbeat
from actors.notifier import Notifier
from actors.oos_queue import OOSQueue
from actors.rank_evaluator import RankEvaluator
from actors.reporter import Reporter
from actors.telemetry import Telemetry
from actors.wfv_scheduler import WFVScheduler
from foldward.cli._app import run
from foldward.console import Client
from foldward.console.server import Console
from foldward.contracts.messages import ResultArrived

ACTORS: dict[str, type[Any]] = {
    "telemetry": Telemetry,
    "db_writer": DBWriter,
    "dead_letter": DeadLetter,
    "notifier": Notifier,
    "oos_queue": OOSQueue,
    "wfv_scheduler": WFVScheduler,
    "rank_evaluator": RankEvaluator,
    "dispatcher": Dispatcher,
    "heartbeat": Heartbeat,
    "reporter": Reporter,
    "console": Console,
}
SIGNALS = {"crash": signal.SIGKILL, "exit": signal.SIGTERM, "hang": signal.SIGSTOP}
HANG_S = 1.0

handled: Counter[str] = Counter()
lock = threading.Lock()


class Fault:
    """Strikes once, when the messages of `part` reach the nth."""

    def __init__(self, part: str, fault: str, nth: int, when: str) -> None:
        self.part, self.fault, self.nth, self.when = part, fault, nth, when
        self.seen = 0

    def due(self, count: int) -> int | None:
        """The index of the nth among `count` more messages, or None when it is not among them."""
        with lock:
            before, self.seen = self.seen, self.seen + count
        return self.nth - before - 1 if before < self.nth <= self.seen else None

    def strike(self) -> None:
        sys.stderr.write(f"FAULT {self.part} {self.fault} {self.when} message {self.nth}\n")
        if self.part == "worker":
            for pid in workers()[:1]:
                os.kill(pid, SIGNALS[self.fault])
        elif self.fault == "crash":
            raise RuntimeError("a fault on purpose")
        elif self.fault == "exit":
            raise SystemExit(3)
        else:
            threading.Event().wait()


def workers() -> list[int]:
    """The pids of this process's workers, the oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        if parent == os.getpid() and b"foldward.worker" in line:
            found.append(int(entry.name))
    return sorted(found)


def wrap(name: str, kind: type[Any], fault: Fault | None) -> None:
    """Count what `kind` handles; with a fault, strike at its time."""
    if kind.drain is not None:
        drain = kind.drain

        def counted_drain(self: Any, batch: list[Any]) -> None:
            at = None if fault is None else fault.due(len(batch))
            with lock:
                handled[name] += len(batch)
            if at is None or fault is None:
                drain(self, batch)
                return
            cut = {"before": 0, "within": at, "after": len(batch)}[fault.when]
            if cut:
                drain(self, list(batch[:cut]))
            fault.strike()

        kind.drain = counted_drain
        return
    receive = kind.on_receive

    def counted_receive(self: Any, message: Any) -> Any:
        at = None if fault is None else fault.due(1)
        with lock:
            handled[name] += 1
        if at is None or fault is None:
            return receive(self, message)
        if fault.when == "after":
            receive(self, message)
        return fault.strike()

    kind.on_receive = counted_receive


def wrap_answers(fault: Fault) -> None:
    """Let a worker process fail at the nth answer that reaches the queue."""
    drain = OOSQueue.drain

    def counted_drain(self: Any, batch: list[Any]) -> None:
        at = fault.due(sum(isinstance(message, ResultArrived) for message in batch))
        if at is not None and fault.when == "before":
            fault.strike()
        drain(self, batch)
        if at is not None and fault.when != "before":
            fault.strike()

    OOSQueue.drain = counted_drain  # type: ignore[method-assign]


def ask_all_the_time(home: Path, over: threading.Event) -> None:
    """A dashboard: what it asks must never hurt the run, and may fail while the tree restarts."""
    client = Client(home)
    while not over.wait(0.1):
        try:
            client.status()
        except Exception:  # the core is starting, restarting or gone: the next round asks again
            continue


def main() -> int:
    part, fault, nth, when, *line = sys.argv[1:]
    for name, kind in ACTORS.items():
        wrap(name, kind, Fault(part, fault, int(nth), when) if name == part else None)
    if part == "worker":
        wrap_answers(Fault(part, fault, int(nth), when))
    if part == "worker" and fault == "hang":  # found by its silence, and replaced
        os.environ |= {"FOLDWARD_HEARTBEAT__INTERVAL_S": "0.2", "FOLDWARD_HEARTBEAT__LOST_S": "1"}
    if fault == "hang":
        tree.DISK_S = tree.ROWS_S = tree.GATE_S = tree.WRITER_HANG_S = HANG_S
    over = threading.Event()
    home = Path(line[line.index("--home") + 1])
    threading.Thread(target=ask_all_the_time, args=(home, over), daemon=True).start()
    try:
        return run(line)
    finally:
        over.set()
        sys.stderr.write(f"HANDLED {json.dumps(handled)}\n")
        for pid in workers():  # a stopped one would not see that its parent is gone
            os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    raise SystemExit(main())
