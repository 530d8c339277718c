"""A supervisor's judgement carried out: ends of children, group restarts, the budget, giving up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from supervision import plan
from supervision._children import Children
from supervision._clock import now, utc_us
from supervision._exit import Exit
from supervision._life import Hung, Life
from supervision._row import Pending, Row
from supervision.errors import Leaving, StartFailed
from supervision.plan import Ending, Outcome
from supervision.spec import Strategy


class Retry(NamedTuple):
    """To itself: the time of a pending restart has come."""

    pending: Pending


class Restarts(Children):
    """What follows from an end that nobody asked for."""

    def _ended(self, life: Life) -> None:
        row = self.rows.get(life.id)
        if row is None or row.life is not life:
            return  # news of an incarnation that has been dealt with
        exit = self._bury(row, life, "child_terminated", quiet=True)
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
        def back(row: Row, life: Life) -> None:
            row.record.restarts += 1
            delay, row.delay = row.delay, 0.0
            id, ended = row.spec.id, row.record.last_exit
            reason = ended.reason if id == cause and ended is not None else f"with {cause}"
            self._event(
                "supervisor.child_restarted",
                id,
                reason,
                row,
                backoff=delay,
                incarnation=life.incarnation,
                quiet=True,
            )

        up: list[Row] = []
        for id in ids:
            row = self.rows.get(id)
            if row is None or row.life is not None:
                continue
            if self._life.stopping:
                return
            self.tree.hold([row.spec])
            try:
                self._start(row, back)
            except StartFailed:
                self._again(row, ids, up)
                return
            if row.life is None:
                self._declined(row)
                continue
            up.append(row)

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
        self._report("shutdown", self._life, exit)
        self.tree.record(self.id).last_error = {
            "code": "supervision.budget_spent",
            "message": reason,
            "at_us": exit.at_us,
        }
        raise Leaving(f"shutdown: {reason}")
