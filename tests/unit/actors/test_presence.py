"""Peers that fall silent, are heard again, or say how much they take; second by second."""

from collections.abc import Iterator

import pytest

from actors._desk import Desk
from actors._effects import Alarm, Effect, Event, SendBytes, Tell, WriteFact
from foldward.contracts.facts import LeaseRequest
from foldward.contracts.jobs import Backtest, Heartbeat, Result, Strategy
from foldward.contracts.messages import (
    Admitted,
    AttemptFailed,
    PeerJoined,
    PeerLeft,
    PeerResized,
    Work,
    WorkReturned,
)
from foldward.settings import BreakerTable, QueueTable, RetryTable
from foldward.testing.virtual_clock import VirtualClock
from foldward.wire import dumps

IDS = [f"01980000-0000-7000-8000-{n:012d}" for n in range(9)]


class Room:
    """A desk with one pushpull peer that takes two requests, and the store that answers at once."""

    def __init__(self, time: VirtualClock) -> None:
        self.time = time
        self.desk = Desk(QueueTable(), RetryTable(), BreakerTable())
        self.join()
        for request_id in IDS:
            job = Backtest(request_id=request_id, strategy=Strategy(name="s", kind="sma"), phase="oos")
            offer = Admitted(work=Work(request_id, "s", "oos", dumps(job), 0))
            self.desk.offer(offer)

    def join(self) -> None:
        joined = PeerJoined(peer="p", capacity=2, legacy=True)
        self.desk.presence.joined(joined, self.time.now, self.time.utc_us)

    def send(self) -> list[str]:
        """Ids whose bytes leave now."""
        now, now_us = self.time.now, self.time.utc_us
        effects = self.desk.plan(now, now_us, 50)
        self.news = [effect for effect in effects if not isinstance(effect, WriteFact)]
        out = []
        for effect in effects:
            if isinstance(effect, WriteFact) and isinstance(effect.fact, LeaseRequest):
                request_id = effect.fact.request_id
                done = self.desk.leased(request_id, effect.tag[1], True, 1, now, now_us)
                out += [sent.request_id for sent in done if isinstance(sent, SendBytes)]
        return out

    def silent(self) -> list[Effect]:
        return self.desk.presence.silent("p", 30.0, self.time.now, self.time.utc_us)

    def beat(self, **data: float) -> list[Effect]:
        beat = Heartbeat(id="p", timestamp=1.0, data=data)
        return self.desk.presence.beat("p", beat, self.time.utc_us)

    def expire(self) -> list[Effect]:
        return self.desk.expire(self.time.now, self.time.utc_us)

    def answer(self, request_id: str) -> list[Effect]:
        result = Result(request_id=request_id, error="no data", code="data.missing")
        return self.desk.arrivals.answered(result, b"raw", "p", self.time.utc_us, self.time.now)


@pytest.fixture
def room() -> Iterator[Room]:
    with VirtualClock() as time:
        yield Room(time)


def events(effects: list[Effect]) -> list[str]:
    return [effect.event_type for effect in effects if isinstance(effect, Event)]


def returned(effects: list[Effect]) -> list[WorkReturned]:
    return [e.message for e in effects if isinstance(e, Tell) and isinstance(e.message, WorkReturned)]


def failed(effects: list[Effect]) -> list[AttemptFailed]:
    return [e.message for e in effects if isinstance(e, Tell) and isinstance(e.message, AttemptFailed)]


def test_a_silent_peers_breaker_opens_and_what_it_held_comes_back_unharmed(room: Room) -> None:
    assert room.send() == IDS[:2]
    effects = room.silent()
    (back,) = returned(effects)
    assert (back.request_ids, back.started, back.reason) == (tuple(IDS[:2]), (), "silent for 30 s")
    assert failed(effects) == []
    assert events(effects) == ["breaker.opened"]
    (alarm,) = [e for e in effects if isinstance(e, Alarm)]
    assert (alarm.key, alarm.body) == ("breaker:p", "silent for 30 s; its requests wait.")
    room.time.sleep(59.9)
    assert room.send() == []


def test_after_a_minute_one_request_goes_to_a_silent_peer_as_its_probe(room: Room) -> None:
    room.silent()
    room.time.sleep(60.0)
    assert room.send() == IDS[:1]
    assert events(room.news) == ["breaker.half_open"]
    assert events(room.answer(IDS[0])) == ["breaker.closed"]
    assert room.send() == IDS[1:3]


def test_a_probe_that_a_silent_peer_never_answers_costs_its_request_nothing(room: Room) -> None:
    room.silent()
    room.time.sleep(60.0)
    assert room.send() == IDS[:1]
    room.time.sleep(120.0)
    effects = room.expire()
    (back,) = returned(effects)
    assert (back.request_ids, back.started) == ((IDS[0],), ())
    assert failed(effects) == []
    assert events(effects) == ["breaker.opened"]
    assert room.send() == []


def test_a_silent_peer_that_is_heard_again_is_probed_at_once(room: Room) -> None:
    room.silent()
    room.time.sleep(3.0)
    assert room.send() == []
    effects = room.beat()
    assert [e.data for e in effects if isinstance(e, Event)] == [
        {"breaker": "p", "failures": 5, "retry_at": None}
    ]
    assert events(effects) == ["breaker.half_open"]
    assert room.send() == IDS[:1]
    assert room.beat() == []  # a beat does not answer for the probe
    assert room.send() == []
    assert events(room.answer(IDS[0])) == ["breaker.closed"]
    assert room.send() == IDS[1:3]


def test_with_nothing_to_send_the_next_beat_is_the_probe(room: Room) -> None:
    room.silent()
    assert events(room.beat()) == ["breaker.half_open"]
    assert events(room.beat()) == ["breaker.closed"]
    assert room.beat() == []
    assert room.send() == IDS[:2]


def test_a_peer_heard_after_the_minute_is_probed_like_one_heard_before(room: Room) -> None:
    room.silent()
    room.time.sleep(60.0)
    assert events(room.beat()) == ["breaker.half_open"]
    assert room.send() == IDS[:1]
    assert events(room.answer(IDS[0])) == ["breaker.closed"]


def test_a_peer_that_beats_and_fails_its_probe_waits_its_minute(room: Room) -> None:
    room.silent()
    room.beat()
    (probe,) = room.send()
    room.time.sleep(120.0)
    effects = room.expire()
    assert [item.request_id for item in failed(effects)] == [probe]
    assert events(effects) == ["breaker.opened"]
    room.time.sleep(59.9)
    assert room.beat() == []
    assert room.send() == []
    room.time.sleep(0.1)
    assert room.beat() == []
    assert len(room.send()) == 1


def test_a_probe_that_failed_during_the_silence_does_not_make_the_peer_wait_when_it_is_heard(
    room: Room,
) -> None:
    room.silent()
    room.time.sleep(60.0)
    room.send()
    room.time.sleep(120.0)
    assert events(room.expire()) == ["breaker.opened"]
    assert events(room.beat()) == ["breaker.half_open"]


def test_a_beat_says_nothing_about_a_breaker_that_failed_requests_opened(room: Room) -> None:
    assert room.send() == IDS[:2]
    for _ in range(5):
        room.desk.peers.get("p").failed(None)
    assert events(room.beat()) == ["breaker.opened"]
    room.time.sleep(60.0)
    room.beat()
    assert room.beat() == []
    assert str(room.desk.peers.breakers["p"].state) == "half_open"


def test_a_breaker_that_failures_opened_keeps_its_time_through_a_silence(room: Room) -> None:
    for _ in range(5):
        room.desk.peers.get("p").failed(None)
    assert events(room.silent()) == ["breaker.opened"]
    room.time.sleep(59.9)
    assert room.beat() == []
    assert room.send() == []
    room.time.sleep(0.1)
    assert len(room.send()) == 1


def test_a_silence_outlives_a_new_connection_until_a_beat_ends_it(room: Room) -> None:
    room.silent()
    room.desk.presence.left("p", "disconnected", room.time.now, room.time.utc_us)
    room.join()
    assert room.send() == []
    assert events(room.beat()) == ["breaker.half_open"]


def test_a_worker_that_says_it_is_ready_is_heard(room: Room) -> None:
    room.silent()
    room.desk.presence.left("p", "the worker's process ended with -9", room.time.now, room.time.utc_us)
    ready = PeerJoined(peer="p", capacity=2, pid=7)
    effects = room.desk.presence.joined(ready, room.time.now, room.time.utc_us)
    assert events(effects) == ["breaker.half_open"]
    assert room.send() == IDS[:1]


def test_an_answer_out_of_a_silence_is_a_sign_of_life_too(room: Room) -> None:
    first, _ = room.send()
    room.silent()
    assert events(room.answer(first)) == ["breaker.half_open"]
    assert len(room.send()) == 1


def test_a_peer_that_falls_silent_between_beats_and_probe_is_silent_again(room: Room) -> None:
    room.silent()
    room.beat()
    assert events(room.silent()) == ["breaker.opened"]
    assert room.send() == []
    assert events(room.beat()) == ["breaker.half_open"]


def test_an_answer_ends_a_silence_so_that_the_next_timeout_counts(room: Room) -> None:
    room.send()
    room.silent()
    room.answer(IDS[0])
    room.time.sleep(60.0)
    (probe,) = room.send()
    room.time.sleep(120.0)
    assert [item.request_id for item in failed(room.expire())] == [probe]


def test_a_peer_without_beats_that_still_answers_is_silent_only_when_the_answers_stop(room: Room) -> None:
    first, second = room.send()
    room.answer(first)
    room.time.sleep(29.9)
    assert room.silent() == []
    room.answer(second)
    room.time.sleep(29.9)
    assert room.desk.presence.watch(room.time.now, room.time.utc_us) == []
    room.time.sleep(0.1)
    effects = room.desk.presence.watch(room.time.now, room.time.utc_us)
    assert events(effects) == ["breaker.opened"]
    assert room.desk.presence.watch(room.time.now, room.time.utc_us) == []


def test_a_beat_ends_the_suspicion(room: Room) -> None:
    first, _ = room.send()
    room.answer(first)
    assert room.silent() == []
    room.beat()
    room.time.sleep(1000.0)
    assert room.desk.presence.watch(room.time.now, room.time.utc_us) == []


def test_the_silence_of_somebody_who_is_not_there_means_nothing(room: Room) -> None:
    assert room.desk.presence.silent("ghost", 30.0, room.time.now, room.time.utc_us) == []


def test_a_peer_that_left_is_no_longer_watched_and_one_that_fell_silent_still_is(room: Room) -> None:
    (told,) = room.desk.presence.left("p", "disconnected", room.time.now, room.time.utc_us)
    assert told == Tell("heartbeat", PeerLeft(peer="p", reason="disconnected"))
    room.join()
    assert room.desk.presence.left("p", "silent for 31 s", room.time.now, room.time.utc_us) == []


@pytest.mark.parametrize(
    ("declared", "sent"), [({}, 2), ({"capacity": 5.0}, 5), ({"capacity": 0.0}, 2), ({"capacity": 1e9}, 2)]
)
def test_a_peer_may_declare_in_a_beat_how_many_requests_it_takes(
    room: Room, declared: dict[str, float], sent: int
) -> None:
    room.beat(**declared)
    assert len(room.send()) == sent


def test_more_services_behind_a_link_take_more_unless_they_have_said_so_themselves(room: Room) -> None:
    grown = PeerResized(peer="p", capacity=4)
    room.desk.presence.resized(grown, room.time.now, room.time.utc_us)
    assert len(room.send()) == 4
    room.beat(capacity=3.0)
    room.desk.presence.resized(grown, room.time.now, room.time.utc_us)
    assert room.desk.peers.get("p").capacity == 3
