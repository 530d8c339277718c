"""The supervisor: an actor that carries out the plan.

Its inbox holds control only: ends of children, alarms, retries (a later attempt is a message to itself, as
try_again_restart in OTP's supervisor.erl, so that administration and stop are served between attempts) and
administration calls. Children are started and stopped in its own thread, one after the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pykka import ActorDeadError

from supervision._administration import Administration, Call
from supervision._life import ActorLife, Hung, News
from supervision._restarts import Retry
from supervision._row import Row
from supervision.errors import StartFailed
from supervision.plan import Ending


class GiveUp(NamedTuple):
    """To the root supervisor: stop everything (too many zombies)."""

    reason: str


class SupervisorActor(Administration):
    """The process behind every `supervisor(…)` and `dynamic(…)` spec."""

    def on_start(self) -> None:
        self.tree.hold(self.nest.children)
        for spec in self.nest.children:
            self.tree.adopt(spec, self.id)
            self.rows[spec.id] = Row(spec, self.tree.record(spec.id))
        for row in list(self.rows.values()):
            if self._life.stopping:
                failure = StartFailed(row.spec.id, ActorDeadError("the supervisor was told to stop"))
            else:
                try:
                    self._start(row)
                except StartFailed as error:
                    failure = error
                else:
                    if row.life is None:
                        self._declined(row)
                    continue
            self._stop_all()
            self._send_reports()
            raise failure
        self._event("supervisor.started", "-", "started")

    def on_receive(self, message: Any) -> Any:
        try:
            return self._handle(message)
        finally:
            if self._failures:
                self._send_reports()
            self.tree.sink.kick()

    def _handle(self, message: Any) -> Any:
        if isinstance(message, News):
            self._ended(message.life)
        elif isinstance(message, Call):
            return self._call(message)
        elif isinstance(message, Hung):
            self._hung(message)
        elif isinstance(message, Retry):
            self._retry(message.pending)
        elif isinstance(message, GiveUp):
            self._give_up(message.reason)
        else:
            self.tree.sink.dead(self.id, message, "supervisor")  # supervisors carry no data
        return None

    def on_stop(self) -> None:
        self._stop_all()
        self._send_reports()
        reason = self._life.exit.reason if self._life.exit is not None else "shutdown"
        self._event("supervisor.shutdown", "-", reason)

    def on_failure(self, *_error: Any) -> None:
        """A bug in here must not leave orphans."""
        self._stop_all()
        self._send_reports()

    def fence(self) -> None:
        """Past its own shutdown limit: whatever it still has is given up with it."""
        for row in list(self.rows.values()):
            if row.life is not None:
                row.life.abandon(Ending.KILLED, "its supervisor was abandoned")

    def _stop_requested(self) -> None:
        starting = self._starting
        if starting is not None:
            starting.ready.set()  # wakes the wait below; a start is not worth waiting for now
            if isinstance(starting, ActorLife) and isinstance(starting.actor, SupervisorActor):
                starting.request_stop()
