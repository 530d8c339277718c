"""What the Dispatcher decides, without a thread, a socket or a file. `now` is in seconds."""

import zlib

import msgspec
import pytest

from actors._desk import Desk
from actors._effects import Alarm, Effect, Event, SendBytes, Tell, WriteFact
from foldward.contracts.errors import WireError
from foldward.contracts.facts import CountUp, LeaseRequest, NoteEvent
from foldward.contracts.jobs import Backtest, Heartbeat, Result, Strategy
from foldward.contracts.messages import (
    Admitted,
    AttemptFailed,
    FrameRefused,
    Hold,
    PeerJoined,
    PeerLeft,
    ResultArrived,
    Settled,
    Work,
    WorkReturned,
)
from foldward.settings import BreakerTable, QueueTable, RetryTable
from foldward.wire import dumps, loads

US = 1_000_000
IDS = [f"01980000-0000-7000-8000-{n:012d}" for n in range(100)]


def payload(request_id: str, name: str = "sma", phase: str = "oos") -> bytes:
    params = {"sma_short": 5.0, "sma_long": 20.0}
    strategy = Strategy(name=name, kind="sma", params=params, symbol="EURUSD")
    job = Backtest(
        request_id=request_id, strategy=strategy, phase=phase, symbol="EURUSD", data_id="sha256:aa"
    )
    return dumps(job)


def admitted(n: int, *, due_us: int = 0, name: str = "sma", kind: str = "oos", **more: object) -> Admitted:
    work = Work(IDS[n], name, kind, payload(IDS[n], name, kind), due_us, **more)  # type: ignore[arg-type]
    return Admitted(work=work)


def answer(n: int, **fields: object) -> Result:
    base = {
        "request_id": IDS[n],
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
    }
    return Result(**(base | fields))


class Room:
    """A desk with a clock, and the store that answers at once."""

    def __init__(self, **queue: object) -> None:
        self.now = 1000.0
        self.desk = Desk(QueueTable(**queue), RetryTable(), BreakerTable())

    @property
    def now_us(self) -> int:
        return round(self.now * US)

    def join(self, peer: str = "w1", capacity: int = 2, **more: object) -> list[Effect]:
        return self.desk.presence.joined(
            PeerJoined(peer=peer, capacity=capacity, **more), self.now, self.now_us
        )

    def plan(self, limit: int = 50) -> list[WriteFact]:
        effects = self.desk.plan(self.now, self.now_us, limit)
        return [e for e in effects if isinstance(e, WriteFact) and isinstance(e.fact, LeaseRequest)]

    def commit(self, write: WriteFact, attempt: int | None = 1, ok: bool = True) -> list[Effect]:
        return self.desk.leased(write.fact.request_id, write.tag[1], ok, attempt, self.now, self.now_us)

    def send(self, limit: int = 50) -> list[SendBytes]:
        effects = [effect for write in self.plan(limit) for effect in self.commit(write)]
        return [effect for effect in effects if isinstance(effect, SendBytes)]

    def answered(self, result: Result, peer: str = "w1") -> list[Effect]:
        return self.desk.arrivals.answered(result, b"raw", peer, self.now_us, self.now)

    def settle(self, n: int, state: str = "applied", **more: object) -> bool:
        message = Settled(request_id=IDS[n], name="sma", kind="oos", state=state, **more)
        return self.desk.settle(message, self.now)

    def tick(self, seconds: float) -> list[Effect]:
        self.now += seconds
        return self.desk.presence.returns(self.now, self.now_us) + self.desk.expire(self.now, self.now_us)


def told(effects: list[Effect], kind: type) -> list:
    return [e.message for e in effects if isinstance(e, Tell) and isinstance(e.message, kind)]


def events(effects: list[Effect]) -> list[str]:
    return [e.event_type for e in effects if isinstance(e, Event)]


# --- sending -----------------------------------------------------------------------------------------------


def test_the_lease_is_committed_before_the_bytes_leave() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    (write,) = room.plan()
    assert isinstance(write.fact, LeaseRequest)
    assert (write.fact.request_id, write.fact.worker) == (IDS[0], "w1")
    assert write.fact.sent_us == 1_000_000_000
    assert write.fact.deadline_us == 1_120_000_000
    (sent,) = room.commit(write)
    assert isinstance(sent, SendBytes)
    assert (sent.peer, sent.request_id) == ("w1", IDS[0])


def test_the_first_attempt_sends_the_rows_own_bytes() -> None:
    room = Room()
    room.join()
    message = admitted(0)
    room.desk.offer(message)
    (sent,) = room.send()
    assert sent.data is message.work.payload


def test_a_later_attempt_says_so_on_the_wire() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    (write,) = room.plan()
    (sent,) = room.commit(write, attempt=3)
    assert loads(sent.data).attempt == 3
    assert loads(sent.data).request_id == IDS[0]


def test_a_row_that_moved_on_is_not_sent_and_its_slot_is_free() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.desk.offer(admitted(1))
    (write,) = room.plan()
    assert room.commit(write, attempt=None) == []
    assert [w.fact.request_id for w in room.plan()] == [IDS[1]]


def test_when_the_store_cannot_the_work_waits_for_the_next_time() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    (write,) = room.plan()
    assert room.commit(write, ok=False) == []
    assert room.desk.flight.leases == {}
    assert [w.fact.request_id for w in room.plan()] == [IDS[0]]


def test_a_worker_holds_one_running_and_one_ahead() -> None:
    room = Room()
    room.join("w1")
    room.join("w2")
    for n in range(6):
        room.desk.offer(admitted(n))
    sent = room.send()
    assert sorted(effect.peer for effect in sent) == ["w1", "w1", "w2", "w2"]
    assert room.send() == []


def test_a_declared_capacity_is_the_credit() -> None:
    room = Room()
    room.join(capacity=5)
    for n in range(9):
        room.desk.offer(admitted(n))
    assert len(room.send()) == 5


def test_no_more_than_the_limit_are_in_flight_whoever_has_room() -> None:
    room = Room(max_inflight=3)
    room.join(capacity=50)
    for n in range(9):
        room.desk.offer(admitted(n))
    assert len(room.send()) == 3
    room.answered(answer(0))
    assert room.send() == []  # answered is not settled: the row is still sent
    room.settle(0)
    assert len(room.send()) == 1


def test_a_backlog_leaves_in_batches() -> None:
    room = Room()
    room.join(capacity=80)
    for n in range(80):
        room.desk.offer(admitted(n))
    assert len(room.send(limit=50)) == 50
    assert len(room.send(limit=50)) == 30


def test_ten_a_second_leave_in_a_second() -> None:
    room = Room(rate_per_s=10)
    room.join(capacity=80)
    for n in range(80):
        room.desk.offer(admitted(n))
    sent = len(room.send())
    for _ in range(20):
        room.now += 0.1
        sent += len(room.send())
    assert sent == 21  # one at once, twenty in two seconds


def test_nothing_leaves_while_paused_or_draining_and_answers_are_still_taken() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    room.desk.offer(admitted(1))
    room.desk.paused = True
    assert room.plan() == []
    assert len(told(room.answered(answer(0)), ResultArrived)) == 1
    room.desk.paused, room.desk.draining = False, True
    assert room.plan() == []
    room.desk.draining = False
    assert len(room.plan()) == 1


def test_a_due_time_in_the_future_is_kept() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0, due_us=1_002_000_000))
    assert room.plan() == []
    room.now = 1001.999
    assert room.plan() == []
    room.now = 1002.0
    assert len(room.plan()) == 1


def test_a_damaged_payload_is_not_sent() -> None:
    room = Room()
    good = payload(IDS[0])
    work = Work(IDS[0], "sma", "oos", good[:-5] + b"xxxxx", 0)
    effects = room.desk.offer_row(work, zlib.crc32(good), room.now_us)
    (failed,) = told(effects, AttemptFailed)
    assert (failed.request_id, failed.code) == (IDS[0], "storage.corrupt")
    assert IDS[0] not in room.desk.buffer


# --- answers -----------------------------------------------------------------------------------------------


def test_an_answer_goes_to_the_queue_with_its_bytes_and_frees_the_slot() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.desk.offer(admitted(1))
    room.send()
    room.now += 2.0
    (arrived,) = told(room.answered(answer(0)), ResultArrived)
    assert (arrived.result.request_id, arrived.raw, arrived.peer) == (IDS[0], b"raw", "w1")
    assert arrived.received_us == 1_002_000_000
    assert [effect.request_id for effect in room.send()] == [IDS[1]]


def test_a_late_answer_is_welcome_whoever_sends_it() -> None:
    room = Room()
    room.join("w1")
    room.join("w2")
    room.desk.offer(admitted(0))
    room.send()
    assert len(told(room.answered(answer(0), peer="w2"), ResultArrived)) == 1
    assert len(told(room.answered(answer(5), peer="w2"), ResultArrived)) == 1


def test_an_answer_shows_that_what_was_sent_before_it_is_not_running_any_more() -> None:
    room = Room()
    room.join(capacity=2)
    for n in range(4):
        room.desk.offer(admitted(n))
    room.send()
    room.answered(answer(1))  # 0 was swallowed
    assert len(room.send()) == 2
    assert IDS[0] in room.desk.flight.leases  # it still has its deadline


def test_a_legacy_answer_is_matched_by_the_full_name_as_sent() -> None:
    room = Room()
    room.join("peer", capacity=10, legacy=True)
    room.desk.offer(admitted(0, name="sma"))
    room.desk.offer(admitted(1, name="sma", kind="backtest"))
    room.send()
    effects = room.answered(answer(0, request_id="", strategy_name="sma-OOS"), "peer")
    (arrived,) = told(effects, ResultArrived)
    assert arrived.result.request_id == IDS[0]
    (arrived,) = told(room.answered(answer(0, request_id="", strategy_name="sma"), "peer"), ResultArrived)
    assert arrived.result.request_id == IDS[1]


def test_a_legacy_peer_gets_the_suffix_and_a_flat_strategy() -> None:
    room = Room()
    room.join("peer", legacy=True)
    room.desk.offer(admitted(0, name="sma"))
    (sent,) = room.send()
    assert b'"sma-OOS"' in sent.data
    assert loads(sent.data).strategy.name == "sma-OOS"


def test_a_legacy_peer_that_speaks_s_expressions_gets_them() -> None:
    room = Room()
    room.join("peer", legacy=True, encoding="sexp")
    room.desk.offer(admitted(0))
    (sent,) = room.send()
    assert sent.data.startswith(b"(")
    assert loads(sent.data).request_id == IDS[0]


@pytest.mark.parametrize("names", [["sma", "sma"], []])
def test_a_legacy_answer_that_could_be_for_two_or_none_is_kept(names: list[str]) -> None:
    room = Room()
    room.join("peer", capacity=10, legacy=True)
    for n, name in enumerate(names):
        room.desk.offer(admitted(n, name=name))
    room.send()
    effects = room.answered(answer(0, request_id="", strategy_name="sma-OOS"), "peer")
    (hold,) = told(effects, Hold)
    assert (hold.reason, hold.payload, hold.peer) == ("unknown_request_id", b"raw", "peer")


def test_the_id_missing_never_matches() -> None:
    room = Room()
    room.join("peer", legacy=True)
    room.desk.offer(admitted(0))
    room.send()
    error = answer(0, request_id="MISSING", strategy_name="sma-OOS", error="missing request_id")
    (hold,) = told(room.answered(error, "peer"), Hold)
    assert hold.reason == "unknown_request_id"
    assert "missing request_id" in hold.error


def test_unreadable_bytes_are_kept_and_the_lease_goes_on() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.desk.offer(admitted(1))
    room.send()
    raw = b'{"type":"BACKTEST_RESULT","result":{"request_id":"' + IDS[0].encode() + b'","sharpe":'
    error = WireError("wire.unparseable", raw, 70, "JSON ends early")
    (hold,) = told(room.desk.arrivals.unreadable(error, raw, "w1"), Hold)
    assert (hold.reason, hold.code, hold.payload, hold.peer) == ("unparseable", "wire.unparseable", raw, "w1")
    assert hold.request_id == IDS[0]
    assert IDS[0] in room.desk.flight.leases
    assert len(room.send()) == 1  # the peer is done with it: its slot is free


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("wire.oversize", "oversize"),
        ("wire.multipart", "multipart"),
        ("wire.too_deep", "unparseable"),
        ("wire.missing_field", "schema"),
        ("wire.invalid_field", "schema"),
        ("wire.unknown_type", "schema"),
    ],
)
def test_every_decode_error_has_its_reason(code: str, reason: str) -> None:
    (hold,) = told(Room().desk.arrivals.unreadable(WireError(code, b"x"), b"x", "p"), Hold)
    assert hold.reason == reason


# --- deadlines ---------------------------------------------------------------------------------------------


def test_an_attempt_ends_after_120_seconds_and_not_before() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    assert room.tick(119.9) == []
    (failed,) = told(room.tick(0.1), AttemptFailed)
    assert (failed.request_id, failed.cause, failed.code, failed.attempt) == (
        IDS[0],
        "deadline",
        "request.timeout",
        1,
    )
    assert room.desk.flight.leases == {}


def test_the_work_of_a_failed_attempt_leaves_again_when_it_is_due() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    room.tick(120.0)
    assert not room.settle(0, "retry", due_us=1_122_000_000, charged=True)
    assert room.send() == []
    room.now = 1122.0
    assert [effect.request_id for effect in room.send()] == [IDS[0]]


def test_a_hung_peer_gets_no_more_until_a_minute_later() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.send()
    room.tick(120.0)
    room.desk.offer(admitted(1))
    assert room.send() == []
    room.tick(59.0)
    assert room.send() == []
    room.tick(1.0)
    assert [effect.request_id for effect in room.send()] == [IDS[1]]


def test_the_hung_peers_late_answer_frees_its_slot_at_once() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.send()
    room.tick(120.0)
    room.desk.offer(admitted(1))
    assert len(told(room.answered(answer(0)), ResultArrived)) == 1
    assert [effect.request_id for effect in room.send()] == [IDS[1]]


def test_deadlines_shrink_once_fifty_answers_are_known() -> None:
    room = Room()
    room.join(capacity=60)
    for n in range(50):
        room.desk.offer(admitted(n))
    room.send()
    room.now += 40.0
    for n in range(50):
        room.answered(answer(n))
        room.settle(n)
    room.desk.offer(admitted(60))
    room.send()
    assert room.tick(59.9) == []
    assert len(told(room.tick(0.2), AttemptFailed)) == 1


def test_answered_but_never_settled_still_runs_out() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    room.answered(answer(0))
    assert len(told(room.tick(120.0), AttemptFailed)) == 1


def test_a_lease_that_the_store_never_answered_is_looked_for_in_the_rows() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.plan()
    assert told(room.tick(120.0), AttemptFailed) == []
    assert room.desk.flight.leases == {}
    assert room.desk.buffer.missed
    room.desk.offer(admitted(1))
    assert len(room.plan()) == 1


# --- lost links --------------------------------------------------------------------------------------------


def test_what_a_lost_peer_held_returns_after_250_milliseconds_without_a_failure() -> None:
    room = Room()
    room.join()
    for n in range(2):
        room.desk.offer(admitted(n))
    room.send()
    room.desk.presence.started("w1", IDS[0])
    assert room.desk.presence.left("w1", "gone", room.now, room.now_us) == [
        Tell("heartbeat", PeerLeft(peer="w1", reason="gone"))
    ]
    assert room.tick(0.249) == []
    effects = room.tick(0.002)
    (returned,) = told(effects, WorkReturned)
    assert returned.request_ids == (IDS[0], IDS[1])
    assert returned.started == (IDS[0],)
    assert told(effects, AttemptFailed) == []
    assert room.desk.flight.leases == {}


def test_an_answer_within_the_grace_is_no_loss() -> None:
    room = Room()
    room.join()
    for n in range(2):
        room.desk.offer(admitted(n))
    room.send()
    room.desk.presence.left("w1", "gone", room.now, room.now_us)
    room.answered(answer(0))
    (returned,) = told(room.tick(0.25), WorkReturned)
    assert returned.request_ids == (IDS[1],)


def test_a_request_alone_at_its_worker_counts_as_started() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    room.desk.presence.left("w1", "gone", room.now, room.now_us)
    (returned,) = told(room.tick(0.25), WorkReturned)
    assert returned.started == (IDS[0],)


def test_bytes_do_not_leave_for_a_peer_that_left_before_the_commit() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    (write,) = room.plan()
    room.desk.presence.left("w1", "gone", room.now, room.now_us)
    (returned,) = told(room.commit(write), WorkReturned)
    assert returned.request_ids == (IDS[0],)
    assert returned.started == ()


def test_returned_work_goes_to_another_worker() -> None:
    room = Room()
    room.join("w1")
    room.desk.offer(admitted(0))
    room.send()
    room.join("w2")
    room.desk.presence.left("w1", "gone", room.now, room.now_us)
    room.tick(0.25)
    room.settle(0, "retry", due_us=room.now_us)
    (write,) = room.plan()
    (sent,) = room.commit(write, attempt=2)
    assert (sent.peer, sent.request_id) == ("w2", IDS[0])


def test_a_peer_that_connects_anew_gives_back_what_it_held() -> None:
    room = Room()
    room.join("w1")
    room.desk.offer(admitted(0))
    room.send()
    room.join("w1")
    (returned,) = told(room.tick(0.25), WorkReturned)
    assert returned.request_ids == (IDS[0],)


def test_a_refused_send_is_a_failure_with_its_event() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    refused = FrameRefused(peer="w1", request_id=IDS[0], error="EAGAIN")
    effects = room.desk.refused(refused, room.now, room.now_us)
    assert events(effects) == ["oos.dispatch_failed"]
    (failed,) = told(effects, AttemptFailed)
    assert (failed.cause, failed.code, failed.error) == ("send", "wire.send_failed", "EAGAIN")
    assert room.desk.flight.leases == {}


def test_a_send_refused_because_the_peer_left_is_no_failure() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    room.desk.presence.left("w1", "gone", room.now, room.now_us)
    refused = FrameRefused(peer="w1", request_id=IDS[0], error="EHOSTUNREACH")
    assert room.desk.refused(refused, room.now, room.now_us) == []
    assert len(told(room.tick(0.25), WorkReturned)) == 1


# --- breakers ----------------------------------------------------------------------------------------------


def test_five_failures_in_a_row_open_the_link_and_nothing_is_burned(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    monkeypatch.setattr("foldward.contracts.clock.now", lambda: room.now)
    # The breaker was given the clock when the peer joined: it must be the patched one.
    room.join(capacity=10)
    for n in range(10):
        room.desk.offer(admitted(n))
    seen: list[Effect] = []
    room.send(limit=5)
    for n in range(5):
        seen += room.desk.refused(FrameRefused(peer="w1", request_id=IDS[n], error="full"), room.now, 0)
    assert events(seen).count("breaker.opened") == 1
    assert [e.key for e in seen if isinstance(e, Alarm)] == ["breaker:w1"]
    assert room.send() == []
    assert len(room.desk.buffer) == 5
    room.now += 60.0
    assert len(room.send()) == 1  # exactly one probe
    assert room.send() == []
    room.answered(answer(5))
    assert len(room.send()) == 4


def test_an_answer_resets_the_count_of_failures() -> None:
    room = Room()
    room.join(capacity=50)
    for n in range(20):
        room.desk.offer(admitted(n))
    room.send()
    for n in range(0, 16, 4):
        for m in range(n, n + 3):
            room.desk.refused(FrameRefused(peer="w1", request_id=IDS[m], error="full"), room.now, 0)
        room.answered(answer(n + 3))
    room.desk.offer(admitted(50))
    assert len(room.send()) == 1


# --- the retry budget --------------------------------------------------------------------------------------


def test_ten_resends_a_second_and_first_sends_beside_them() -> None:
    room = Room()
    room.join(capacity=90)
    for n in range(30):
        room.desk.offer(admitted(n, charged=True))
    room.desk.offer(admitted(40))
    sent = [effect.request_id for effect in room.send()]
    assert len(sent) == 11
    assert IDS[40] in sent
    room.now += 1.0
    assert len(room.send()) == 10


def test_what_a_lost_link_returns_is_not_charged() -> None:
    room = Room()
    room.join("w1", capacity=40)
    for n in range(40):
        room.desk.offer(admitted(n))
    room.send()
    room.join("w2", capacity=40)
    room.desk.presence.left("w1", "gone", room.now, room.now_us)
    room.tick(0.25)
    for n in range(40):
        room.settle(n, "retry", due_us=room.now_us, charged=False)
    assert len(room.send()) == 40


# --- waiting -----------------------------------------------------------------------------------------------


def test_without_a_worker_each_request_is_deferred_once_and_keeps_its_place() -> None:
    room = Room()
    for n in range(3):
        room.desk.offer(admitted(n, requested_us=998_000_000))
    effects = room.desk.defer(room.now_us, 50)
    deferred = [e for e in effects if isinstance(e, Event)]
    assert [e.event_type for e in deferred] == ["oos.deferred"] * 3
    assert deferred[0].data["reason"] == "no_worker"
    assert deferred[0].data["age_sec"] == 2.0
    notes = [e.fact for e in effects if isinstance(e, WriteFact)]
    assert [type(fact) for fact in notes] == [NoteEvent, NoteEvent, NoteEvent, CountUp]
    assert room.desk.defer(room.now_us, 50) == []
    room.join(capacity=5)
    assert len(room.send()) == 3


def test_a_worker_that_is_merely_busy_defers_nothing() -> None:
    room = Room()
    room.join(capacity=1)
    for n in range(3):
        room.desk.offer(admitted(n))
    room.send()
    assert room.desk.defer(room.now_us, 50) == []


def test_a_settled_request_leaves_the_buffer() -> None:
    room = Room()
    room.desk.offer(admitted(0))
    room.settle(0, "cancelled")
    room.join()
    assert room.send() == []


def test_a_requeued_request_is_read_again() -> None:
    room = Room()
    assert room.settle(0, "pending", due_us=0)


def test_a_cancelled_request_in_flight_keeps_the_slot_of_the_worker_that_still_computes() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.send()
    room.settle(0, "cancelled")
    room.desk.offer(admitted(1))
    assert room.send() == []
    room.answered(answer(0))
    assert len(room.send()) == 1


def test_known_requests_are_not_offered_twice() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.desk.offer(admitted(1))
    room.send()
    raw = payload(IDS[0])
    room.desk.offer(admitted(0))
    room.desk.offer_row(Work(IDS[0], "sma", "oos", raw, 0), zlib.crc32(raw), room.now_us)
    room.desk.offer_row(Work(IDS[1], "sma", "oos", raw, 0), zlib.crc32(raw), room.now_us)
    assert len(room.desk.buffer) == 1
    assert room.desk.known_ids() == {IDS[0], IDS[1]}


def test_effects_are_plain_data() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    (write,) = room.plan()
    assert msgspec.structs.asdict(write.fact)["request_id"] == IDS[0]


# --- rare things -------------------------------------------------------------------------------------------


def test_a_lease_that_is_granted_after_it_ran_out_is_given_back() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    (write,) = room.plan()
    room.tick(120.0)
    (returned,) = told(room.commit(write), WorkReturned)
    assert (returned.request_ids, returned.started) == ((IDS[0],), ())
    assert room.commit(write, attempt=None) == []


def test_a_silent_peer_is_a_failure_of_its_link_a_dead_one_is_not() -> None:
    room = Room()
    for _ in range(4):
        room.join("w1")
        room.desk.presence.left("w1", "disconnected", room.now, room.now_us)
    room.join("w1")
    assert room.desk.peers.breakers["w1"].snapshot()["failures"] == 0
    seen: list[Effect] = []
    for _ in range(5):
        room.join("w1")
        seen += room.desk.presence.left("w1", "silent for 31 s", room.now, room.now_us)
    assert events(seen) == ["breaker.opened"]


def test_a_link_whose_breaker_is_open_leaves_the_work_to_its_neighbour() -> None:
    room = Room()
    for _ in range(5):
        room.join("sick", capacity=9)
        room.desk.presence.left("sick", "silent for 31 s", room.now, room.now_us)
    room.join("sick", capacity=9)
    room.join("well", capacity=1)
    room.join("fit", capacity=2)
    for n in range(6):
        room.desk.offer(admitted(n))
    assert sorted(effect.peer for effect in room.send()) == ["fit", "fit", "well"]


def test_bytes_do_not_leave_once_the_breaker_has_opened() -> None:
    room = Room()
    room.join(capacity=9)
    for n in range(6):
        room.desk.offer(admitted(n))
    writes = room.plan()
    for write in writes[:5]:
        room.commit(write)
    for n in range(5):
        room.desk.refused(FrameRefused(peer="w1", request_id=IDS[n], error="full"), room.now, 0)
    (returned,) = told(room.commit(writes[5]), WorkReturned)
    assert returned.request_ids == (IDS[5],)


def test_a_refusal_for_something_that_is_over_changes_nothing() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    room.answered(answer(0))
    late = FrameRefused(peer="w1", request_id=IDS[0], error="full")
    assert room.desk.refused(late, room.now, 0) == []
    assert room.desk.refused(FrameRefused(peer="w1", request_id=IDS[9], error="full"), room.now, 0) == []


def test_a_payload_that_is_no_request_ends_its_row() -> None:
    room = Room()
    room.join()
    room.desk.offer(Admitted(work=Work(IDS[0], "sma", "oos", b"junk", 0)))
    (write,) = room.plan()
    (failed,) = told(room.commit(write, attempt=2), AttemptFailed)
    assert failed.code == "storage.corrupt"
    assert room.desk.peers.get("w1").credit() == 2  # type: ignore[union-attr]


def test_breakers_of_peers_that_come_and_go_do_not_pile_up() -> None:
    room = Room()
    for n in range(1100):
        room.join(f"w{n}")
        room.desk.presence.left(f"w{n}", "bye", room.now, room.now_us)
    assert len(room.desk.peers.breakers) <= 1000


def test_leases_that_are_over_do_not_pile_up_behind_their_deadlines() -> None:
    room = Room()
    room.join(capacity=100)
    for _ in range(60):
        for n in range(50):
            room.desk.offer(admitted(n))
        room.send()
        for n in range(50):
            room.answered(answer(n))
            room.settle(n)
        room.tick(0.1)
    assert len(room.desk.flight._deadlines) <= 1200


def test_an_unknown_peer_that_leaves_or_starts_something_is_nobody() -> None:
    room = Room()
    assert room.desk.presence.left("ghost", "gone", room.now, room.now_us) == []
    room.desk.presence.started("ghost", IDS[0])
    room.desk.presence.beat("ghost", Heartbeat(id="g", timestamp=1.0), 5)
    error = WireError("wire.unparseable", b"x")
    assert len(told(room.desk.arrivals.unreadable(error, b"x", "ghost"), Hold)) == 1


def test_work_whose_fate_nobody_tells_is_left_to_its_row_after_a_minute() -> None:
    room = Room()
    room.join()
    room.desk.offer(admitted(0))
    room.send()
    room.tick(120.0)
    assert room.desk.knows(IDS[0])
    room.tick(60.0)
    assert not room.desk.knows(IDS[0])
    assert room.desk.buffer.missed


def test_a_workers_garbage_counts_against_its_link_and_frees_its_slot() -> None:
    room = Room()
    room.join(capacity=1)
    room.desk.offer(admitted(0))
    room.desk.offer(admitted(1))
    room.send()
    room.desk.arrivals.unreadable(WireError("wire.unparseable", b"x"), b"x", "w1")
    assert room.desk.peers.breakers["w1"].snapshot()["failures"] == 1
    assert len(room.send()) == 1


def test_junk_pushed_at_a_legacy_link_says_nothing_about_the_peer() -> None:
    room = Room()
    room.join("peer", capacity=1, legacy=True)
    room.desk.offer(admitted(0))
    room.desk.offer(admitted(1))
    room.send()
    for _ in range(10):
        room.desk.arrivals.unreadable(WireError("wire.unparseable", b"x"), b"x", "peer")
    assert room.desk.peers.breakers["peer"].snapshot()["failures"] == 0
    assert room.send() == []


def test_what_is_no_answer_is_counted_by_its_size_too() -> None:
    desk = Desk(QueueTable(), RetryTable(), BreakerTable())
    error = WireError("wire.unparseable", message="junk")
    desk.arrivals.unreadable(error, b"x" * 200_000, "w1")
    desk.arrivals.unreadable(error, b"x", "w1")
    desk.arrivals.answered(answer(1), b"x" * 65_536, "w1", 0, 1.0)  # nobody is there who was asked
    assert desk.arrivals.count_junk() == (3, 4)
    assert desk.arrivals.count_junk() == (0, 0)
