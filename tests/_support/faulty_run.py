"""A `foldward run` in which one actor fails once: `faulty_run.py ACTOR FAULT NTH RUN-ARGUMENTS…`.

FAULT: crash (RuntimeError), exit (SystemExit), hang (never returns from one message; found by hang_after).
NTH: the message (counted from 1) on which it happens.
"""

import sys
import threading
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
from foldward.console.server import Console

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


def main() -> int:
    actor, fault, nth = sys.argv[1], sys.argv[2], int(sys.argv[3])
    kind = ACTORS[actor]
    seen = 0
    lock = threading.Lock()

    def strike(count: int) -> None:
        nonlocal seen
        with lock:
            before, seen = seen, seen + count
            due = before < nth <= seen
        if not due:
            return
        sys.stderr.write(f"FAULT {actor} {fault} at message {nth}\n")
        if fault == "crash":
            raise RuntimeError("a fault on purpose")
        if fault == "exit":
            raise SystemExit(3)
        threading.Event().wait()

    if kind.drain is not None:
        drain = kind.drain

        def struck_drain(self: Any, batch: list[Any]) -> None:
            strike(len(batch))
            drain(self, batch)

        kind.drain = struck_drain
    else:
        receive = kind.on_receive

        def struck_receive(self: Any, message: Any) -> Any:
            strike(1)
            return receive(self, message)

        kind.on_receive = struck_receive
    if fault == "hang":
        tree.DISK_S = tree.ROWS_S = tree.GATE_S = tree.WRITER_HANG_S = 1.0
    return run(sys.argv[4:])


if __name__ == "__main__":
    raise SystemExit(main())
