"""What joins the tree to the world around it: supervision's callbacks become the product's messages.

The tree is built before its root exists, so everything here looks the root up when it is needed. None of the
callbacks may hurt the tree: what cannot be told is counted and logged.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import Any

from loguru import logger

from actors._frozen import Seen
from actors._lost import letter_of
from foldward.console.verbs import views
from foldward.contracts import clock
from foldward.contracts.messages import Emit, Notify, WorkerExited
from supervision import Root
from supervision.root import walk

_ALARMS = {
    "supervisor.child_hung": "A part of the tree hung and was replaced",
    "supervisor.budget_spent": "A supervisor gave up",
}
EARLY = 10_000
_SEVERITY = {
    "supervisor.child_terminated": "warning",
    "supervisor.child_restarted": "warning",
    "supervisor.child_hung": "error",
    "supervisor.budget_spent": "critical",
}


class Wiring:
    """One core's connections. Until `up` the tree is starting: what supervision says then is kept, and told
    in its order as soon as somebody can hear it.
    """

    def __init__(self, run_id: str) -> None:
        self.root: Root | None = None
        self.run_id = run_id
        self.undelivered = 0
        self._early: list[tuple[str, Any]] | None = []
        self._lock = threading.Lock()

    def up(self, root: Root | None) -> None:
        """The tree is up, or (None) it has gone."""
        with self._lock:
            self.root, kept, self._early = root, self._early or (), None
            for name, message in kept:
                self.tell(name, message)

    def tell(self, name: str, message: Any) -> bool:
        """Tell an actor by name; False while there is no tree."""
        return self.root is not None and self.root.handle(name).tell(message)

    def snapshot(self) -> dict[str, Any]:
        """The tree as plain data; empty while it is starting."""
        return self.root.snapshot() if self.root is not None else {}

    def on_event(self, event_type: str, data: dict[str, Any]) -> None:
        """supervisor.* events go to Telemetry, the grave ones also to the operator."""
        self._say(
            "telemetry",
            Emit(
                event_type=event_type,
                data=data,
                at_us=clock.utc_us(),
                service="supervision",
                severity=_SEVERITY.get(event_type, "info"),
                run_id=self.run_id,
            ),
        )
        if event_type in _ALARMS:
            child = data.get("child")
            child = str(data.get("supervisor") if child in (None, "-") else child)
            self._say(
                "notifier",
                Notify(
                    key=f"{event_type}:{child}",
                    title=f"{_ALARMS[event_type]}: {child}",
                    body=str(data.get("reason", "")),
                    severity="error",
                ),
            )

    def _say(self, name: str, message: Any) -> None:
        with self._lock:
            if self._early is None:
                self.tell(name, message)
            elif len(self._early) < EARLY:
                self._early.append((name, message))

    def on_dead(self, child: str, message: Any, reason: str) -> None:
        """A message that nobody will handle: kept as a dead letter when it was poison, else counted."""
        self.undelivered += 1
        letter = None if child == "dead_letter" else letter_of(child, message, reason)
        if letter is None:
            return
        logger.warning("{} did not handle a {}: {}", child, type(message).__name__, reason)
        self._say("dead_letter", letter)

    def on_crash(self, report: Any) -> None:
        """The crash report with its stack goes to the human log; of an OS process, what a person can use."""
        plain = report.as_dict()
        if plain["offender"]["kind"] == "process" and plain["context"] != "start_error":
            level, line = process_line(plain)
            logger.log(level, "{}", line)
            return
        stack = plain.pop("stack", None)
        facts = ", ".join(f"{key} {value}" for key, value in plain.items() if value not in (None, "", []))
        logger.error("crash report: {}{}", facts, f"\n{stack}" if stack else "")

    def workers(self) -> list[Seen] | None:
        """The worker processes that run, and whether each is connected; None while the dispatcher is away."""
        root = self.root
        if root is None:
            return None
        view = views(root).get("dispatcher")
        if view is None:
            return None
        linked = {(peer["id"], peer["pid"]) for peer in view.get("workers", ())}
        return [
            Seen(node["id"], node["pid"], (node["id"], node["pid"]) in linked)
            for node in _processes(root.snapshot())
        ]

    def end_worker(self, worker: str, pid: int) -> None:
        """SIGKILL to a worker that does not answer, if it is still that process; then it is replaced."""
        if self.root is not None and any(
            (node["id"], node["pid"]) == (worker, pid) for node in _processes(self.root.snapshot())
        ):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def worker_exited(self, worker: str, pid: int, code: int) -> None:
        """A worker process ended: the dispatcher hears it at once."""
        self.tell("dispatcher", WorkerExited(worker=worker, pid=pid, exit_code=code))


def process_line(report: dict[str, Any]) -> tuple[str, str]:
    """The log level and the words for the end of an OS process that nobody wanted, from its crash report.

    Its last words (stderr) follow only when it ended by itself: before a SIGKILL it did not know.
    """
    child, pid = report["child"], report["offender"]["pid"]
    if report["ending"] == "hung":
        return "WARNING", (
            f"{child} (pid {pid}) was slow to end ({report['reason']}) and was killed; nothing is lost:"
            " what it held goes out again"
        )
    then = "it is restarted, and what it held goes out again"
    if report["context"] == "shutdown_error":
        then = "it was being stopped; what it held goes out again"
    words = "" if report["code"] == "supervision.process_killed" else report["stack"].rstrip()
    return "ERROR", (
        f"crash report: {child} (pid {pid}) ended after {report['uptime_s']:.1f} s: {report['reason']},"
        f" {report['code']}; {then}{chr(10) + words if words else ''}"
    )


def _processes(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in walk(tree) if node["kind"] == "process" and node["state"] == "running"]
