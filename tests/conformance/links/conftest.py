"""One driver for each link: how a test makes a peer connect, take, answer and die."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from foldward.contracts.messages import Message
from foldward.settings import LinkTable
from foldward.testing import FakeLink
from foldward.wire.links import NativeLink, PushPullLink, WorkerPort

WAIT_S = 10.0


class Told:
    """A sink that remembers, and waits for what a test expects."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.changed = threading.Condition()

    def __call__(self, message: Message) -> None:
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.messages if type(message) is kind]

    def wait(self, kind: type, count: int = 1, timeout: float = WAIT_S) -> list[Any]:
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.of(kind)) >= count, timeout):
                raise AssertionError(f"{len(self.of(kind))} {kind.__name__} of {count}: {self.messages[-5:]}")
            return self.of(kind)


class FakeDriver:
    has_capacity = True

    def __init__(self, told: Told, **settings: Any) -> None:
        self.link = FakeLink(told, max_frame=settings.get("max_frame", 8 * 1024 * 1024))
        self.link.start()

    def connect(self, capacity: int = 2) -> Any:
        peer = self.link.connect("worker-1", capacity)
        return _FakeHands(peer)

    def close(self) -> None:
        self.link.close()


class _FakeHands:
    def __init__(self, peer: Any) -> None:
        self.name = peer.name
        self.take = lambda: peer.take(WAIT_S)[1]
        self.answer = peer.answer
        self.frames = peer.answer
        self.kill = peer.leave


class NativeDriver:
    has_capacity = True

    def __init__(self, told: Told, run_dir: Path, **settings: Any) -> None:
        self.link = NativeLink(told, LinkTable(**settings), run_dir)
        self.link.start()
        self._ports: list[WorkerPort] = []

    def connect(self, capacity: int = 2) -> Any:
        port = WorkerPort(self.link.endpoint, "worker-1", capacity=capacity)
        self._ports.append(port)
        deadline = time.monotonic() + WAIT_S
        early: list[tuple[str, bytes]] = []
        while not port.connected:
            early += port.poll(100)
            assert time.monotonic() < deadline, "the worker did not get a connection"
        return _NativeHands(port, early)

    def close(self) -> None:
        for port in self._ports:
            port.close(0)
        self.link.close()


class _NativeHands:
    name = "worker-1"

    def __init__(self, port: WorkerPort, early: list[tuple[str, bytes]]) -> None:
        self._port = port
        self._work = early

    def take(self) -> bytes:
        deadline = time.monotonic() + WAIT_S
        while not self._work:
            self._work += self._port.poll(100)
            assert time.monotonic() < deadline, "no work came"
        return self._work.pop(0)[1]

    def answer(self, data: bytes) -> None:
        self._port.results([data])

    def frames(self, *frames: bytes) -> None:
        self._port._socket.send_multipart(frames)

    def kill(self) -> None:
        self._port.close(0)


class PushPullDriver:
    has_capacity = False

    def __init__(self, told: Told, **settings: Any) -> None:
        wanted = {
            "mode": "pushpull",
            "request_endpoint": "tcp://127.0.0.1:*",
            "result_endpoint": "tcp://127.0.0.1:*",
            "bind_requests": True,
            **settings,
        }
        self.link = PushPullLink(told, LinkTable(**wanted))
        self.link.start()
        self._hands: list[_PushPullHands] = []

    def connect(self, capacity: int = 2) -> Any:
        self._hands.append(_PushPullHands(zmq.Context(), self.link))
        return self._hands[-1]

    def close(self) -> None:
        for hands in self._hands:
            hands.kill()
        self.link.close()


class _PushPullHands:
    def __init__(self, context: zmq.Context, link: PushPullLink) -> None:
        self.name = link.peer
        self._context = context
        self._pull = context.socket(zmq.PULL)
        self._pull.connect(link.request_endpoint)
        self._push = context.socket(zmq.PUSH)
        self._push.connect(link.result_endpoint)

    def take(self) -> bytes:
        assert self._pull.poll(int(WAIT_S * 1000)), "no work came"
        return self._pull.recv()

    def answer(self, data: bytes) -> None:
        self._push.send(data)

    def frames(self, *frames: bytes) -> None:
        self._push.send_multipart(frames)

    def kill(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(params=["fake", "native", "pushpull"])
def make_driver(request, told, tmp_path) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        if request.param == "fake":
            driver: Any = FakeDriver(told, **settings)
        elif request.param == "native":
            driver = NativeDriver(told, tmp_path, **settings)
        else:
            driver = PushPullDriver(told, **settings)
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.close()
