"""What the dispatcher may rely on, whichever link it has."""

from __future__ import annotations

import time

import pytest

from foldward.contracts.messages import FrameReceived, FrameRefused, FrameSent, PeerJoined, PeerLeft

pytestmark = pytest.mark.slow


def test_a_peer_that_connects_is_told_with_its_capacity(make_driver, told):
    driver = make_driver()
    peer = driver.connect(capacity=7)
    (joined,) = told.wait(PeerJoined)
    assert joined.peer == peer.name
    assert joined.capacity == (7 if driver.has_capacity else 2)
    assert joined.encoding == "json"
    assert joined.legacy is not driver.has_capacity


def test_bytes_arrive_as_they_were_sent_and_the_sender_hears_it(make_driver, told):
    driver = make_driver()
    peer = driver.connect()
    told.wait(PeerJoined)
    driver.link.send(peer.name, "id-1", b'{"a":"\xc3\xbc\x00"}')
    assert peer.take() == b'{"a":"\xc3\xbc\x00"}'
    assert told.wait(FrameSent) == [FrameSent(peer=peer.name, request_id="id-1")]


def test_an_answer_arrives_as_one_frame_unchanged(make_driver, told):
    driver = make_driver()
    peer = driver.connect()
    told.wait(PeerJoined)
    peer.answer(b"((type . nonsense))")
    (frame,) = told.wait(FrameReceived)
    assert frame.frames == (b"((type . nonsense))",)
    assert frame.peer == peer.name
    assert frame.received_us > 1_700_000_000_000_000


def test_a_multipart_answer_is_handed_over_with_all_its_frames(make_driver, told):
    driver = make_driver()
    peer = driver.connect()
    told.wait(PeerJoined)
    peer.frames(b"one", b"two")
    (frame,) = told.wait(FrameReceived)
    assert frame.frames == (b"one", b"two")


def test_a_send_to_nobody_is_refused(make_driver, told):
    driver = make_driver()
    driver.link.send("nobody", "id-1", b"{}")
    (refused,) = told.wait(FrameRefused)
    assert (refused.peer, refused.request_id) == ("nobody", "id-1")
    assert told.of(FrameSent) == []


def test_a_message_beyond_the_limit_is_refused_before_the_socket(make_driver, told):
    driver = make_driver(max_frame=1024)
    peer = driver.connect()
    told.wait(PeerJoined)
    driver.link.send(peer.name, "big", b"x" * 1025)
    driver.link.send(peer.name, "fits", b"x" * 1024)
    (refused,) = told.wait(FrameRefused)
    assert refused.error == "1025 bytes, allowed are 1024"
    assert told.wait(FrameSent)[0].request_id == "fits"
    assert len(peer.take()) == 1024


def test_a_peer_that_dies_is_missed_within_a_second(make_driver, told):
    driver = make_driver()
    peer = driver.connect()
    told.wait(PeerJoined)
    began = time.monotonic()
    peer.kill()
    (left,) = told.wait(PeerLeft)
    assert time.monotonic() - began < 1.0
    assert (left.peer, left.reason) == (peer.name, "disconnected")
    driver.link.send(peer.name, "late", b"{}")
    assert told.wait(FrameRefused)[0].request_id == "late"


def test_a_peer_that_comes_back_is_told_again(make_driver, told):
    driver = make_driver()
    first = driver.connect()
    told.wait(PeerJoined)
    first.kill()
    told.wait(PeerLeft)
    peer = driver.connect()
    told.wait(PeerJoined, 2)
    driver.link.send(peer.name, "id-2", b"{}")
    assert peer.take() == b"{}"


def test_a_thousand_messages_keep_their_order_in_both_directions(make_driver, told):
    driver = make_driver()
    peer = driver.connect(capacity=2000)
    told.wait(PeerJoined)
    for number in range(1000):
        driver.link.send(peer.name, f"id-{number}", b"%d" % number)
    for number in range(1000):
        assert peer.take() == b"%d" % number
        peer.answer(b"%d" % number)
    frames = told.wait(FrameReceived, 1000)
    assert [frame.frames[0] for frame in frames] == [b"%d" % number for number in range(1000)]
    assert [sent.request_id for sent in told.wait(FrameSent, 1000)] == [f"id-{n}" for n in range(1000)]
    assert told.of(FrameRefused) == []


def test_a_closed_link_tells_who_was_there_and_refuses(make_driver, told):
    driver = make_driver()
    peer = driver.connect()
    told.wait(PeerJoined)
    driver.link.close()
    assert told.wait(PeerLeft)[0].reason == "the link closed"
    assert driver.link.alive is False
    driver.link.send(peer.name, "late", b"{}")
    assert told.wait(FrameRefused)[0].request_id == "late"


def test_closing_twice_is_harmless(make_driver):
    driver = make_driver()
    assert driver.link.alive is True
    driver.link.close()
    driver.link.close()
    assert driver.link.alive is False


def test_a_sink_that_fails_does_not_end_the_link(make_driver, told, monkeypatch):
    driver = make_driver()
    peer = driver.connect()
    told.wait(PeerJoined)

    def failing(message):
        told(message)
        raise RuntimeError("the sink failed")

    driver.link._sink = failing
    peer.answer(b"one")
    peer.answer(b"two")
    assert [frame.frames[0] for frame in told.wait(FrameReceived, 2)] == [b"one", b"two"]
    assert driver.link.alive is True
