"""Admission, answers and the operator's verbs, over a real database in virtual time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foldward.contracts.facts import RetireStrategies
from foldward.contracts.messages import Cancel, Cancelled, Drain, Resume, Retried, RetryNow, Settled
from foldward.settings import QueueTable, RetryTable, Settings
from foldward.testing.actor_world import DAY_S, FIRST, ActorWorld, Box
from foldward.wire import loads


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ActorWorld]:
    with ActorWorld(tmp_path) as made:
        made.add("sma-1", "sma-2")
        yield made


def one(world: ActorWorld, name: str = "sma-1", **fields: Any) -> str:
    (item,) = world.submit(name, **fields)
    assert item.status == "queued", item
    assert item.request_id is not None
    return item.request_id


# --- admission ---------------------------------------------------------------------------------------------


def test_queued_is_heard_after_the_commit(world: ActorWorld) -> None:
    request_id = one(world)
    assert world.status(request_id) == "pending"
    (event,) = world.events("oos.requested")
    assert event.correlation_id == request_id
    assert event.data["status"] == "pending"
    assert event.data["latency_sec"] is None


def test_the_oos_window_is_the_last_180_days(world: ActorWorld) -> None:
    request_id = one(world)
    row = world.reader.request(request_id)
    assert row is not None
    last = FIRST + 729 * DAY_S
    assert (row.window_start, row.window_end, row.window_bars) == (last - 180 * DAY_S, last, 181)
    job = loads(row.payload)
    assert (job.start_time, job.end_time) == (last - 180 * DAY_S, last)


def test_the_in_sample_window_ends_one_bar_before_it(world: ActorWorld) -> None:
    row = world.reader.request(one(world, kind="backtest"))
    assert row is not None
    assert row.window_start == FIRST
    assert row.window_end == FIRST + (729 - 181) * DAY_S
    assert row.window_bars == 549


def test_plans_get_the_whole_series(world: ActorWorld) -> None:
    row = world.reader.request(one(world, kind="wfv", plan={"mode": "classic"}))
    assert row is not None
    assert (row.window_start, row.window_bars) == (FIRST, 730)
    assert loads(row.payload).plan == {"mode": "classic"}


def test_a_window_of_ones_own_wins(world: ActorWorld) -> None:
    row = world.reader.request(one(world, window=(FIRST, FIRST + 9 * DAY_S)))
    assert row is not None
    assert row.window_bars == 10


def test_history_of_no_more_than_the_window_leaves_nothing_in_sample(world: ActorWorld) -> None:
    world.candles.bars["EURUSD"] = 150
    (item,) = world.submit("sma-1", kind="backtest")
    assert (item.status, item.code) == ("refused", "data.too_few_rows")
    assert item.hint is not None
    assert "180 days" in item.hint
    assert one(world)


def test_refused_candles_make_no_row_and_tell_the_operator_at_once(world: ActorWorld) -> None:
    world.candles.codes["EURUSD"] = "data.geometry"
    (item,) = world.submit("sma-1")
    assert (item.status, item.code) == ("refused", "data.geometry")
    assert world.reader.queue_counts()["open"] == 0
    (event,) = world.events("data.refused")
    assert event.data == {"file": "/data/EURUSD_D1.csv", "codes": ["data.geometry"], "findings": 1}
    (note,) = world.heard["notifier"]
    assert note.title == "Invalid data file (data.geometry)"
    assert world.reader.counters()["data_invalid"] == 1


def test_an_unknown_name_gets_the_nearest_one(world: ActorWorld) -> None:
    (item,) = world.submit("sma-11")
    assert (item.status, item.code) == ("refused", "request.unknown_strategy")
    assert item.message is not None
    assert "did you mean 'sma-1'?" in item.message


def test_a_retired_strategy_takes_no_more_work(world: ActorWorld) -> None:
    world.writer.apply([RetireStrategies(names=("sma-1",), at_us=world.clock.utc_us)])
    (item,) = world.submit("sma-1")
    assert (item.status, item.code) == ("refused", "request.retired")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "oosx"}, "request.bad_param"),
        ({"seed": -1}, "request.bad_seed"),
        ({"seed": 2**64}, "request.bad_seed"),
        ({"kind": "wfv"}, "request.bad_plan"),
        ({"window": (10, 5)}, "request.bad_window"),
        ({"window": (0, 5)}, "data.too_few_rows"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_code(
    world: ActorWorld, fields: dict[str, Any], code: str
) -> None:
    (item,) = world.submit("sma-1", **fields)
    assert (item.status, item.code) == ("refused", code)


def test_each_name_has_its_own_outcome_in_the_order_asked(world: ActorWorld) -> None:
    items = world.submit("sma-2", "nobody", "sma-1", "sma-2")
    assert [(item.name, item.status) for item in items] == [
        ("sma-2", "queued"),
        ("nobody", "refused"),
        ("sma-1", "queued"),
        ("sma-2", "pending"),
    ]
    assert items[3].request_id == items[0].request_id


def test_nothing_asked_is_nothing_answered(world: ActorWorld) -> None:
    assert world.submit() == []


def test_an_open_request_is_not_made_twice(world: ActorWorld) -> None:
    first = one(world)
    (item,) = world.submit("sma-1")
    assert (item.status, item.request_id) == ("pending", first)


def test_the_same_work_is_answered_from_the_store(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.answer(request_id)
    world.pass_time(601)
    (item,) = world.submit("sma-1")
    assert (item.status, item.request_id) == ("cached", request_id)
    assert len(world.sent()) == 1


def test_an_automatic_repeat_within_600_seconds_is_throttled_and_now_passes(world: ActorWorld) -> None:
    world.link.connect("w1")
    world.answer(one(world))
    world.candles.bars["EURUSD"] = 731  # a new bar: other work
    world.pass_time(599)
    (item,) = world.submit("sma-1", origin="rank")
    assert (item.status, item.code) == ("throttled", "request.throttled")
    (event,) = world.events("oos.throttled")
    assert event.data["oos_kind"] == "a-rank"
    assert event.data["age_sec"] == 599.0
    assert world.reader.counters()["throttled"] == 1
    (item,) = world.submit("sma-1", now=True)
    assert item.status == "queued"


def test_after_600_seconds_nobody_is_throttled(world: ActorWorld) -> None:
    world.link.connect("w1")
    world.answer(one(world))
    world.candles.bars["EURUSD"] = 731
    world.pass_time(600)
    one(world)


def test_within_the_window_the_store_still_answers(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.answer(request_id)
    (item,) = world.submit("sma-1")
    assert (item.status, item.request_id) == ("cached", request_id)


def test_a_clock_that_is_set_back_throttles_nobody(world: ActorWorld) -> None:
    world.link.connect("w1")
    world.answer(one(world))
    world.candles.bars["EURUSD"] = 731
    world.clock.jump(-30 * 86_400)
    one(world)


def test_another_seed_and_another_bar_are_other_work(world: ActorWorld) -> None:
    rows = [
        world.reader.request(one(world, kind="backtest", now=True)),
        world.reader.request(one(world, kind="backtest", now=True, seed=7)),
    ]
    world.candles.bars["EURUSD"] = 731
    rows.append(world.reader.request(one(world, kind="backtest", now=True)))
    assert len({row.digest for row in rows if row is not None}) == 3
    assert len({loads(row.payload).seed for row in rows if row is not None}) == 3


def test_a_full_queue_refuses_and_never_drops(tmp_path: Path) -> None:
    settings = Settings(queue=QueueTable(max_open=2))
    with ActorWorld(tmp_path, settings) as world:
        world.add("a", "b", "c")
        items = world.submit("a", "b", "c")
        assert [item.status for item in items] == ["queued", "queued", "refused"]
        assert items[2].code == "queue.full"
        assert world.reader.queue_counts()["open"] == 2


def test_when_the_store_cannot_write_nobody_hears_queued(world: ActorWorld) -> None:
    world.broken_store = "storage.disk_full"
    (item,) = world.submit("sma-1")
    assert (item.status, item.code) == ("refused", "storage.disk_full")
    world.broken_store = None
    one(world)


def test_a_draining_queue_admits_nothing_until_it_is_resumed(world: ActorWorld) -> None:
    world.tell("dispatcher", Drain())
    (item,) = world.submit("sma-1")
    assert (item.status, item.code) == ("refused", "queue.draining")
    world.tell("dispatcher", Resume())
    one(world)


def test_the_payload_is_the_whole_request(world: ActorWorld) -> None:
    request_id = one(world, run_id="run-7", trace_id="trace-9")
    row = world.reader.request(request_id)
    assert row is not None
    job = loads(row.payload)
    assert (job.request_id, job.phase, job.run_id, job.trace_id) == (request_id, "oos", "run-7", "trace-9")
    assert (job.data_id, job.candles_file) == ("sha256:EURUSD:730", "/data/EURUSD_D1.csv")
    assert job.strategy.params == {"sma_short": 5.0, "sma_long": 20.0}
    assert job.include_trades


# --- answers -----------------------------------------------------------------------------------------------


def test_an_answer_is_applied_once_and_everyone_hears(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world, origin="rank")
    world.pass_time(0.4)
    world.answer(request_id)
    assert world.status(request_id) == "success"
    (event,) = world.events("oos.result")
    assert event.data["oos_kind"] == "a-rank"
    assert (event.data["sharpe"], event.data["trades"]) == (0.61, 42)
    assert event.data["latency_sec"] == pytest.approx(0.4, abs=1e-6)
    for name in ("rank_evaluator", "wfv_scheduler", "reporter"):
        (settled,) = (message for message in world.heard[name] if isinstance(message, Settled))
        assert (settled.state, settled.origin) == ("applied", "rank")
        assert settled.result is not None
    row = world.reader.strategy("sma-1")
    assert row is not None
    assert row.oos_sharpe == 0.61


def test_a_second_equal_answer_is_a_duplicate(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    raw = world.answer(request_id)
    world.receive(raw)
    assert [event.data["result_digest"] for event in world.events("oos.duplicate")] == ["sha256:" + "ab" * 32]
    assert world.reader.counters()["duplicate"] == 1
    assert world.reader.counters()["success"] == 1


def test_a_second_different_answer_makes_the_strategy_invalid(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.answer(request_id)
    world.answer(request_id, sharpe=0.9, result_digest="sha256:" + "cd" * 32)
    assert len(world.events("oos.nondeterministic")) == 1
    row = world.reader.strategy("sma-1")
    assert row is not None
    assert row.verdict == "INVALID"
    (letter,) = world.reader.dead_letters()
    assert letter.code == "engine.nondeterministic"


def test_an_answer_to_an_unknown_id_is_stale_and_kept(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    stranger = "01980000-0000-7000-8000-000000000001"
    raw = world.answer(request_id)
    lost = raw.replace(request_id.encode(), stranger.encode())
    world.receive(lost)
    assert len(world.events("oos.stale")) == 1
    (letter,) = world.reader.dead_letters()
    assert (letter.reason, letter.request_id) == ("unknown_request_id", stranger)
    whole = world.reader.dead_letter(letter.id)
    assert whole is not None
    assert whole.payload == lost


def test_an_answer_to_a_cancelled_request_is_stale_and_kept(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    box = Box()
    world.tell("oos_queue", Cancel(request_ids=(request_id,), reply_to=box, tag=1))
    assert box.messages == [Cancelled(tag=1, request_ids=(request_id,))]
    world.answer(request_id)
    assert world.status(request_id) == "cancelled"
    assert len(world.events("oos.stale")) == 1
    assert len(world.reader.dead_letters()) == 1


def test_a_late_answer_of_the_first_attempt_is_welcome(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    late = world.result(request_id)
    world.pass_time(125)
    assert world.status(request_id) in ("retry", "sent")
    world.answer(request_id, attempt=late.attempt)
    assert world.status(request_id) == "success"


def test_a_wrong_window_is_refused_kept_and_tried_again(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    right = world.result(request_id).window
    assert right is not None
    world.answer(request_id, window=type(right)(right.start, right.end, right.bars - 1))
    assert world.status(request_id) == "retry"
    (letter,) = world.reader.dead_letters()
    assert (letter.reason, letter.code) == ("mismatch", "wire.mismatch")
    world.pass_time(3)
    world.answer(request_id)
    assert world.status(request_id) == "success"


def test_an_answer_of_another_strategy_is_kept_and_the_request_is_not_blamed(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.answer(request_id, strategy_name="rsi-9")
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.failures) == ("sent", 0)
    (letter,) = world.reader.dead_letters()
    assert letter.reason == "mismatch"


def test_a_legacy_answer_without_window_is_applied_and_marked(world: ActorWorld) -> None:
    world.link.connect("w1", legacy=True)
    request_id = one(world)
    world.answer(request_id, window=None, fingerprint=None, result_digest=None)
    result = world.reader.result(request_id)
    assert result is not None
    assert result.unverified
    assert result.result_digest is not None


def test_an_out_of_sample_sharpe_that_mirrors_the_in_sample_one_is_refused(world: ActorWorld) -> None:
    world.link.connect("w1")
    world.answer(one(world, kind="backtest"), sharpe=0.83)
    request_id = one(world)
    world.answer(request_id, sharpe=0.83)
    assert world.status(request_id) == "retry"
    (event,) = world.events("oos.mirror_rejected")
    assert event.data["is_sharpe"] == 0.83
    (letter,) = world.reader.dead_letters()
    assert letter.code == "wire.mirror"
    world.pass_time(5)
    world.answer(request_id, sharpe=0.82)
    assert world.status(request_id) == "success"


def test_the_mirror_is_seen_after_a_restart_too(world: ActorWorld) -> None:
    world.link.connect("w1")
    world.answer(one(world, kind="backtest"), sharpe=0.83)
    world.kill()
    world.start()
    world.link.connect("w1")
    request_id = one(world)
    world.answer(request_id, sharpe=0.83)
    assert len(world.events("oos.mirror_rejected")) == 1


# --- failures ----------------------------------------------------------------------------------------------


def test_a_runtime_error_is_a_failure_with_a_due_time_and_an_event(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.receive(error_of(world, request_id, code="engine.failed", error="boom"))
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.failures, row.last_error) == ("retry", 1, "boom")
    assert row.next_attempt_at is not None
    wait = (row.next_attempt_at - world.clock.utc_us) / 1e6
    assert 0.1 <= wait <= 2.0
    (event,) = world.events("oos.retry")
    assert (event.data["code"], event.data["failures"], event.data["status"]) == ("engine.failed", 1, "retry")
    world.pass_time(wait + 0.2)
    assert [request for _, request in world.sent()] == [request_id, request_id]
    assert loads(world.link.sent[1][2]).attempt == 2


def error_of(world: ActorWorld, request_id: str, **fields: Any) -> bytes:
    from foldward.contracts.jobs import Result
    from foldward.wire import dumps

    return dumps(Result(request_id=request_id, strategy_name="sma-1", **fields))


def test_bad_data_ends_a_request_at_once_and_a_dead_letter_says_why(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.receive(error_of(world, request_id, code="data.geometry", error="close 500 > high 106"))
    assert world.status(request_id) == "error"
    (letter,) = world.reader.dead_letters()
    assert (letter.reason, letter.code, letter.direction) == ("non_retryable", "data.geometry", "request")
    (event,) = world.events("dead_letter.held")
    assert event.data["dead_id"] == letter.id
    assert any(note.title == "Request given up (non_retryable)" for note in world.heard["notifier"])


def test_the_eighth_failure_is_the_last(world: ActorWorld) -> None:
    world.link.connect("w1", capacity=50)
    request_id = one(world)
    for n in range(1, 9):
        waited = 0.0
        while len(world.sent()) < n and waited < 301.0:
            world.pass_time(0.5)
            waited += 0.5
        world.receive(error_of(world, request_id, error="boom"))
    assert world.status(request_id) == "error"
    (letter,) = world.reader.dead_letters()
    assert (letter.reason, letter.count) == ("exhausted", 1)
    assert len(world.sent()) == 8


def test_a_total_deadline_ends_what_keeps_failing(tmp_path: Path) -> None:
    settings = Settings(retry=RetryTable(deadline_s=60, base_s=20, cap_s=20, floor_s=20))
    with ActorWorld(tmp_path, settings) as world:
        world.add("sma-1")
        world.link.connect("w1")
        request_id = one(world)
        for _ in range(4):
            world.receive(error_of(world, request_id, error="boom"))
            world.pass_time(20.2)
        assert world.status(request_id) == "error"
        (letter,) = world.reader.dead_letters()
        assert letter.reason == "expired"


def test_the_peers_wish_for_a_pause_is_kept(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.receive(error_of(world, request_id, error="busy", code="E_BUSY", retry_after=90.0))
    world.pass_time(89)
    assert len(world.sent()) == 1
    world.pass_time(1.2)
    assert len(world.sent()) == 2


def test_retry_now_makes_a_waiting_request_due_at_once(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.receive(error_of(world, request_id, error="busy", retry_after=3000.0))
    box = Box()
    world.tell("oos_queue", RetryNow(request_ids=(request_id, "nobody"), reply_to=box, tag=5))
    assert box.messages == [Retried(tag=5, outcomes={request_id: True, "nobody": False})]
    assert len(world.sent()) == 2


def test_retry_now_brings_a_given_up_request_back_with_clean_counts(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.receive(error_of(world, request_id, code="data.geometry", error="bad"))
    assert world.status(request_id) == "error"
    world.tell("oos_queue", RetryNow(request_ids=(request_id,)))
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.failures) == ("sent", 0)
    world.answer(request_id)
    assert world.status(request_id) == "success"


def test_cancelling_by_name_ends_all_that_is_open(world: ActorWorld) -> None:
    ids = {one(world), one(world, kind="backtest")}
    box = Box()
    world.tell("oos_queue", Cancel(names=("sma-1",), reply_to=box, tag=2))
    assert set(box.messages[0].request_ids) == ids
    world.link.connect("w1")
    world.pass_time(2)
    assert world.sent() == []


def test_an_answer_the_store_refuses_three_times_is_kept(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.broken_store = "storage.io"
    raw = world.answer(request_id)
    world.pass_time(10)
    world.broken_store = None
    world.pass_time(70)  # the letter itself went to the spill file first
    letters = [letter for letter in world.reader.dead_letters() if letter.reason == "apply_failed"]
    assert len(letters) == 1
    whole = world.reader.dead_letter(letters[0].id)
    assert whole is not None
    assert whole.payload == raw


def test_an_answer_the_store_refuses_once_is_applied_after_all(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.broken_store = "storage.busy"
    world.answer(request_id)
    assert world.status(request_id) == "sent"
    world.broken_store = None
    world.pass_time(2)
    assert world.status(request_id) == "success"


def test_a_failure_the_store_refuses_is_written_later(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.broken_store = "storage.busy"
    world.receive(error_of(world, request_id, error="boom"))
    assert world.status(request_id) == "sent"
    world.broken_store = None
    world.pass_time(1.1)
    row = world.reader.request(request_id)
    assert row is not None
    assert row.failures == 1


def test_events_carry_every_key_of_the_table(world: ActorWorld) -> None:
    from foldward.contracts.events import EVENTS

    world.link.connect("w1")
    request_id = one(world)
    world.answer(request_id)
    world.answer(request_id)
    world.answer(request_id, result_digest="sha256:" + "cd" * 32)
    world.receive(error_of(world, one(world, "sma-2"), error="boom"))
    world.receive(error_of(world, "01980000-0000-7000-8000-000000000001", error="boom"))
    seen = {event.event_type for event in world.events()}
    assert {"oos.requested", "oos.result", "oos.duplicate", "oos.nondeterministic", "oos.stale"} <= seen
    for event in world.events():
        assert set(event.data) == set(EVENTS[event.event_type].keys), event.event_type


def test_a_request_whose_answer_could_not_be_stored_is_computed_again(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = one(world)
    world.pass_time(119.9)
    world.broken_store = "storage.io"
    world.answer(request_id)  # its application is tried again while the deadline passes
    world.pass_time(20)
    world.broken_store = None
    world.pass_time(5)
    assert len(world.sent()) == 1
    world.pass_time(125)
    assert len(world.sent()) == 2
    world.answer(request_id)
    assert world.status(request_id) == "success"


def test_an_order_of_a_thousand_names_is_answered_whole_and_in_order(world: ActorWorld) -> None:
    names = [f"n{n}" for n in range(1000)]
    world.add(*names)
    items = world.submit(*names)
    assert [item.name for item in items] == names
    assert {item.status for item in items} == {"queued"}
