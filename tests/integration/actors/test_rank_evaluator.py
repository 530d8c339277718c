"""RankEvaluator with the real queue, dispatcher and database, in virtual time: from import to verdict."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors._rank_core import CURSOR
from actors._windows import OwnWindows
from actors.rank_evaluator import RankEvaluator
from foldward.console.league import league_row
from foldward.contracts.facts import CancelRequests, ImportStrategies, RetireStrategies, SetMeta
from foldward.contracts.jobs import Backtest, Strategy
from foldward.contracts.messages import Figures, Tick
from foldward.settings import RankTable
from foldward.testing.actor_world import DAY_S, FIRST, ActorWorld
from foldward.wire import loads

GOOD = {"sharpe": 1.0, "profit_factor": 1.9, "win_rate": 55.0, "max_drawdown": 0.05, "trades": 150}
WEAK = {"sharpe": 0.05, "profit_factor": 1.0, "win_rate": 30.0, "max_drawdown": 0.3, "trades": 150}
EVIDENCE = {"dsr": 0.97, "psr": 0.99, "pbo": 0.1, "ruin_probability": 0.0, "expectancy": 1.0}
CPCV = {"is_passed": True, "pass_rate": 0.9, "median_sharpe": 0.8, "median_maxdd": 0.05, "basis": "test_sets"}
WFV = {"decision": "validated", "planned": 1, "failed": 0, "folds": [{"is_sharpe": 1.0, "oos_sharpe": 0.8}]}


def blocks(name: str) -> dict[str, Any]:
    rng = random.Random(name)
    rows = []
    for _ in range(16):
        returns = [rng.gauss(0.001, 0.01) for _ in range(30)]
        rows.append([30, math.fsum(returns), math.fsum(r * r for r in returns)])
    return {"rows": rows, "calendar": 365}


class World(ActorWorld):
    """With a RankEvaluator, and a worker that answers by name and phase."""

    def __init__(self, folder: Path, rank: RankTable, **rank_fields: Any) -> None:
        super().__init__(folder)
        self.rank = rank
        self.rank_fields = rank_fields
        self.weak: set[str] = set()
        self.broken: set[tuple[str, str]] = set()
        self.jobs: list[Backtest] = []
        self._answered: set[tuple[str, int]] = set()

    def start(self) -> None:
        super().start()
        self.start_rank()
        self.link.connect("w1", capacity=10_000)
        self.run()

    def start_rank(self) -> None:
        actor = RankEvaluator(database=self.path, settings=self.rank, **self.rank_fields)
        self.actors["rank_evaluator"] = actor
        self._adopt("rank_evaluator", actor)

    def settle(self, rounds: int = 400) -> None:
        """Let time pass and the worker answer until the evaluator is idle."""
        for _ in range(rounds):
            self.pass_time(0.25)
            self.work()
            if self.figures()["idle"] and not self.mail:
                return
        raise AssertionError(f"not idle: {self.figures()}")

    def figures(self) -> dict[str, Any]:
        figures: dict[str, Any] = self.actors["rank_evaluator"].on_receive(Figures())
        return figures

    def work(self) -> None:
        for _, request_id, data in list(self.link.sent):
            job = loads(data)
            assert isinstance(job, Backtest)
            if (request_id, job.attempt) in self._answered:
                continue
            self._answered.add((request_id, job.attempt))
            self.jobs.append(job)
            self.answer(request_id, **self._fields(job))

    def _fields(self, job: Backtest) -> dict[str, Any]:
        name = job.strategy.name
        if (name, job.phase) in self.broken:
            return {"error": "look-ahead", "code": "engine.lookahead"}
        if job.phase in ("backtest", "oos"):
            numbers: dict[str, Any] = dict(WEAK if name in self.weak else GOOD)
            if job.phase == "oos":
                numbers["sharpe"] -= 0.2
            metrics = {**numbers, "win_rate": numbers["win_rate"] / 100, "expectancy": 1.5}
            return {
                **numbers,
                "metrics": metrics,
                "blocks": blocks(name),
                "result_digest": f"sha256:{job.request_id}",
            }
        plan = job.plan or {}
        report = {"wfv": WFV, "cpcv": CPCV}.get(job.phase) or {
            **EVIDENCE,
            "n_trials": plan["trials"]["n"],
            "trials_sharpe_std": plan["trials"].get("sharpe_std"),
        }
        none = dict.fromkeys(
            ("sharpe", "sortino", "max_drawdown", "win_rate", "profit_factor", "pnl", "trades")
        )
        none |= {"wins": None, "losses": None}
        return {
            **none,
            "reasons": dict.fromkeys(none, "reports in detail"),
            "detail": report,
            "result_digest": f"sha256:{job.request_id}",
        }

    def phases(self, name: str) -> list[str]:
        return [job.phase for job in self.jobs if job.strategy.name == name]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    opened = []

    def build(rank: RankTable | None = None, **fields: Any) -> World:
        world = World(tmp_path, rank or RankTable(), **fields)
        world.__enter__()
        opened.append(world)
        return world

    yield build
    for world in opened:
        world.__exit__(None, None, None)


def test_a_good_strategy_climbs_from_the_incubator_to_s(make: Any) -> None:
    world = make()
    world.add("good")
    world.settle()
    row = world.reader.strategy("good")
    assert (row.rank, row.verdict, row.stage) == ("S", "PASS", "final")
    assert world.phases("good") == ["backtest", "oos", "evidence", "cpcv"]
    moves = [(event.data["from"], event.data["to"]) for event in world.events("rank.changed")]
    assert moves == [("incubator", "B"), ("B", "A"), ("A", "S")]
    assert row.numbers["dsr"] == 0.97


def test_between_cycles_nothing_begins_that_nobody_asked_for(make: Any) -> None:
    world = make()
    world.add("a")
    world.submit("a")
    world.pass_time(30)
    world.work()
    world.pass_time(20)
    assert world.phases("a") == ["oos"]
    assert world.reader.open_rows() == []
    world.pass_time(15)
    assert [row.kind for row in world.reader.open_rows()] == ["backtest"]
    world.settle()
    assert world.reader.strategy("a").rank == "S"


def test_a_weak_strategy_goes_to_the_graveyard_and_costs_no_more_work(make: Any) -> None:
    world = make()
    world.weak.add("weak")
    world.add("weak")
    world.settle()
    row = world.reader.strategy("weak")
    assert (row.rank, row.verdict, row.stage) == ("graveyard", "FAIL", "backtest")
    assert world.phases("weak") == ["backtest"]
    assert "in-sample Sharpe 0.05 misses >= 0.15 for rank B" in row.reasons


def test_a_complete_run_gives_every_strategy_every_number(make: Any) -> None:
    world = make(complete=True, run_id="run-9", seed=7)
    world.weak.add("weak")
    world.add("good", "weak")
    world.settle()
    for name in ("good", "weak"):
        assert sorted(world.phases(name)) == ["backtest", "cpcv", "evidence", "oos", "wfv"]
    assert world.reader.strategy("weak").verdict == "FAIL"
    assert world.reader.strategy("good").verdict == "PASS"
    assert world.reader.strategy("weak").numbers["psr"] == 0.99


def test_evidence_carries_every_trial_on_the_same_data_and_no_other(make: Any) -> None:
    world = make(complete=True)
    world.add("a", "b", "c")
    world.add("other", symbol="USDJPY")
    world.settle()
    plans = {job.strategy.name: job.plan for job in world.jobs if job.phase == "evidence"}
    assert plans["a"]["trials"]["n"] == 3
    assert len(plans["a"]["blocks"]) == 3
    assert plans["a"] == plans["b"] == plans["c"]
    alone = plans["other"]["trials"]
    assert (alone["n"], alone["sharpe_std"]) == (1, 0.0)
    last_backtest = max(i for i, job in enumerate(world.jobs) if job.phase == "backtest")
    assert min(i for i, job in enumerate(world.jobs) if job.phase == "evidence") > last_backtest


def test_refused_data_blocks_with_its_reason_and_is_counted(make: Any) -> None:
    world = make()
    world.candles.codes["BAD"] = "data.geometry"
    world.add("bad", symbol="BAD")
    world.settle()
    row = world.reader.strategy("bad")
    assert (row.rank, row.verdict) == ("incubator", "BLOCKED")
    assert row.reasons == ["the in-sample backtest has no result: refused: data.geometry in /data/BAD_D1.csv"]
    world.pass_time(61)
    cycle = world.events("rank.cycle")[1].data
    assert cycle["failures"] == {"data_invalid": 1, "send_failure": 0, "db_error": 0}
    assert cycle["considered"] >= 1
    world.pass_time(61)
    assert world.events("rank.cycle")[2].data["failures"]["data_invalid"] == 0


def test_refused_data_is_asked_for_again_after_an_hour(make: Any) -> None:
    world = make()
    world.candles.codes["BAD"] = "data.geometry"
    world.add("bad", symbol="BAD")
    world.settle()
    del world.candles.codes["BAD"]
    world.pass_time(3700)
    world.settle()
    assert world.reader.strategy("bad").verdict == "PASS"


def test_work_that_is_given_up_is_not_asked_for_again_even_after_a_restart(make: Any) -> None:
    world = make()
    world.broken.add(("good", "oos"))
    world.add("good")
    world.settle()
    assert world.phases("good") == ["backtest", "oos"]
    row = world.reader.strategy("good")
    assert (row.rank, row.verdict, row.stage) == ("B", "BLOCKED", "oos")
    assert "its request was given up (engine.lookahead)" in row.reasons[0]
    world.start_rank()
    world.settle()
    world.pass_time(200)
    world.settle()
    assert world.phases("good") == ["backtest", "oos"]


def test_a_new_definition_starts_over(make: Any) -> None:
    world = make()
    world.broken.add(("good", "oos"))
    world.add("good")
    world.settle()
    world.broken.clear()
    changed = Strategy(
        name="good", kind="sma", params={"sma_short": 9.0, "sma_long": 20.0}, symbol="EURUSD", timeframe=1440
    )
    world.pass_time(700)
    world.writer.apply([ImportStrategies(strategies=(changed,), at_us=world.clock.utc_us)])
    world.pass_time(70)
    world.settle()
    assert world.reader.strategy("good").verdict == "PASS"


def test_a_crash_in_the_middle_loses_nothing_and_repeats_nothing(make: Any) -> None:
    world = make()
    world.add("a", "b")
    world.pass_time(0.3)
    world.work()
    world.start_rank()
    world.settle()
    for name in ("a", "b"):
        assert world.reader.strategy(name).rank == "S"
        assert sorted(world.phases(name)) == ["backtest", "cpcv", "evidence", "oos"]


def test_after_an_idle_cycle_a_restart_looks_at_nothing_old(make: Any) -> None:
    world = make()
    world.add("a", "b")
    world.settle()
    world.pass_time(130)
    world.settle()
    assert world.reader.meta(CURSOR).startswith(f"{world.reader.revision()}:")
    world.start_rank()
    world.settle()
    assert world.figures()["cycle"]["considered"] == 0


def test_other_thresholds_make_everything_be_looked_at_again(make: Any) -> None:
    world = make()
    world.add("a")
    world.settle()
    world.pass_time(130)
    gates = RankTable().gates
    stricter = gates.B.model_copy(update={"sharpe": 2.0})
    world.rank = RankTable(gates=gates.model_copy(update={"B": stricter}))
    world.start_rank()
    world.settle()
    row = world.reader.strategy("a")
    assert (row.rank, row.verdict) == ("graveyard", "FAIL")


def test_nothing_that_waits_for_an_answer_is_demoted(make: Any) -> None:
    world = make()
    world.add("a")
    world.settle()
    gates = RankTable().gates
    stricter = gates.B.model_copy(update={"sharpe": 2.0})
    world.rank = RankTable(gates=gates.model_copy(update={"B": stricter}))
    (item,) = world.submit("a", kind="wfv", plan={"mode": "classic"})
    assert item.status == "queued"
    world.start_rank()
    world.pass_time(1.0)
    assert world.reader.strategy("a").rank == "S"
    assert world.reader.strategy("a").verdict == "FAIL"
    world.settle()
    assert world.reader.strategy("a").rank == "graveyard"


def test_a_failed_write_is_counted_and_done_again(make: Any) -> None:
    world = make()
    world.add("a")
    world.pass_time(60.3)
    world.work()
    world.broken_store = "storage.disk_full"
    world.pass_time(0.5)
    world.broken_store = None
    assert world.figures()["cycle"]["db_error"] >= 1
    world.settle()
    assert world.reader.strategy("a").rank == "S"


def test_a_retired_strategy_is_left_alone(make: Any) -> None:
    world = make()
    world.add("a")
    world.writer.apply([RetireStrategies(names=("a",), at_us=world.clock.utc_us)])
    world.settle()
    assert world.jobs == []


def test_without_auto_request_nothing_is_asked_for(make: Any) -> None:
    world = make(RankTable(auto_request=False))
    world.add("a")
    world.settle()
    assert world.jobs == []


def test_when_asking_is_allowed_again_what_was_left_is_asked_for(make: Any) -> None:
    world = make(RankTable(auto_request=False))
    world.add("a")
    world.settle()
    world.pass_time(130)
    world.settle()
    world.rank = RankTable()
    world.start_rank()
    world.pass_time(61)
    world.settle()
    assert world.reader.strategy("a").rank == "S"


def test_another_engine_makes_everything_be_looked_at_again(make: Any) -> None:
    engine = "foldward-1"
    world = make(engine=lambda kind: f"{engine}+{kind}")
    world.add("a")
    world.settle()
    world.pass_time(130)
    world.settle()
    world.start_rank()
    world.pass_time(1.0)
    assert world.figures()["cycle"]["considered"] == 0
    engine = "foldward-2"
    world.start_rank()
    world.pass_time(1.0)
    assert world.figures()["cycle"]["considered"] == 1


def windows(world: World, kind: str) -> list[tuple[Any, Any]]:
    return [(job.start_time, job.end_time) for job in world.jobs if job.phase == kind]


@pytest.mark.parametrize("complete", [False, True])
def test_with_more_days_out_of_sample_old_results_do_not_count(make: Any, complete: bool) -> None:
    world = make(complete=complete)

    def start(days: int) -> None:
        world.rank_fields["windows"] = OwnWindows(world.candles, days)
        queue = world.settings.queue.model_copy(update={"oos_window_days": days})
        world.settings = world.settings.model_copy(update={"queue": queue})
        World.start(world)
        for _ in range(20):  # what was sent lately is throttled for ten minutes
            world.pass_time(61)
            world.settle()

    world.add("a")
    start(180)
    start(360)
    first, last = FIRST, FIRST + 729 * DAY_S
    halves = [(first, last - 181 * DAY_S), (first, last - 361 * DAY_S)]
    assert windows(world, "backtest") == halves
    assert windows(world, "oos") == [(last - 180 * DAY_S, last), (last - 360 * DAY_S, last)]
    start(180)
    # The answers of the first time are there: nothing is computed again, and they count again.
    assert windows(world, "backtest") == halves
    side = world.actors["rank_evaluator"]._core._reads.numbers(world.reader.strategy("a"), world.reader, {})
    assert side.backtest.request_id == world.jobs[0].request_id
    assert world.reader.strategy("a").verdict == "PASS"


def test_a_combinatorial_run_on_older_candles_holds_nothing_up(make: Any) -> None:
    world = make()
    world.add("a")
    (item,) = world.submit("a", kind="cpcv", plan={"groups": 10, "test_groups": 2})
    assert item.status == "queued"
    world.work()
    world.candles.bars["EURUSD"] = 800
    for _ in range(5):
        world.pass_time(61)
        world.settle()
    row = world.reader.strategy("a")
    assert (row.verdict, row.rank) == ("PASS", "S")
    assert world.phases("a") == ["cpcv", "backtest", "oos", "evidence", "cpcv"]


def test_evidence_that_failed_on_older_candles_is_made_anew(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make()
    world.add("a")
    monkeypatch.setitem(EVIDENCE, "dsr", 0.5)
    for _ in range(3):
        world.pass_time(61)
        world.settle()
    assert world.reader.strategy("a").verdict == "FAIL"
    monkeypatch.setitem(EVIDENCE, "dsr", 0.97)
    world.candles.bars["EURUSD"] = 800
    world.submit("a", now=True)
    for _ in range(5):
        world.pass_time(301)
        world.settle()
    row = world.reader.strategy("a")
    assert (row.verdict, row.rank) == ("PASS", "S")


def test_a_definition_that_comes_back_is_shown_as_it_was_judged(make: Any) -> None:
    world = make()
    for units in (5.0, 6.0, 5.0):
        world.add("a", units=units)
        for _ in range(20):
            world.pass_time(61)
            world.settle()
    shown = league_row(world.reader.strategy("a"))
    assert (shown["verdict"], shown["is_sharpe"], shown["oos_sharpe"]) == ("PASS", 1.0, 0.8)


def test_a_cursor_of_an_older_form_is_no_cursor(make: Any) -> None:
    world = make()
    world.add("a")
    world.settle()
    world.writer.apply([SetMeta(key=CURSOR, value=f"{world.reader.revision()}:0123456789abcdef")])
    world.start_rank()
    world.pass_time(1.0)
    assert world.figures()["cycle"]["considered"] == 1


def test_the_end_of_a_request_that_was_told_to_nobody_is_found_out(make: Any) -> None:
    world = make()
    world.add("a")
    world.pass_time(60.3)
    (row,) = world.reader.open_rows()
    world.writer.apply([CancelRequests(at_us=world.clock.utc_us, why="lost", request_ids=(row.request_id,))])
    assert world.figures()["open"] == 1
    world.tell("rank_evaluator", Tick())
    assert world.figures()["open"] == 0


def test_ten_percent_more_trials_renew_the_evidence(make: Any) -> None:
    world = make()
    world.add("first")
    world.settle()
    world.add("second")
    world.settle()
    world.pass_time(130)
    world.settle()
    world.pass_time(130)
    world.settle()
    known = [job.plan["trials"]["n"] for job in world.jobs if job.phase == "evidence" and job.plan]
    assert [job.strategy.name for job in world.jobs if job.phase == "evidence"].count("first") == 2
    assert known[-1] == 2
