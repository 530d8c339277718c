"""What the OOSQueue decides when messages come twice, late, or after a crash of the writer."""

import random
from typing import Any

import pytest

from actors._attempts import Rewrite
from actors._effects import Answer, Effect, Event, Later, Tell, WriteFact
from actors._ledger import Ledger, Reapply
from foldward.contracts.facts import ApplyResult, Fact, FailAttempt, GiveUp, ReturnLease
from foldward.contracts.jobs import Result, Window
from foldward.contracts.messages import (
    AttemptFailed,
    Hold,
    ResultArrived,
    Settled,
    WorkReturned,
    Written,
)
from foldward.settings import QueueTable, RetryTable
from storage.rows import RequestRow

ID = "01980000-0000-7000-8000-000000000001"
NOW_US = 1_000_000_000


def row(status: str = "sent", **fields: Any) -> RequestRow:
    base: dict[str, Any] = dict.fromkeys(RequestRow.__struct_fields__)
    base |= {
        "request_id": ID,
        "name": "sma",
        "requested_at": 900,
        "requested_us": 900_000_000,
        "status": status,
        "kind": "oos",
        "digest": "sha256:dd",
        "run_id": "-",
        "trace_id": "t",
        "sends": 1,
        "failures": 0,
        "crashes": 0,
        "priority": 0,
        "origin": "operator",
        "fingerprint": "sha256:aa",
        "window_start": 1,
        "window_end": 9,
        "window_bars": 9,
        "payload_crc": 0,
        "payload": b"{}",
    }
    return RequestRow(**(base | fields))


class Room:
    """A ledger over one row."""

    def __init__(self, found: RequestRow | None = None, side: float | None = None, **queue: Any) -> None:
        self.found = found
        self.side = side
        self.now = 50.0
        self.ledger = Ledger(
            QueueTable(**queue), RetryTable(), random.Random(1), lambda _id: self.found, self._side
        )

    def _side(self, _name: str, _fresh: bool) -> tuple[float | None, Window | None]:
        return self.side, Window(1, 5, 5)

    def arrive(self, **fields: Any) -> list[Effect]:
        return self.ledger.arrived(arrived(**fields), self.now, NOW_US)

    def fail(self, code: str = "request.timeout") -> list[Effect]:
        message = AttemptFailed(
            request_id=ID, cause="deadline", code=code, error="e", at_us=NOW_US, attempt=2
        )
        return self.ledger.attempt_failed(message, self.now, NOW_US)

    def give_back(self, started: bool) -> list[Effect]:
        message = WorkReturned(
            request_ids=(ID,), started=(ID,) if started else (), peer="w1", reason="gone", at_us=NOW_US
        )
        return self.ledger.returned(message, self.now, NOW_US)


def arrived(**fields: Any) -> ResultArrived:
    base: dict[str, Any] = {
        "request_id": ID,
        "strategy_name": "sma",
        "trades": 1,
        "wins": 1,
        "losses": 0,
        "pnl": 1.0,
        "sharpe": 0.5,
        "sortino": 0.5,
        "max_drawdown": 0.1,
        "win_rate": 100.0,
        "profit_factor": 2.0,
        "window": Window(1, 9, 9),
        "result_digest": "sha256:rr",
    }
    more = {key: fields.pop(key) for key in ("dead_id", "reply_to") if key in fields}
    return ResultArrived(result=Result(**(base | fields)), raw=b"raw", peer="w1", received_us=NOW_US, **more)


def facts(effects: list[Effect], kind: type[Fact] = Fact) -> list[Any]:
    return [e.fact for e in effects if isinstance(e, WriteFact) and isinstance(e.fact, kind)]


def written(effects: list[Effect], value: Any = None, ok: bool = True, **more: Any) -> Written:
    (write,) = [e for e in effects if isinstance(e, WriteFact) and e.reply]
    return Written(tag=write.tag, fact=write.fact, ok=ok, value=value, **more)


def settled(effects: list[Effect]) -> list[tuple[str, str]]:
    return [
        (e.to, e.message.state) for e in effects if isinstance(e, Tell) and isinstance(e.message, Settled)
    ]


def test_an_answer_to_a_row_that_was_read_is_applied() -> None:
    room = Room(row())
    (fact,) = facts(room.arrive(), ApplyResult)
    assert (fact.peer, fact.unverified, fact.received_us) == ("w1", False, NOW_US)


def test_an_answer_without_an_open_row_is_for_the_store_to_judge() -> None:
    for found in (None, row("cancelled"), row("error")):
        assert len(facts(Room(found).arrive(), ApplyResult)) == 1


def test_while_an_answer_is_being_stored_its_deadline_is_no_failure() -> None:
    room = Room(row())
    room.arrive()
    assert room.fail() == []
    assert room.give_back(started=True) == []


def test_an_answer_whose_store_crashed_does_not_block_the_request_for_ever() -> None:
    room = Room(row())
    room.arrive()
    room.now += 60.0
    assert len(facts(room.fail(), FailAttempt)) == 1


def test_two_failures_of_one_attempt_are_one() -> None:
    room = Room(row())
    effects = room.fail()
    assert len(facts(effects, FailAttempt)) == 1
    assert room.fail() == []
    after = room.ledger.failed(written(effects, {"failures": 1, "sends": 1}))
    assert [to for to, state in settled(after) if state == "retry"] == [
        "dispatcher",
        "rank_evaluator",
        "wfv_scheduler",
        "reporter",
    ]
    assert len(facts(room.fail(), FailAttempt)) == 1


def test_a_retry_names_the_attempt_that_failed_though_the_peer_did_not() -> None:
    room = Room(row(sends=0))
    effects = room.arrive(error="boom", code="engine.internal")
    told = room.ledger.failed(written(effects, {"failures": 1, "sends": 2}))
    (event,) = [effect for effect in told if isinstance(effect, Event)]
    assert (event.event_type, event.data["attempt"]) == ("oos.retry", 2)


def test_a_late_answer_is_told_and_kept_under_its_trace() -> None:
    for outcome, kept in (("duplicate", 0), ("nondeterministic", 1), ("stale", 1)):
        room = Room(None)
        known = {"outcome": outcome, "name": "sma", "kind": "oos", "run_id": "run-1", "trace_id": "trace-1"}
        told = room.ledger.applied(written(room.arrive(result_digest=None), known))
        (event,) = [effect for effect in told if isinstance(effect, Event)]
        assert (event.event_type, event.run_id, event.trace_id) == (f"oos.{outcome}", "run-1", "trace-1")
        assert (event.data["strategy"], event.data["oos_kind"]) == ("sma", "oos")
        assert event.data["result_digest"].startswith("sha256:")  # also of a peer that sends none
        letters = [e.message for e in told if isinstance(e, Tell) and isinstance(e.message, Hold)]
        assert [letter.trace_id for letter in letters] == ["trace-1"] * kept


def test_a_failure_of_nobody_is_told_to_the_dispatcher_alone() -> None:
    assert settled(Room(None).fail()) == [("dispatcher", "gone")]
    assert settled(Room(None).give_back(started=False)) == [("dispatcher", "gone")]


def test_a_row_that_moved_on_meanwhile_is_gone() -> None:
    room = Room(row())
    assert settled(room.ledger.failed(written(room.fail(), None))) == [("dispatcher", "gone")]
    room = Room(row(failures=7))
    effects = room.fail()
    assert len(facts(effects, GiveUp)) == 1
    assert settled(room.ledger.ended(written(effects, None))) == [("dispatcher", "gone")]
    room = Room(row())
    effects = room.give_back(started=False)
    assert settled(room.ledger.was_returned(written(effects, None), room.now, NOW_US)) == [
        ("dispatcher", "gone")
    ]


def test_a_commit_that_an_earlier_incarnation_asked_for_is_still_told() -> None:
    asked = Room(row())
    effects = asked.fail()
    fresh = Room(None)
    assert settled(fresh.ledger.failed(written(effects, {"failures": 1, "sends": 1}))) == [
        ("dispatcher", "retry")
    ]
    fresh = Room(None)
    done = fresh.ledger.ended(
        Written(
            tag=("end",),
            fact=GiveUp(request_id=ID, reason="exhausted", code="c", error="e", at_us=1),
            ok=True,
            value={"dead_id": 1},
        )
    )
    assert ("reporter", "error") in settled(done)


def test_a_return_costs_no_failure_and_the_third_death_ends_it() -> None:
    room = Room(row())
    effects = room.give_back(started=True)
    (fact,) = facts(effects, ReturnLease)
    assert (fact.started, fact.due_us) == (True, NOW_US)
    after = room.ledger.was_returned(written(effects, {"crashes": 2}), room.now, NOW_US)
    assert ("dispatcher", "retry") in settled(after)
    assert not any(e.message.charged for e in after if isinstance(e, Tell))
    effects = room.give_back(started=True)
    after = room.ledger.was_returned(written(effects, {"crashes": 3}), room.now, NOW_US)
    (end,) = facts(after, GiveUp)
    assert (end.reason, end.code) == ("crash_loop", "supervision.crash_loop")


def test_the_third_death_ends_it_after_a_restart_too() -> None:
    effects = Room(row()).give_back(started=True)
    fresh = Room(None)
    (end,) = facts(fresh.ledger.was_returned(written(effects, {"crashes": 3}), 0.0, NOW_US), GiveUp)
    assert end.reason == "crash_loop"


def test_deaths_of_work_that_was_not_begun_end_nothing() -> None:
    room = Room(row())
    effects = room.give_back(started=False)
    after = room.ledger.was_returned(written(effects, {"crashes": 9}), room.now, NOW_US)
    assert facts(after, GiveUp) == []


def test_a_damaged_payload_has_its_own_reason() -> None:
    (end,) = facts(Room(row()).fail("storage.corrupt"), GiveUp)
    assert end.reason == "corrupt_payload"


def test_a_refused_answer_is_tried_again_though_its_code_is_not_retryable() -> None:
    effects = Room(row()).arrive(window=Window(1, 9, 8))
    (fact,) = facts(effects, FailAttempt)
    assert (fact.code, fact.cause) == ("wire.mismatch", "result")
    (hold,) = [e.message for e in effects if isinstance(e, Tell) and isinstance(e.message, Hold)]
    assert (hold.payload, hold.trace_id) == (b"raw", "t")


def test_an_error_that_names_another_strategy_blames_nobody() -> None:
    effects = Room(row()).arrive(strategy_name="rsi", error="boom", code="data.geometry")
    assert facts(effects) == []
    assert [type(e.message) for e in effects if isinstance(e, Tell)] == [Hold]


@pytest.mark.parametrize(("side", "refused"), [(0.5, True), (0.4, False), (None, False)])
def test_the_mirror_needs_an_equal_sharpe(side: float | None, refused: bool) -> None:
    effects = Room(row(), side).arrive()
    assert (len(facts(effects, ApplyResult)) == 0) is refused


def test_an_equal_sharpe_over_the_same_window_is_no_mirror() -> None:
    room = Room(row(window_end=5, window_bars=5), 0.5)
    assert len(facts(room.arrive(window=Window(1, 5, 5)), ApplyResult)) == 1


def test_a_backtest_has_no_mirror() -> None:
    assert len(facts(Room(row(kind="backtest"), 0.5).arrive(), ApplyResult)) == 1


def test_three_refusals_of_the_store_make_a_dead_letter() -> None:
    room = Room(row())
    effects = room.arrive()
    for tries in (1, 2):
        (later,) = room.ledger.applied(written(effects, ok=False, code="storage.io", error="e"))
        assert isinstance(later, Later)
        assert isinstance(later.message, Reapply)
        assert later.message.tries == tries
        effects = room.ledger.arrived(later.message.arrived, room.now, NOW_US, later.message.tries)
    last = room.ledger.applied(written(effects, ok=False, code="storage.io", error="e"))
    (hold,) = [e.message for e in last if isinstance(e, Tell)]
    assert (hold.reason, hold.code, hold.payload) == ("apply_failed", "storage.io", b"raw")
    assert len(facts(room.fail(), FailAttempt)) == 1  # the request goes on


def test_a_replay_hears_what_became_of_it_and_holds_nothing_twice() -> None:
    def outcome(effects: list[Effect]) -> tuple[bool, dict[str, Any]]:
        assert not [e for e in effects if isinstance(e, Tell) and isinstance(e.message, Hold)]
        (answer,) = [e for e in effects if isinstance(e, Answer)]
        return answer.message.ok, answer.message.value

    box = object()
    replayed = {"dead_id": 3, "reply_to": box}
    assert outcome(Room(row()).arrive(window=Window(1, 9, 8), **replayed))[1]["outcome"] == "refused"
    assert outcome(Room(row()).arrive(error="boom", **replayed))[1]["outcome"] == "failed"
    room = Room(None)
    effects = room.arrive(**replayed)
    assert outcome(room.ledger.applied(written(effects, {"outcome": "stale"}))) == (
        False,
        {"outcome": "stale", "code": "request.unknown_id", "error": "no open request has that id"},
    )
    effects = room.arrive(**replayed)
    other = room.ledger.applied(written(effects, {"outcome": "nondeterministic"}))
    assert outcome(other) == (True, {"outcome": "nondeterministic"})
    effects = room.ledger.arrived(arrived(**replayed), room.now, NOW_US, 2)
    failed = room.ledger.applied(written(effects, ok=False, code="storage.io", error="e"))
    assert outcome(failed)[1] == {"outcome": "failed", "code": "storage.io", "error": "e"}


def test_a_transition_the_store_refused_is_asked_for_again() -> None:
    room = Room(row())
    (later,) = room.ledger.rewrite(written(room.fail(), ok=False, code="storage.disk_full"))
    assert isinstance(later, Later)
    assert isinstance(later.message, Rewrite)
    assert later.after_s == 1.0


def test_the_cache_of_rows_is_bounded() -> None:
    from actors._records import Records

    records = Records(lambda request_id: row(request_id=request_id), lambda _row: 0.0, capacity=2)
    for n in range(5):
        records.find(f"id-{n}", 0.0)
    assert len(records) == 2
    assert records.known("id-4") is not None
    assert records.known("id-0") is None
