"""WfvCore alone: what is told late, twice, by others or for nobody."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors._effects import Event, WriteFact
from actors._wfv_core import WfvCore
from foldward.contracts.facts import FinishWfv, StartWfv
from foldward.contracts.messages import Settled, Written
from foldward.settings import WfvTable

PLAN = {"mode": "classic"}
REPORT = {
    "decision": "validated", "planned": 1, "failed": 0, "is_sharpe": 1.0, "oos_sharpe": 0.8,
    "folds": [{"is_sharpe": 1.0, "oos_sharpe": 0.8, "status": "ok"}],
}  # fmt: skip


class Rows:
    """The reader: one run under way, its request sent, its result stored or not."""

    def __init__(self) -> None:
        self.result_row: Any = None
        self.request_row: Any = SimpleNamespace(status="sent", last_error=None)
        self.gone = False

    def wfv_runs(self, **_: Any) -> list[Any]:
        run = SimpleNamespace(
            wfv_id="w1", name="s", kind="wfv", request_id="r1", plan=PLAN, started_at=0, deadline_at=10**13
        )
        return [run]

    def meta(self, _: str) -> str | None:
        return None

    def result(self, _: str) -> Any:
        return self.result_row

    def request(self, _: str) -> Any:
        return self.request_row

    def strategy(self, _: str) -> Any:
        return None if self.gone else SimpleNamespace(generation=3, definition={})

    def strategies(self, **_: Any) -> list[Any]:
        return []


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def core(rows: Rows) -> WfvCore:
    made = WfvCore(WfvTable(enabled=False), deadline_s=86_400.0)
    made.recover(rows)
    return made


def settled(state: str = "applied", request_id: str = "r1", group: str | None = "w1", **more: Any) -> Settled:
    return Settled(request_id=request_id, name="s", kind="wfv", state=state, group_id=group, **more)


def ends(effects: list[Any]) -> list[FinishWfv]:
    return [
        effect.fact
        for effect in effects
        if isinstance(effect, WriteFact) and isinstance(effect.fact, FinishWfv)
    ]


def test_a_result_known_only_to_the_rows_ends_the_run(core: WfvCore, rows: Rows) -> None:
    rows.result_row = SimpleNamespace(report=REPORT)
    (fact,) = ends(core.settled(settled("duplicate"), rows, 1.0))
    assert (fact.state, fact.decision) == ("done", "validated")


def test_a_request_that_was_open_for_another_ends_the_run_too(core: WfvCore, rows: Rows) -> None:
    rows.result_row = SimpleNamespace(report=REPORT)
    assert len(ends(core.settled(settled("duplicate", group="another"), rows, 1.0))) == 1


@pytest.mark.parametrize(
    "message", [settled(request_id="r2"), settled(request_id="r2", group="x"), settled("retry")]
)
def test_news_about_other_requests_changes_nothing(core: WfvCore, rows: Rows, message: Settled) -> None:
    assert core.settled(message, rows, 1.0) == []


def test_an_end_is_written_once_until_it_is_answered(core: WfvCore, rows: Rows) -> None:
    (fact,) = ends(core.settled(settled("error", code="exhausted"), rows, 1.0))
    assert (fact.state, fact.detail) == ("failed", {"reason": "exhausted"})
    assert ends(core.settled(settled("error"), rows, 2.0)) == []
    # The store refused: it is still under way, and the next tick that sees the end writes it again.
    assert core.written(Written(tag=("end", "w1"), fact=fact, ok=False, code="storage.io"), rows, 3.0) == []
    assert core.stats(4.0)[0] == 1
    rows.request_row = SimpleNamespace(status="error", last_error="exhausted")
    (again,) = ends(core.tick(rows, 4.0))
    assert core.written(Written(tag=("end", "w1"), fact=again, ok=True, value=True), rows, 5.0) != []
    assert core.stats(6.0) == (0, None)


@pytest.mark.parametrize("value", [False, True])
def test_only_an_end_that_changed_the_row_is_told(core: WfvCore, rows: Rows, value: bool) -> None:
    rows.gone = True
    (fact,) = ends(core.settled(settled("cancelled"), rows, 1.0))
    told = core.written(Written(tag=("end", "w1"), fact=fact, ok=True, value=value), rows, 2.0)
    assert [event.event_type for event in told if isinstance(event, Event)] == (
        ["wfv.expired"] if value else []
    )


def test_a_request_that_is_gone_without_a_result_fails_the_run(core: WfvCore, rows: Rows) -> None:
    rows.request_row = None
    (fact,) = ends(core.tick(rows, 1.0))
    assert (fact.state, fact.detail) == ("failed", {"reason": "its request is gone"})


def test_a_start_that_the_store_refused_is_no_run(core: WfvCore, rows: Rows) -> None:
    fact = StartWfv(wfv_id="w1", name="s", kind="wfv", request_id="r1", plan=PLAN, at_us=0, deadline_us=1)
    assert core.written(Written(tag=("start", "w1"), fact=fact, ok=False, code="storage.io"), rows, 1.0) == []
    assert core.stats(2.0) == (0, None)


@pytest.mark.parametrize("tag", [None, "w1", ("a", "b", "c"), ("other", "w1")])
def test_an_answer_to_something_else_changes_nothing(core: WfvCore, rows: Rows, tag: Any) -> None:
    fact = StartWfv(wfv_id="w1", name="s", kind="wfv", request_id="r1", plan=PLAN, at_us=0, deadline_us=1)
    assert core.written(Written(tag=tag, fact=fact, ok=True, value=True), rows, 1.0) == []
    assert core.stats(2.0)[0] == 1
