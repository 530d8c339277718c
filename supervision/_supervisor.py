"""The supervisor: an actor that carries out the plan.

Its inbox holds control only: ends of children, alarms, retries (a later attempt is a message to itself, as
try_again_restart in OTP's supervisor.erl, so that administration and stop are served between attempts) and
administration calls. Children are started and stopped in its own thread, one after the other.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pykka import ActorDeadError

from supervision import plan
from supervision._clock import now, real, utc_us
from supervision._hooks import Actor
from supervision._life import ActorLife, Exit, Hung, Life, News
from supervision._row import Info, Pending, Row
from supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    Leaving,
    MaxChildren,
    NotFound,
    Restarting,
    Running,
    SpecError,
    StartFailed,
)
from supervision.names import Handle
from supervision.plan import Ending, Outcome
from supervision.report import CrashReport, code_of
from supervision.spec import Child, Restart, Strategy


class Retry(NamedTuple):
    """To itself: the time of a pending restart has come."""

    pending: Pending


class GiveUp(NamedTuple):
    """To the root supervisor: stop everything (too many zombies)."""

    reason: str


class Call(NamedTuple):
    """An administration call; asked, so that it is always answered."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


CALLS = frozenset(
    {
        "start_child",
        "terminate_child",
        "restart_child",
        "delete_child",
        "cycle_child",
        "which_children",
        "count_children",
        "get_spec",
    }
)


class SupervisorActor(Actor):
    """The process behind every `supervisor(…)` and `dynamic(…)` spec."""

    def __init__(self) -> None:
        super().__init__()
        nest = self._life.child.nest
        assert nest is not None
        self.nest = nest
        self.tree = self._life.tree
        self.rows: dict[str, Row] = {}
        self.window: list[float] = []
        self.pending: dict[str, Pending] = {}  # by the id whose failure caused it
        self.gave_up: str | None = None
        self._starting: Life | None = None
        self._made = 0
        self._reports: list[CrashReport] = []
        self._rng = random.Random()

    # --- life ----------------------------------------------------------------------------------------------

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
            if self._reports:
                self._send_reports()

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

    # --- starting and stopping one child -------------------------------------------------------------------

    def _start(self, row: Row) -> None:
        """Start one incarnation and wait for it. A child that declines is left not running, without error.

        Raises StartFailed.
        """
        spec = row.spec
        row.cancel()
        life = self._new_life(spec)
        row.life, row.state, row.backoff_until = life, "starting", None
        self._starting = life
        try:
            life.start()
            if self._life.stopping:
                life.ready.set()
            life.ready.wait(spec.start_timeout)
        except RuntimeError as error:  # the machine gives no more threads
            row.down("failed")
            raise StartFailed(spec.id, error) from error
        finally:
            self._starting = None
        if life.up:
            self.tree.names.bind(
                spec.id, life.incarnation, life.mailbox, holder=life.holder, pid=life.pid, kind=life.kind
            )
            row.state = "running"
            self.tree.monitor.watch(life)
            return
        self._not_up(row, life)

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
        """Reverse order, one at a time; dynamic children together under one timer."""
        for waiting in list(self.pending.values()):
            waiting.cancel()
        self.pending.clear()
        rows = [row for row in reversed(list(self.rows.values())) if row.life is not None]
        if self.nest.template is not None:
            self._stop_together(rows)
        else:
            for row in rows:
                self._stop_row(row)
        static = {spec.id for spec in self.nest.children}
        for row in self.rows.values():
            if row.state == "backoff":
                row.down("stopped")
            if row.spec.id not in static:  # added by hand or after a template: lost with this incarnation
                self.tree.release(row.spec, "stopped")
                self.tree.disclaim(row.spec, forget=row.generated)

    def _stop_together(self, rows: Sequence[Row]) -> None:
        template = self.nest.template
        assert template is not None
        limit = template.shutdown
        lives = [row.life for row in rows if row.life is not None]
        if limit != "kill":
            for row in rows:
                row.state = "stopping"
            for life in lives:
                life.request_stop()
            end = real() + limit
            for life in lives:
                life.done.wait(max(0.0, end - real()))
        for row in rows:
            self._stop_row(row, waited=limit != "kill")

    def _stop_row(self, row: Row, *, waited: bool = False) -> None:
        """Stop one child within its shutdown and note how that went."""
        life, limit = row.life, row.spec.shutdown
        assert life is not None
        row.state = "stopping"
        if limit == "kill":
            life.abandon(Ending.KILLED, "killed")
        else:
            if not waited:
                life.request_stop()
                life.done.wait(limit)
            if not life.done.is_set:
                life.abandon(Ending.HUNG, f"not stopped within {limit:g} s")
        self._bury(row, life, "shutdown_error")

    def _bury(self, row: Row, life: Life, context: str) -> Exit:
        """The end of an incarnation: its name is free, its exit is remembered and told."""
        exit = life.exit
        if exit is None:  # it ended while somebody else was ending it
            life.done.wait(1.0)
            exit = life.exit or Exit(Ending.HUNG, "no exit was recorded")
        self.tree.names.unbind(row.spec.id, life.incarnation)
        self.tree.monitor.forget(life)
        row.uptime = life.uptime()
        row.down("stopped")
        self._remember(row, life, exit, context)
        return exit

    def _remember(self, row: Row, life: Life, exit: Exit, context: str) -> None:
        record = row.record
        record.last_exit = exit._replace(error=None, stack=None)
        failed = exit.ending in (Ending.CRASH, Ending.HUNG)
        if failed:
            record.last_error = {"code": code_of(exit), "message": exit.reason, "at_us": exit.at_us}
        self._event(
            "supervisor.child_terminated", row.spec.id, exit.reason, row, incarnation=life.incarnation
        )
        if failed:
            report = CrashReport(self.id, context, life, exit)
            record.reports.append(report)
            self._reports.append(report)

    def _send_reports(self) -> None:
        """After the restart, not before: formatting a stack takes longer than starting a child."""
        reports, self._reports = self._reports, []
        for report in reports:
            self.tree.sink.crash(report)

    # --- ends ----------------------------------------------------------------------------------------------

    def _ended(self, life: Life) -> None:
        row = self.rows.get(life.id)
        if row is None or row.life is not life:
            return  # news of an incarnation that has been dealt with
        exit = self._bury(row, life, "child_terminated")
        if self._life.stopping:
            return
        outcome = plan.restart_of(row.spec.restart, exit.ending, self.nest.template is not None)
        if outcome is Outcome.RESTART:
            self._restart(row)
            return
        me, others = self._plan_row(row), [self._plan_row(r) for r in self.rows.values() if r is not row]
        if outcome is Outcome.DELETE_SPEC:
            self._remove(row, "finished")
        else:
            self.tree.release(row.spec, "finished")
        if plan.shuts_down(self.nest.auto_shutdown, me, others):
            raise Leaving(f"shutdown: {row.spec.id} has ended")

    def _hung(self, alarm: Hung) -> None:
        row, life = self.rows.get(alarm.life.id), alarm.life
        if row is None or row.life is not life or life.busy_since != alarm.since or self._life.stopping:
            return
        limit = row.spec.hang_after
        if not life.abandon(Ending.HUNG, f"busy on one message for more than {limit:g} s"):
            return  # it ended on its own in the meantime; that news is on its way
        self._event("supervisor.child_hung", row.spec.id, "hung", row, incarnation=life.incarnation)
        self._ended(life)

    def _plan_row(self, row: Row) -> plan.Row:
        alive = row.life is not None or row.state == "backoff"
        return plan.Row(row.spec.id, row.spec.restart, alive, row.spec.significant)

    # --- restarting ----------------------------------------------------------------------------------------

    def _restart(self, row: Row) -> None:
        """Count the crash; then the whole group goes down and, perhaps after a delay, up again."""
        self._count(row.spec.id)
        strategy = self.nest.strategy
        steps = plan.steps(strategy, [self._plan_running(r) for r in self.rows.values()], row.spec.id)
        for id in steps.stop:
            self._stop_row(self.rows[id])
        for id in steps.drop:
            self._remove(self.rows[id], "its group was restarted")
        for id in [id for id in self.pending if id in steps.start]:
            self.pending.pop(id).cancel()
        delay = self._delay(row)
        if delay > 0:
            self._wait(row.spec.id, steps.start, delay)
        else:
            self._start_group(row.spec.id, steps.start)

    def _plan_running(self, row: Row) -> plan.Row:
        return plan.Row(row.spec.id, row.spec.restart, row.life is not None, row.spec.significant)

    def _start_group(self, cause: str, ids: Sequence[str]) -> None:
        up: list[Row] = []
        for id in ids:
            row = self.rows.get(id)
            if row is None or row.life is not None:
                continue
            if self._life.stopping:
                return
            self.tree.hold([row.spec])
            try:
                self._start(row)
            except StartFailed:
                self._again(row, ids, up)
                return
            if row.life is None:
                self._declined(row)
                continue
            up.append(row)
            row.record.restarts += 1
            delay, row.delay = row.delay, 0.0
            ended = row.record.last_exit
            reason = ended.reason if id == cause and ended is not None else f"with {cause}"
            self._event(
                "supervisor.child_restarted", id, reason, row, backoff=delay, incarnation=row.life.incarnation
            )

    def _declined(self, row: Row) -> None:
        if row.spec.restart is Restart.TEMPORARY or self.nest.template is not None:
            self._remove(row, "declined")
        else:
            self.tree.release(row.spec, "declined")

    def _again(self, failed: Row, ids: Sequence[str], up: Sequence[Row]) -> None:
        """A member did not start: one more entry in the budget, one more attempt later."""
        if self._life.stopping:
            return
        self._count(failed.spec.id)
        rest = plan.retry_group(self.nest.strategy, ids, failed.spec.id)
        if self.nest.strategy is Strategy.ONE_FOR_ALL:
            for row in reversed(up):
                if row.life is not None:
                    self._stop_row(row)
        failed.uptime = 0.0
        self._wait(failed.spec.id, rest, self._delay(failed))

    def _delay(self, row: Row) -> float:
        backoff = row.spec.backoff
        if backoff is None:
            return 0.0
        row.attempts = plan.attempts_before(row.attempts, row.uptime, backoff.reset_after)
        row.delay = backoff.delay(row.attempts, self._rng)
        row.attempts += 1
        return row.delay

    def _wait(self, cause: str, ids: Sequence[str], delay: float) -> None:
        pending = Pending(cause, list(ids))
        self.pending[cause] = pending
        for id in ids:
            row = self.rows[id]
            row.state = "backoff"
            row.pending = pending
            row.backoff_until = now() + delay
        box = self._life.mailbox
        assert box is not None
        if delay > 0:
            pending.timer = self.timers.schedule(delay, lambda _timer: box.offer(Retry(pending)))
        else:
            box.offer(Retry(pending))

    def _retry(self, pending: Pending) -> None:
        if self.pending.get(pending.cause) is not pending or self._life.stopping:
            return  # cancelled, or part of a larger restart by now
        del self.pending[pending.cause]
        for id in pending.ids:
            self.rows[id].pending = None
        self._start_group(pending.cause, pending.ids)

    def _count(self, id: str) -> None:
        """One restart more. Gives up when that is too many."""
        nest = self.nest
        self.window, ok = plan.within_budget(self.window, now(), nest.intensity, nest.period)
        if not ok:
            self._give_up(f"more than {nest.intensity} restarts in {nest.period:g} s, the last of {id}")

    def _give_up(self, reason: str) -> None:
        self.gave_up = reason
        self._event("supervisor.budget_spent", "-", reason)
        exit = Exit(Ending.SHUTDOWN, reason, uptime_s=self._life.uptime(), at_us=utc_us())
        report = CrashReport(self.id, "shutdown", self._life, exit)
        self.tree.record(self.id).reports.append(report)
        self.tree.record(self.id).last_error = {
            "code": "supervision.budget_spent",
            "message": reason,
            "at_us": exit.at_us,
        }
        self._reports.append(report)
        raise Leaving(f"shutdown: {reason}")

    # --- administration ------------------------------------------------------------------------------------

    def _call(self, call: Call) -> Any:
        if self._life.stopping:
            raise ActorDeadError(f"{self.id} is stopping")
        assert call.name in CALLS
        method: Callable[..., Any] = getattr(self, call.name)
        return method(*call.args, **call.kwargs)

    def start_child(
        self,
        spec: Child | None = None,
        *,
        id: str | None = None,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Handle | None:
        """Add and start a child; see Supervisor.start_child."""
        generated = False
        if self.nest.template is not None:
            spec, generated = self._after_template(spec, id, args, kwargs)
        if not isinstance(spec, Child):
            raise SpecError(f"supervisor {self.id!r}: start_child needs a Child, not {spec!r}")
        if id is not None and self.nest.template is None:
            raise SpecError(f"supervisor {self.id!r}: id is for dynamic supervisors; the Child has its own")
        present = self.rows.get(spec.id)
        if present is not None:
            if present.life is None and present.pending is None:
                raise AlreadyPresent(spec.id)
            raise AlreadyStarted(spec.id, self.handle(spec.id))
        if spec.significant and self.nest.auto_shutdown.value == "never":
            raise SpecError(f"child {spec.id!r} is significant, but auto_shutdown of {self.id!r} is never")
        self.tree.claim(spec, self.id)
        row = Row(spec, self.tree.record(spec.id))
        row.generated = generated
        self.rows[spec.id] = row
        self.tree.hold([spec])
        try:
            self._start(row)
        except BaseException:
            self._remove(row, "not_started")
            raise
        if row.life is None:
            self._declined(row)
            return None
        return self.handle(spec.id)

    def _after_template(
        self, spec: Child | None, id: str | None, args: Sequence[Any], kwargs: dict[str, Any] | None
    ) -> tuple[Child, bool]:
        template = self.nest.template
        assert template is not None
        if spec is not None:
            raise SpecError(f"dynamic {self.id!r} makes its children after a template: give args and kwargs")
        limit = self.nest.max_children
        if limit is not None and len(self.rows) >= limit:
            raise MaxChildren(f"dynamic {self.id!r} holds max_children={limit} already")
        generated = id is None
        while id is None or (generated and self.tree.owner(id) is not None):
            self._made += 1
            id = f"{template.id}-{self._made}"
        extra = {**template.kwargs, **(kwargs or {})}
        return template.but(id=id, args=(*template.args, *args), kwargs=extra), generated

    def terminate_child(self, id: str) -> None:
        """Stop a child for now; see Supervisor.terminate_child."""
        row = self._row(id)
        row.cancel()
        self.pending = {cause: p for cause, p in self.pending.items() if p.ids}
        if row.life is not None:
            self._stop_row(row)
        row.down("stopped")
        if row.spec.restart is Restart.TEMPORARY or self.nest.template is not None:
            self._remove(row, "terminated")
        else:
            self.tree.release(row.spec, "terminated")

    def restart_child(self, id: str) -> Handle | None:
        """Start a child that does not run; see Supervisor.restart_child."""
        row = self._row(id)
        if row.pending is not None:
            raise Restarting(id)
        if row.life is not None:
            raise Running(id)
        self.tree.hold([row.spec])
        try:
            self._start(row)
        except StartFailed:
            self.tree.release(row.spec, "not_started")
            raise
        if row.life is None:
            self._declined(row)
            return None
        return self.handle(id)

    def cycle_child(self, id: str) -> Handle | None:
        """Stop and start again, by hand; see Supervisor.cycle_child."""
        row = self._row(id)
        row.cancel()
        self.pending = {cause: p for cause, p in self.pending.items() if p.ids}
        if row.life is not None:
            self._stop_row(row)
        row.down("stopped")
        row.attempts = 0
        handle = self.restart_child(id)
        row.record.restarts += 1
        return handle

    def delete_child(self, id: str) -> None:
        """Forget the spec of a child that does not run; see Supervisor.delete_child."""
        row = self._row(id)
        if row.pending is not None:
            raise Restarting(id)
        if row.life is not None:
            raise Running(id)
        self._remove(row, "deleted")

    def which_children(self) -> list[Info]:
        """See Supervisor.which_children."""
        return [row.info(self.handle(row.spec.id)) for row in self.rows.values()]

    def count_children(self) -> dict[str, int]:
        """See Supervisor.count_children."""
        nested = sum(1 for row in self.rows.values() if row.spec.nest is not None)
        return {
            "specs": len(self.rows),
            "active": sum(1 for row in self.rows.values() if row.life is not None),
            "supervisors": nested,
            "workers": len(self.rows) - nested,
        }

    def get_spec(self, id: str) -> Child:
        """See Supervisor.get_spec."""
        return self._row(id).spec

    def _row(self, id: str) -> Row:
        row = self.rows.get(id)
        if row is None:
            near = difflib.get_close_matches(str(id), self.rows, n=1)
            raise NotFound(id, f" under {self.id!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        return row

    def _remove(self, row: Row, why: str) -> None:
        row.cancel()
        self.rows.pop(row.spec.id, None)
        self.tree.release(row.spec, why)
        self.tree.disclaim(row.spec, forget=row.generated)

    def _event(
        self,
        event_type: str,
        child: str,
        reason: str,
        row: Row | None = None,
        *,
        backoff: float = 0.0,
        incarnation: int | None = None,
    ) -> None:
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
            },
        )
