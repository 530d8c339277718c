"""A supervisor's hands: starting one child and waiting for it, stopping it in time, reporting both."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from typing import Any

from pykka import ActorDeadError

from supervision._clock import real, utc_us
from supervision._exit import Exit, describe
from supervision._hooks import Actor
from supervision._life import ActorLife, Life
from supervision._row import Pending, Row
from supervision.errors import StartFailed
from supervision.plan import Ending
from supervision.report import CrashReport, code_of
from supervision.spec import Child, Restart, Strategy

QUICK_S = 0.002  # how long a start may take before the listeners hear of what came before it
DRAIN_SHARE = 0.8  # of a shutdown limit; what waits still then is not handled, so that on_stop has its time


class Children(Actor):
    """The state of a supervisor, and what it does to one child at a time."""

    def __init__(self) -> None:
        super().__init__()
        nest = self._life.child.nest
        assert nest is not None
        self.nest = nest
        self.tree = self._life.tree
        self.static = frozenset(child.id for spec in nest.children for child in spec.walk())
        self.rows: dict[str, Row] = {}
        self.window: list[float] = []
        self.pending: dict[str, Pending] = {}  # by the id whose failure caused it
        self.gave_up: str | None = None
        self._starting: Life | None = None
        self._made = 0
        self._failures: list[CrashReport] = []  # not reported yet
        self._rng = random.Random()

    def _start(self, row: Row, then: Callable[[Row, Life], Any] | None = None) -> None:
        """Start one incarnation and wait for it. A child that declines is left not running, without error.

        `then(row, life)` is done when it is up, before anybody can find it. Raises StartFailed.
        """
        spec = row.spec
        row.cancel()
        life = self._new_life(spec)
        row.life, row.state, row.backoff_until = life, "starting", None
        self._starting = life
        life.on_up = functools.partial(self._is_up, row, life, then)
        try:
            life.start()
            if self._life.stopping:
                life.ready.set()
            if not life.ready.wait(min(QUICK_S, spec.start_timeout)):
                self.tree.sink.kick()
                life.ready.wait(spec.start_timeout - QUICK_S)
        except RuntimeError as error:  # the machine gives no more threads
            exit = Exit(Ending.CRASH, describe(error), error, at_us=utc_us())
            self._remember(row, life, exit, "start_error")
            row.down("failed")
            raise StartFailed(spec.id, error) from error
        finally:
            self._starting = None
        if life.refuse():
            self._not_up(row, life)
        else:
            self.tree.monitor.watch(life)

    def _is_up(self, row: Row, life: Life, then: Callable[[Row, Life], Any] | None) -> None:
        """In the child's own thread, while this supervisor waits for it: it need not wake up for that."""
        row.state = "running"
        if then is not None:
            then(row, life)
        self.tree.names.bind(
            row.spec.id, life.incarnation, life.mailbox, holder=life.holder, pid=life.pid, kind=life.kind
        )

    def _not_up(self, row: Row, life: Life) -> None:
        spec = row.spec
        cause: BaseException
        if life.exit is None or not life.done.is_set:
            if self._life.stopping:
                life.request_stop()
                life.done.wait(0.0 if spec.shutdown == "kill" else spec.shutdown)
                cause = ActorDeadError("the supervisor was told to stop")
            else:
                cause = TimeoutError(f"not started within {spec.start_timeout:g} s")
            if not life.abandon(Ending.HUNG, str(cause)):
                life.done.wait(1.0)
        elif life.declined:
            row.record.last_exit = life.exit
            row.down("stopped")
            return
        else:
            cause = life.exit.error or RuntimeError(life.exit.reason)
        exit = life.exit or Exit(Ending.HUNG, str(cause), at_us=utc_us())
        self._remember(row, life, exit, "start_error")
        row.down("failed")
        raise StartFailed(spec.id, cause)

    def _new_life(self, spec: Child) -> Life:
        number = self.tree.names.next_incarnation(spec.id)
        if spec.command is not None:
            from supervision._process import ProcessLife  # it needs nothing of the actor machinery

            return ProcessLife(spec, self.tree, number, self._news)
        return ActorLife(spec, self.tree, number, self._news)

    def _news(self, message: Any) -> None:
        box = self._life.mailbox
        if box is not None:
            box.offer(message)

    def _stop_all(self) -> None:
        """Reverse order, one at a time; dynamic children and like processes together under one timer."""
        for waiting in list(self.pending.values()):
            waiting.cancel()
        self.pending.clear()
        rows = [row for row in reversed(list(self.rows.values())) if row.life is not None]
        if self.nest.template is not None or self._side_by_side(rows):
            self._stop_together(rows)
        else:
            for row in rows:
                self._stop_row(row)
        static = {id(spec) for spec in self.nest.children}
        for row in self.rows.values():
            if row.state == "backoff":
                row.down("stopped")
            if id(row.spec) not in static:  # added by hand or after a template: lost with this incarnation
                self.tree.release(row.spec, "stopped")
                self._disclaim(row)

    def _side_by_side(self, rows: Sequence[Row]) -> bool:
        """OS processes that do not depend on each other: sixteen that take 0.3 s each are no 5 s together."""
        return (
            self.nest.strategy is Strategy.ONE_FOR_ONE
            and all(row.spec.command is not None for row in rows)
            and len({row.spec.shutdown for row in rows}) == 1
        )

    def _stop_together(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        limit = rows[0].spec.shutdown
        lives = [row.life for row in rows if row.life is not None]
        if limit != "kill":
            for row in rows:
                row.state = "stopping"
            for life in lives:
                life.request_stop()
            began = real()
            for share in (DRAIN_SHARE, 1.0):
                for life in lives:
                    life.done.wait(max(0.0, began + share * limit - real()))
                for life in lives:
                    life.hurry()
        for row in rows:
            self._stop_row(row, waited=limit != "kill")

    def _stop_row(self, row: Row, *, waited: bool = False) -> None:
        """Stop one child within its shutdown and note how that went."""
        life, limit = row.life, row.spec.shutdown
        assert life is not None
        self.tree.sink.kick()
        row.state = "stopping"
        if limit == "kill":
            life.abandon(Ending.KILLED, "killed")
        else:
            if not waited:
                life.request_stop()
                if not life.done.wait(limit * DRAIN_SHARE):
                    life.hurry()
                    life.done.wait(limit * (1.0 - DRAIN_SHARE))
            if not life.done.is_set:
                life.abandon(Ending.HUNG, f"not stopped within {limit:g} s")
        self._bury(row, life, "shutdown_error")

    def _bury(self, row: Row, life: Life, context: str, *, quiet: bool = False) -> Exit:
        """The end of an incarnation: its name is free, its exit is remembered and told."""
        exit = life.exit
        if exit is None:  # it ended while somebody else was ending it
            life.done.wait(1.0)
            exit = life.exit or Exit(Ending.HUNG, "no exit was recorded")
        self.tree.names.unbind(row.spec.id, life.incarnation)
        self.tree.monitor.forget(life)
        row.uptime = life.uptime()
        row.down("stopped")
        self._remember(row, life, exit, context, quiet=quiet)
        return exit

    def _remember(self, row: Row, life: Life, exit: Exit, context: str, *, quiet: bool = False) -> None:
        record = row.record
        record.last_exit = exit._replace(error=None, stack=None)
        failed = exit.ending in (Ending.CRASH, Ending.HUNG)
        code = code_of(exit) if failed else None
        if failed:
            record.last_error = {"code": code, "message": exit.reason, "at_us": exit.at_us}
        self._event(
            "supervisor.child_terminated",
            row.spec.id,
            exit.reason,
            row,
            incarnation=life.incarnation,
            code=code,
            quiet=quiet,
        )
        if failed:
            self._report(context, life, exit)

    def _report(self, context: str, life: Life, exit: Exit) -> None:
        report = CrashReport(self.id, context, life, exit)
        self.tree.record(life.id).reports.append(report)
        self._failures.append(report)

    def _send_reports(self) -> None:
        """After the restart, not before: formatting a report takes longer than starting a child."""
        failures, self._failures = self._failures, []
        for report in failures:
            self.tree.sink.crash(report)

    def _declined(self, row: Row) -> None:
        if row.spec.restart is Restart.TEMPORARY or self.nest.template is not None:
            self._remove(row, "declined")
        else:
            self.tree.release(row.spec, "declined")

    def _remove(self, row: Row, why: str) -> None:
        row.cancel()
        self.rows.pop(row.spec.id, None)
        self.tree.release(row.spec, why)
        self._disclaim(row)

    def _disclaim(self, row: Row) -> None:
        self.tree.disclaim(row.spec, self.id, self.static, forget=row.generated)

    def _event(
        self,
        event_type: str,
        child: str,
        reason: str,
        row: Row | None = None,
        *,
        backoff: float = 0.0,
        incarnation: int | None = None,
        code: str | None = None,
        quiet: bool = False,
    ) -> None:
        """Tell the listeners; `quiet`: but do not wake their thread for it yet."""
        record = row.record if row is not None else self.tree.record(self.id)
        self.tree.sink.event(
            event_type,
            {
                "supervisor": self.id,
                "child": child,
                "reason": reason,
                "restarts": record.restarts,
                "backoff_s": round(backoff, 6),
                "incarnation": self.incarnation if incarnation is None else incarnation,
                "code": code,
            },
            quiet=quiet,
        )
