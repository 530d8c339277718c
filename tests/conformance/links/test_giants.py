"""A message beyond the limit ends a connection and nothing more: where we connect, libzmq stays away."""

import threading

import pytest
import zmq

from foldward.contracts.messages import FrameReceived
from foldward.settings import LinkTable
from foldward.wire.links import PushPullLink
from foldward.wire.links.service import ServicePort

pytestmark = pytest.mark.slow

LIMIT = 1_024
GIANT = b"x" * (2 * LIMIT + 1)


@pytest.fixture
def peer():
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.setsockopt(zmq.IMMEDIATE, 1)
    push.setsockopt(zmq.SNDTIMEO, 10_000)
    port = push.bind_to_random_port("tcp://127.0.0.1")
    yield push, f"tcp://127.0.0.1:{port}"
    context.destroy(linger=0)


def say(push, heard, count):
    """Say it again until it is heard: what is said into a connection that breaks is lost."""
    before = len(heard())
    for _ in range(200):
        push.send(b"small")
        if len(heard()) >= before + count or threading.Event().wait(0.05):
            break
    assert len(heard()) >= before + count


def test_the_link_hears_the_next_answer(peer, told):
    push, endpoint = peer
    settings = LinkTable(
        mode="pushpull",
        request_endpoint="tcp://127.0.0.1:*",
        bind_requests=True,
        result_endpoint=endpoint,
        bind_results=False,
        max_frame=LIMIT,
    )
    link = PushPullLink(told, settings)
    link.start()
    try:
        for _ in range(3):
            say(push, lambda: told.of(FrameReceived), 1)
            push.send(GIANT)
        say(push, lambda: told.of(FrameReceived), 1)
        assert {message.frames for message in told.of(FrameReceived)} == {(b"small",)}
    finally:
        link.close()


def test_the_service_hears_the_next_request(peer):
    push, endpoint = peer
    service = ServicePort(
        endpoint,
        "tcp://127.0.0.1:*",
        bind_requests=False,
        bind_results=True,
        settings=LinkTable(max_frame=LIMIT),
    )
    heard: list[bytes] = []
    ended = threading.Event()

    def listen() -> None:
        while not ended.is_set():
            heard.extend(raw for _, raw in service.poll(50))

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        say(push, lambda: heard, 1)
        push.send(GIANT)
        say(push, lambda: heard, 1)
        assert set(heard) == {b"small"}
    finally:
        ended.set()
        listener.join(10)
        service.close(0)
