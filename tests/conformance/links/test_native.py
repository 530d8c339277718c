"""What only the native link says: STARTED, signs of life, farewells, and who is who after a reconnect."""

from __future__ import annotations

import time

import pytest
import zmq

from foldward.contracts.jobs import Heartbeat
from foldward.contracts.messages import (
    FrameReceived,
    FrameRefused,
    PeerBeat,
    PeerJoined,
    PeerLeft,
    PeerStarted,
)
from foldward.settings import LinkTable
from foldward.wire.links import Heart, NativeLink, WorkerPort
from foldward.wire.links._frames import pack_ready

pytestmark = pytest.mark.slow


@pytest.fixture
def link(told, tmp_path):
    made = NativeLink(told, LinkTable(), tmp_path)
    made.start()
    yield made
    made.close()


@pytest.fixture
def port(link):
    made = WorkerPort(link.endpoint, "worker-1", capacity=3, version="9")
    join(made)
    yield made
    made.close(0)


def join(port: WorkerPort) -> None:
    deadline = time.monotonic() + 10
    while not port.connected:
        port.poll(50)
        assert time.monotonic() < deadline


@pytest.fixture
def raw(link):
    """A DEALER that says whatever a test wants."""
    context = zmq.Context()
    sock = context.socket(zmq.DEALER)
    sock.routing_id = b"odd"
    sock.connect(link.endpoint)
    yield sock
    context.destroy(linger=0)


def test_a_worker_is_introduced_with_all_it_says(port, told):
    (joined,) = told.wait(PeerJoined)
    assert (joined.peer, joined.capacity, joined.version) == ("worker-1", 3, "9")
    assert joined.pid == port.ready.pid
    assert joined.legacy is False


def test_started_and_many_results_arrive_in_order(port, told):
    port.started("r-1")
    port.results([b"one", b"two"])
    port.results([])
    assert [frame.frames for frame in told.wait(FrameReceived, 2)] == [(b"one",), (b"two",)]
    assert told.of(PeerStarted)[0].request_id == "r-1"
    kinds = [type(message) for message in told.messages]
    assert kinds.index(PeerStarted) < kinds.index(FrameReceived)


def test_a_farewell_says_why_and_nobody_asks_again(port, told):
    port.bye("SIGTERM")
    assert told.wait(PeerLeft)[0].reason == "bye SIGTERM"
    port.results([b"late"])
    assert told.wait(FrameReceived)[0].frames == (b"late",)
    port.poll(100)
    assert len(told.of(PeerJoined)) == 1


def test_the_heart_beats_under_the_workers_name(port, link, told):
    beat = Heartbeat(id="worker-1", timestamp=1.0, data={"done": 4.0})
    heart = Heart(link.endpoint, "worker-1", lambda: beat, interval_s=0.01)
    heart.start()
    try:
        beats = told.wait(PeerBeat, 2)
    finally:
        heart.stop()
    assert (beats[0].peer, beats[0].beat) == ("worker-1", beat)
    assert len(told.of(PeerJoined)) == 1
    assert told.of(PeerLeft) == []


def test_the_heart_can_have_the_last_word(port, link, told):
    def check(last_words):
        last_words([b"BYE", b"hung"])

    heart = Heart(link.endpoint, "worker-1", lambda: None, interval_s=0.01, check=check)
    heart.start()
    assert told.wait(PeerLeft)[0].reason == "bye hung"
    heart.join(10)
    assert not heart.is_alive()


def test_a_beat_that_is_none_is_handed_on_as_it_is(raw, told):
    raw.send_multipart([b"HEARTBEAT", b"nonsense"])
    raw.send_multipart([b"HEARTBEAT", b'{"type":"HEARTBEAT","id":"a","timestamp":1}'])
    assert told.wait(FrameReceived)[0].frames == (b"nonsense",)
    assert told.wait(PeerBeat)[0].peer == "odd"


def test_a_description_that_is_none_is_handed_on_and_joins_nobody(raw, told):
    raw.send_multipart([b"READY", b"{}"])
    assert told.wait(FrameReceived)[0].frames == (b"READY", b"{}")
    assert told.of(PeerJoined) == []


def test_a_worker_of_another_protocol_gets_no_work(raw, told):
    raw.send_multipart([b"READY", b'{"id":"odd","capacity":1,"protocol":2}'])
    raw.send_multipart([b"RESULT", b"data"])
    told.wait(FrameReceived)
    assert told.of(PeerJoined) == []


def test_someone_unknown_who_speaks_is_asked_who_it_is(raw, told):
    raw.send_multipart([b"RESULT", b"data"])
    assert told.wait(FrameReceived)[0].peer == "odd"
    assert raw.poll(5000)
    assert raw.recv_multipart() == [b"HELLO"]
    raw.send_multipart([b"READY", b'{"id":"odd","capacity":1}'])
    assert told.wait(PeerJoined)[0].peer == "odd"


def test_a_worker_asked_who_it_is_says_so(port, link, told):
    told.wait(PeerJoined)
    link._leave(b"worker-1", "forgotten")
    port.results([b"x"])
    deadline = time.monotonic() + 10
    while len(told.of(PeerJoined)) < 2:
        port.poll(50)
        assert time.monotonic() < deadline


def test_a_second_ready_of_the_same_connection_changes_nothing(port, told):
    told.wait(PeerJoined)
    port._socket.send_multipart([b"READY", b'{"id":"worker-1","capacity":3,"pid":%d}' % port.ready.pid])
    port.results([b"x"])
    told.wait(FrameReceived)
    assert len(told.of(PeerJoined)) == 1
    assert told.of(PeerLeft) == []


def test_a_new_process_of_the_same_name_takes_over(port, link, told):
    told.wait(PeerJoined)
    successor = WorkerPort(link.endpoint, "worker-1", capacity=5)
    try:
        join(successor)
        assert [joined.capacity for joined in told.wait(PeerJoined, 2)] == [3, 5]
        assert len(told.of(PeerLeft)) == 1
        link.send("worker-1", "r-1", b"{}")
        work = []
        deadline = time.monotonic() + 10
        while not work:
            work = successor.poll(50)
            assert time.monotonic() < deadline
        assert work == [("r-1", b"{}")]
    finally:
        successor.close(0)


def test_a_connected_worker_that_is_silent_is_dropped(told, tmp_path):
    link = NativeLink(told, LinkTable(), tmp_path, lost_s=0.3)
    link.start()
    port = WorkerPort(link.endpoint, "worker-1")
    try:
        join(port)
        assert told.wait(PeerLeft)[0].reason.startswith("silent for ")
    finally:
        port.close(0)
        link.close()


def test_a_port_thread_that_fails_says_so_and_refuses(link, port, told, monkeypatch):
    told.wait(PeerJoined)

    def broken(now):
        raise RuntimeError("broken")

    monkeypatch.setattr(link, "_tick", broken)
    assert told.wait(PeerLeft)[0].reason == "the link closed"
    link._thread.join(10)
    assert link.alive is False
    assert link.failure == "RuntimeError: broken"
    link.send("worker-1", "r-1", b"{}")
    assert told.wait(FrameRefused)[0].error == "RuntimeError: broken"


def test_a_link_takes_over_from_one_that_its_owner_left_open(link, port, told, tmp_path):
    told.wait(PeerJoined)
    successor = NativeLink(told, LinkTable(), tmp_path)
    successor.start()
    try:
        assert link.alive is False
        assert told.wait(PeerLeft)[0].reason == "the link closed"
        deadline = time.monotonic() + 10
        while len(told.of(PeerJoined)) < 2:
            port.poll(50)
            assert time.monotonic() < deadline, "the worker did not find the successor"
    finally:
        successor.close()


def test_a_worker_that_comes_back_on_the_same_descriptor_joins_anew(told, tmp_path, monkeypatch):
    link = NativeLink(told, LinkTable(), tmp_path)
    link._open()  # its thread is this one: what happens between two looks is what the test says
    port = WorkerPort(link.endpoint, "worker-1", capacity=3)
    try:
        turn_until(lambda: told.of(PeerJoined), link, port)
        (fd,) = link._fds
        monkeypatch.setattr(
            link._monitor, "drain", once([(zmq.EVENT_DISCONNECTED, fd), (zmq.EVENT_ACCEPTED, fd)])
        )
        port._socket.send_multipart(pack_ready(port.ready))
        turn_until(lambda: len(told.of(PeerJoined)) == 2, link, port)
        for _ in range(3):
            link._receive(100)
        assert [left.reason for left in told.of(PeerLeft)] == ["replaced by a new connection"]
        assert list(link._workers) == [b"worker-1"]
    finally:
        port.close(0)
        link._context.destroy(linger=0)


def test_a_heart_of_nobody_brings_its_worker_back(port, link, told):
    told.wait(PeerJoined)
    link._leave(b"worker-1", "forgotten")
    beat = Heartbeat(id="worker-1", timestamp=1.0, data={})
    heart = Heart(link.endpoint, "worker-1", lambda: beat, interval_s=0.01)
    heart.start()
    try:
        deadline = time.monotonic() + 10
        while len(told.of(PeerJoined)) < 2:
            port.poll(20)
            assert time.monotonic() < deadline
    finally:
        heart.stop()


def turn_until(happened, link: NativeLink, port: WorkerPort) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        port.poll(10)
        link._receive(100)
        assert time.monotonic() < deadline


def once(events):
    """A monitor that reports these events and then none."""
    left = list(events)

    def drain():
        while left:
            yield left.pop(0)

    return drain
