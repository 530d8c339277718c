"""WFVScheduler with the real queue and database, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import _wfv_candidates as candidates
from actors._wfv_core import LAST
from actors.wfv_scheduler import WFVScheduler
from foldward.contracts.errors import RequestError
from foldward.contracts.facts import CancelRequests, RecordVerdict
from foldward.contracts.jobs import Backtest, Strategy
from foldward.contracts.messages import Figures, Submit, Submitted
from foldward.settings import WfvTable
from foldward.testing.actor_world import ActorWorld, Box
from foldward.wire import loads

CLASSIC = {
    "decision": "validated",
    "planned": 1,
    "failed": 0,
    "folds": [{"is_sharpe": 1.0, "oos_sharpe": 0.8, "status": "ok"}],
    "is_sharpe": 1.0,
    "oos_sharpe": 0.8,
    "degradation": 0.2,
    "required_oos": 0.1,
}
NONE = dict.fromkeys(
    ("sharpe", "sortino", "max_drawdown", "win_rate", "profit_factor", "pnl", "trades", "wins", "losses")
)


def splits(kind: str, strategy: Strategy, plan: dict[str, Any]) -> dict[str, Any]:
    """In the place of `foldward.console.plan_figures`."""
    if strategy.name == "s-9":
        raise RequestError("request.bad_plan", "its candles have been replaced by shorter ones")
    if kind == "cpcv":
        return {"paths": 9, "basis": "test_sets"}
    return {"is_bars": 800, "oos_bars": 200, "folds": 1 if plan.get("mode") == "classic" else 12}


class World(ActorWorld):
    """With a WFVScheduler and a worker."""

    def __init__(self, folder: Path, wfv: WfvTable) -> None:
        super().__init__(folder)
        self.wfv = wfv

    def start(self) -> None:
        super().start()
        self.start_scheduler()
        self.link.connect("w1", capacity=100)
        self.run()

    def start_scheduler(self) -> None:
        actor = WFVScheduler(database=self.path, settings=self.wfv, deadline_s=86_400.0, splits=splits)
        self.actors["wfv_scheduler"] = actor
        self._adopt("wfv_scheduler", actor)

    def ranked(self, *names: str, rank: str = "B", **fields: Any) -> None:
        self.add(*names, **fields)
        for name in names:
            fact = RecordVerdict(
                name=name,
                stage="oos",
                verdict="BLOCKED",
                rank=rank,
                gates=(),
                reasons=(),
                at_us=self.clock.utc_us,
            )
            self.writer.apply([fact])

    def jobs(self) -> list[Backtest]:
        return [loads(data) for _, _, data in self.link.sent]  # type: ignore[misc]

    def report(self, name: str, report: dict[str, Any]) -> None:
        job = next(job for job in reversed(self.jobs()) if job.strategy.name == name)
        self.answer(job.request_id, **NONE, reasons=dict.fromkeys(NONE, "reports in detail"), detail=report)

    def runs(self, **which: Any) -> list[Any]:
        return self.reader.wfv_runs(**which)

    def told(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events(name)]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    opened = []

    def build(**fields: Any) -> World:
        world = World(tmp_path, WfvTable(**fields))
        world.__enter__()
        opened.append(world)
        return world

    yield build
    for world in opened:
        world.__exit__(None, None, None)


def test_one_run_starts_an_interval_best_rank_first(make: Any) -> None:
    world = make()
    world.ranked("b-1")
    world.ranked("a-1", rank="A")
    world.pass_time(31)
    assert [row.name for row in world.runs(state="pending")] == ["a-1"]
    (started,) = world.told("wfv.started")
    assert (started["strategy"], started["split_ratio"]) == ("a-1", 0.2)
    assert (started["is_bars"], started["oos_bars"], started["folds"]) == (800, 200, 1)
    world.pass_time(3500)
    assert len(world.runs()) == 1
    world.pass_time(200)
    assert {row.name for row in world.runs()} == {"a-1", "b-1"}


def test_at_the_limit_the_third_is_deferred_with_the_age_of_the_oldest(make: Any) -> None:
    world = make(interval_s=60, max_pending=2)
    world.ranked("s-1", "s-2", "s-3")
    world.pass_time(400)
    assert len(world.runs(state="pending")) == 2
    deferred = [data for data in world.told("wfv.deferred") if data["reason"] == "pending"]
    assert deferred[0]["pending"] == 2
    assert deferred[0]["oldest_age_sec"] > 0


def test_the_last_run_does_not_move_when_nothing_could_start(make: Any) -> None:
    world = make()
    world.pass_time(100)
    assert world.reader.meta(LAST) is None
    assert [data["reason"] for data in world.told("wfv.deferred")] == ["no_candidate"]
    world.candles.codes["EURUSD"] = "data.geometry"
    world.ranked("bad")
    world.pass_time(500)
    assert world.reader.meta(LAST) is None
    assert world.runs() == []


def test_a_schedule_that_is_off_says_so_once_an_interval(make: Any) -> None:
    world = make(enabled=False)
    world.ranked("s-1")
    world.pass_time(3000)
    assert [data["reason"] for data in world.told("wfv.deferred")] == ["disabled"]
    assert world.runs() == []


def test_a_result_ends_the_run_and_is_told_with_its_parts(make: Any) -> None:
    world = make()
    world.ranked("s-1")
    world.pass_time(31)
    world.report("s-1", CLASSIC)
    (row,) = world.runs()
    assert (row.state, row.decision) == ("done", "validated")
    assert [(data["part"], data["sharpe"]) for data in world.told("wfv.part_received")] == [
        ("IS", 1.0),
        ("OOS", 0.8),
    ]
    (told,) = world.told("wfv.result")
    assert (told["decision"], told["degradation"], told["required_oos"], told["generation"]) == (
        "validated",
        0.2,
        0.1,
        0,
    )
    assert (told["is_sharpe"], told["oos_sharpe"]) == (1.0, 0.8)


def test_a_run_with_a_failed_fold_fails_as_a_whole(make: Any) -> None:
    world = make()
    world.ranked("s-1")
    world.pass_time(31)
    world.report("s-1", {**CLASSIC, "planned": 8, "failed": 1})
    (row,) = world.runs()
    assert (row.state, row.decision) == ("failed", "invalid")
    assert row.detail["reason"] == "1 of 8 folds failed"


def test_a_request_that_is_given_up_fails_the_run(make: Any) -> None:
    world = make()
    world.ranked("s-1")
    world.pass_time(31)
    world.answer(world.jobs()[0].request_id, error="looks ahead", code="engine.lookahead")
    (row,) = world.runs()
    assert row.state == "failed"
    (told,) = world.told("wfv.expired")
    assert told["reason"] == "engine.lookahead"


def test_a_failed_run_is_not_scheduled_again_for_a_day(make: Any) -> None:
    world = make(interval_s=60)
    world.ranked("s-1")
    world.pass_time(31)
    world.answer(world.jobs()[0].request_id, error="looks ahead", code="engine.lookahead")
    world.pass_time(3600)
    assert len(world.runs()) == 1


def test_a_failure_from_the_future_holds_nobody_up(make: Any) -> None:
    world = make(interval_s=60)
    world.ranked("s-1")
    world.clock.jump(30 * 86_400.0)
    world.pass_time(31)
    world.answer(world.jobs()[0].request_id, error="looks ahead", code="engine.lookahead")
    world.clock.jump(-30 * 86_400.0)
    world.pass_time(700)
    assert len(world.runs()) == 2


def test_a_restart_knows_what_is_under_way_and_when_it_last_started(make: Any) -> None:
    world = make()
    world.ranked("s-1", "s-2")
    world.pass_time(31)
    world.start_scheduler()
    figures = world.actors["wfv_scheduler"].on_receive(Figures())
    assert figures["pending"] == 1
    world.pass_time(100)
    assert len(world.runs()) == 1
    world.report(world.jobs()[0].strategy.name, CLASSIC)
    assert world.runs()[0].state == "done"


def test_a_result_that_came_while_nobody_listened_is_found(make: Any) -> None:
    world = make()
    world.ranked("s-1")
    world.pass_time(31)
    del world.actors["wfv_scheduler"]
    world.report("s-1", CLASSIC)
    assert world.runs()[0].state == "pending"
    world.start_scheduler()
    world.pass_time(31)
    assert world.runs()[0].state == "done"


def test_a_cancelled_request_fails_its_run_even_when_nobody_says_so(make: Any) -> None:
    world = make()
    world.ranked("s-1")
    world.pass_time(31)
    request_id = world.runs()[0].request_id
    world.writer.apply([CancelRequests(at_us=world.clock.utc_us, why="by hand", request_ids=(request_id,))])
    world.pass_time(31)
    assert world.runs()[0].state == "failed"


def test_a_run_past_its_deadline_expires(make: Any) -> None:
    world = make()
    world.ranked("s-1")
    world.pass_time(31)
    world.clock.jump(86_400.0 + 1)
    world.pass_time(31)
    assert world.runs()[0].state in ("expired", "failed")
    (told,) = world.told("wfv.expired")
    assert told["age_sec"] > 86_400


def test_manual_starts_pass_the_guard_and_hear_what_became_of_them(make: Any) -> None:
    world = make(enabled=False)
    world.add("s-1", "s-2", "s-3")
    box = Box()
    plan = {"mode": "rolling", "train": "90d", "test": "30d"}
    world.tell(
        "wfv_scheduler",
        Submit(names=("s-1", "s-2", "s-3", "none"), kind="wfv", plan=plan, reply_to=box, tag="t"),
    )
    (answer,) = box.messages
    assert isinstance(answer, Submitted)
    assert answer.tag == "t"
    assert [item.status for item in answer.items] == ["queued", "queued", "queued", "refused"]
    assert len(world.runs(state="pending")) == 3
    assert {(data["split_ratio"], data["folds"]) for data in world.told("wfv.started")} == {(None, 12)}
    assert world.reader.meta(LAST) is None


def test_a_combinatorial_run_is_told_under_its_own_events(make: Any) -> None:
    world = make(enabled=False)
    world.add("s-1")
    world.tell("wfv_scheduler", Submit(names=("s-1",), kind="cpcv"))
    (started,) = world.told("cpcv.started")
    assert (started["strategy"], started["paths"], started["basis"]) == ("s-1", 9, "test_sets")
    report = {"passed": 40, "pass_rate": 0.9, "median_sharpe": 0.7, "median_maxdd": 0.08, "is_passed": True}
    world.report("s-1", report)
    (told,) = world.told("cpcv.result")
    assert told["is_passed"] is True
    assert world.runs()[0].decision == "passed"


def test_a_combinatorial_run_without_numbers_is_invalid_and_not_a_failure_of_the_strategy(make: Any) -> None:
    world = make(enabled=False)
    world.add("s-1")
    world.tell("wfv_scheduler", Submit(names=("s-1",), kind="cpcv"))
    report = dict.fromkeys(("passed", "pass_rate", "median_sharpe", "median_maxdd", "is_passed"))
    world.report("s-1", {**report, "verdict": "INVALID", "faults": [{"code": "engine.invariant"}]})
    assert (world.runs()[0].state, world.runs()[0].decision) == ("failed", "invalid")
    (told,) = world.told("cpcv.result")
    assert told["is_passed"] is None
    assert world.told("wfv.result") == []


def test_a_run_whose_split_is_not_known_goes_on_without_its_figures(make: Any) -> None:
    world = make(enabled=False)
    world.add("s-9")
    world.tell("wfv_scheduler", Submit(names=("s-9",), kind="wfv"))
    (started,) = world.told("wfv.started")
    assert (started["is_bars"], started["oos_bars"], started["folds"]) == (None, None, None)
    assert [row.state for row in world.runs()] == ["pending"]


def test_another_kind_is_refused(make: Any) -> None:
    world = make(enabled=False)
    world.add("s-1")
    box = Box()
    world.tell("wfv_scheduler", Submit(names=("s-1",), kind="oos", reply_to=box))
    assert box.messages[0].items[0].code == "request.bad_plan"


def test_a_strategy_that_is_validated_is_no_candidate_any_more(make: Any) -> None:
    world = make(interval_s=60)
    world.ranked("s-1")
    world.pass_time(31)
    world.report("s-1", CLASSIC)
    world.pass_time(600)
    assert len(world.runs()) == 1


def test_a_candidate_that_is_refused_holds_nobody_else_up(make: Any) -> None:
    world = make()
    world.candles.codes["BAD"] = "data.geometry"
    world.ranked("best", rank="A", symbol="BAD")
    world.ranked("next")
    world.pass_time(100)
    assert [row.name for row in world.runs()] == ["next"]
    world.report("next", CLASSIC)
    del world.candles.codes["BAD"]
    world.pass_time(3700)
    assert len(world.runs()) == 1
    world.pass_time(86_400)
    assert {row.name for row in world.runs()} == {"next", "best"}


def test_a_definition_that_came_back_with_its_answer_holds_nobody_else_up(make: Any) -> None:
    world = make(interval_s=60)
    world.ranked("back", rank="A", units=5.0)
    world.pass_time(31)
    world.report("back", CLASSIC)
    world.pass_time(3700)
    world.add("back", units=6.0)
    world.add("back", units=5.0)
    world.ranked("next")
    world.pass_time(3700)
    assert [row.name for row in world.runs()] == ["next", "back"]


def test_whoever_stands_behind_five_hundred_that_are_done_has_his_turn(make: Any) -> None:
    world = make(interval_s=60)
    world.ranked(*(f"s-{number}" for number in range(4)))
    candidates.LOOKED_AT, before = 2, candidates.LOOKED_AT
    try:
        for _ in range(4):
            world.pass_time(100)
            for row in world.runs(state="pending"):
                world.report(row.name, CLASSIC)
    finally:
        candidates.LOOKED_AT = before
    assert len(world.runs()) == 4


def test_an_order_that_the_queue_never_answers_is_answered_after_a_minute(make: Any) -> None:
    world = make(enabled=False)
    world.add("s-1")
    del world.actors["oos_queue"]
    box = Box()
    world.tell("wfv_scheduler", Submit(names=("s-1",), kind="wfv", reply_to=box))
    world.pass_time(100)
    (answer,) = box.messages
    assert (answer.items[0].status, answer.items[0].code) == ("refused", "request.timeout")
    assert world.actors["wfv_scheduler"].on_receive(Figures())["starting"] == 0


def test_a_row_that_could_not_be_written_is_no_run(make: Any) -> None:
    world = make(enabled=False)
    world.add("s-1")
    real = world._commit

    def refuse(write: Any) -> None:
        if type(write.fact).__name__ == "StartWfv":
            world.broken_store = "storage.busy"
        real(write)
        world.broken_store = None

    world._commit = refuse
    world.tell("wfv_scheduler", Submit(names=("s-1",), kind="wfv"))
    assert world.actors["wfv_scheduler"].on_receive(Figures())["pending"] == 0
    assert world.told("wfv.started") == []
