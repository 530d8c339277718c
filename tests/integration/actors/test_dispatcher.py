"""Sending and what goes wrong with it, over a real database in virtual time. Times are the spec's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foldward.contracts.messages import Ack, Drain, Pause, Resume, WorkerExited
from foldward.settings import BreakerTable, QueueTable, Settings
from foldward.testing.actor_world import ActorWorld, Box
from foldward.wire import loads


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ActorWorld]:
    with ActorWorld(tmp_path) as made:
        made.add(*(f"s{n}" for n in range(60)))
        yield made


def ask(world: ActorWorld, count: int, **fields: Any) -> list[str]:
    items = world.submit(*(f"s{n}" for n in range(count)), **fields)
    return [item.request_id for item in items if item.request_id is not None]


def test_without_a_worker_rows_wait_and_the_operator_sees_why(world: ActorWorld) -> None:
    (request_id,) = ask(world, 1)
    world.pass_time(1.1)
    assert world.status(request_id) == "pending"
    (event,) = world.events("oos.deferred")
    assert event.data["reason"] == "no_worker"
    assert "oos.deferred" in [step["event"] for step in world.reader.timeline(request_id)]
    world.pass_time(60)
    assert len(world.events("oos.deferred")) == 1


def test_whatever_waits_is_sent_as_soon_as_a_worker_comes(world: ActorWorld) -> None:
    ids = ask(world, 3)
    world.pass_time(60)
    world.link.connect("w1", capacity=5)
    world.run()
    assert [request for _, request in world.sent()] == ids


def test_a_row_that_only_the_database_knows_is_found_within_a_second(world: ActorWorld) -> None:
    ids = ask(world, 2)
    world.kill()
    world.start()
    world.link.connect("w1", capacity=5)
    world.pass_time(1.1)
    assert {request for _, request in world.sent()} == set(ids)


def test_a_backlog_beyond_the_buffer_leaves_entirely(tmp_path: Path) -> None:
    settings = Settings(queue=QueueTable(buffer=10, startup_batch=3))
    with ActorWorld(tmp_path, settings) as world:
        world.add(*(f"s{n}" for n in range(60)))
        ids = ask(world, 60)
        peer = world.link.connect("w1", capacity=4)
        world.run()
        answered: set[str] = set()
        for _ in range(200):
            for _, request_id in world.sent():
                if request_id not in answered:
                    answered.add(request_id)
                    world.answer(request_id)
            world.pass_time(0.1)
        assert peer.connected
        assert answered == set(ids)
        assert len(world.sent()) == 60
        assert world.reader.queue_counts()["open"] == 0


def test_higher_priority_leaves_first(world: ActorWorld) -> None:
    (low,) = [item.request_id for item in world.submit("s1", priority=0)]
    (high,) = [item.request_id for item in world.submit("s2", priority=9)]
    world.link.connect("w1", capacity=1)
    world.run()
    assert [request for _, request in world.sent()] == [high]
    world.answer(high or "")
    assert [request for _, request in world.sent()] == [high, low]


def test_the_row_is_sent_with_its_deadline_before_the_bytes_leave(world: ActorWorld) -> None:
    seen = []
    (request_id,) = ask(world, 1)
    world.link.connect("w1", on_work=lambda rid, _data: seen.append(world.reader.request(rid)))
    world.run()
    (row,) = seen
    assert row is not None
    assert (row.request_id, row.status, row.sends, row.worker) == (request_id, "sent", 1, "w1")
    assert row.deadline_at - row.sent_at == 120_000_000


def test_no_answer_within_120_seconds_is_a_failure(world: ActorWorld) -> None:
    (request_id,) = ask(world, 1)
    world.link.connect("w1")
    world.pass_time(119.8)
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.failures) == ("sent", 0)
    world.pass_time(0.4)
    row = world.reader.request(request_id)
    assert row is not None
    assert row.failures == 1
    (event,) = world.events("oos.retry")
    assert event.data["code"] == "request.timeout"


def test_a_killed_workers_work_goes_to_its_neighbour_within_a_second_without_failure(
    world: ActorWorld,
) -> None:
    ids = ask(world, 2)
    first = world.link.connect("w1")
    world.run()
    world.link.connect("w2")
    world.run()
    first.leave()
    world.run()
    world.pass_time(0.2)
    assert len(world.sent()) == 2
    world.pass_time(0.2)
    assert world.sent()[2:] == [("w2", ids[0]), ("w2", ids[1])]
    for request_id in ids:
        row = world.reader.request(request_id)
        assert row is not None
        assert (row.sends, row.failures) == (2, 0)
        world.answer(request_id, "w2")
        assert world.status(request_id) == "success"


def test_the_supervisors_word_about_a_dead_process_is_enough(world: ActorWorld) -> None:
    (request_id,) = ask(world, 1)
    world.link.connect("w1", pid=77)
    world.run()
    world.tell("dispatcher", WorkerExited(worker="worker-1", pid=77, exit_code=-9))
    world.link.connect("w2")
    world.pass_time(0.5)
    assert world.sent()[1:] == [("w2", request_id)]


def test_three_deaths_on_started_work_end_a_request_and_two_do_not(world: ActorWorld) -> None:
    (request_id,) = ask(world, 1)
    for n in range(3):
        assert world.status(request_id) in ("pending", "retry")
        peer = world.link.connect(f"w{n}")
        world.run()
        peer.started(request_id)
        peer.leave()
        world.pass_time(0.5)
    assert world.status(request_id) == "error"
    (letter,) = world.reader.dead_letters()
    assert (letter.reason, letter.code) == ("crash_loop", "supervision.crash_loop")


def test_an_innocent_neighbour_never_becomes_a_dead_letter(world: ActorWorld) -> None:
    ids = ask(world, 2)
    for n in range(3):
        peer = world.link.connect(f"w{n}")
        world.run()
        peer.started(ids[0])
        peer.leave()
        world.pass_time(0.5)
    assert world.status(ids[0]) == "error"
    row = world.reader.request(ids[1])
    assert row is not None
    assert (row.status, row.failures, row.crashes) == ("retry", 0, 0)


def test_a_worker_that_says_goodbye_has_not_crashed(world: ActorWorld) -> None:
    (request_id,) = ask(world, 1)
    for n in range(5):
        peer = world.link.connect(f"w{n}")
        world.run()
        peer.leave("bye")
        world.pass_time(0.5)
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.crashes, row.sends) == ("retry", 0, 5)


def test_a_send_that_the_link_refuses_is_a_failure_with_backoff(world: ActorWorld) -> None:
    (request_id,) = ask(world, 1)
    world.link.refuse = "no buffer space"
    world.link.connect("w1")
    world.run()
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.failures) == ("retry", 1)
    assert len(world.events("oos.dispatch_failed")) == 1
    counters = world.reader.counters()
    assert (counters["dispatch_failed"], counters["send_failure"]) == (1, 1)
    world.link.refuse = None
    world.pass_time(3)
    assert world.status(request_id) == "sent"


def test_an_open_breaker_burns_nothing(tmp_path: Path) -> None:
    settings = Settings(breaker=BreakerTable(threshold=3, recovery_s=60))
    with ActorWorld(tmp_path, settings) as world:
        world.add(*(f"s{n}" for n in range(60)))
        world.link.refuse = "full"
        world.link.connect("w1", capacity=3)
        ids = ask(world, 20)
        world.pass_time(5)
        assert len(world.events("breaker.opened")) >= 1
        rows = [world.reader.request(request_id) for request_id in ids]
        assert sum(row.failures for row in rows if row is not None) == 3
        assert world.events("oos.deferred")[0].data["reason"] == "breaker_open"
        world.link.refuse = None
        world.pass_time(60)
        assert len(world.sent()) == 1
        world.answer(world.sent()[0][1])
        world.pass_time(1)
        assert len(world.sent()) > 1
        assert len(world.events("breaker.closed")) == 1


def test_a_pause_survives_a_restart_and_answers_are_still_applied(world: ActorWorld) -> None:
    ids = ask(world, 3)
    world.link.connect("w1", capacity=1)
    world.run()
    box = Box()
    world.tell("dispatcher", Pause(reply_to=box, tag=1))
    assert box.messages == [Ack(tag=1, ok=True, value={"paused": True})]
    world.answer(ids[0])
    assert world.status(ids[0]) == "success"
    world.pass_time(5)
    assert len(world.sent()) == 1
    world.kill()
    world.start()
    world.link.connect("w1")
    world.pass_time(10)
    assert world.sent() == []
    world.tell("dispatcher", Resume(reply_to=box, tag=2))
    world.pass_time(1.1)
    assert len(world.sent()) == 2


def test_a_drain_sends_nothing_more_and_lets_what_is_out_finish(world: ActorWorld) -> None:
    ids = ask(world, 2)
    world.link.connect("w1", capacity=1)
    world.run()
    box = Box()
    world.tell("dispatcher", Drain(reply_to=box, tag=3))
    assert box.messages == [Ack(tag=3, ok=True, value={"in_flight": 1})]
    world.answer(ids[0])
    world.pass_time(5)
    assert world.status(ids[0]) == "success"
    assert len(world.sent()) == 1


# --- restarts and clocks -----------------------------------------------------------------------------------


def test_after_a_kill_what_was_sent_goes_out_again_after_five_seconds(world: ActorWorld) -> None:
    ids = ask(world, 2)
    world.link.connect("w1")
    world.run()
    assert len(world.sent()) == 2
    world.kill()
    world.start()
    world.link.connect("w1")
    world.pass_time(4.8)
    assert world.sent() == []
    world.pass_time(1.3)
    assert {request for _, request in world.sent()} == set(ids)
    for request_id in ids:
        row = world.reader.request(request_id)
        assert row is not None
        assert (row.sends, row.failures) == (2, 0)


def test_an_answer_within_the_grace_after_a_restart_is_applied_and_nothing_is_sent_again(
    world: ActorWorld,
) -> None:
    (request_id,) = ask(world, 1)
    world.link.connect("w1")
    world.run()
    from foldward.wire import dumps

    raw = dumps(world.result(request_id))
    world.kill()
    world.start()
    world.link.connect("w1")
    world.receive(raw)
    assert world.status(request_id) == "success"
    world.pass_time(10)
    assert world.sent() == []


def test_an_orderly_stop_gives_leases_back(world: ActorWorld) -> None:
    (request_id,) = ask(world, 1)
    world.link.connect("w1")
    world.run()
    world.stop()
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.failures, row.crashes) == ("retry", 0, 0)


def test_a_retry_keeps_its_due_time_through_a_restart(world: ActorWorld) -> None:
    from foldward.contracts.jobs import Result
    from foldward.wire import dumps

    (request_id,) = ask(world, 1)
    world.link.connect("w1")
    world.run()
    world.receive(dumps(Result(request_id=request_id, strategy_name="s0", error="busy", retry_after=100.0)))
    world.kill()
    world.pass_time(50)
    world.start()
    world.link.connect("w1")
    world.pass_time(49)
    assert world.sent() == []
    world.pass_time(2)
    assert [request for _, request in world.sent()] == [request_id]


def test_after_thirty_days_off_nothing_is_lost_and_no_more_leaves_than_the_window(world: ActorWorld) -> None:
    ids = ask(world, 60)
    world.link.connect("w1", capacity=4)
    world.run()
    world.kill()
    world.pass_time(30 * 86_400)
    world.start()
    world.link.connect("w1", capacity=4)
    world.pass_time(10)
    assert len(world.sent()) == 4
    assert world.reader.queue_counts()["open"] == 60
    assert all(world.status(request_id) in ("pending", "retry", "sent") for request_id in ids)


@pytest.mark.parametrize("jump", [3600, -3600, 30 * 86_400, -30 * 86_400])
def test_a_clock_that_is_set_kills_nothing_and_causes_no_storm(world: ActorWorld, jump: int) -> None:
    ids = ask(world, 10)
    world.link.connect("w1", capacity=4)
    world.run()
    world.clock.jump(jump)
    world.pass_time(30)
    assert len(world.sent()) == 4
    assert world.reader.queue_counts()["open"] == 10
    for _ in range(20):
        for _, request_id in world.sent():
            if world.status(request_id) == "sent":
                world.answer(request_id)
        world.pass_time(1)
    assert [world.status(request_id) for request_id in ids] == ["success"] * 10
    assert len(world.sent()) == 10


def test_a_lease_that_nobody_knows_is_found_by_its_row(world: ActorWorld) -> None:
    from foldward.contracts.facts import LeaseRequest

    (request_id,) = ask(world, 1)
    us = world.clock.utc_us
    # As if the writer had crashed after the commit and before its answer.
    world.actors["dispatcher"]._desk.buffer.discard(request_id)
    world.writer.apply(
        [LeaseRequest(request_id=request_id, worker="w1", sent_us=us, deadline_us=us + 120_000_000)]
    )
    world.pass_time(185)
    row = world.reader.request(request_id)
    assert row is not None
    assert row.failures == 1


# --- bytes -------------------------------------------------------------------------------------------------


def test_a_malformed_result_is_kept_byte_for_byte(world: ActorWorld) -> None:
    (request_id,) = ask(world, 1)
    world.link.connect("w1")
    world.run()
    raw = b'{"type":"BACKTEST_RESULT","result":{"request_id":"' + request_id.encode() + b'","pnl":"much"\xff'
    world.receive(raw)
    (letter,) = world.reader.dead_letters()
    assert (letter.reason, letter.request_id, letter.peer) == ("unparseable", request_id, "w1")
    whole = world.reader.dead_letter(letter.id)
    assert whole is not None
    assert whole.payload == raw
    (event,) = world.events("dead_letter.held")
    assert event.data["size"] == len(raw)
    assert world.status(request_id) == "sent"
    world.pass_time(125)
    assert len(world.sent()) == 2


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ((b"", b""), "multipart"),
        ((b"a", b"b", b"c"), "multipart"),
        ((b"",), "unparseable"),
        ((b"\x00\xff",), "unparseable"),
        ((b"{" * 100_000,), "unparseable"),
        ((b'{"type":"SOMETHING"}',), "schema"),
        ((b'{"action":"BACKTEST"}',), "schema"),
        ((b'{"type":"BACKTEST_RESULT","result":{}}',), "schema"),
        ((b"x" * (8 * 1024 * 1024 + 1),), "oversize"),
    ],
)
def test_whatever_arrives_is_kept_with_its_reason(
    world: ActorWorld, frames: tuple[bytes, ...], reason: str
) -> None:
    world.receive(*frames)
    (letter,) = world.reader.dead_letters()
    assert letter.reason == reason
    whole = world.reader.dead_letter(letter.id)
    assert whole is not None
    assert whole.payload == b"\n".join(frames)


def test_the_same_bytes_again_raise_the_count(world: ActorWorld) -> None:
    for _ in range(3):
        world.receive(b"garbage")
    (letter,) = world.reader.dead_letters()
    assert letter.count == 3


def test_a_heartbeat_goes_to_the_heartbeat(world: ActorWorld) -> None:
    from foldward.contracts.jobs import Heartbeat
    from foldward.wire import dumps

    world.link.connect("w1")
    world.receive(dumps(Heartbeat(id="w1", timestamp=1.0)))
    (beat,) = world.heard["heartbeat"]
    assert (beat.peer, beat.beat.id) == ("w1", "w1")


def test_a_request_on_the_result_channel_is_kept(world: ActorWorld) -> None:
    ask(world, 1)
    world.link.connect("w1")
    world.run()
    world.receive(world.link.sent[0][2])
    (letter,) = world.reader.dead_letters()
    assert (letter.reason, letter.code) == ("schema", "wire.unknown_type")


def test_the_attempt_on_the_wire_is_the_rows(world: ActorWorld) -> None:
    ask(world, 1)
    peer = world.link.connect("w1")
    world.run()
    peer.leave()
    world.link.connect("w2")
    world.pass_time(1)
    assert [loads(data).attempt for _, _, data in world.link.sent] == [1, 2]


def test_the_view_shows_workers_breakers_and_what_is_out(world: ActorWorld) -> None:
    ask(world, 1)
    world.link.connect("w1", pid=9, capacity=2, version="0.1.0")
    world.pass_time(1.1)
    view = world.actors["dispatcher"].view
    assert (view["paused"], view["in_flight"], view["sent"]) == (False, 1, 1)
    (worker,) = view["workers"]
    assert (worker["id"], worker["pid"], worker["busy"], worker["capacity"]) == ("w1", 9, 1, 2)
    assert view["breakers"][0]["state"] == "closed"
