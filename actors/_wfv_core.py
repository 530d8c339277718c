"""WFVScheduler's core: walk-forward and combinatorial runs from start to end (spec 8.4).

What is under way lives in `wfv_runs`; this is a copy that can be read again. A run ends with its request:
with its report, as failed when the request was given up or a part is missing, or past its deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from actors import _wfv_candidates as candidates
from actors._effects import Effects, Event, WriteFact
from actors._schedule import Pending, broken, decide, expired, pending_stats
from actors._wfv_events import ended, started
from actors._wfv_starts import ANSWER_S, KINDS, PLANS, Starts
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.contracts.facts import FinishWfv, SetMeta, StartWfv
from foldward.contracts.jobs import Strategy
from foldward.contracts.messages import Settled, Submit, Submitted, Written
from foldward.settings import WfvTable

LAST = "last_wfv_us"
CHECKED = 100

# (kind, strategy, plan) → how the plan splits the strategy's candles: is_bars, oos_bars and folds of a wfv
# plan, paths and basis of a cpcv plan. The app gives it: actors know neither candles nor splits.
Splits = Callable[[str, Strategy, dict[str, Any]], dict[str, Any]]


class Rows(candidates.Rows, Protocol):
    """What is read: storage.reads.Reader."""

    def strategy(self, name: str) -> Any: ...
    def result(self, request_id: str) -> Any: ...
    def request(self, request_id: str) -> Any: ...
    def meta(self, key: str) -> str | None: ...


class WfvCore:
    """See the module. deadline_s: total time of a request, and so of a run. splits: see `Splits`."""

    def __init__(
        self,
        settings: WfvTable,
        *,
        deadline_s: float,
        seed: int = 0,
        run_id: str = "-",
        address: Any = None,
        splits: Splits | None = None,
    ) -> None:
        self.settings = settings
        self.deadline_s = deadline_s
        self.run_id = run_id
        self._splits = splits
        self._runs: dict[str, Pending] = {}
        self._plans: dict[str, dict[str, Any]] = {}
        self._starts = Starts(seed=seed, run_id=run_id, address=address)
        self._ending: dict[str, float] = {}  # wfv_id → until when its FinishWfv is awaited
        self._last: float | None = None
        self._told: tuple[str, float] | None = None  # the last wfv.deferred: reason and time
        self._candidates = candidates.Candidates(settings)

    # --- life ------------------------------------------------------------------------------------------

    def recover(self, rows: Rows) -> None:
        """Know again what is under way and when the schedule last started something."""
        for row in rows.wfv_runs(state="pending", limit=1_000_000):
            self._know(
                row.wfv_id, row.name, row.kind, row.request_id, row.plan, row.started_at, row.deadline_at
            )
        last = rows.meta(LAST)
        self._last = int(last) / clock.US if last and last.isdigit() else None

    def stats(self, now: float) -> tuple[int, float | None]:
        """(runs under way, age of the oldest in seconds)."""
        return pending_stats(self._runs.values(), now)

    def figures(self, now: float) -> dict[str, Any]:
        """What the scheduler says about itself."""
        count, oldest = self.stats(now)
        return {
            "pending": count,
            "oldest_age_s": oldest,
            "starting": len(self._starts),
            "last_start": self._last,
            "enabled": self.settings.enabled,
        }

    # --- starting --------------------------------------------------------------------------------------

    def tick(self, rows: Rows, now: float) -> Effects:
        """The guard, after what has ended or expired is taken away. now: wall clock, Unix seconds."""
        effects = self._tidy(rows, now)
        decision = decide(
            self.settings, self._scheduled(), lambda: self._candidates.of(rows, now), self._last, now
        )
        if decision.reason is not None:
            return [*effects, *self._deferred(decision.reason, now)]
        self._told = None
        for name in decision.start:
            effects += self._starts.start(name, "wfv", dict(PLANS["wfv"]), now, scheduled=True)
        return effects

    def order(self, message: Submit, now: float) -> Effects:
        """A manual start: as many as are named, whatever the guard says."""
        return self._starts.order(message, now)

    def submitted(self, message: Submitted, now_us: int) -> Effects:
        """The queue's answer: a row is due for what it took."""
        start = self._starts.take(message)
        if start is None:
            return []
        item = message.items[0]
        if start.scheduled:
            self._candidates.answered(start.name, item, now_us / clock.US)
        known = any(run.request_id == item.request_id for run in self._runs.values())
        effects: Effects = []
        if item.status in ("queued", "pending") and item.request_id is not None and not known:
            deadline_us = now_us + int(self.deadline_s * clock.US)
            fact = StartWfv(
                wfv_id=start.wfv_id,
                name=start.name,
                kind=start.kind,  # type: ignore[arg-type]
                request_id=item.request_id,
                plan=start.plan,
                at_us=now_us,
                deadline_us=deadline_us,
            )
            self._know(start.wfv_id, start.name, start.kind, item.request_id, start.plan, now_us, deadline_us)
            effects.append(WriteFact(fact, ("start", start.wfv_id)))
            if start.scheduled:
                # The last run moves only when one started: a refusal must not cost an hour.
                self._last = now_us / clock.US
                effects.append(WriteFact(SetMeta(key=LAST, value=str(now_us)), reply=False))
        return effects + self._starts.answer(start, item)

    def _scheduled(self) -> list[Pending]:
        """What counts against max_pending: walk-forward runs under way, and those about to be."""
        runs = [*self._runs.values(), *self._starts.pending()]
        return [run for run in runs if run.kind == "wfv"]

    def _deferred(self, reason: str, now: float) -> Effects:
        """Told when the reason changes, and once an interval while it stays."""
        quiet = max(self.settings.interval_s, 60.0)
        if self._told is not None and self._told[0] == reason and 0 <= now - self._told[1] < quiet:
            return []
        self._told = (reason, now)
        count, oldest = self.stats(now)
        data = {
            "wfv_id": None,
            "strategy": None,
            "split_ratio": None,
            "reason": reason,
            "pending": count,
            "oldest_age_sec": oldest,
        }
        return [Event("wfv.deferred", data, run_id=self.run_id)]

    # --- ending ----------------------------------------------------------------------------------------

    def settled(self, message: Settled, rows: Rows, now: float) -> Effects:
        """A request's state changed; ours carry the run as their group."""
        run = self._runs.get(message.group_id or "")
        if run is None and message.kind in KINDS:
            # The request may be another's that was open already: then its group is not ours.
            run = next((r for r in self._runs.values() if r.request_id == message.request_id), None)
        if run is None or run.request_id != message.request_id:
            return []
        if message.state in ("applied", "duplicate"):
            result = message.result if message.state == "applied" else None
            return self._finish(run, rows, now, result.detail if result is not None else None)
        if message.state in ("error", "cancelled"):
            return self._end(run, "failed", None, {"reason": message.code or message.state}, now)
        return []

    def written(self, message: Written, rows: Rows, now: float) -> Effects:
        """A run's row is committed: only now is it told."""
        if not isinstance(message.tag, tuple) or len(message.tag) != 2:
            return []
        what, wfv_id = message.tag
        if what == "start" and isinstance(message.fact, StartWfv):
            if not message.ok:
                # The request runs on; without a row it is no run of ours.
                self._forget(wfv_id)
                return []
            figures = self._figures(message.fact, rows)
            return [self._event(*told) for told in started(message.fact, figures)]
        if what == "end" and isinstance(message.fact, FinishWfv):
            self._ending.pop(wfv_id, None)
            if not message.ok:
                return []  # still under way for us: the next tick ends it again
            run = self._runs.get(wfv_id)
            plan = self._plans.get(wfv_id)
            self._forget(wfv_id)
            if run is None or not message.value:
                return []
            strategy = rows.strategy(run.name)
            generation = None if strategy is None else strategy.generation
            return [self._event(*told) for told in ended(message.fact, run, plan, generation, now)]
        return []

    def _figures(self, fact: StartWfv, rows: Rows) -> dict[str, Any]:
        """What the event says beyond the plan; nothing when that cannot be known: the run goes on without."""
        row = rows.strategy(fact.name)
        if self._splits is None or row is None:
            return {}
        try:
            strategy = msgspec.convert(row.definition, Strategy)
            return self._splits(fact.kind, strategy, dict(fact.plan or {}))
        except (FoldwardError, msgspec.ValidationError, OSError):
            return {}

    def _tidy(self, rows: Rows, now: float) -> Effects:
        effects: Effects = []
        effects += self._starts.tidy(now)
        self._ending = {wfv_id: until for wfv_id, until in self._ending.items() if until > now}
        for run in list(self._runs.values())[:CHECKED]:
            effects += self._look(run, rows, now)
        for run in expired(self._runs.values(), now):
            effects += self._end(run, "expired", None, {"reason": "its request's deadline has passed"}, now)
        return effects

    def _look(self, run: Pending, rows: Rows, now: float) -> Effects:
        """End a run whose end was told to nobody."""
        del self._runs[run.wfv_id]
        self._runs[run.wfv_id] = run  # to the back: the next tick looks at others
        row = rows.request(run.request_id)
        if row is None:
            if rows.result(run.request_id) is None:
                return self._end(run, "failed", None, {"reason": "its request is gone"}, now)
            return self._finish(run, rows, now, None)
        if row.status in ("error", "cancelled"):
            why = row.last_error or row.status
            return self._end(run, "failed", None, {"reason": why}, now)
        return []

    def _finish(self, run: Pending, rows: Rows, now: float, report: dict[str, Any] | None) -> Effects:
        if report is None:
            stored = rows.result(run.request_id)
            report = dict(stored.report) if stored is not None else {}
        why = broken(report)
        if why is not None:
            return self._end(run, "failed", "invalid", {**report, "reason": why}, now)
        decision = report.get("decision")
        if run.kind == "cpcv":
            if report.get("verdict") == "INVALID":
                return self._end(run, "failed", "invalid", report, now)
            decision = "passed" if report.get("is_passed") else "failed"
        return self._end(run, "done", decision, report, now)

    def _end(
        self, run: Pending, state: Any, decision: str | None, detail: dict[str, Any], now: float
    ) -> Effects:
        if run.wfv_id in self._ending:
            return []
        self._ending[run.wfv_id] = now + ANSWER_S
        fact = FinishWfv(
            wfv_id=run.wfv_id, state=state, decision=decision, detail=detail, at_us=int(now * clock.US)
        )
        return [WriteFact(fact, ("end", run.wfv_id))]

    def _event(self, name: str, wfv_id: str, data: dict[str, Any]) -> Event:
        return Event(name, data, correlation_id=wfv_id, run_id=self.run_id)

    def _know(
        self,
        wfv_id: str,
        name: str,
        kind: str,
        request_id: str,
        plan: dict[str, Any],
        at_us: int,
        deadline_us: int,
    ) -> None:
        self._plans[wfv_id] = plan
        self._runs[wfv_id] = Pending(wfv_id, name, at_us / clock.US, request_id, kind, deadline_us / clock.US)

    def _forget(self, wfv_id: str) -> None:
        self._runs.pop(wfv_id, None)
        self._plans.pop(wfv_id, None)
        self._ending.pop(wfv_id, None)
